package youku

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// number decodes an integer that may come as a JSON number or as a string of digits (reference section 2). Anything
// else is an error.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	s := string(bytes.TrimSpace(b))
	if s == "null" {
		*n = 0
		return nil
	}
	if strings.HasPrefix(s, `"`) {
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		s = strings.TrimSpace(s)
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(s, 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
			return errors.New("not a whole number")
		}
		i = int64(f)
	}
	*n = number(i)
	return nil
}

// apiError is what the platform says of a failed call. code 0: it could not be read.
type apiError struct {
	code  int64
	words string
}

// decode takes an answer apart by the order of reference section 2: JSON with an error, JSON without, a url-encoded
// error. body is the JSON object without an error; nil, nil means that it is none of the platform's forms.
func decode(b []byte) (body json.RawMessage, failed *apiError) {
	t := bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\ufeff")))
	if len(t) > 0 && t[0] == '{' {
		var top map[string]json.RawMessage
		if json.Unmarshal(t, &top) != nil {
			return nil, nil
		}
		if raw, ok := top["error"]; ok && string(bytes.TrimSpace(raw)) != "null" {
			return t, readError(raw)
		}
		return t, nil
	}
	return nil, formError(t)
}

// readError reads the error object; a code that is no number is 0, and still an error.
func readError(raw json.RawMessage) *apiError {
	var e struct {
		Code        json.RawMessage `json:"code"`
		Description any             `json:"description"`
	}
	var words string
	if json.Unmarshal(raw, &words) == nil { // OAuth's own form: "error": "invalid_grant"
		return &apiError{words: words}
	}
	if json.Unmarshal(raw, &e) != nil {
		return &apiError{}
	}
	out := &apiError{}
	var n number
	if len(e.Code) > 0 && json.Unmarshal(e.Code, &n) == nil {
		out.code = int64(n)
	}
	out.words, _ = e.Description.(string)
	return out
}

// formError reads code=..&type=..&description=..; nil if it is not that.
func formError(t []byte) *apiError {
	if len(t) == 0 || len(t) > 8<<10 || t[0] == '<' || t[0] == '[' || t[0] == '"' {
		return nil
	}
	v, err := url.ParseQuery(string(t))
	if err != nil || !v.Has("code") {
		return nil
	}
	code, err := strconv.ParseInt(strings.TrimSpace(v.Get("code")), 10, 64)
	if err != nil {
		return nil
	}
	return &apiError{code: code, words: v.Get("description")}
}
