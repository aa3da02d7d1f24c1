package douyin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/vodlift/vodlift/local/fake"
)

// Shape is how an answer is written: the same facts in each of the forms that the sources show (ref. A.1). The zero
// value is the common form: ints as numbers, the code in data and extra, logid on success and log_id on error.
type Shape struct {
	NumbersAsStrings bool   `json:"numbers_as_strings,omitempty"` // "error_code":"0"
	LogID            string `json:"log_id,omitempty"`             // "logid" or "log_id" always; empty: as the page's samples
	ErrorIn          string `json:"error_in,omitempty"`           // "", "extra", "data", "sub", "top": where an error's code stands
	OmitZero         bool   `json:"omit_zero,omitempty"`          // no error_code in data on success, as in the create sample
	Flat             bool   `json:"flat,omitempty"`               // {"err_no","err_msg","log_id","data"}
}

// JSON is the shape for a fake.Fault.
func (s Shape) JSON() json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and bools always marshal
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
	if !slices.Contains([]string{"", "extra", "data", "sub", "top"}, s.ErrorIn) || !slices.Contains([]string{"", "logid", "log_id"}, s.LogID) {
		return fmt.Errorf("unknown word in %+v", s)
	}
	return nil
}

// object is a JSON object under construction.
type object map[string]any

// result is the outcome of a call before it is written down: data on success, code and text on failure.
type result struct {
	code  int
	sub   int
	text  string
	data  object
	raw   *fake.Answer // sent as it is: redirects, gateway pages
	abort bool         // the request's body never arrived whole
}

func ok(data object) result { return result{data: data} }

func fail(f family, p problem, format string, args ...any) result {
	r := result{code: p.code(f)}
	r.text = meaning(r.code)
	if format != "" {
		r.text = fmt.Sprintf(format, args...)
	}
	return r
}

// failAs is fail with a parameter error, under another code where a reading names one (0: none).
func failAs(code int, f family, format string, args ...any) result {
	r := fail(f, paramInvalid, format, args...)
	if code != 0 {
		r.code = code
	}
	return r
}

func failCode(code int) result { return result{code: code, text: meaning(code)} }

// failed reports whether the call was refused.
func (r result) failed() bool { return r.code != 0 || r.sub != 0 || r.raw != nil || r.abort }

// write puts a result into the envelope of its family. Business errors are HTTP 200 (ref. A.1).
func (s *Server) write(f family, r result, shape Shape) fake.Answer {
	if r.abort {
		return fake.Answer{Abort: true}
	}
	if r.raw != nil {
		r.raw.Code = r.code
		return *r.raw
	}
	var v object
	switch {
	case shape.Flat:
		v = s.flat(r)
	case f == oauthCall:
		v = s.oauthEnvelope(r)
	default:
		v = s.publishEnvelope(r, shape)
	}
	if shape.NumbersAsStrings {
		v = stringify(v).(object)
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings, numbers, bools and slices of them
	}
	return fake.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: b, Code: r.code}
}

// publishEnvelope is {"data":{…},"extra":{…}} (ref. A.1).
func (s *Server) publishEnvelope(r result, shape Shape) object {
	extra := object{"error_code": r.code, "description": r.text, "sub_error_code": r.sub, "sub_description": "",
		"now": s.o.Now().UnixMilli()}
	logKey := shape.LogID
	if logKey == "" {
		logKey = "logid" // ref. A.1: success samples say logid, the error sample of the same page log_id
		if r.code != 0 {
			logKey = "log_id"
		}
	}
	extra[logKey] = s.logID()
	if r.code == 0 && r.sub == 0 {
		data := object{"error_code": 0, "description": ""}
		if shape.OmitZero {
			data = object{}
		}
		for k, v := range r.data {
			data[k] = v
		}
		return object{"data": data, "extra": extra}
	}
	data := object{"error_code": r.code, "description": r.text} // no result fields beside an error (ref. A.4)
	out := object{"data": data, "extra": extra}
	if r.code == 0 {
		return out // a bare sub code stays in extra.sub_error_code
	}
	switch shape.ErrorIn {
	case "extra": // ref. A.1: "extra only, with data {}"
		out["data"] = object{}
	case "data":
		extra["error_code"], extra["description"] = 0, ""
	case "sub":
		out["data"] = object{"error_code": 0, "description": ""}
		extra["error_code"], extra["description"] = 0, ""
		extra["sub_error_code"], extra["sub_description"] = r.code, r.text
	case "top":
		out["data"] = object{}
		extra["error_code"], extra["description"] = 0, ""
		out["error_code"], out["description"] = r.code, r.text
	}
	return out
}

// oauthEnvelope is {"data":{…},"message":"success"} (ref. A.1, A.2).
func (s *Server) oauthEnvelope(r result) object {
	if r.code == 0 {
		data := object{"error_code": 0, "description": ""}
		for k, v := range r.data {
			data[k] = v
		}
		return object{"data": data, "message": "success"}
	}
	out := object{"data": object{"captcha": "", "desc_url": "", "description": r.text, "error_code": r.code}}
	if s.o.Readings.OAuthMessage == "error" {
		out["message"] = "error"
	}
	return out
}

// flat is the form of newer sister APIs (ref. A.1).
func (s *Server) flat(r result) object {
	data := r.data
	if data == nil || r.code != 0 {
		data = object{}
	}
	return object{"err_no": r.code, "err_msg": r.text, "log_id": s.logID(), "data": data}
}

// stringify turns every number into a JSON string (ref. A.1).
func stringify(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, e := range v {
			out[k] = stringify(e)
		}
		return out
	case []object:
		out := make([]object, len(v))
		for i, e := range v {
			out[i] = stringify(e).(object)
		}
		return out
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return v
}

// decodeBody reads a JSON request body of the right type into v, and nothing after it.
func decodeBody(r *http.Request, v any) error {
	if !isType(r, "application/json") {
		return fmt.Errorf("Content-Type %q: want application/json", r.Header.Get("Content-Type"))
	}
	d := json.NewDecoder(io.LimitReader(r.Body, MiB))
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("more than one JSON value")
	}
	return nil
}
