package youku

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// Shape is how one call is answered: the same facts in each of the forms that the sources show (ref. 2), and what the
// platform may decide for this call alone. The zero value is the common form. It is Options.Shape, and the shape of a
// fault in its place.
type Shape struct {
	NumbersAsStrings bool     `json:"numbers_as_strings,omitempty"` // every number, the error's code too
	ExpiresInString  bool     `json:"expires_in_string,omitempty"`  // "expires_in":"3600" as in the seed's sample
	ContentType      string   `json:"content_type,omitempty"`       // of JSON answers; "text/plain" was seen
	ErrorForm        string   `json:"error_form,omitempty"`         // "", "urlencoded": code=..&type=..&description=..
	ErrorType        string   `json:"error_type,omitempty"`         // "System Exception" was seen beside the two that are sent
	ErrorStatus      int      `json:"error_status,omitempty"`       // of errors; 0: 400; 200 was seen
	ExpireTime       string   `json:"expire_time,omitempty"`        // "", "garbled": no time at all, "offset": Beijing's +08:00
	Omit             []string `json:"omit,omitempty"`               // fields left out of a success
	Unknown          bool     `json:"unknown,omitempty"`            // with fields that no document names

	Outcome      State `json:"outcome,omitempty"`            // of commit: the state in which this video ends
	CredentialMS int64 `json:"credential_life_ms,omitempty"` // of create and get_sts_inf: the life of this credential
}

// JSON is the shape for a fake.Fault.
func (s Shape) JSON() json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // plain fields always marshal
	}
	return b
}

func parseShape(raw json.RawMessage) (Shape, error) {
	var s Shape
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, err
	}
	return s, s.validate()
}

func (s Shape) validate() error {
	if !slices.Contains([]string{"", "urlencoded"}, s.ErrorForm) || !slices.Contains([]string{"", "garbled", "offset"}, s.ExpireTime) ||
		s.CredentialMS < 0 || (s.ErrorStatus != 0 && (s.ErrorStatus < 200 || s.ErrorStatus > 599)) {
		return fmt.Errorf("fake youku: shape %+v: unknown word, or a figure out of range", s)
	}
	return nil
}

// object is a JSON object under construction.
type object map[string]any

// result is the outcome of a call before it is written down: data on success, code and text on failure.
type result struct {
	code   int
	text   string
	status int // of a success; 0: 200
	data   object
	raw    *fake.Answer // sent as it is: a gateway's pages
}

func ok(data object) result { return result{data: data} }

// fail refuses with a code of the table; a detail is added to its text.
func fail(code int, detail ...any) result {
	t := text(code)
	if len(detail) > 0 {
		t += ": " + fmt.Sprint(detail...)
	}
	return result{code: code, text: t}
}

func page(status int) result {
	a := fake.HTML(status)
	return result{raw: &a}
}

// failed reports whether the call was refused.
func (r result) failed() bool { return r.code != 0 || r.raw != nil }

// write puts a result into the platform's envelope (ref. 2).
func (s *Server) write(r result, shape Shape) fake.Answer {
	switch {
	case r.raw != nil:
		return *r.raw
	case r.code != 0:
		return writeError(r, shape)
	}
	data := object{}
	for k, v := range r.data {
		if !slices.Contains(shape.Omit, k) {
			data[k] = v
		}
	}
	if t, is := data["expire_time"].(time.Time); is {
		data["expire_time"] = expireTime(t, shape)
	}
	if n, is := data["expires_in"].(int64); is && shape.ExpiresInString {
		data["expires_in"] = strconv.FormatInt(n, 10)
	}
	if shape.Unknown {
		data["cost"], data["e"] = 0.018, object{"desc": "", "provider": "openapi"}
	}
	status := http.StatusOK
	setDefault(&r.status, status)
	return jsonAnswer(r.status, data, shape)
}

// expireTime: UTC to the second with Z (ref. 4.3), or what a client must survive in its place.
func expireTime(t time.Time, shape Shape) string {
	switch shape.ExpireTime {
	case "garbled":
		return "0"
	case "offset":
		return t.In(beijing()).Format(time.RFC3339)
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func beijing() *time.Location { return time.FixedZone("Beijing", 8*3600) }

// writeError: {"error":{"code","type","description"}} with 400, or url-encoded (ref. 2).
func writeError(r result, shape Shape) fake.Answer {
	kind := "SystemException"
	if first := strconv.Itoa(r.code); len(first) > 5 && (first[:5] == "12001" || first[:5] == "10221") {
		kind = "UploadsException"
	}
	if shape.ErrorType != "" {
		kind = shape.ErrorType
	}
	status := shape.ErrorStatus
	setDefault(&status, http.StatusBadRequest)
	var a fake.Answer
	if shape.ErrorForm == "urlencoded" {
		body := "code=" + strconv.Itoa(r.code) + "&type=" + url.QueryEscape(kind) + "&description=" + url.QueryEscape(r.text)
		a = fake.Answer{Status: status, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte(body)}
	} else {
		a = jsonAnswer(status, object{"error": object{"code": r.code, "type": kind, "description": r.text}}, shape)
	}
	a.Code = r.code
	return a
}

func jsonAnswer(status int, v object, shape Shape) fake.Answer {
	if shape.NumbersAsStrings {
		v = stringify(v).(object)
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings, numbers and lists of them
	}
	ct := shape.ContentType
	setDefault(&ct, "application/json; charset=utf-8")
	return fake.Answer{Status: status, Header: http.Header{"Content-Type": {ct}}, Body: b}
}

// stringify turns every number into a JSON string (ref. 2).
func stringify(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, e := range v {
			out[k] = stringify(e)
		}
		return out
	case int, int64, float64:
		return fmt.Sprint(v)
	}
	return v
}
