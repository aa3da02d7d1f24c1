package vod

import (
	"testing"
	"time"
)

// Nothing that a caller writes into Match or UserData makes the platform panic, and what is read stays within its limit.
func FuzzTextsOfCallers(f *testing.F) {
	for _, seed := range []string{"", "Title = 'a' and Status in ('Normal','Checking')", "CreationTime = [2020-01-01T00:00:00Z,2021-01-01T00:00:00Z)",
		`{"Extend":{"a":1},"MessageCallback":{"CallbackURL":"http://x/y","CallbackType":"http"}}`, `{"Extend":"x"}`, `{"Extend":7}`, "Title = '"} {
		f.Add(seed)
	}
	s := &Server{o: Options{Limits: Limits{Extend: 512}}}
	v := &video{ID: "1", Created: time.Unix(1_700_000_000, 0), Fields: map[string]string{"Title": "a", "Tags": "b"}}
	f.Fuzz(func(t *testing.T, text string) {
		if keep, ok := parseMatch(text); ok {
			keep(v)
		}
		if u, err := s.parseUserData(text); err == nil && (len(u.Extend) > 512 || u.Callback != "" && !webAddress(u.Callback)) {
			t.Errorf("%q gives %+v", text, u)
		}
	})
}
