package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// When a fault strikes: before the platform's effect (the default) or after it is durable.
const (
	Before = "before"
	After  = "after"
)

// Where a connection is cut; the word also says when. The peer gets no answer in any of the four.
const (
	CutStart  = "start"  // at once, the body unread
	CutBody   = "body"   // after CutAt bytes of the body (0: half of it)
	CutBefore = "before" // the body read to its end, the effect not made
	CutAfter  = "after"  // the effect durable, the answer withheld
)

// Bodies that replace or spoil the platform's answer.
const (
	BodyHTML    = "html"    // a gateway's page in place of JSON
	BodyEmpty   = "empty"   // nothing at all, with the status
	BodyShort   = "short"   // Content-Length of the whole, half of the bytes, then cut; implies When after
	BodyGarbled = "garbled" // half of the JSON, complete as far as HTTP can tell; implies When after
)

// What a fault does to the caller's token, at the moment When.
const (
	TokenExpire = "expire" // the access token's life is over; the refresh token still works
	TokenRevoke = "revoke" // the user withdrew the grant; nothing works
	TokenRotate = "rotate" // the access token was replaced behind the client's back
)

// Fault is one misbehaviour, armed by Panel.Inject or POST /_fake/faults. It strikes matching requests number Nth to
// Nth+Times-1, counted from the moment it was armed, and is then gone. Fields combine: a delay may go with a code.
type Fault struct {
	Op      string `json:"op"`                // the fake's operation name, or "*" for any
	Account string `json:"account,omitempty"` // only this account; empty for any
	Nth     int    `json:"nth,omitempty"`     // first matching request that is struck, from 1 (0 means 1)
	Times   int    `json:"times,omitempty"`   // how many in a row (0 means 1, -1 for ever)
	When    string `json:"when,omitempty"`    // Before or After; of Delay, Token, Status, Code, Name, Body html and empty

	DelayMS    int64  `json:"delay_ms,omitempty"`
	Cut        string `json:"cut,omitempty"`
	CutAt      int64  `json:"cut_at,omitempty"`      // of CutBody: body bytes read first
	Status     int    `json:"status,omitempty"`      // HTTP status with an HTML body, or with Body
	RetryAfter int    `json:"retry_after,omitempty"` // seconds; sent with Status

	Code        int    `json:"code,omitempty"` // the platform's code, in the platform's envelope
	Name        string `json:"name,omitempty"` // or a word the fake translates into the code of the call at hand
	SubCode     int    `json:"sub_code,omitempty"`
	Description string `json:"description,omitempty"`

	Body  string          `json:"body,omitempty"`
	Token string          `json:"token,omitempty"`
	Shape json.RawMessage `json:"shape,omitempty"` // how this answer is written; the fake's own words

	Hold    <-chan struct{} `json:"-"` // Go only: wait here (at the moment When) until it is closed
	Reached func()          `json:"-"` // Go only: called when the fault strikes, before Hold
}

// Validate names the first field that no fake could obey. It knows words and ranges, not operations.
func (f Fault) Validate() error {
	oneOf := func(field, got string, want ...string) error {
		if got == "" || slices.Contains(want, got) {
			return nil
		}
		return fmt.Errorf("fault %s %q: want one of %q", field, got, want)
	}
	err := errors.Join(
		oneOf("when", f.When, Before, After),
		oneOf("cut", f.Cut, CutStart, CutBody, CutBefore, CutAfter),
		oneOf("body", f.Body, BodyHTML, BodyEmpty, BodyShort, BodyGarbled),
		oneOf("token", f.Token, TokenExpire, TokenRevoke, TokenRotate),
	)
	switch {
	case err != nil:
		return err
	case f.Op == "":
		return errors.New(`fault op: required, "*" for any`)
	case f.Nth < 0 || f.Times < -1 || f.DelayMS < 0 || f.CutAt < 0 || f.RetryAfter < 0:
		return errors.New("fault nth, times, delay_ms, cut_at, retry_after: negative")
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("fault status %d: want 200 to 599", f.Status)
	case f.Code != 0 && f.Name != "":
		return errors.New("fault code and name: only one")
	case f.When == After && f.Cut != "" && f.Cut != CutAfter, f.When == Before && (f.Cut == CutAfter || f.Body == BodyShort || f.Body == BodyGarbled):
		return fmt.Errorf("fault when %q contradicts cut %q, body %q", f.When, f.Cut, f.Body)
	case f.answers() > 1:
		return errors.New("fault: at most one of cut, status or body, code or name")
	}
	return f.idle()
}

// idle refuses what would be armed and then do nothing: a test that misspells its fault must not pass for want of one.
func (f Fault) idle() error {
	switch {
	case f.RetryAfter != 0 && f.Status == 0 && f.Body != BodyHTML && f.Body != BodyEmpty:
		return errors.New("fault retry_after: only with status or a body that replaces the answer")
	case f.CutAt != 0 && f.Cut != CutBody:
		return fmt.Errorf("fault cut_at: only with cut %q", CutBody)
	case f.Description != "" && !f.coded():
		return errors.New("fault description: only with code, name or sub_code")
	case f.Status != 0 && (f.Body == BodyShort || f.Body == BodyGarbled):
		return fmt.Errorf("fault status: body %q keeps the platform's own", f.Body)
	case f.answers() == 0 && f.DelayMS == 0 && f.Token == "" && len(f.Shape) == 0 && f.Hold == nil && f.Reached == nil:
		return errors.New("fault: nothing to do")
	}
	return nil
}

// answers counts how many kinds of spoilt answer the fault asks for.
func (f Fault) answers() int {
	n := 0
	for _, asked := range []bool{f.Cut != "", f.Status != 0 || f.Body != "", f.coded()} {
		if asked {
			n++
		}
	}
	return n
}

func (f Fault) coded() bool { return f.Code != 0 || f.Name != "" || f.SubCode != 0 }

// late reports whether the fault spoils the answer after the effect.
func (f Fault) late() bool {
	return f.When == After || f.Cut == CutAfter || f.Body == BodyShort || f.Body == BodyGarbled
}

// faultSet is the armed faults, in the order they were armed. Safe for concurrent use.
type faultSet struct {
	mu    sync.Mutex
	armed []*armed
}

type armed struct {
	Fault
	seen int
}

func (s *faultSet) add(f Fault) {
	if f.Nth == 0 {
		f.Nth = 1
	}
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = append(s.armed, &armed{Fault: f})
}

func (s *faultSet) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = nil
}

func (s *faultSet) list() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Fault, 0, len(s.armed))
	for _, a := range s.armed {
		out = append(out, a.Fault)
	}
	return out
}

// match counts the request against every fault that fits and returns the first that strikes. Spent faults are dropped.
func (s *faultSet) match(op, account string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hit *armed
	for _, a := range s.armed {
		if (a.Op != "*" && a.Op != op) || (a.Account != "" && a.Account != account) {
			continue
		}
		a.seen++
		if hit == nil && a.seen >= a.Nth && (a.Times < 0 || a.seen < a.Nth+a.Times) {
			hit = a
		}
	}
	s.armed = slices.DeleteFunc(s.armed, func(a *armed) bool { return a.Times > 0 && a.seen >= a.Nth+a.Times-1 })
	if hit == nil {
		return Fault{}, false
	}
	return hit.Fault, true
}
