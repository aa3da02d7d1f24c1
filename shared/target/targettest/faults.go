package targettest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// What the platform would refuse is Invalid, with field and rule, before a byte is sent.
func invalid(t *testing.T, s *suite) {
	c := s.New(t)
	size, p := s.parted(t, 2)
	all := content(size)
	over := int64(math.MaxInt64)
	if s.Limits.MaxSize > 0 {
		over = s.Limits.MaxSize + 1
	}
	for name, v := range map[string]upload.Video{"empty": s.video(0), "negative": s.video(-1), "too large": s.video(over), "no title": untitled(s.video(size))} {
		plan := p
		plan.Size = v.Size
		_, err := c.Init(t.Context(), v, plan)
		wantInvalid(t, name, err)
		if val, ok := c.(target.Validator); ok {
			wantInvalid(t, name+" (Validate)", val.Validate(v))
		}
	}
	other := p
	other.Size--
	_, err := c.Init(t.Context(), s.video(size), other)
	wantInvalid(t, "a plan for another size", err)

	sess := s.init(t, c, s.video(size), p)
	for name, change := range map[string]func(*target.Part){
		"part 0":           func(x *target.Part) { x.Number = 0 },
		"a part too many":  func(x *target.Part) { x.Number = 3 },
		"no bytes":         func(x *target.Part) { x.Size = 0 },
		"beyond the end":   func(x *target.Part) { x.Offset = size },
		"before the start": func(x *target.Part) { x.Offset = -1 },
	} {
		x := part(p, 1, all)
		change(&x)
		_, err := c.UploadPart(t.Context(), sess, x)
		wantInvalid(t, name, err)
	}
	for _, private := range []string{"", "null", "{}", "[]", `{"parts":-1}`, `"x"`} {
		_, err := c.UploadPart(t.Context(), upload.Session{Private: []byte(private)}, part(p, 1, all))
		wantKind(t, err, fault.Invalid)
		_, err = c.Complete(t.Context(), upload.Session{Private: []byte(private)}, nil)
		wantKind(t, err, fault.Invalid)
	}
	if n := s.Posts(t); n != 0 {
		t.Errorf("%d posts", n)
	}
}

func untitled(v upload.Video) upload.Video {
	v.Title, v.Description, v.Tags = " ", "", nil
	return v
}

func wantInvalid(t testing.TB, name string, err error) {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Kind != fault.Invalid || f.Field == "" || f.Rule == "" || f.Effect != fault.EffectNone {
		t.Errorf("%s: got %v, want Invalid with field, rule and no effect", name, err)
	}
}

// A session that the platform forgot: ErrSessionLost, and not to be tried again as it is.
func lostSession(t *testing.T, s *suite) {
	if s.LoseSessions == nil {
		t.Log("NOT RUN: this harness cannot lose sessions")
		return
	}
	size, p := s.parted(t, 2)
	all, c := content(size), s.New(t)
	sess := s.init(t, c, s.video(size), p)
	rs := []upload.Receipt{send(t, c, sess, part(p, 1, all)), send(t, c, sess, part(p, 2, all))}
	s.LoseSessions(t)
	x, n := counted(part(p, 1, all), all, nil)
	_, err := c.UploadPart(t.Context(), sess, x)
	if !errors.Is(err, target.ErrSessionLost) || fault.KindOf(err) == fault.Retryable {
		t.Errorf("UploadPart: %v, want ErrSessionLost that is not Retryable", err)
	}
	closedAll(t, n)
	if _, err = c.Complete(t.Context(), sess, rs); !errors.Is(err, target.ErrSessionLost) || fault.KindOf(err) == fault.Retryable {
		t.Errorf("Complete: %v, want ErrSessionLost that is not Retryable", err)
	}
	if err := c.Abort(t.Context(), sess); err != nil {
		t.Errorf("Abort: %v", err)
	}
}

// 9. Each misbehaviour maps to its kind; and Publish claims no effect only where there is none.
func failures(t *testing.T, s *suite) {
	if s.Fail == nil {
		t.Log("NOT RUN: this harness cannot fail")
		return
	}
	for _, c := range []struct {
		how           Misbehaviour
		part, publish []fault.Kind
		effect        []fault.Effect // that Publish may claim
		posts         int            // that Publish makes
	}{
		{Unauthorized, kinds(fault.TokenExpired), kinds(fault.TokenExpired), none, 0},
		{Revoked, kinds(fault.CredentialsExpired), kinds(fault.CredentialsExpired), none, 0},
		{Throttled, kinds(fault.Retryable), kinds(fault.Retryable, fault.Unknown), either, 0},
		{Broken, kinds(fault.Retryable, fault.Unknown), kinds(fault.Unknown), unknown, 0},
		{LostBefore, kinds(fault.Retryable), kinds(fault.Retryable), none, 0},
		{CutBefore, kinds(fault.Retryable, fault.Unknown), kinds(fault.Unknown), unknown, 0},
		{LostAfter, kinds(fault.Retryable, fault.Unknown), kinds(fault.Unknown), unknown, 1},
		{CodeInside, kinds(fault.Permanent, fault.Invalid), kinds(fault.Permanent, fault.Invalid), none, 0},
		{BadJSON, kinds(fault.Retryable, fault.Unknown), kinds(fault.Unknown), unknown, 1},
		{HTML, kinds(fault.Retryable, fault.Unknown), kinds(fault.Unknown), unknown, 1},
	} {
		t.Run("UploadPart/"+string(c.how), func(t *testing.T) {
			s.failPart(t, c.how, c.part)
		})
		t.Run("Publish/"+string(c.how), func(t *testing.T) {
			cl := s.New(t)
			size, _ := s.parted(t, 2)
			v, sess, a := s.asset(t, cl, size)
			before := s.Posts(t)
			f := Failure{"Publish", c.how}
			s.Fail(t, f)
			_, err := cl.Publish(t.Context(), v, sess, a)
			s.check(t, f, err, c.publish)
			if !slices.Contains(c.effect, fault.EffectOf(err)) {
				t.Errorf("effect %v: %v", fault.EffectOf(err), err)
			}
			if got := s.Posts(t) - before; got != c.posts {
				t.Errorf("%d posts, want %d", got, c.posts)
			}
			if fe := fault.As(err); fe != nil && fe.AssetKept {
				if _, err := cl.Publish(t.Context(), v, sess, a); err != nil {
					t.Errorf("the asset is said to be kept, but: %v", err)
				}
			}
		})
	}
}

func kinds(k ...fault.Kind) []fault.Kind { return k }

var (
	none    = []fault.Effect{fault.EffectNone}
	unknown = []fault.Effect{fault.EffectUnknown}
	either  = []fault.Effect{fault.EffectNone, fault.EffectUnknown}
)

func (s *suite) failPart(t *testing.T, how Misbehaviour, want []fault.Kind) {
	cl := s.New(t)
	size, p := s.parted(t, 2)
	all := content(size)
	sess := s.init(t, cl, s.video(size), p)
	f := Failure{"UploadPart", how}
	s.Fail(t, f)
	_, err := cl.UploadPart(t.Context(), sess, part(p, 1, all))
	s.check(t, f, err, want)
	// Once more, as whoever retries would.
	rs := []upload.Receipt{send(t, cl, sess, part(p, 1, all)), send(t, cl, sess, part(p, 2, all))}
	if _, err := cl.Complete(t.Context(), sess, rs); err != nil {
		t.Errorf("after the failure: %v", err)
	}
}

func (s *suite) check(t *testing.T, f Failure, err error, want []fault.Kind) {
	t.Helper()
	if other := s.OtherKinds[f]; len(other) > 0 {
		want = other
	}
	wantKind(t, err, want...)
	fe := fault.As(err)
	if fe == nil {
		return
	}
	if f.How == Throttled && fe.After != 7*time.Second {
		t.Errorf("After is %v, want the platform's 7 s", fe.After)
	}
	if fe.Actor == "" && f.How != LostAfter && f.How != CutBefore {
		t.Errorf("nobody's turn: %v", err)
	}
	s.noSecret(t, "the error of "+string(f.How), shown(err))
}

// Publish makes one post of one asset; again with the same asset, it makes none or says what it did.
func publishOnce(t *testing.T, s *suite) {
	c := s.New(t)
	size, _ := s.parted(t, 2)
	v, sess, a := s.asset(t, c, size)
	if n := s.Posts(t); n != 0 {
		t.Fatalf("%d posts before Publish", n)
	}
	if _, err := c.Publish(t.Context(), v, sess, a); err != nil {
		t.Fatal(err)
	}
	_, err := c.Publish(t.Context(), v, sess, a)
	switch n := s.Posts(t); {
	case err == nil && n != 2:
		t.Errorf("two successes, %d posts", n)
	case err != nil && n != 1:
		t.Errorf("%v, but %d posts", err, n)
	case err != nil && fault.EffectOf(err) == fault.EffectNone && fault.As(err).AssetKept:
		t.Errorf("the asset is used up, but said to be kept: %v", err)
	}
	_, err = c.Publish(t.Context(), v, sess, upload.Asset{ID: "never-existed"})
	if err == nil || s.Posts(t) > 2 {
		t.Errorf("an unknown asset: %v", err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	_, err = c.Publish(ctx, v, sess, a)
	if fault.EffectOf(err) != fault.EffectNone || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("past its deadline: %v, effect %v", err, fault.EffectOf(err))
	}
}

// The optional abilities that a client has.
func abilities(t *testing.T, s *suite) {
	c := s.New(t)
	size, p := s.parted(t, 3)
	all := content(size)
	if l, ok := c.(target.PartLister); ok {
		sess := s.init(t, c, s.video(size), p)
		want := []upload.Receipt{send(t, c, sess, part(p, 1, all)), send(t, c, sess, part(p, 2, all))}
		got, err := l.ListParts(t.Context(), sess)
		if err != nil || len(got) != 2 {
			t.Fatalf("ListParts: %v, %v", got, err)
		}
		for i := range got {
			if got[i].Part != want[i].Part || got[i].Size != want[i].Size || !got[i].Unsummed {
				t.Errorf("ListParts: %+v, want %+v, Unsummed", got[i], want[i])
			}
		}
	}
	v, sess, a := s.asset(t, c, size)
	at := target.Attempt{Video: v, Session: sess, Asset: a, At: time.Now().Add(-time.Second), SendBy: time.Now().Add(time.Minute)}
	ins, can := c.(target.Inspector)
	if can {
		f, err := ins.Inspect(t.Context(), at)
		if err != nil || len(f.Posts) != 0 {
			t.Errorf("Inspect before Publish: %+v, %v", f, err)
		}
	}
	post, err := c.Publish(t.Context(), v, sess, a)
	if err != nil {
		t.Fatal(err)
	}
	if can {
		f, err := ins.Inspect(t.Context(), at)
		if err != nil || len(f.Posts) != 1 || f.Posts[0].ID != post.ID || f.Denied {
			t.Errorf("Inspect after Publish: %+v, %v, want the post %s", f, err, post.ID)
		}
	}
	if k, ok := c.(target.Checker); ok {
		d, err := k.Check(t.Context(), v, post)
		if err != nil || d.State == target.Blocked {
			t.Errorf("Check: %+v, %v", d, err)
		}
		if d, err = k.Check(t.Context(), v, upload.Post{ID: "never-existed"}); err == nil && d.State == target.Live {
			t.Error("Check: a post that does not exist is live")
		}
	}
	if r, ok := c.(target.Renewer); ok {
		sess := s.init(t, c, s.video(size), p)
		one := send(t, c, sess, part(p, 1, all))
		next, err := r.Renew(t.Context(), sess)
		if err != nil {
			t.Fatalf("Renew: %v", err)
		}
		rs := []upload.Receipt{one, send(t, c, next, part(p, 2, all)), send(t, c, next, part(p, 3, all))}
		if _, err := c.Complete(t.Context(), next, rs); err != nil {
			t.Errorf("Complete after Renew: %v", err)
		}
	}
}

// 10. No secret in an error, a log line or a printed session.
func secrets(t *testing.T, s *suite) {
	c := s.New(t)
	size, p := s.parted(t, 2)
	sess := s.init(t, c, s.video(size), p)
	s.Secrets = append(s.Secrets, sess.ID)
	s.noSecret(t, "the session", shown(sess)+shown(&sess))
	if s.Fail != nil {
		for _, how := range []Misbehaviour{Unauthorized, Revoked, Throttled, Broken, LostBefore, CutBefore, LostAfter, CodeInside, BadJSON, HTML} {
			s.Fail(t, Failure{"UploadPart", how})
			_, err := c.UploadPart(t.Context(), sess, part(p, 1, content(size)))
			s.noSecret(t, "an error after "+string(how), shown(err)+errorLog(err))
		}
	}
	if s.Logs != nil {
		logs := s.Logs()
		if logs == "" {
			t.Error("nothing was logged, so nothing was proven")
		}
		s.noSecret(t, "the log", logs)
	}
}

func errorLog(err error) string {
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Error("x", "error", err)
	return b.String()
}

// 12. The bytes allocated for a part do not grow with its size.
func memory(t *testing.T, s *suite) {
	if s.Discarding == nil {
		t.Log("NOT RUN: this harness has no platform that discards")
		return
	}
	c := s.Discarding(t)
	allocated := func(size int64) uint64 {
		plan := upload.Plan{Size: 2 * size, Parts: 2, PartSize: size, Ranges: 1, PartsPerRange: 2, InFlight: 1}
		sess := s.init(t, c, s.video(2*size), plan)
		x := target.Part{Part: plan.Part(1), Parts: 2, Open: zeros(size)}
		send(t, c, sess, x) // the first brings connections and tables
		var a, b runtime.MemStats
		runtime.ReadMemStats(&a)
		send(t, c, sess, x)
		runtime.ReadMemStats(&b)
		return b.TotalAlloc - a.TotalAlloc
	}
	small := max(s.Limits.MinPart, 1<<16)
	large := min(32*small, s.Limits.MaxPart, s.Limits.MaxSize/2)
	if large < 4*small {
		t.Fatalf("the limits leave parts of %d to %d bytes: too alike to compare", small, large)
	}
	few, many := allocated(small), allocated(large)
	if many > few+256<<10 {
		t.Errorf("a part of %s allocates %d bytes, one of %s %d", mb(small), few, mb(large), many)
	}
}

func mb(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
