package appserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a request. They are far above what the apps send.
const (
	maxQuery = 16 << 10
	maxBody  = 64 << 10
	maxToken = 512
)

// input is a request's parameters, and the first rule that they break. What no call knows (PACKAGE_NAME among it) is
// ignored; a parameter that is read and was given twice breaks a rule.
type input struct {
	values url.Values
	err    *refusal
}

// parse reads the parameters of the query and, for POST, of a form or a flat JSON object.
func parse(r Request) (*input, *refusal) {
	if len(r.Query) > maxQuery {
		return nil, refuse(codeParameter, "the query may have at most %d bytes", maxQuery)
	}
	values, err := url.ParseQuery(r.Query)
	if err != nil {
		return nil, refuse(codeParameter, "the query is not readable: percent-encode each value")
	}
	if r.Method != "POST" || len(r.Body) == 0 {
		return &input{values: values}, nil
	}
	if len(r.Body) > maxBody {
		return nil, refuse(codeParameter, "the body may have at most %d bytes; send files to the upload address", maxBody)
	}
	kind := "application/x-www-form-urlencoded"
	if h := r.Header["content-type"]; h != "" {
		if kind, _, err = mime.ParseMediaType(h); err != nil {
			return nil, refuse(codeRequest, "the Content-Type is not readable")
		}
	}
	var more url.Values
	switch kind {
	case "application/x-www-form-urlencoded":
		more, err = url.ParseQuery(string(r.Body))
	case "application/json":
		more, err = flatJSON(r.Body)
	default:
		return nil, refuse(codeRequest, "send the parameters as application/x-www-form-urlencoded, or as a flat JSON object")
	}
	if err != nil {
		return nil, refuse(codeParameter, "the body is not readable as %s", kind)
	}
	for name, v := range more {
		values[name] = append(values[name], v...)
	}
	return &input{values: values}, nil
}

var errNotFlat = errors.New("not a flat JSON object")

// flatJSON reads an object of texts, numbers and booleans; a name given twice stays given twice.
func flatJSON(b []byte) (url.Values, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotFlat
	}
	out := url.Values{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		value, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		switch v := value.(type) {
		case string:
			out.Add(key, v)
		case json.Number:
			out.Add(key, v.String())
		case bool:
			out.Add(key, strconv.FormatBool(v))
		case nil:
		default:
			return nil, errNotFlat
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotFlat
	}
	return out, nil
}

func (in *input) fail(name, rule string) {
	if in.err == nil {
		in.err = refuse(codeParameter, "%s: %s", name, rule)
	}
}

// raw gives a parameter as it is; "" when it is missing.
func (in *input) raw(name string) string {
	v := in.values[name]
	switch {
	case len(v) == 0:
		return ""
	case len(v) > 1:
		in.fail(name, "given more than once")
		return ""
	}
	return v[0]
}

// text gives a line of text of at most n bytes; "" when it is missing.
func (in *input) text(name string, n int) string {
	s := in.raw(name)
	switch {
	case len(s) > n:
		in.fail(name, "at most "+strconv.Itoa(n)+" bytes of UTF-8, has "+strconv.Itoa(len(s)))
	case !utf8.ValidString(s):
		in.fail(name, "must be UTF-8")
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }):
		in.fail(name, "must not have control characters")
	default:
		return s
	}
	return ""
}

// must is text that has to be there.
func (in *input) must(name string, n int) string {
	s := in.text(name, n)
	if strings.TrimSpace(s) == "" {
		in.fail(name, "required")
	}
	return s
}

// secret is raw text that is checked elsewhere and must not appear in any message.
func (in *input) secret(name string) string {
	s := in.raw(name)
	if len(s) > 4*maxToken {
		in.fail(name, "too long")
		return ""
	}
	return s
}

// whole gives a whole number from least to most; preset when it is missing.
func (in *input) whole(name string, least, most, preset int64) int64 {
	s := in.raw(name)
	if s == "" {
		return preset
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		in.fail(name, "a whole number from "+strconv.FormatInt(least, 10)+" to "+strconv.FormatInt(most, 10))
		return preset
	}
	return n
}

// page is a whole number that has to be there.
func (in *input) page(name string, most int64) int64 {
	if in.raw(name) == "" {
		in.fail(name, "required")
	}
	return in.whole(name, 1, most, 1)
}

// span gives a duration in seconds; 0 when it is missing.
func (in *input) span(name string) float64 {
	s := in.raw(name)
	if s == "" {
		return 0
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 1e7 {
		in.fail(name, "a number of seconds from 0")
		return 0
	}
	return f
}

// oneOf gives one of words; preset when it is missing and there is a preset.
func (in *input) oneOf(name, preset string, words ...string) string {
	s := in.raw(name)
	if s == "" && preset != "" {
		return preset
	}
	if !slices.Contains(words, s) {
		in.fail(name, "one of "+strings.Join(words, ", "))
		return preset
	}
	return s
}

// address gives a web address; "" when it is missing.
func (in *input) address(name string) string {
	s := in.text(name, 1024)
	if s == "" {
		return ""
	}
	if u, err := url.Parse(s); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		in.fail(name, "a full http or https address")
		return ""
	}
	return s
}

// Limits of the platform (reference a.3).
const (
	maxTitle       = 128
	maxDescription = 1024
	maxTags        = 16
	maxTag         = 32
	maxFileName    = 255
	maxFileSize    = 48800 << 30
)

// tags gives tags, separated by commas as the apps send them.
func (in *input) tags() []string {
	var out []string
	for _, t := range strings.Split(in.text("tags", maxTags*(maxTag+1)), ",") {
		if t = strings.TrimSpace(t); t == "" {
			continue
		}
		if len(t) > maxTag || len(out) == maxTags {
			in.fail("tags", "at most "+strconv.Itoa(maxTags)+" of at most "+strconv.Itoa(maxTag)+" bytes, separated by commas")
			return nil
		}
		out = append(out, t)
	}
	return out
}

// extensions are the videos and sounds that the platform takes (reference a.3).
var extensions = strings.Fields(`mp4 ts 3gp mpg mpeg mpe dat vob asf avi wmv flv f4v rm rmvb mov mkv m3u8 dv gif m2t m4v mj2 mjpeg mts
	ogg qt swf webm mp3 wma wav aac ra m4a flac ape ac3 amr caf acm`)

// fileName gives the name of a video file; its extension must be one that the platform takes.
func (in *input) fileName() string {
	s := in.must("fileName", maxFileName)
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(s), "."))
	if in.err == nil && !slices.Contains(extensions, ext) {
		in.fail("fileName", "must end with an extension that the video service takes, such as .mp4")
	}
	return s
}
