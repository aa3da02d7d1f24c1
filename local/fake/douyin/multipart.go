package douyin

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/vodlift/vodlift/local/fake"
)

// fileRule is what a multipart upload must look like.
type fileRule struct {
	field    string
	limit    int64
	over     result // when the file is larger than limit
	prefix   string // the part's own Content-Type begins with it; empty: anything goes
	family   family
	readings Readings
}

// watched remembers whether the peer stopped sending, which a multipart reader reports like a malformed body.
type watched struct {
	io.Reader
	broken bool
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if err != nil && err != io.EOF {
		w.broken = true
	}
	return n, err
}

// receive streams the one file of a multipart body to disk and hashes it. On failure nothing is kept.
func (s *Server) receive(r *http.Request, rule fileRule) (*fake.Scratch, string, result) {
	bad := func(format string, args ...any) (*fake.Scratch, string, result) {
		return nil, "", fail(rule.family, paramInvalid, format, args...)
	}
	if r.ContentLength > rule.limit+MiB { // far over: no need to read it
		return nil, "", rule.over
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" { // ref. S0
		return bad("Content-Type: want multipart/form-data with a boundary")
	}
	body := &watched{Reader: r.Body}
	parts := multipart.NewReader(body, params["boundary"])
	var file *fake.Scratch
	var name string
	for {
		part, err := parts.NextPart()
		if err == io.EOF && !body.broken {
			break
		}
		var res result
		switch {
		case body.broken:
			res = result{abort: true}
		case err != nil:
			res = fail(rule.family, paramInvalid, "malformed multipart body")
		case part.FormName() != rule.field:
			continue
		case file != nil: // ref. A.4: one field named video
			res = fail(rule.family, paramInvalid, "more than one field %s", rule.field)
		default:
			file, res = s.receivePart(part, rule, body)
			name = part.FileName()
		}
		if res.failed() {
			if file != nil {
				file.Drop()
			}
			return nil, "", res
		}
	}
	// The closing boundary is not the end of the request: a gateway hands on only what arrived whole.
	if _, err := io.Copy(io.Discard, body); err != nil {
		if file != nil {
			file.Drop()
		}
		return nil, "", result{abort: true}
	}
	if file == nil { // ref. C: missing video field, empty body
		return bad("the file field %s is required", rule.field)
	}
	return file, name, result{}
}

func (s *Server) receivePart(part *multipart.Part, rule fileRule, body *watched) (*fake.Scratch, result) {
	if part.FileName() == "" { // ref. A.4: with a file name
		return nil, fail(rule.family, paramInvalid, "the field %s needs a file name", rule.field)
	}
	if kind := part.Header.Get("Content-Type"); !strings.HasPrefix(kind, rule.prefix) { // ref. A.4, C; code assumed
		return nil, result{code: rule.readings.ContentTypeCode, text: "unsupported content type " + kind}
	}
	file, err := fake.Receive(s.path("incoming"), part, rule.limit)
	switch {
	case body.broken:
		if file != nil {
			file.Drop()
		}
		return nil, result{abort: true}
	case errors.Is(err, fake.ErrTooLarge):
		return nil, rule.over
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fail(rule.family, paramInvalid, "malformed multipart body")
	case err != nil:
		return nil, gatewayError()
	case file.Size == 0: // ref. C: empty body
		file.Drop()
		return nil, fail(rule.family, paramInvalid, "the field %s is empty", rule.field)
	}
	return file, result{}
}
