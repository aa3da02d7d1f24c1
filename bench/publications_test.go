package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/bucket"
	"github.com/vodlift/vodlift/local/scheduler"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/local/stepfn"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source/memsource"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/wire"
	"github.com/vodlift/vodlift/shared/workflow"
)

// What AWS charges in us-east-1 (2026, on demand): Standard workflows $0.025 per 1,000 state transitions, DynamoDB
// $0.625 per million write request units of 1 KB and $0.125 per million read request units of 4 KB.
const (
	perTransition = 0.025 / 1000
	perWrite      = 0.625 / 1e6
	perRead       = 0.125 / 1e6
)

const kib = 1 << 10

// town is the deployed functions and state machine with a platform in memory, in a bubble whose waits take no time.
type town struct {
	db  *sqlite.DB
	src *memsource.Source
	mem *memtarget.Platform
	m   *stack.Machine
}

type townOptions struct {
	limits   upload.Limits
	accounts []upload.Account
	ledger   state.Settings
	minRange int64
	part     time.Duration // how long a part takes
}

func newTown(t *testing.T, o townOptions) *town {
	t.Helper()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.FileKey(filepath.Join(t.TempDir(), "key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &town{db: db, src: memsource.New(), mem: memtarget.New(&memtarget.Options{Limits: o.limits, Inspector: true, Denies: true})}
	w.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.Op == memtarget.UploadPart && c.When == memtarget.Before {
			time.Sleep(o.part)
		}
		return nil
	})
	var routes manifest.Routes
	for _, a := range o.accounts {
		routes = append(routes, manifest.Route{Bucket: stack.Inbox, Prefix: a.Name() + "/", Accounts: []upload.Account{a}, Sidecar: manifest.SidecarNever})
	}
	w.m, err = stack.NewMachine(stack.MachineOptions{Inbox: stack.Inbox, Engines: wire.Engines{
		Table: db, Cipher: token.NewSealer(keys, nil), Source: w.src, Outside: nobody{}, HTTP: &http.Client{}, Log: slog.New(slog.DiscardHandler), Routes: routes, Ledger: o.ledger,
		Steps:   workflow.Settings{Plan: upload.Settings{MinRange: o.minRange}, Inbox: stack.Inbox, SettleRest: time.Minute, SettleLag: map[string]time.Duration{"mem": time.Minute}},
		Targets: map[string]target.Opener{"mem": w.mem.Opener()},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *town) close(t *testing.T) {
	t.Helper()
	if err := w.m.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := w.db.Close(); err != nil {
		t.Error(err)
	}
}

// drop puts a film into the bucket and tells the bus.
func (w *town) drop(t *testing.T, key string, size int64) {
	t.Helper()
	body := make([]byte, size)
	if _, err := (film{size}).ReadAt(body, 0); err != nil {
		t.Fatal(err)
	}
	copy(body[24:], key) // no two have the same content
	w.src.Put(stack.Inbox, key, body, nil)
	detail, err := json.Marshal(bucket.Detail{Version: "0", Bucket: bucket.Bucket{Name: stack.Inbox}, Object: bucket.Object{Key: key}, Reason: bucket.ReasonPut})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.m.Bus.Put(t.Context(), scheduler.Event{Source: "aws.s3", DetailType: "Object Created", Detail: detail}); err != nil {
		t.Fatal(err)
	}
}

// drive lets time pass, with the due sweep every minute, until there are posts posts and nothing runs.
func (w *town) drive(t *testing.T, limit time.Duration, posts int) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); {
		synctest.Wait()
		if len(w.mem.Posts()) >= posts && len(w.m.Steps.List(stepfn.Running)) == 0 {
			return
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		_, _ = w.m.Functions.Invoke(t.Context(), "reconcile", []byte(`{"v":1,"job":"due"}`)) // its failure is made up for by the next
	}
	t.Fatalf("it does not end: %d posts of %d, %d executions run", len(w.mem.Posts()), posts, len(w.m.Steps.List(stepfn.Running)))
}

// spent is what it cost until now.
type spent struct {
	transitions, events, payload int
	table.Stats
}

func (w *town) spent() spent {
	s := spent{Stats: w.db.Stats()}
	for _, e := range w.m.Steps.List() {
		s.transitions += e.Transitions
		s.events, s.payload = max(s.events, e.Events), max(s.payload, e.MaxPayload)
	}
	return s
}

func (s spent) dollars() float64 {
	return float64(s.transitions)*perTransition + s.WriteUnits*perWrite
}

// TestTenThousandPartsInOneWave carries 10,000 parts at 2 MB/s a range. A part stands for 5 MiB: it takes as long on the bubble's
// clock, and holds 1 KiB, since plan, events and records do not depend on its size.
func TestTenThousandPartsInOneWave(t *testing.T) {
	beside(t)
	parts := int64(200)
	if *measure {
		parts = 10_000
	}
	const real, inFlight = 5 << 20, 4
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, townOptions{
			limits:   upload.Limits{MaxSize: 1 << 40, OneRequest: kib, MinPart: kib, MinLastPart: 1, WantPart: kib, MaxPart: 100 << 20, MaxParts: 10_000, InFlight: inFlight},
			accounts: []upload.Account{"mem/a"}, ledger: state.Settings{PoolGlobal: 40, PoolAccount: 40}, minRange: 64 * kib / 5,
			part: time.Duration(float64(real*inFlight) / 2e6 * float64(time.Second)),
		})
		defer w.close(t)
		w.drop(t, "a/long.mp4", parts*kib)
		w.drive(t, 6*time.Hour, 1)
		s := w.spent()
		visits := w.m.Steps.List()[0].Visits["Carry"]
		if w.mem.Received() != parts*kib || visits != 1 {
			t.Errorf("%d bytes were sent of %d, in %d waves", w.mem.Received(), parts*kib, visits)
		}
		kept := s.events < 1500 && s.payload < 64<<10 && s.dollars() < 0.01
		if !kept {
			t.Errorf("%d events, %d bytes of state, $%.4f", s.events, s.payload, s.dollars())
		}
		if *measure {
			tell(t, Row{6, fmt.Sprintf("%d parts of 5 MiB (%.1f GiB), in %d wave", parts, float64(parts*real)/(1<<30), visits), "1 wave, < 1,500 events, < 64 KiB of state, < $0.01 for transitions and writes",
				fmt.Sprintf("%d events, %d bytes, %d transitions, %d writes of %.0f units: $%.4f (and %d reads, $%.4f)", s.events, s.payload, s.transitions, s.Writes, s.WriteUnits, s.dollars(), s.Reads, s.ReadUnits*perRead), Judge(kept)})
		}
	})
}

// TestManyAtOnceCostTheSameEach drops n videos in one moment: every one is posted once, and each costs what it costs
// among fewer.
func TestManyAtOnceCostTheSameEach(t *testing.T) {
	beside(t)
	crowds := []int{5, 10, 20}
	if *measure {
		crowds = []int{100, 500, 1000}
	}
	each := map[int]spent{}
	for _, n := range crowds {
		t.Run(fmt.Sprint(n), func(t *testing.T) { each[n] = crowd(t, n) })
	}
	per := func(i int) float64 { return each[crowds[i]].dollars() / float64(crowds[i]) }
	if per(0) == 0 || per(1) == 0 || per(2) == 0 {
		t.Fatal("nothing was counted")
	}
	if !*measure {
		return
	}
	var what []string
	for _, n := range crowds {
		s, f := each[n], float64(n)
		what = append(what, fmt.Sprintf("of %d: %.1f transitions, %.1f writes of %.1f units, %.1f reads, $%.6f", n, float64(s.transitions)/f, float64(s.Writes)/f, s.WriteUnits/f, float64(s.Reads)/f, s.dollars()/f))
	}
	// Who waits for a slot costs more than who does not, once; of a larger crowd more wait, but at last all of them do.
	tell(t, Row{7, fmt.Sprintf("%d publications at once, 4 accounts, 40 ranges in transfer: what each costs beside each of %d, and of %d", crowds[2], crowds[1], crowds[0]), "each posted once; cost linear (beside each of 500: <= 1.1)",
		fmt.Sprintf("each posted once; %.2f and %.2f times (%s)", per(2)/per(1), per(2)/per(0), strings.Join(what, "; ")), Judge(per(2)/per(1) <= 1.1)})
}

// crowd publishes n videos of two ranges each and gives what all of them cost.
func crowd(t *testing.T, n int) (s spent) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		accounts := []upload.Account{"mem/a", "mem/b", "mem/c", "mem/d"}
		w := newTown(t, townOptions{
			limits:   upload.Limits{MaxSize: 1 << 30, OneRequest: 4 * kib, MinPart: 4 * kib, MinLastPart: 1, WantPart: 4 * kib, MaxPart: 1 << 20, MaxParts: 1000, InFlight: 2},
			accounts: accounts, minRange: 8 * kib, part: 2 * time.Second,
		})
		defer w.close(t)
		began := time.Now()
		for i := range n {
			w.drop(t, fmt.Sprintf("%s/%04d.mp4", accounts[i%len(accounts)].Name(), i), 16*kib)
		}
		w.drive(t, 7*24*time.Hour, n)
		s = w.spent()
		titles := map[string]int{}
		for _, p := range w.mem.Posts() {
			titles[string(p.Account)+" "+p.Title]++
		}
		if len(w.mem.Posts()) != n || len(titles) != n {
			t.Errorf("%d posts of %d titles, want %d, each once", len(w.mem.Posts()), len(titles), n)
		}
		t.Logf("%d publications in %v of the bubble's time: %d transitions, %d writes, %d reads", n, time.Since(began).Round(time.Second), s.transitions, s.Writes, s.Reads)
	})
	return s
}
