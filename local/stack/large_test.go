package stack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// What AWS charges in us-east-1 (2026, on demand): Standard workflows $0.025 per 1,000 state transitions, DynamoDB
// $0.625 per million write request units of 1 KB and $0.125 per million read request units of 4 KB.
const (
	perTransition = 0.025 / 1000
	perWrite      = 0.625 / 1e6
	perRead       = 0.125 / 1e6
)

// TestTenThousandPartsCostWhatDesign8Promises carries 10,000 parts. A part stands for 5 MiB: it takes as long on the
// bubble's clock as 5 MiB take at the stated speed, and holds 1 KiB, since neither plan, events nor records depend on its
// size. That the plan is the one of the real file is checked first.
func TestTenThousandPartsCostWhatDesign8Promises(t *testing.T) {
	t.Parallel()
	const parts, real = 10_000, 5 << 20
	limits := upload.Limits{MaxSize: 1 << 40, OneRequest: real, MinPart: real, MinLastPart: 1, WantPart: real, MaxPart: 100 << 20, MaxParts: parts, InFlight: 4}
	want, err := upload.NewPlan(parts*real, limits, upload.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		rate int64 // bytes a second and range
	}{
		{"2 MB/s a range", 2_000_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits
				l.OneRequest, l.MinPart, l.WantPart = kib, kib, kib
				w := newWorld(t, worldOptions{
					Mem:    memtarget.Options{Limits: l, Inspector: true, Denies: true},
					Ledger: state.Settings{PoolGlobal: 40, PoolAccount: 40},
					Steps:  func(s *workflow.Settings) { s.Plan = upload.Settings{MinRange: 64 * kib / 5} },
				})
				defer w.close()
				part := time.Duration(float64(real*int64(want.InFlight)) / float64(c.rate) * float64(time.Second))
				w.mem.Hook(func(ctx context.Context, call memtarget.Call) error {
					if call.Op == memtarget.UploadPart && call.When == memtarget.Before {
						time.Sleep(part)
					}
					return nil
				})
				before := w.db.Stats()
				w.drop(filmKey, film(3, parts*kib))
				if !w.drive(6*time.Hour, w.settled) {
					t.Fatalf("it does not end: %s", w.timeline(w.upload(filmKey).ID))
				}
				u := w.upload(filmKey)
				after := w.db.Stats()
				if u.Status != upload.Published || u.Counts.Carries != 1 {
					t.Errorf("got %s after %d waves", u.String(), u.Counts.Carries)
				}
				if w.mem.Received() != parts*kib {
					t.Errorf("%d bytes were sent, of %d", w.mem.Received(), parts*kib)
				}
				es := w.m.Steps.List()
				if len(es) != 1 {
					t.Fatalf("%d executions", len(es))
				}
				e := es[0]
				writes, reads := after.WriteUnits-before.WriteUnits, after.ReadUnits-before.ReadUnits
				cost := float64(e.Transitions)*perTransition + writes*perWrite
				t.Logf("%d parts in %d ranges, %v: %d events, %d bytes of state, %d transitions ($%.5f), %d writes of %.0f units ($%.5f); together $%.5f; besides %d reads of %.0f units ($%.5f), the driver's own included",
					parts, want.Ranges, e.Stopped.Sub(e.Started).Round(time.Second), e.Events, e.MaxPayload, e.Transitions, float64(e.Transitions)*perTransition,
					after.Writes-before.Writes, writes, writes*perWrite, cost, after.Reads-before.Reads, reads, reads*perRead)
				if e.Events >= 1500 || e.MaxPayload >= 64<<10 || cost >= 0.01 {
					t.Errorf("design 8 promises < 1,500 events, < 64 KiB and < $0.01; writes by kind: %v", w.g.kinds())
				}
				if p := u.Plan; p == nil || p.Parts != want.Parts || p.Ranges != want.Ranges || p.PartsPerRange != want.PartsPerRange || p.InFlight != want.InFlight {
					t.Errorf("the plan is %+v, of the real file %+v", p, want)
				}
			})
		})
	}
}

// kinds counts the writes by call site, for the reader of a broken promise.
func (g *gate) kinds() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[string]int{}
	for site, n := range g.seen {
		if strings.Contains(site, " Put ") || strings.Contains(site, " Transact ") {
			out[site] = n
		}
	}
	return out
}

// leases watches the table for how many ranges are leased at a time.
type leases struct {
	table.Table
	mu        sync.Mutex
	live      map[table.Key]bool
	byAccount map[string]int
	most      int
	mostOf    map[string]int
	owner     func(id string) string
}

func (l *leases) Put(ctx context.Context, it table.Item, v int64) (int64, error) {
	n, err := l.Table.Put(ctx, it, v)
	if err == nil && strings.HasPrefix(it.SK, "RANGE#") {
		var r state.RangeRecord
		if json.Unmarshal(it.Doc, &r) == nil {
			l.note(it.Key, r.Owner != "")
		}
	}
	return n, err
}

func (l *leases) note(k table.Key, held bool) {
	account := l.owner(strings.TrimPrefix(k.PK, "U#"))
	l.mu.Lock()
	defer l.mu.Unlock()
	if held == l.live[k] {
		return
	}
	if held {
		l.live[k] = true
		l.byAccount[account]++
	} else {
		delete(l.live, k)
		l.byAccount[account]--
	}
	l.most = max(l.most, len(l.live))
	l.mostOf[account] = max(l.mostOf[account], l.byAccount[account])
}

// TestTwoHundredAtOnceStayWithinThePools is issue 2's crowd: everything is published once, no pool is ever exceeded, and
// nobody starves.
func TestTwoHundredAtOnceStayWithinThePools(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, pool, each = 200, 8, 3
		accounts := []upload.Account{"mem/a", "mem/b", "mem/c", "mem/d"}
		var routes manifest.Routes
		for _, a := range accounts {
			routes = append(routes, manifest.Route{Bucket: "inbox", Prefix: a.Name() + "/", Accounts: []upload.Account{a}, Sidecar: manifest.SidecarNever})
		}
		w := newWorld(t, worldOptions{
			Mem:    memtarget.Options{Inspector: true, Denies: true},
			Routes: routes, Ledger: state.Settings{PoolGlobal: pool, PoolAccount: each},
		})
		defer w.close()
		watch := &leases{live: map[table.Key]bool{}, byAccount: map[string]int{}, mostOf: map[string]int{}, owner: func(id string) string {
			u, err := w.see.Upload(context.Background(), id)
			if err != nil {
				return err.Error()
			}
			return string(u.Account)
		}}
		w.around(func(t table.Table) table.Table { watch.Table = t; return watch })
		w.mem.Hook(func(ctx context.Context, call memtarget.Call) error {
			if call.Op == memtarget.UploadPart && call.When == memtarget.Before {
				time.Sleep(2 * time.Second)
			}
			return nil
		})
		for i := range n {
			w.drop(fmt.Sprintf("%s/%03d.mp4", accounts[i%len(accounts)].Name(), i), film(uint64(i), 16*kib))
		}
		began := time.Now()
		if !w.drive(24*time.Hour, w.settled) {
			t.Error("not all of them end")
		}
		took := time.Since(began)
		stats := w.db.Stats()
		titles := map[string]int{}
		for _, p := range w.mem.Posts() {
			titles[string(p.Account)+p.Title]++
		}
		if len(w.mem.Posts()) != n || len(titles) != n {
			t.Errorf("%d posts of %d titles, want %d once each", len(w.mem.Posts()), len(titles), n)
		}
		var longest time.Duration
		for _, u := range w.uploads() {
			if u.Status != upload.Published {
				t.Errorf("got %s%s", u.String(), w.timeline(u.ID))
			}
			longest = max(longest, u.Ended.Sub(u.Created))
		}
		if watch.most > pool {
			t.Errorf("%d ranges were carried at a time, the pool has %d", watch.most, pool)
		}
		for a, most := range watch.mostOf {
			if most > each {
				t.Errorf("%d ranges of %s were carried at a time, its pool has %d", most, a, each)
			}
		}
		for _, wrong := range w.tidy() {
			t.Error(wrong)
		}
		t.Logf("%d publications of 2 ranges in %v; most ranges at a time %d of %d, by account %v; the longest took %v; %.0f reads and %.0f writes each", n, took, watch.most, pool, watch.mostOf, longest, float64(stats.Reads)/n, float64(stats.Writes)/n)
	})
}
