package token_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// fast is a table in memory for very many records: what the sweep needs, and counts of what it costs.
type fast struct {
	table.Table                   // the rest is not used
	rows                [256]rows // by key
	parts               sync.Map  // index partition -> *part
	reads, writes, asks atomic.Int64
}

type rows struct {
	sync.Mutex
	m map[table.Key]table.Item
}

// part is a partition of an index, in the order of its sort values.
type part struct {
	sync.Mutex
	hits []table.Hit
}

func (f *fast) of(k table.Key) *rows {
	h := uint32(2166136261)
	for i := range len(k.PK) {
		h = (h ^ uint32(k.PK[i])) * 16777619
	}
	return &f.rows[h%uint32(len(f.rows))]
}

func (f *fast) Get(_ context.Context, k table.Key) (table.Item, error) {
	f.reads.Add(1)
	r := f.of(k)
	r.Lock()
	defer r.Unlock()
	it, ok := r.m[k]
	if !ok {
		return table.Item{}, &fault.Error{Kind: fault.Invalid, Op: "fast.Get", Err: table.ErrNotFound}
	}
	return it, nil
}

func (f *fast) Put(_ context.Context, it table.Item, v int64) (int64, error) {
	f.writes.Add(1)
	r := f.of(it.Key)
	r.Lock()
	defer r.Unlock()
	old := r.m[it.Key]
	if v != table.AnyVersion && old.Version != v {
		return 0, &fault.Error{Kind: fault.Duplicate, Op: "fast.Put", Err: table.ErrConflict}
	}
	it.Version = old.Version + 1
	if r.m == nil {
		r.m = map[table.Key]table.Item{}
	}
	r.m[it.Key] = it
	for ix, p := range old.Index {
		if it.Index[ix] != p {
			f.part(ix, p.PK).move(table.Hit{Key: it.Key, Place: p.SK}, false)
		}
	}
	for ix, p := range it.Index {
		if old.Index[ix] != p {
			f.part(ix, p.PK).move(table.Hit{Key: it.Key, Place: p.SK}, true)
		}
	}
	return it.Version, nil
}

func (f *fast) part(ix table.Index, pk string) *part {
	p, _ := f.parts.LoadOrStore(string(ix)+"#"+pk, &part{})
	return p.(*part)
}

func (p *part) move(h table.Hit, in bool) {
	p.Lock()
	defer p.Unlock()
	i, found := slices.BinarySearchFunc(p.hits, h, func(a, b table.Hit) int { return strings.Compare(a.Place+a.PK, b.Place+b.PK) })
	switch {
	case in && !found:
		p.hits = slices.Insert(p.hits, i, h)
	case !in && found:
		p.hits = slices.Delete(p.hits, i, i+1)
	}
}

func (f *fast) QueryIndex(_ context.Context, q table.IndexQuery) ([]table.Hit, string, error) {
	f.asks.Add(1)
	p := f.part(q.Index, q.PK)
	p.Lock()
	defer p.Unlock()
	var out []table.Hit
	for _, h := range p.hits {
		if q.To != "" && h.Place > q.To {
			break
		}
		if len(out) == q.Limit {
			return out, "more", nil
		}
		out = append(out, h)
	}
	return out, "", nil
}

// open is a Cipher that hides nothing: what is counted here is the sweep's work.
type open struct{}

func (open) Seal(_ context.Context, b, _ []byte) ([]byte, error) { return b, nil }
func (open) Open(_ context.Context, b, _ []byte) ([]byte, error) { return b, nil }

// masses is a platform that gives Douyin's lives to most and an hour to the rest, and sees to it that nobody came late.
type masses struct {
	now   func() time.Time
	calls atomic.Int64
	late  atomic.Int64
}

const hourly = "hourly-"

func lifeOf(subject string) time.Duration {
	if strings.HasPrefix(subject, hourly) {
		return time.Hour
	}
	return 15 * day
}

func (m *masses) Refresh(_ context.Context, _ token.AppKey, old token.Token) (token.Token, error) {
	m.calls.Add(1)
	if !m.now().Before(old.Expires) {
		m.late.Add(1)
	}
	return token.Token{Access: "a", Expires: m.now().Add(lifeOf(old.Subject))}, nil
}

// manyDay sweeps n accounts every ten minutes for a day and a half. They logged in at once, so they want their daily look at
// once; a quarter wants to be renewed in the first minute; some live for an hour. It checks that each run is bounded and
// finds exactly what is due, that nothing is renewed after its end, and that everybody was looked at.
func manyDay(t testing.TB, n, quick int) (*fast, *masses) {
	f, c := &fast{}, &clock{t: start}
	p := &masses{now: c.now}
	v := token.NewVault(f, open{}, c.now)
	for _, target := range []string{"douyin", "youku"} {
		if err := v.PutApp(t.Context(), target, token.AppKey{ID: "app"}); err != nil {
			t.Fatal(err)
		}
	}
	put := func(subject string, age time.Duration) {
		life := lifeOf(subject)
		_, err := v.SaveLogin(t.Context(), upload.Account("youku/"+subject), token.Token{Grant: "g", Subject: subject, Access: "a", Refresh: "r",
			Obtained: c.now().Add(-age), Expires: c.now().Add(life - age)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n - quick { // those that are due today, and those that are not
		put(fmt.Sprintf("user-%d", i), time.Duration(i%12)*day)
	}
	for i := range quick {
		put(hourly+fmt.Sprint(i), 0)
	}
	limit := max(16, n/50) // 2,000 for 100,000
	s := token.NewSweeper(token.NewKeeper(v, map[string]token.Refresher{"youku": p}, &token.KeeperOptions{Now: c.now}), &token.SweepOptions{Limit: limit, Budget: 24 * time.Hour})
	f.reads.Store(0)
	f.writes.Store(0)
	f.asks.Store(0)
	var all token.SweepReport
	runs := int(36*time.Hour/token.Interval) + 1
	most := int64(0)
	for range runs {
		due := f.dueWithin(c.now(), token.Interval)
		before := f.reads.Load() + f.writes.Load() + f.asks.Load()
		r, err := s.Sweep(t.Context())
		if err != nil || r.Failed != 0 || r.Busy != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if r.Looked > limit {
			t.Fatalf("a run looked at %d accounts, more than %d", r.Looked, limit)
		}
		if n := due["token#"] + due["look#"]; r.Looked > n || r.Looked < n && !r.More {
			t.Fatalf("%d accounts were due, %d were looked at: %+v", n, r.Looked, r)
		}
		most = max(most, f.reads.Load()+f.writes.Load()+f.asks.Load()-before)
		all.Looked, all.Renewed = all.Looked+r.Looked, all.Renewed+r.Renewed
		c.move(token.Interval)
	}
	if p.late.Load() != 0 {
		t.Errorf("%d tokens were renewed after their end", p.late.Load())
	}
	if int64(all.Renewed) != p.calls.Load() {
		t.Errorf("%d refreshes, %d renewals", p.calls.Load(), all.Renewed)
	}
	if left := f.dueWithin(c.now(), -token.Interval); left["token#"] != 0 {
		t.Errorf("overdue: %v", left)
	}
	old := 0
	f.each(func(d doc) {
		if c.now().Sub(d.Looked) > day+12*time.Hour {
			old++
		}
		if !d.Expires.After(c.now()) {
			t.Errorf("a token is over since %v", c.now().Sub(d.Expires))
		}
	})
	if old != 0 {
		t.Errorf("%d accounts were not looked at", old)
	}
	// Hourly ones renew at 60 to 70 % of their hour, or up to an interval earlier; the others at most once.
	if lo, hi := quick*36, quick*36*60/25; all.Renewed < lo || all.Renewed > hi+n {
		t.Errorf("%d renewals for %d hourly accounts and %d others", all.Renewed, quick, n-quick)
	}
	t.Logf("%d accounts, %d hourly: %d runs of at most %d looks and %d calls of the table; %d looks, %d refreshes, %d reads, %d writes, %d pages of the index",
		n, quick, runs, limit, most, all.Looked, p.calls.Load(), f.reads.Load(), f.writes.Load(), f.asks.Load())
	return f, p
}

// doc is what is looked at of a stored record.
type doc struct {
	Looked  time.Time `json:"looked"`
	Expires time.Time `json:"expires"`
}

func (f *fast) each(fn func(doc)) {
	for i := range f.rows {
		for k, it := range f.rows[i].m {
			var d doc
			if k.SK == "TOKEN" && json.Unmarshal(it.Doc, &d) == nil {
				fn(d)
			}
		}
	}
}

// dueWithin counts what is due by now and some time, by the kind of its partition.
func (f *fast) dueWithin(now time.Time, d time.Duration) map[string]int {
	to := now.Add(d).UTC().Format("2006-01-02T15:04:05.000Z")
	out := map[string]int{}
	f.parts.Range(func(k, v any) bool {
		if kind, ok := strings.CutPrefix(k.(string), "DUE#"); ok {
			for _, h := range v.(*part).hits {
				if h.Place <= to+"~" {
					out[kind[:strings.IndexByte(kind, '#')+1]]++
				}
			}
		}
		return true
	})
	return out
}

func TestSweepsOfManyAccountsAreBoundedAndNobodyIsLate(t *testing.T) {
	manyDay(t, 400, 4)
}

// BenchmarkSweepsOf100000Accounts is the same at full size; run it with -benchtime 1x.
func BenchmarkSweepsOf100000Accounts(b *testing.B) {
	for b.Loop() {
		f, p := manyDay(b, 100_000, 600)
		b.ReportMetric(float64(p.calls.Load()), "refreshes")
		b.ReportMetric(float64(f.reads.Load()), "reads")
		b.ReportMetric(float64(f.writes.Load()), "writes")
	}
}
