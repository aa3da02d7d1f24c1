package bench

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	fakevod "github.com/vodlift/vodlift/local/fake/vod"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/table"
)

// TestThousandClientsOfTheApps has many clients at once call the whole stack of one machine from a process of their own:
// through the listener, the gateway and the function, with SQLite on disk. No call may fail, and what was published has to be there afterwards, once.
//
// Our own time of a call is what its function took, less its waits: for VOD and STS (round trips of the program's HTTP
// client) and for the table (calls of table.Table). All three are told by log lines of the same invocation.
func TestThousandClientsOfTheApps(t *testing.T) {
	beside(t)
	in := crowdOfApps{Clients: 20, People: 4, Seconds: 1, Think: 100 * time.Millisecond}
	if *measure {
		in = crowdOfApps{Clients: 1000, People: 100, Seconds: 30, Think: *think}
	}
	watch := &stopwatch{calls: map[string]*call{}, faults: map[string]int{}}
	log := slog.New(handler.LogHandler(watch))
	s, err := stack.Open(t.Context(), stack.Options{Dir: t.TempDir(), Kind: stack.Demo, Log: log, FakeVOD: func(o *fakevod.Options) {
		o.Dir = "" // it writes its whole state at every change: that is the fake's time, on processors that are ours
	}, Tune: func(o *stack.MachineOptions) {
		o.Engines.Table = timedTable{o.Engines.Table, log}
		o.Engines.HTTP = &http.Client{Transport: timedWire{o.Engines.HTTP.Transport, log}, CheckRedirect: o.Engines.HTTP.CheckRedirect, Timeout: o.Engines.HTTP.Timeout}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	in.Address = s.Running.Public
	c := spawn(t, "apps", in)
	var got appsReport
	before := runDelay()
	spent := timed(t, func() error { return c.wait(&got) })
	waited := runDelay() - before
	for _, e := range got.Errors {
		t.Error(e)
	}
	for why, n := range watch.faults {
		t.Errorf("%d times: %s", n, why)
	}
	if got.Published == 0 || got.Lost > 0 || got.Doubled > 0 {
		t.Errorf("of %d videos published, %d are not in their user's list and %d are there twice", got.Published, got.Lost, got.Doubled)
	}
	if *measure {
		tellApps(t, in, got, watch.byPath(got.Began, got.Ended))
		told := 0
		for _, cs := range watch.byPath(time.Time{}, time.Now()) {
			told += len(cs)
		}
		tell(t, Row{8, "the same: processor time of the whole stack (listeners, functions, SQLite, fakes) for a call, sign-up and login included", "",
			fmt.Sprintf("%.1f ms; for each second on a processor its threads waited %.1f s for one, since others used this machine", spent.cpu*1000/float64(told), waited/spent.cpu), Told})
	}
}

func tellApps(t *testing.T, in crowdOfApps, got appsReport, paths map[string][]call) {
	t.Helper()
	var own, ownTable, whole []float64
	each := map[string]string{}
	for path, cs := range paths {
		var o, w []float64
		for _, c := range cs {
			o, w = append(o, c.own()), append(w, c.withTable())
		}
		each[path] = fmt.Sprintf("%s %d calls: own %.2f/%.2f, with the table %.2f/%.2f", path, len(cs), Median(o), Quantile(o, 0.99), Median(w), Quantile(w, 0.99))
		if path != "/user/login" && path != "/user/register" { // a password costs an argon2id on purpose
			own, ownTable = append(own, o...), append(ownTable, w...)
		}
	}
	for _, ms := range got.Millis {
		whole = append(whole, ms...)
	}
	calls := fmt.Sprintf("%d clients for %d s, %d calls (%.0f a second)", in.Clients, in.Seconds, len(whole), float64(len(whole))/float64(in.Seconds))
	tell(t, Row{8, calls + ": calls that failed, writes lost or doubled", "0", fmt.Sprintf("%d failed; of %d published %d lost, %d doubled", got.Failed, got.Published, got.Lost, got.Doubled),
		Judge(got.Failed == 0 && got.Lost == 0 && got.Doubled == 0)})
	tell(t, Row{8, "the same: our own time of a call that checks no password, in the function, less VOD and table: p50 / p99", "p99 < 5 ms", fmt.Sprintf("%.2f / %.2f ms", Median(own), Quantile(own, 0.99)), Judge(Quantile(own, 0.99) < 5)})
	tell(t, Row{8, "the same, with the table (SQLite, every write synced): p50 / p99", "", fmt.Sprintf("%.2f / %.2f ms", Median(ownTable), Quantile(ownTable, 0.99)), Told})
	tell(t, Row{8, "the same, as the clients see it: p50 / p99", "", fmt.Sprintf("%.2f / %.2f ms", Median(whole), Quantile(whole, 0.99)), Told})
	for _, path := range slices.Sorted(func(yield func(string) bool) {
		for p := range each {
			if !yield(p) {
				return
			}
		}
	}) {
		tell(t, Row{8, "of these, p50/p99 in ms: " + strings.TrimSpace(strings.SplitN(each[path], ":", 2)[0]), "", strings.SplitN(each[path], ": ", 2)[1], Told})
	}
}

// runDelay is how long this process's threads have been ready to run and had no processor, in seconds; Linux only.
func runDelay() (sum float64) {
	files, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if fields := strings.Fields(string(b)); err == nil && len(fields) > 1 {
			ns, _ := strconv.ParseFloat(fields[1], 64)
			sum += ns / 1e9
		}
	}
	return sum
}

// call is what an invocation was seen to take, in milliseconds.
type call struct {
	path            string
	at              time.Time
	whole           float64
	platform, table []span
}

// span is one wait.
type span struct{ from, to time.Time }

// during is how long at least one of the waits lasted, in milliseconds: some of them run beside each other.
func during(waits ...span) (ms float64) {
	slices.SortFunc(waits, func(a, b span) int { return a.from.Compare(b.from) })
	var end time.Time
	for _, w := range waits {
		if w.from.Before(end) {
			w.from = end
		}
		if w.to.After(w.from) {
			ms += w.to.Sub(w.from).Seconds() * 1000
			end = w.to
		}
	}
	return ms
}

func (c call) own() float64 {
	return max(0, c.whole-during(append(slices.Clone(c.platform), c.table...)...))
}

func (c call) withTable() float64 { return max(0, c.whole-during(slices.Clone(c.platform)...)) }

// stopwatch is a log handler that adds up what the lines of an invocation say.
type stopwatch struct {
	mu     sync.Mutex
	calls  map[string]*call
	faults map[string]int // how often the program said so of a call
}

// Enabled is slog.Handler's.
func (s *stopwatch) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs is slog.Handler's; nobody uses it here.
func (s *stopwatch) WithAttrs([]slog.Attr) slog.Handler { return s }

// WithGroup is slog.Handler's; nobody uses it here.
func (s *stopwatch) WithGroup(string) slog.Handler { return s }

// The messages of the lines that we write ourselves.
const (
	tableWait    = "bench: table"
	platformWait = "bench: platform"
)

// Handle is slog.Handler's.
func (s *stopwatch) Handle(_ context.Context, r slog.Record) error {
	switch r.Message {
	case "invocation", "call", tableWait, platformWait:
	case "a call failed":
		s.fault(r)
		return nil
	default:
		return nil
	}
	var id, path, function string
	var ms float64
	var began time.Time
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "request_id":
			id = a.Value.String()
		case "function":
			function = a.Value.String()
		case "path":
			path = a.Value.String()
		case "duration":
			ms = a.Value.Float64()
		case "began":
			began = a.Value.Time()
		}
		return true
	})
	if function != "appserver" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[id]
	if c == nil {
		c = &call{}
		s.calls[id] = c
	}
	switch r.Message {
	case "invocation":
		c.whole, c.at = ms, r.Time
	case "call":
		c.path = path
	case tableWait:
		c.table = append(c.table, span{began, r.Time})
	case platformWait:
		c.platform = append(c.platform, span{began, r.Time})
	}
	return nil
}

// fault keeps what the program says of a call that failed.
func (s *stopwatch) fault(r slog.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "fault" {
			s.faults[a.Value.String()]++
		}
		return true
	})
}

// byPath gives the calls that ended between the two.
func (s *stopwatch) byPath(began, ended time.Time) map[string][]call {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]call{}
	for _, c := range s.calls {
		if c.at.After(began) && c.at.Before(ended) {
			out[c.path] = append(out[c.path], *c)
		}
	}
	return out
}

func waited(ctx context.Context, log *slog.Logger, what string, began time.Time) {
	log.LogAttrs(ctx, slog.LevelDebug, what, slog.Time("began", began))
}

// timedWire tells how long the platform was waited for.
type timedWire struct {
	next http.RoundTripper
	log  *slog.Logger
}

// RoundTrip is http.RoundTripper's.
func (w timedWire) RoundTrip(r *http.Request) (*http.Response, error) {
	defer waited(r.Context(), w.log, platformWait, time.Now())
	return w.next.RoundTrip(r)
}

// timedTable tells how long the table was waited for.
type timedTable struct {
	table.Table
	log *slog.Logger
}

// Get is table.Table's.
func (t timedTable) Get(ctx context.Context, k table.Key) (table.Item, error) {
	defer waited(ctx, t.log, tableWait, time.Now())
	return t.Table.Get(ctx, k)
}

// Query is table.Table's.
func (t timedTable) Query(ctx context.Context, q table.Query) ([]table.Item, string, error) {
	defer waited(ctx, t.log, tableWait, time.Now())
	return t.Table.Query(ctx, q)
}

// Put is table.Table's.
func (t timedTable) Put(ctx context.Context, it table.Item, ifVersion int64) (int64, error) {
	defer waited(ctx, t.log, tableWait, time.Now())
	return t.Table.Put(ctx, it, ifVersion)
}

// Add is table.Table's.
func (t timedTable) Add(ctx context.Context, a table.Add) (int64, error) {
	defer waited(ctx, t.log, tableWait, time.Now())
	return t.Table.Add(ctx, a)
}

// Delete is table.Table's.
func (t timedTable) Delete(ctx context.Context, k table.Key, ifVersion int64) error {
	defer waited(ctx, t.log, tableWait, time.Now())
	return t.Table.Delete(ctx, k, ifVersion)
}

// Transact is table.Table's.
func (t timedTable) Transact(ctx context.Context, token string, ops []table.Op) error {
	defer waited(ctx, t.log, tableWait, time.Now())
	return t.Table.Transact(ctx, token, ops)
}

// QueryIndex is table.Table's.
func (t timedTable) QueryIndex(ctx context.Context, q table.IndexQuery) ([]table.Hit, string, error) {
	defer waited(ctx, t.log, tableWait, time.Now())
	return t.Table.QueryIndex(ctx, q)
}

// appsReport is what the clients saw.
type appsReport struct {
	Began     time.Time
	Ended     time.Time
	Millis    map[string][]float64 // by path, from the first byte out to the last in
	Errors    []string             // the first of them
	Failed    int
	Published int
	Lost      int
	Doubled   int
}

// crowdOfApps is who calls.
type crowdOfApps struct {
	Address string
	Clients int
	People  int // of them, who have a password; the others are guests
	Seconds int
	Think   time.Duration // between a client's calls, on average
}
