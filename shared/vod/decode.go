package vod

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// The platform writes numbers as texts and the other way round (reference a.3, b); these take both.

// text is a string, or a number or truth value as it is written; anything else is "".
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	b = bytes.TrimSpace(b)
	if len(b) == 0 || b[0] == '{' || b[0] == '[' || string(b) == "null" {
		return nil
	}
	if b[0] != '"' {
		*t = text(b)
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*t = text(s)
	return nil
}

// number is a number, or the text of one; anything else is 0.
type number float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	*n = 0
	f, err := strconv.ParseFloat(strings.TrimSpace(strings.Trim(strings.TrimSpace(string(b)), `"`)), 64)
	if err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		*n = number(f)
	}
	return nil
}

// whole is the number without its fraction; what no int64 holds is 0.
func (n number) whole() int64 {
	if f := float64(n); f >= -(1<<62) && f <= 1<<62 {
		return int64(f)
	}
	return 0
}

var errShape = errors.New("neither a list nor an object with one")

// list is an array, or an object that holds one under whatever name: VideoList{Video[]} here, MediaList[] there.
type list[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0 || string(b) == "null" || string(b) == `""`:
		return nil
	case b[0] == '[':
		var in []T
		if err := json.Unmarshal(b, &in); err != nil {
			return err
		}
		*l = in
		return nil
	case b[0] != '{':
		return errShape
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	for _, v := range in {
		if v = bytes.TrimSpace(v); len(v) > 0 && v[0] == '[' {
			return l.UnmarshalJSON(v)
		}
	}
	return nil
}

func texts(in list[text]) []string {
	var out []string
	for _, t := range in {
		out = append(out, string(t))
	}
	return out
}

// moment reads the platform's times: UTC with a Z, or Beijing's without. The zero time is none.
func moment(s text) time.Time {
	v := strings.TrimSpace(string(s))
	if at, err := time.Parse(time.RFC3339, v); err == nil {
		return at.UTC()
	}
	if at, err := time.ParseInLocation("2006-01-02 15:04:05", v, time.FixedZone("UTC+8", 8*3600)); err == nil {
		return at.UTC()
	}
	return time.Time{}
}

func split(tags text) []string {
	var out []string
	for _, s := range strings.Split(string(tags), ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}
