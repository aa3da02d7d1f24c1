package douyin

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// number decodes an integer that may come as a JSON number, a string of digits, an empty string or null (reference
// A.1). Anything else is an error: an error code that cannot be read must not pass for 0.
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
		if s = strings.TrimSpace(s); s == "" {
			*n = 0
			return nil
		}
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

// status is the group of fields that stands in data, in extra, or at the top level.
type status struct {
	ErrorCode   number `json:"error_code"`
	Description text   `json:"description"`
	SubCode     number `json:"sub_error_code"`
	SubDesc     text   `json:"sub_description"`
	LogID       text   `json:"logid"`
	LogID2      text   `json:"log_id"`
}

// text decodes a string and lets anything else pass as empty: words are for people and never decide.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// envelope is an answer taken apart by the rules of reference A.1.
type envelope struct {
	codes []int64 // the non-zero main codes, in the order data, extra, top level, without repeats
	sub   int64   // the first non-zero sub code
	words string  // description, and sub description
	logID string
	body  json.RawMessage // the object in data; nil if there is none
}

var errNoEnvelope = errors.New("the answer is not in the platform's form")

// decodeEnvelope reads both forms: {"data","extra"} and the flat {"err_no","err_msg","log_id","data"}. What is neither,
// or has a code that is not a number, is an error.
func decodeEnvelope(b []byte) (envelope, error) {
	var top struct {
		status
		Data   json.RawMessage `json:"data"`
		Extra  json.RawMessage `json:"extra"`
		ErrNo  number          `json:"err_no"`
		ErrMsg text            `json:"err_msg"`
	}
	if t := bytes.TrimSpace(b); len(t) == 0 || t[0] != '{' {
		return envelope{}, errNoEnvelope
	}
	if err := json.Unmarshal(b, &top); err != nil {
		return envelope{}, errNoEnvelope
	}
	var data, extra status
	isObject := func(m json.RawMessage) bool { return len(m) > 0 && m[0] == '{' }
	var e envelope
	if isObject(top.Data) {
		if err := json.Unmarshal(top.Data, &data); err != nil {
			return envelope{}, errNoEnvelope
		}
		e.body = top.Data
	}
	if isObject(top.Extra) {
		if err := json.Unmarshal(top.Extra, &extra); err != nil {
			return envelope{}, errNoEnvelope
		}
	}
	for _, c := range [...]number{data.ErrorCode, extra.ErrorCode, top.ErrorCode, top.ErrNo} {
		e.addCode(int64(c))
	}
	for _, c := range [...]number{data.SubCode, extra.SubCode, top.SubCode} {
		if e.sub == 0 {
			e.sub = int64(c)
		}
	}
	e.words = join(first(data.Description, extra.Description, top.Description, top.ErrMsg), first(extra.SubDesc, data.SubDesc, top.SubDesc))
	e.logID = first(extra.LogID, extra.LogID2, data.LogID, data.LogID2, top.LogID, top.LogID2)
	if e.body == nil && !isObject(top.Extra) && len(e.codes) == 0 && e.sub == 0 {
		return envelope{}, errNoEnvelope // {} or somebody else's JSON proves no success
	}
	return e, nil
}

func (e *envelope) addCode(c int64) {
	if c == 0 {
		return
	}
	for _, have := range e.codes {
		if have == c {
			return
		}
	}
	e.codes = append(e.codes, c)
}

// ok is reference A.1: every code is zero or absent.
func (e envelope) ok() bool { return len(e.codes) == 0 && e.sub == 0 }

// code is the one to speak of: a main code, else the sub code.
func (e envelope) code() int64 {
	if len(e.codes) > 0 {
		return e.codes[0]
	}
	return e.sub
}

func first(ss ...text) string {
	for _, s := range ss {
		if s != "" {
			return string(s)
		}
	}
	return ""
}

func join(a, b string) string {
	if a != "" && b != "" {
		return a + "; " + b
	}
	return a + b
}
