package vod

import (
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// The extensions of ref. a.3, without regard to case.
const (
	videoExtensions = " mp4 ts 3gp mpg mpeg mpe dat vob asf avi wmv flv f4v rm rmvb mov mkv m3u8 dv gif m2t m4v mj2 mjpeg mts ogg qt swf webm "
	audioExtensions = " mp3 wma wav aac ra m4a flac ape ac3 amr caf acm "
	imageExtensions = " png jpg jpeg gif "
)

func isExtension(list, ext string) bool {
	return ext != "" && !strings.Contains(ext, " ") && strings.Contains(list, " "+ext+" ")
}

// extension of a file name or URL, in lower case.
func extension(name string) string {
	return strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
}

// emoji reports whether a text holds what the platform refuses: pictures, their joiners and flags. What else it counts as
// one is not documented.
func emoji(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return r >= 0x1F000 && r <= 0x1FAFF || r >= 0x2600 && r <= 0x27BF || r >= 0x2B00 && r <= 0x2BFF || r >= 0xE0020 && r <= 0xE007F ||
			r == 0xFE0F || r == 0x200D || r == 0x20E3
	})
}

// checkMetadata looks at the texts that create and update share (ref. a.3, "Limits").
func (s *Server) checkMetadata(p url.Values) *rpc.Error {
	for _, name := range []string{"Title", "Description", "Tags", "FileName"} {
		if text := p.Get(name); emoji(text) || !utf8.ValidString(text) {
			return fail("IllegalCharacters", "("+name+")")
		}
	}
	l := s.o.Limits
	switch {
	case len(p.Get("Title")) > l.Title:
		return fail("LengthExceededMax", "(Title)")
	case len(p.Get("Description")) > l.Description:
		return fail("LengthExceededMax", "(Description)")
	}
	if p.Get("Tags") == "" {
		return nil
	}
	tags := strings.Split(p.Get("Tags"), ",")
	if len(tags) > l.Tags {
		return fail("TagsExceededMax")
	}
	for _, tag := range tags {
		size := len(tag)
		if s.o.Readings.TagUnit == "characters" {
			size = utf8.RuneCountInString(tag)
		}
		if size > l.Tag {
			return fail("LengthExceededMax", "(Tags)")
		}
	}
	return nil
}

// checkPlace looks at what names things that must exist.
func (s *Server) checkPlace(p url.Values) *rpc.Error {
	if id := p.Get("TemplateGroupId"); id != "" {
		if _, ok := s.o.group(id); !ok {
			return fail("InvalidTemplateGroupId.NotFound")
		}
	}
	if at := p.Get("StorageLocation"); at != "" && !slices.Contains(s.o.Storages, at) {
		return fail("InvalidStorage.NotFound")
	}
	if app := p.Get("AppId"); app != "" && !slices.Contains(s.o.Apps, app) {
		return invalid("AppId")
	}
	return nil
}

// number reads an optional whole number within bounds.
func number(p url.Values, name string, otherwise, least, most int64) (int64, *rpc.Error) {
	text := p.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, invalid(name)
	}
	return n, nil
}

// userData is the custom configuration of one upload or job (ref. a.3, "UserData").
type userData struct {
	Callback string // overrides the URL of the global setting
	Extend   string // echoed in events, always as a text
}

// parseUserData reads UserData. Extend is a text or an object; an object comes back as the text of its JSON.
func (s *Server) parseUserData(text string) (userData, *rpc.Error) {
	var u userData
	if text == "" {
		return u, nil
	}
	var raw struct {
		MessageCallback struct {
			CallbackURL, CallbackType string
		}
		Extend json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return u, invalid("UserData")
	}
	u.Callback = raw.MessageCallback.CallbackURL
	if t := raw.MessageCallback.CallbackType; t != "" && !strings.EqualFold(t, "http") {
		return u, invalid("UserData.MessageCallback") // HTTP only
	}
	if u.Callback != "" && !webAddress(u.Callback) {
		return u, invalid("UserData.MessageCallback")
	}
	if len(raw.Extend) > 0 && json.Unmarshal(raw.Extend, &u.Extend) != nil {
		u.Extend = string(raw.Extend)
	}
	if len(u.Extend) > s.o.Limits.Extend {
		return u, fail("LengthExceededMax", "(UserData.Extend)")
	}
	return u, nil
}

func webAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}
