// Package targettest proves that an implementation keeps the contract of shared/target (house-style 3.3). An adapter's
// test calls Run with a maker of Harnesses; what a platform cannot do is declared in Harness.Skip and printed on every
// run. It knows no platform.
//
// The golden requests (item 11 of house-style 3.3) belong to each adapter, beside its own testdata.
package targettest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// Misbehaviour is how the platform treats the next request of an operation.
type Misbehaviour string

// What a platform can do wrong. A harness maps each to its own wire.
const (
	Unauthorized Misbehaviour = "unauthorized"  // the access token is refused: TokenExpired
	Revoked      Misbehaviour = "revoked"       // the grant itself is refused: CredentialsExpired
	Throttled    Misbehaviour = "throttled"     // too many requests, Retry-After 7 s
	Broken       Misbehaviour = "server error"  // a 5xx
	LostBefore   Misbehaviour = "lost before"   // no connection: no byte of the request arrives
	LostAfter    Misbehaviour = "lost after"    // the effect happens, the answer is cut
	CutBefore    Misbehaviour = "cut before"    // the request arrives and is cut without an effect
	CodeInside   Misbehaviour = "code inside"   // HTTP 200 with an error code that refuses for good
	BadJSON      Misbehaviour = "bad JSON"      // HTTP 200, the effect happens, cut JSON
	HTML         Misbehaviour = "HTML for JSON" // HTTP 200, a gateway's page, the effect happens
)

// Failure is one order to misbehave.
type Failure struct {
	Op  string // UploadPart or Publish
	How Misbehaviour
}

// Harness is one fresh platform and the ways to look behind it.
type Harness struct {
	// New makes a new client of the same account on the same platform.
	New func(t testing.TB) target.Target

	// Video is a video of size bytes that the platform accepts; nil gives a plain one.
	Video func(size int64) upload.Video

	// Stored gives the bytes that an asset ended with.
	Stored func(t testing.TB, a upload.Asset) []byte

	// Posts is how many posts the platform made.
	Posts func(t testing.TB) int

	// Fail makes the next request misbehave; nil skips item 9, loudly.
	Fail func(t testing.TB, f Failure)

	// LoseSessions makes the platform forget its open sessions; nil where it cannot.
	LoseSessions func(t testing.TB)

	// Limits are those that the client enforces; small ones keep the suite fast.
	Limits upload.Limits

	// OtherKinds overrides the kinds that item 9 allows, where a platform's reference says so.
	OtherKinds map[Failure][]fault.Kind

	// Secrets must appear in no error, log line or printed value.
	Secrets []string

	// Logs gives everything that was logged so far; nil if nothing is.
	Logs func() string

	// Discarding makes a client on a platform that keeps no bytes, for the measurement of memory; nil skips it, loudly.
	Discarding func(t testing.TB) target.Target

	// CoverOf tells what stands for a post: the SHA-256 of a picture, in lower-case hex, or the second of a frame; for a
	// target with CoverForms.Link the address that the platform was given. nil where the harness cannot look.
	CoverOf func(t testing.TB, a upload.Asset, p upload.Post) (picture string, at *float64)

	// CoverLink is an address from which the platform could fetch a picture, for a target with CoverForms.Link.
	CoverLink string

	// Skip names tests that do not apply, with the reason.
	Skip map[string]string
}

// Run runs the whole suite; each test gets a Harness of its own.
func Run(t *testing.T, newHarness func(t testing.TB) Harness) {
	tests := []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"RoundTrip", roundTrip},
		{"ResumeInANewClient", resume},
		{"PartsInAnyOrder", anyOrder},
		{"TheSamePartTwice", twice},
		{"BodiesThatLie", lies},
		{"ReadersAreClosedOnce", closedOnce},
		{"CancelMidBody", cancelMidBody},
		{"CancelledBeforehand", cancelledBefore},
		{"GapsAndRepeats", gaps},
		{"InvalidInput", invalid},
		{"LostSession", lostSession},
		{"Failures", failures},
		{"PublishIsCalledOnce", publishOnce},
		{"Abilities", abilities},
		{"Covers", covers},
		{"NoSecretShows", secrets},
		{"MemoryOfAPart", memory},
	}
	for _, x := range tests {
		t.Run(x.name, func(t *testing.T) {
			h := newHarness(t)
			if why, ok := h.Skip[x.name]; ok {
				t.Logf("NOT RUN: %s: %s", x.name, why)
				return
			}
			x.run(t, &suite{Harness: h})
		})
	}
}

type suite struct{ Harness }

// video is one of size bytes, with its content.
func (s *suite) video(size int64) upload.Video {
	if s.Video != nil {
		return s.Video(size)
	}
	return upload.Video{Upload: "u1", Publication: "p1", Account: "test/main", Size: size, FileName: "v.mp4", ContentType: "video/mp4", Title: "A title"}
}

// content is a body in which every byte depends on its place, so that shifted or doubled bytes are seen.
func content(size int64) []byte {
	b := make([]byte, size)
	for i := range b {
		x := uint32(i)*2654435761 + uint32(i>>8)
		b[i] = byte(x >> 13)
	}
	return b
}

// plan cuts size into equal parts of the wanted size; smaller than OneRequest gives one.
func (s *suite) plan(t testing.TB, size int64) upload.Plan {
	t.Helper()
	p, err := upload.NewPlan(size, s.Limits, upload.Settings{})
	if err != nil {
		t.Fatalf("no plan for %d bytes: %v", size, err)
	}
	return p
}

// parted is a size that needs n parts.
func (s *suite) parted(t testing.TB, n int) (int64, upload.Plan) {
	t.Helper()
	size := int64(n) * max(s.Limits.WantPart, s.Limits.MinPart)
	if size <= s.Limits.OneRequest {
		t.Fatalf("the limits of this harness put %d bytes into one request; lower OneRequest", size)
	}
	p := s.plan(t, size)
	if p.Parts != n {
		t.Fatalf("%d bytes make %d parts, want %d", size, p.Parts, n)
	}
	return size, p
}

func part(p upload.Plan, n int, all []byte) target.Part {
	x := p.Part(n)
	return target.Part{Part: x, Parts: p.Parts, Open: opener(all[x.Offset : x.Offset+x.Size])}
}

func (s *suite) init(t testing.TB, c target.Target, v upload.Video, p upload.Plan) upload.Session {
	t.Helper()
	sess, err := c.Init(t.Context(), v, p)
	if err != nil {
		t.Fatalf("Init: %v", err)
	}
	return sess
}

func send(t testing.TB, c target.Target, sess upload.Session, p target.Part) upload.Receipt {
	t.Helper()
	r, err := c.UploadPart(t.Context(), sess, p)
	if err != nil {
		t.Fatalf("UploadPart %d: %v", p.Number, err)
	}
	if r.Part != p.Number || r.Size != p.Size || r.Unsummed {
		t.Errorf("receipt %+v for part %d of %d bytes", r, p.Number, p.Size)
	}
	return r
}

// asset uploads all of a video.
func (s *suite) asset(t testing.TB, c target.Target, size int64) (upload.Video, upload.Session, upload.Asset) {
	t.Helper()
	v, all, p := s.video(size), content(size), s.plan(t, size)
	sess := s.init(t, c, v, p)
	var rs []upload.Receipt
	for n := 1; n <= p.Parts; n++ {
		rs = append(rs, send(t, c, sess, part(p, n, all)))
	}
	a, err := c.Complete(t.Context(), sess, rs)
	if err != nil {
		t.Fatalf("Complete: %v", err)
	}
	return v, sess, a
}

func throughJSON[T any](t testing.TB, v T) T {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// wantKind checks the kind and that the error is a *fault.Error with an operation.
func wantKind(t testing.TB, err error, kinds ...fault.Kind) {
	t.Helper()
	f := fault.As(err)
	if f == nil {
		t.Errorf("got %v (%T), want a *fault.Error of kind %v", err, err, kinds)
		return
	}
	if f.Op == "" {
		t.Errorf("%v names no operation", err)
	}
	for _, k := range kinds {
		if f.Kind == k {
			return
		}
	}
	t.Errorf("got %v: %v, want %v", f.Kind, err, kinds)
}

// eventually polls a condition that another goroutine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Errorf("never: %s", what)
			return
		}
	}
}

// shown is every way in which a value could be printed.
func shown(v any) string {
	s := fmt.Sprintf("%v %+v %#v %s", v, v, v, v)
	if l, ok := v.(slog.LogValuer); ok {
		s += l.LogValue().String()
	}
	return s
}

// noSecret checks a text.
func (s *suite) noSecret(t testing.TB, where, text string) {
	t.Helper()
	for _, x := range s.Secrets {
		if x != "" && strings.Contains(text, x) {
			t.Errorf("a secret shows in %s", where)
		}
	}
}

var errOpen = fault.New(fault.Retryable, "targettest.Open", "this reader cannot be opened")
