package memtarget_test

import (
	"context"
	"errors"
	"hash/crc64"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/target/targettest"
	"github.com/vodlift/vodlift/shared/upload"
)

var small = upload.Limits{MaxSize: 1 << 26, OneRequest: 1000, MinPart: 2000, MinLastPart: 1, MaxPart: 1 << 24, WantPart: 3000, MaxParts: 10_000, InFlight: 4}

func harness(o memtarget.Options) func(testing.TB) targettest.Harness {
	o.Limits = small
	return func(testing.TB) targettest.Harness {
		kept := o
		kept.Keep = true
		p := memtarget.New(&kept)
		return targettest.Harness{
			New:    func(testing.TB) target.Target { return p.Target("mem/main") },
			Limits: small,
			Stored: func(t testing.TB, a upload.Asset) []byte {
				b, ok := p.Bytes(a.ID)
				if !ok {
					t.Fatalf("no asset %s", a.ID)
				}
				return b
			},
			Posts:        func(testing.TB) int { return len(p.Posts()) },
			LoseSessions: func(testing.TB) { p.Lose() },
			Fail:         func(t testing.TB, f targettest.Failure) { fail(p, f) },
			Discarding:   func(testing.TB) target.Target { return memtarget.New(&o).Target("mem/main") },
		}
	}
}

// fail says each misbehaviour in this target's words.
func fail(p *memtarget.Platform, f targettest.Failure) {
	op := memtarget.Op(f.Op)
	refused := func(k fault.Kind) error {
		return &fault.Error{Kind: k, Op: "memtarget." + f.Op, Effect: fault.EffectNone, Actor: fault.ActorOwner, Err: errors.New(string(f.How))}
	}
	switch f.How {
	case targettest.Unauthorized:
		p.Fail(op, memtarget.Before, refused(fault.TokenExpired))
	case targettest.Revoked:
		p.Fail(op, memtarget.Before, refused(fault.CredentialsExpired))
	case targettest.Throttled:
		e := refused(fault.Retryable).(*fault.Error)
		e.After = 7 * time.Second
		p.Fail(op, memtarget.Before, e)
	case targettest.CodeInside:
		p.Fail(op, memtarget.Before, refused(fault.Permanent))
	case targettest.LostBefore:
		p.Fail(op, memtarget.Before, nil)
	case targettest.Broken, targettest.CutBefore:
		p.Fail(op, memtarget.Before, &fault.Error{Kind: fault.Unknown, Op: "memtarget." + f.Op, Actor: fault.ActorPlatform, Err: errors.New(string(f.How))})
	default:
		p.Fail(op, memtarget.After, &fault.Error{Kind: fault.Unknown, Op: "memtarget." + f.Op, Actor: fault.ActorPlatform, Err: errors.New(string(f.How))})
	}
}

func TestMemtargetKeepsTheContract(t *testing.T) {
	t.Run("plain", func(t *testing.T) { targettest.Run(t, harness(memtarget.Options{})) })
	t.Run("with every ability", func(t *testing.T) {
		targettest.Run(t, harness(memtarget.Options{PartLister: true, Inspector: true, Checker: true, Renewer: true}))
	})
}

func TestOrderIsAskedForWhereTheLimitsSayIt(t *testing.T) {
	targettest.Run(t, func(t testing.TB) targettest.Harness {
		h := harness(memtarget.Options{})(t)
		l := small
		l.InOrder = true
		p := memtarget.New(&memtarget.Options{Limits: l, Keep: true})
		h.Limits, h.Fail, h.LoseSessions = l, nil, nil
		h.New = func(testing.TB) target.Target { return p.Target("mem/main") }
		h.Posts = func(testing.TB) int { return len(p.Posts()) }
		h.Stored = func(_ testing.TB, a upload.Asset) []byte { b, _ := p.Bytes(a.ID); return b }
		return h
	})
}

func BenchmarkUploadPart(b *testing.B) { targettest.RunBenchmarks(b, harness(memtarget.Options{})) }

func TestEachSetOfAbilitiesIsExactlyThat(t *testing.T) {
	for n := range 16 {
		o := memtarget.Options{PartLister: n&1 != 0, Inspector: n&2 != 0, Checker: n&4 != 0, Renewer: n&8 != 0}
		c := memtarget.New(&o).Target("mem/main")
		_, l := c.(target.PartLister)
		_, i := c.(target.Inspector)
		_, k := c.(target.Checker)
		_, r := c.(target.Renewer)
		_, v := c.(target.Validator)
		if l != o.PartLister || i != o.Inspector || k != o.Checker || r != o.Renewer || !v {
			t.Errorf("%+v: got lister %v inspector %v checker %v renewer %v validator %v", o, l, i, k, r, v)
		}
	}
}

func TestTenThousandPartsNeedNeitherMemoryNorTime(t *testing.T) {
	const parts, size = 10_000, 5 << 20 // 48.8 GiB
	l := memtarget.DefaultLimits()
	l.MaxSize = parts * size
	p := memtarget.New(&memtarget.Options{Limits: l})
	c := p.Target("mem/main")
	plan := upload.Plan{Size: parts * size, Parts: parts, PartSize: size, Ranges: 1, PartsPerRange: parts, InFlight: 1}
	s, err := c.Init(t.Context(), upload.Video{Size: plan.Size, Title: "t"}, plan)
	if err != nil {
		t.Fatal(err)
	}
	rs := make([]upload.Receipt, parts)
	for n := range parts {
		x := target.Part{Part: plan.Part(n + 1), Parts: parts, Open: func(context.Context) (io.ReadCloser, error) { return memtarget.Zeros(size), nil }}
		if rs[n], err = c.UploadPart(t.Context(), s, x); err != nil {
			t.Fatal(err)
		}
	}
	a, err := c.Complete(t.Context(), s, rs)
	if err != nil {
		t.Fatal(err)
	}
	_, want := memtarget.Zeros(plan.Size).(interface{ Sum() (int64, uint64) }).Sum()
	if n, sum, _ := p.Content(a.ID); n != plan.Size || sum != want {
		t.Errorf("%d bytes, sum %x; want %d, %x", n, sum, plan.Size, want)
	}
}

func TestSumsCombineToTheSumOfTheWhole(t *testing.T) {
	all := []byte(strings.Repeat("reference implementation ", 999))
	p := memtarget.New(&memtarget.Options{Limits: small})
	c := p.Target("mem/main")
	plan, err := upload.NewPlan(int64(len(all)), small, upload.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := c.Init(t.Context(), upload.Video{Size: plan.Size, Title: "t"}, plan)
	var rs []upload.Receipt
	for n := 1; n <= plan.Parts; n++ {
		x := plan.Part(n)
		r, err := c.UploadPart(t.Context(), s, target.Part{Part: x, Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(string(all[x.Offset : x.Offset+x.Size]))), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	a, err := c.Complete(t.Context(), s, rs)
	if err != nil {
		t.Fatal(err)
	}
	if _, sum, _ := p.Content(a.ID); sum != crc64.Checksum(all, crc64.MakeTable(crc64.ECMA)) {
		t.Error("the combined sum is another")
	}
	if n, sum := memtarget.Zeros(12345).(interface{ Sum() (int64, uint64) }).Sum(); n != 12345 || sum != crc64.Checksum(make([]byte, 12345), crc64.MakeTable(crc64.ECMA)) {
		t.Error("the sum of zeros is another")
	}
}

func TestTheHookSeesEveryCallTwiceAndCanCutEach(t *testing.T) {
	p := memtarget.New(&memtarget.Options{Limits: small})
	var seen []memtarget.Call
	p.Hook(func(_ context.Context, c memtarget.Call) error { seen = append(seen, c); return nil })
	v, s, a := upTo(t, p)
	if _, err := p.Target("mem/main").Publish(t.Context(), v, s, a); err != nil {
		t.Fatal(err)
	}
	want := []memtarget.Op{memtarget.Init, memtarget.UploadPart, memtarget.UploadPart, memtarget.Complete, memtarget.Publish}
	var got []memtarget.Op
	for i, c := range seen {
		if c.N != i/2+1 || (c.When == memtarget.After) != (i%2 == 1) {
			t.Errorf("call %d: %+v", i, c)
		}
		if c.When == memtarget.After {
			got = append(got, c.Op)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	p.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.When == memtarget.After {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
	p2 := p.Posts()
	v2, s2, a2 := v, s, a
	if _, err := p.Target("mem/main").Publish(t.Context(), v2, s2, a2); !errors.Is(err, target.ErrAssetSpent) || len(p.Posts()) != len(p2) {
		t.Errorf("a used asset: %v", err)
	}
}

func upTo(t *testing.T, p *memtarget.Platform) (upload.Video, upload.Session, upload.Asset) {
	t.Helper()
	c := p.Target("mem/main")
	v := upload.Video{Size: 6000, Title: "t", Account: "mem/main"}
	plan, err := upload.NewPlan(v.Size, small, upload.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Init(t.Context(), v, plan)
	if err != nil {
		t.Fatal(err)
	}
	var rs []upload.Receipt
	for n := 1; n <= plan.Parts; n++ {
		x := plan.Part(n)
		r, err := c.UploadPart(t.Context(), s, target.Part{Part: x, Open: func(context.Context) (io.ReadCloser, error) { return memtarget.Zeros(x.Size), nil }})
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	a, err := c.Complete(t.Context(), s, rs)
	if err != nil {
		t.Fatal(err)
	}
	return v, s, a
}

func TestTheClockRulesSessionsAssetsAndWhatIsSeen(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	p := memtarget.New(&memtarget.Options{Limits: small, Inspector: true, Checker: true, Denies: true, AssetLife: time.Hour, Lag: time.Minute, Review: 2 * time.Minute,
		Now: func() time.Time { return now }})
	c := p.Target("mem/main")
	v, s, a := upTo(t, p)
	at := target.Attempt{Video: v, Session: s, Asset: a, At: now}
	if f, _ := c.(target.Inspector).Inspect(t.Context(), at); !f.Denied {
		t.Error("an unpublished asset is not denied")
	}
	post, err := c.Publish(t.Context(), v, s, a)
	if err != nil {
		t.Fatal(err)
	}
	if f, _ := c.(target.Inspector).Inspect(t.Context(), at); f.Denied || len(f.Posts) != 0 {
		t.Errorf("inside the lag: %+v", f)
	}
	now = now.Add(time.Minute)
	if f, _ := c.(target.Inspector).Inspect(t.Context(), at); len(f.Posts) != 1 {
		t.Errorf("after the lag: %+v", f)
	}
	if d, _ := c.(target.Checker).Check(t.Context(), v, post); d.State != target.Later {
		t.Errorf("in review: %+v", d)
	}
	now = now.Add(time.Minute)
	if d, _ := c.(target.Checker).Check(t.Context(), v, post); d.State != target.Live {
		t.Errorf("after the review: %+v", d)
	}
	p.SetState(post.ID, target.Blocked, "unfit")
	if d, _ := c.(target.Checker).Check(t.Context(), v, post); d.State != target.Blocked || d.Reason != "unfit" {
		t.Errorf("blocked: %+v", d)
	}
	v, s, a = upTo(t, p)
	now = now.Add(time.Hour)
	if _, err := c.Publish(t.Context(), v, s, a); !errors.Is(err, target.ErrAssetSpent) {
		t.Errorf("an old asset: %v", err)
	}
}

func TestExpiredSessionCredentialsAreRenewedAndPartsKept(t *testing.T) {
	p := memtarget.New(&memtarget.Options{Limits: small, Renewer: true})
	c := p.Target("mem/main")
	plan, _ := upload.NewPlan(6000, small, upload.Settings{})
	s, _ := c.Init(t.Context(), upload.Video{Size: 6000, Title: "t"}, plan)
	open := func(context.Context) (io.ReadCloser, error) { return memtarget.Zeros(3000), nil }
	one, err := c.UploadPart(t.Context(), s, target.Part{Part: plan.Part(1), Open: open})
	if err != nil {
		t.Fatal(err)
	}
	p.ExpireKeys()
	if _, err := c.UploadPart(t.Context(), s, target.Part{Part: plan.Part(2), Open: open}); fault.KindOf(err) != fault.TokenExpired {
		t.Errorf("got %v, want TokenExpired", err)
	}
	if s, err = c.(target.Renewer).Renew(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	two, err := c.UploadPart(t.Context(), s, target.Part{Part: plan.Part(2), Open: open})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Complete(t.Context(), s, []upload.Receipt{one, two}); err != nil {
		t.Error(err)
	}
}
