package upload_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// douyin is the safe plan of reference douyin A.6.
var douyin = upload.Limits{MaxSize: 4 * gib, OneRequest: 50 * mib, MinPart: 5 * mib, MaxPart: 100 * mib, WantPart: 20 * mib, MinLastPart: 5 * mib, MaxParts: 1000, InFlight: 4}

// oss is a platform that takes 10,000 parts and never one request.
var oss = upload.Limits{MinPart: 5 * mib, MaxPart: 5 * gib, WantPart: 5 * mib, MinLastPart: 1, MaxParts: 10_000, InFlight: 8}

// checkPlan holds p to everything that a plan promises.
func checkPlan(t interface {
	Helper()
	Fatalf(string, ...any)
}, p upload.Plan, size int64, l upload.Limits, s upload.Settings) {
	t.Helper()
	if p.Size != size || p.Parts < 1 || p.Ranges < 1 || p.Ranges > upload.MaxRanges || p.InFlight < 1 || p.InFlight > 8 {
		t.Fatalf("out of bounds: %+v", p)
	}
	if l.MaxParts > 0 && p.Parts > l.MaxParts {
		t.Fatalf("%d parts, the platform takes %d", p.Parts, l.MaxParts)
	}
	if l.InOrder && (p.Ranges != 1 || p.InFlight != 1) {
		t.Fatalf("in order means one range and one part in flight: %+v", p)
	}
	next, n := int64(0), 1
	for r := 1; r <= p.Ranges; r++ {
		first, last := p.Range(r)
		if first != n || last < first {
			t.Fatalf("range %d is %d to %d, want it to start at %d", r, first, last, n)
		}
		for ; n <= last; n++ {
			part := p.Part(n)
			if part.Number != n || part.Offset != next || part.Size < 1 || p.RangeOf(n) != r {
				t.Fatalf("part %d of range %d is %+v, want it at %d", n, r, part, next)
			}
			checkPart(t, p, part, l)
			next += part.Size
		}
	}
	if next != size || n != p.Parts+1 {
		t.Fatalf("%d parts hold %d of %d bytes", n-1, next, size)
	}
	if p.Events(s) >= upload.MaxEvents {
		t.Fatalf("%d events", p.Events(s))
	}
}

func checkPart(t interface {
	Helper()
	Fatalf(string, ...any)
}, p upload.Plan, part upload.Part, l upload.Limits) {
	t.Helper()
	if p.Size <= l.OneRequest {
		return
	}
	if l.MaxPart > 0 && part.Size > l.MaxPart {
		t.Fatalf("part %+v is over %d", part, l.MaxPart)
	}
	if part.Number < p.Parts && part.Size < l.MinPart || part.Number == p.Parts && part.Size < l.MinLastPart {
		t.Fatalf("part %+v of %d is under %d or %d", part, p.Parts, l.MinPart, l.MinLastPart)
	}
}

func TestAPlanIsContiguousExactAndWithinLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := upload.Limits{
			OneRequest: rapid.Int64Range(0, 100*mib).Draw(t, "one"), MinPart: rapid.Int64Range(0, 10*mib).Draw(t, "min"), MinLastPart: rapid.Int64Range(0, 10*mib).Draw(t, "last"),
			WantPart: rapid.Int64Range(0, 64*mib).Draw(t, "want"), MaxParts: rapid.IntRange(0, 3000).Draw(t, "parts"), InOrder: rapid.Bool().Draw(t, "order"), InFlight: rapid.IntRange(-1, 20).Draw(t, "flight"),
		}
		l.MaxPart = rapid.SampledFrom([]int64{0, l.MinPart + 64*mib, 5 * gib}).Draw(t, "max")
		s := upload.Settings{MinRange: rapid.Int64Range(-1, 512*mib).Draw(t, "range"), MaxRanges: rapid.IntRange(-1, 60).Draw(t, "ranges"), TurnBytes: rapid.Int64Range(-1, 4*gib).Draw(t, "turn")}
		size := rapid.Int64Range(1, 20*gib).Draw(t, "size")
		p, err := upload.NewPlan(size, l, s)
		if err != nil {
			if f := fault.As(err); f.Kind != fault.Invalid || f.Field == "" || f.Rule == "" {
				t.Fatalf("got %v", err)
			}
			return
		}
		if p.Parts <= 5000 {
			checkPlan(t, p, size, l, s)
		}
	})
}

func FuzzNewPlan(f *testing.F) {
	f.Add(int64(1), int64(0), int64(0), int64(0), int64(0), int64(0), 0, false, int64(0), 0, int64(0))
	f.Add(int64(4*gib), int64(50*mib), int64(5*mib), int64(5*mib), int64(100*mib), int64(20*mib), 1000, false, int64(64*mib), 40, int64(855*2_000_000))
	f.Add(int64(math.MaxInt64), int64(0), int64(1), int64(1), int64(math.MaxInt64), int64(math.MaxInt64), 1, true, int64(math.MaxInt64), 1, int64(math.MaxInt64))
	f.Add(int64(1<<50), int64(0), int64(0), int64(9), int64(0), int64(1), 0, true, int64(1), 0, int64(1<<50))
	f.Fuzz(func(t *testing.T, size, one, minPart, minLast, maxPart, want int64, parts int, order bool, minRange int64, ranges int, turn int64) {
		l := upload.Limits{OneRequest: one, MinPart: minPart, MinLastPart: minLast, MaxPart: maxPart, WantPart: want, MaxParts: parts, InOrder: order}
		s := upload.Settings{MinRange: minRange, MaxRanges: ranges, TurnBytes: turn}
		p, err := upload.NewPlan(size, l, s)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		if p.Parts <= 20_000 {
			checkPlan(t, p, size, l, s)
		}
	})
}

func TestDouyinAtEveryLimit(t *testing.T) {
	for _, c := range []struct {
		size  int64
		parts int
	}{
		{1, 1}, {5*mib - 1, 1}, {5 * mib, 1}, {50*mib - 1, 1}, {50 * mib, 1}, {50*mib + 1, 3},
		{60*mib - 1, 3}, {60 * mib, 3}, {60*mib + 1, 4}, {80*mib - 1, 4}, {80 * mib, 4}, {80*mib + 1, 5}, {100*mib - 1, 5}, {100 * mib, 5}, {100*mib + 1, 6},
		{128 * mib, 7}, {300 * mib, 15}, {4*gib - 1, 205}, {4 * gib, 205},
	} {
		t.Run(fmt.Sprint(c.size), func(t *testing.T) {
			p, err := upload.NewPlan(c.size, douyin, upload.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			checkPlan(t, p, c.size, douyin, upload.Settings{})
			if p.Parts != c.parts || p.OneRequest() != (c.size <= douyin.OneRequest) {
				t.Errorf("got %d parts, want %d", p.Parts, c.parts)
			}
			if n := int64(c.parts); p.PartSize != (c.size+n-1)/n || !p.OneRequest() && (p.PartSize < 10*mib || p.PartSize > 20*mib) {
				t.Errorf("got parts of %d bytes", p.PartSize)
			}
		})
	}
}

func TestWhatCannotBeCutIsInvalidNamingTheRule(t *testing.T) {
	for _, c := range []struct {
		name     string
		size     int64
		l        upload.Limits
		s        upload.Settings
		wantRule string
	}{
		{"an empty file", 0, douyin, upload.Settings{}, "> 0"},
		{"a negative size", -1, douyin, upload.Settings{}, "> 0"},
		{"over the platform's 4 GiB by a byte", 4*gib + 1, douyin, upload.Settings{}, "<= 4294967296 bytes"},
		{"over what arithmetic holds", math.MaxInt64, upload.Limits{}, upload.Settings{}, "<= 1125899906842624 bytes"},
		{"more parts than allowed, at their largest", 10*mib + 1, upload.Limits{MaxPart: mib, MaxParts: 10}, upload.Settings{}, "parts of 1 bytes to 1048576 bytes, at most 10 of them"},
		{"more than arrives while the session lives", 14_400_000_001, upload.Limits{WantPart: 20 * mib, SessionLife: 2 * time.Hour}, upload.Settings{}, "sent within 2h0m0s, which is how long the platform keeps an open upload"},
		{"a last part that is always too short", 3, upload.Limits{MinLastPart: 5}, upload.Settings{}, "parts of 1 bytes to any size, at most 100000 of them"},
		{"more turns than a range may have", 61 * 2_000_000 * 855, upload.Limits{InOrder: true, WantPart: 100 * mib}, upload.Settings{}, "<= 60 turns for each range"},
		{"one request that takes more turns than it may", 61 * mib, upload.Limits{OneRequest: 61 * mib}, upload.Settings{TurnBytes: mib}, "<= 60 turns for each range"},
	} {
		p, err := upload.NewPlan(c.size, c.l, c.s)
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != "source.size" || f.Rule != c.wantRule {
			t.Errorf("%s: got %+v, %v, want rule %q", c.name, p, err, c.wantRule)
		}
	}
}

func TestTenPartsOfTheirLargestSizeStillFit(t *testing.T) {
	l := upload.Limits{MaxPart: mib, MaxParts: 10}
	p, err := upload.NewPlan(10*mib, l, upload.Settings{})
	if err != nil || p.Parts != 10 || p.PartSize != mib {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestTenThousandPartsGoInOneWaveWithinAHistory(t *testing.T) {
	size := int64(10_000 * 5 * mib)
	p, err := upload.NewPlan(size, oss, upload.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	checkPlan(t, p, size, oss, upload.Settings{})
	if p.Parts != 10_000 || p.PartSize != 5*mib || p.Ranges != 40 || p.PartsPerRange != 250 {
		t.Errorf("got %+v", p)
	}
	// Promised is the worst case; the budget of a run without a fault is in design 8.
	if n := p.Events(upload.Settings{}); n >= upload.MaxEvents || n < 4000 {
		t.Errorf("got %d events", n)
	}
	ranges := make([]int, p.Ranges)
	for i := range ranges {
		ranges[i] = i + 1
	}
	state, err := json.Marshal(map[string]any{"v": 1, "upload": upload.ID("p", "mem/a", ""), "gen": 99_999, "step": map[string]any{"next": "carry", "wait": 0, "ranges": ranges, "grant": p.Ranges}})
	if err != nil || len(state) >= 64*kib {
		t.Errorf("the state of the Map has %d bytes, %v", len(state), err)
	}
	if _, err := upload.NewPlan(size+1, oss, upload.Settings{}); err != nil {
		t.Errorf("one byte more takes larger parts, not a refusal: %v", err)
	}
}

func TestTheLongestPlanStillFitsAHistory(t *testing.T) {
	s := upload.Settings{TurnBytes: 10 * mib}
	size := int64(upload.MaxRanges * upload.MaxTurns * 10 * mib)
	p, err := upload.NewPlan(size, upload.Limits{WantPart: 10 * mib}, s)
	if err != nil || p.Ranges != 40 {
		t.Fatalf("%+v, %v", p, err)
	}
	checkPlan(t, p, size, upload.Limits{WantPart: 10 * mib}, s)
	if _, err := upload.NewPlan(size+1, upload.Limits{WantPart: 10 * mib}, s); fault.KindOf(err) != fault.Invalid {
		t.Errorf("one byte more: %v", err)
	}
}

func TestRangesAreAtLeastTheSettingAndFanOutInTheDemo(t *testing.T) {
	demo := douyin
	demo.OneRequest, demo.WantPart = 5*mib, 5*mib
	s := upload.Settings{MinRange: 5 * mib}
	for size, want := range map[int64][2]int{12 * mib: {2, 2}, 15 * mib: {3, 3}, 5*mib + 1: {1, 1}, 10*mib - 1: {1, 1}, 10 * mib: {2, 2}} {
		p, err := upload.NewPlan(size, demo, s)
		if err != nil || p.Parts != want[0] || p.Ranges != want[1] {
			t.Errorf("%d: got %+v, %v, want parts and ranges %v", size, p, err, want)
		}
		checkPlan(t, p, size, demo, s)
	}
	p, err := upload.NewPlan(300*mib, douyin, upload.Settings{})
	if err != nil || p.Ranges != 4 || p.PartsPerRange != 4 {
		t.Errorf("64 MiB ranges of 300 MiB: got %+v, %v", p, err)
	}
}

func BenchmarkNewPlan(b *testing.B) {
	for b.Loop() {
		if _, err := upload.NewPlan(10_000*5*mib, oss, upload.Settings{}); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleNewPlan() {
	p, err := upload.NewPlan(300*mib, douyin, upload.Settings{})
	if err != nil {
		panic(err)
	}
	first, last := p.Range(2)
	fmt.Println(p.Parts, "parts in", p.Ranges, "ranges; the second carries", first, "to", last, "from byte", p.Part(first).Offset)
	// Output: 15 parts in 4 ranges; the second carries 5 to 8 from byte 83886080
}
