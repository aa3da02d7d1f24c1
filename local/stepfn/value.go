package stepfn

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// decode reads exactly one JSON text, keeping numbers as they were written: a payload passes through unchanged.
func decode(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON text")
	}
	return v, nil
}

// encode writes v compactly, without the escapes for HTML that AWS does not make either.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// Only values that decode made get here, and those can always be written.
		panic("stepfn: value that is not JSON: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// number is v as a float, if it is a JSON number.
func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// whole is v as a non-negative integer up to limit. 3.0 counts as whole, as in AWS.
func whole(v any, limit int) (int, bool) {
	f, ok := number(v)
	if !ok || f < 0 || f > float64(limit) || f != float64(int(f)) {
		return 0, false
	}
	return int(f), true
}

func count(n int) json.Number { return json.Number(strconv.Itoa(n)) }
