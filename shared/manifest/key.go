package manifest

import (
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
)

// MaxKey is how many bytes an object key may have (Amazon S3, "Naming Amazon S3 objects").
const MaxKey = 1024

// sidecarSuffix comes after the whole key of the video, its extension included.
const sidecarSuffix = ".publish.json"

// SidecarKey gives the key of the sidecar of a video.
func SidecarKey(videoKey string) string { return videoKey + sidecarSuffix }

// VideoKey gives the key of the video that a sidecar is for, and false if the key is no sidecar's.
func VideoKey(sidecarKey string) (string, bool) {
	v, ok := strings.CutSuffix(sidecarKey, sidecarSuffix)
	if !ok || v == "" || strings.HasSuffix(v, "/") {
		return "", false
	}
	return v, true
}

// CheckKey refuses what is no object key we work with: 1 to MaxKey bytes of UTF-8 without control characters.
func CheckKey(key string) error {
	const op, rule = "manifest.CheckKey", "1 to 1024 bytes of UTF-8 without control characters"
	switch {
	case key == "":
		return fault.InvalidField(op, "key", rule, "it is empty")
	case len(key) > MaxKey:
		return fault.InvalidField(op, "key", rule, fmt.Sprintf("it has %d bytes", len(key)))
	case !utf8.ValidString(key):
		return fault.InvalidField(op, "key", rule, "it is not UTF-8")
	}
	if i := strings.IndexFunc(key, isControl); i >= 0 {
		return fault.InvalidField(op, "key", rule, fmt.Sprintf("it has a control character at byte %d", i+1))
	}
	return nil
}

// DecodeKey decodes the key of an S3 notification, where a space is + and other bytes are %XX. To be called exactly once
// and only at the edge that knows this form: EventBridge's events and API calls carry the key as it is.
func DecodeKey(raw string) (string, error) {
	const op = "manifest.DecodeKey"
	if len(raw) > 3*MaxKey {
		return "", fault.InvalidField(op, "key", "<= 1024 bytes", fmt.Sprintf("it has %d bytes before decoding", len(raw)))
	}
	key, err := url.QueryUnescape(raw)
	if err != nil {
		return "", fault.InvalidField(op, "key", "+ and %XX", "a % is not followed by two hex digits")
	}
	if err := CheckKey(key); err != nil {
		return "", fault.Wrap(op, err)
	}
	return key, nil
}

// Drop is what a new object is to us, going by its key alone.
type Drop string

// The kinds of drop. Every object in the bucket is one of them, so that the books add up (design 4.9).
const (
	DropVideo   Drop = "video"       // to be published; whether it is a video at all is for its bytes to say
	DropSidecar Drop = "sidecar"     // a manifest
	DropFolder  Drop = "folder"      // a marker that a tool made for a folder
	DropHidden  Drop = "hidden"      // a name with a leading dot anywhere in it, or a desktop's own file
	DropPicture Drop = "picture"     // may be a cover
	DropPartial Drop = "partial"     // the unfinished file of a copying tool
	DropRefused Drop = "refused key" // CheckKey says why
)

// DropOf tells what the object at key is.
func DropOf(key string) Drop {
	if CheckKey(key) != nil {
		return DropRefused
	}
	if strings.HasSuffix(key, "/") {
		return DropFolder
	}
	for s := range strings.SplitSeq(key, "/") {
		if strings.HasPrefix(s, ".") {
			return DropHidden
		}
	}
	if _, ok := VideoKey(key); ok {
		return DropSidecar
	}
	switch base := strings.ToLower(path.Base(key)); {
	case base == "thumbs.db" || base == "desktop.ini":
		return DropHidden
	default:
		return dropByExtension(path.Ext(base))
	}
}

func dropByExtension(ext string) Drop {
	switch ext {
	case ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".heic":
		return DropPicture
	case ".part", ".partial", ".tmp", ".crdownload", ".filepart":
		return DropPartial
	}
	return DropVideo
}

// FileName is the last element of a key.
func FileName(key string) string { return path.Base(key) }

// TitleFromKey makes a title where nothing gives one: the file name without its extension, underscores and control
// characters as spaces, runs of spaces as one, at most MaxTitle characters. It is never empty and always valid.
func TitleFromKey(key string) string {
	name := path.Base(strings.ToValidUTF8(key, " "))
	if ext := path.Ext(name); ext != "" && ext != name && isExtension(ext[1:]) {
		name = strings.TrimSuffix(name, ext)
	}
	name = strings.Map(func(r rune) rune {
		if r == '_' || isHiding(r) || isSpace(r) || r == '/' {
			return ' '
		}
		return r
	}, name)
	name = strings.Join(strings.FieldsFunc(name, isSpace), " ")
	if r := []rune(name); len(r) > MaxTitle {
		name = strings.TrimFunc(string(r[:MaxTitle]), isSpace)
	}
	if name == "" || name == "." {
		return "video"
	}
	return name
}

// isExtension: short, letters and digits, at least one letter; so that "Part 1.5" keeps its 5.
func isExtension(s string) bool {
	letter := false
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			letter = true
		case r < '0' || r > '9':
			return false
		}
	}
	return letter && len(s) <= 5
}
