package tos

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/tos/drift"
)

// problem is a refusal by name. The reference knows that success is not 0 and that there is an error object; numbers and
// words in it are ours (ref. B.1, step 3: unconfirmed).
type problem string

const (
	badRequest problem = "param"
	badSign    problem = "sign"
	deadSign   problem = "expired"
	noUpload   problem = "no_upload"
	badCRC     problem = "crc"
	badSize    problem = "size"
	badPart    problem = "part"
	noPath     problem = "no_path"
	busy       problem = "busy"
	rate       problem = "rate"
)

type row struct {
	code, status int
	text         string
}

func rows() map[problem]row {
	return map[problem]row{
		badRequest: {4000, 400, "bad request"},
		badSign:    {4030, 403, "signature does not match"},
		deadSign:   {4031, 403, "signature expired"},
		noUpload:   {4041, 404, "no such upload"},
		badCRC:     {4002, 400, "crc32 mismatch"},
		badSize:    {4003, 400, "entity size out of range"},
		badPart:    {4004, 400, "part is invalid"},
		noPath:     {4040, 404, "not found"},
		busy:       {5000, 503, "system busy"},
		rate:       {4290, 429, "too many requests"},
	}
}

// ProblemNames lists the words that Fault.Name takes.
func ProblemNames() []string {
	var out []string
	for p := range rows() {
		out = append(out, string(p))
	}
	slices.Sort(out)
	return out
}

// Fields lists the dotted names of the fields in this server's answers, for drift.
func Fields() []string {
	return []string{"Version", "error", "error.code", "error.error", "error.error_code", "error.message",
		"payload", "payload.hash", "payload.key", "payload.uploadID", "success"}
}

type object map[string]any

// result is the outcome of a call before it is written down.
type result struct {
	refused problem
	text    string
	bare    bool // only success and payload, as the sample of an open (ref. B.1, 3b)
	payload object
	raw     *fake.Answer
}

func fail(p problem, text string) result { return result{refused: p, text: text} }

// abort is for a request whose body never arrived whole.
func abort() result { return result{raw: &fake.Answer{Abort: true}} }

func page(status int) result {
	a := fake.HTML(status)
	return result{raw: &a}
}

func (r result) failed() bool { return r.refused != "" || r.raw != nil }

// write puts a result into the envelope of ref. B.1, step 3.
func (s *Server) write(r result, shape drift.Shape) fake.Answer {
	if r.raw != nil {
		return *r.raw
	}
	at := rows()[r.refused]
	if (r.refused == badSign || r.refused == deadSign) && s.o.Readings.DeadSign == "page" {
		return fake.HTML(http.StatusForbidden)
	}
	if r.refused == "" {
		at = row{status: http.StatusOK}
	} else if s.o.Readings.Status == "ok" {
		at.status = http.StatusOK
	}
	setDefault(&r.text, at.text)
	return s.envelope(at, string(r.refused), r, shape)
}

func (s *Server) envelope(at row, name string, r result, shape drift.Shape) fake.Answer {
	success := 0
	if at.code != 0 {
		success = 1
	}
	payload := object{}
	maps.Copy(payload, r.payload)
	v := object{"success": success, "payload": payload}
	if !r.bare {
		v["Version"] = "2"
		v["error"] = object{"code": at.code, "error": name, "error_code": at.code, "message": r.text}
	}
	b, err := shape.Apply(v)
	if err != nil {
		panic(err) // only strings and numbers
	}
	return fake.Answer{Status: at.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: b, Code: at.code}
}

// refuse is the panel's hook: an injected problem in this server's envelope.
func (s *Server) refuse(_ *http.Request, _ string, f fake.Fault) fake.Answer {
	shape := s.shape(f.Shape)
	if f.Name != "" {
		return s.write(result{refused: problem(f.Name), text: f.Description}, shape)
	}
	at := row{f.Code, http.StatusOK, f.Description}
	if at.code == 0 { // a sub code, which this server does not have
		return fake.HTML(http.StatusInternalServerError)
	}
	return s.envelope(at, "error", result{text: f.Description}, shape)
}

// shape is a fault's, or that of the options.
func (s *Server) shape(raw json.RawMessage) drift.Shape {
	if len(raw) == 0 {
		return s.o.Shape
	}
	shape, _ := drift.Parse(raw, Fields()) // checked when it was armed
	return shape
}
