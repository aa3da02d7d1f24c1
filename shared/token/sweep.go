package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// Events that a sweep announces.
const (
	ExpiresSoon = "account.expires_soon"
	NeedsLogin  = "account.needs_login"
)

// Notice is what a sweep announces: that a person is needed, or will be. No secret is in it. ID is the same for every
// repeat of one notice.
type Notice struct {
	Type      string         `json:"-"`
	ID        string         `json:"id"`
	Account   upload.Account `json:"account"`
	By        time.Time      `json:"by,omitzero"`      // a person is needed at the latest
	Days      int            `json:"days,omitempty"`   // of 14, 7, 2: the announcement that it is
	Reason    string         `json:"reason,omitempty"` // why a person is needed now
	Scheduled int            `json:"scheduled"`        // uploads that are to be published after By, or wait for the login
	Action    string         `json:"action"`
}

// SweepOptions are what may vary. nil and zero values mean the defaults.
type SweepOptions struct {
	// Announce tells the outside; at least once for each notice, over all sweeps. An error is tried again by the next sweep.
	// Default: a line in the log.
	Announce func(ctx context.Context, n Notice) error
	// Scheduled counts the uploads of an account that are to be published after a moment. Default: none are known.
	Scheduled func(ctx context.Context, account upload.Account, after time.Time) (int, error)

	Interval time.Duration // between sweeps; default Interval
	Limit    int           // accounts looked at in one run; default 2,000
	Workers  int           // shards worked on at once; default 8
	Budget   time.Duration // nothing is begun later; default 3 min
	Reserve  time.Duration // nothing is begun so shortly before ctx's deadline; default 32 s, one refresh and its save
}

// SweepReport counts what one run did.
type SweepReport struct {
	Looked     int  `json:"looked"`
	Renewed    int  `json:"renewed"`     // access tokens
	Rotated    int  `json:"rotated"`     // refresh tokens
	Warned     int  `json:"warned"`      // account.expires_soon
	NeedsLogin int  `json:"needs_login"` // account.needs_login
	Resealed   int  `json:"resealed"`
	Asked      int  `json:"asked"`  // platforms asked whether a login still stands
	Failed     int  `json:"failed"` // looks; each is in the log, and tried again later
	Busy       int  `json:"busy"`   // shards that another sweep works on
	More       bool `json:"more"`   // the bounds of the run left some for the next
	// DaysLeft is the least that an account that was looked at has until a person is needed; -1 = none says when.
	DaysLeft float64 `json:"days_left"`
}

// noDays is DaysLeft of nobody.
const noDays = -1

// left notes how long an account has.
func (r *SweepReport) left(rec record, a upload.Account, now time.Time) {
	by := rec.needsLoginBy(a)
	switch {
	case rec.State == stateDead:
		by = now
	case by.IsZero():
		return
	}
	r.least(max(0, by.Sub(now).Hours()/24))
}

func (r *SweepReport) least(days float64) {
	if days != noDays && (r.DaysLeft == noDays || days < r.DaysLeft) {
		r.DaysLeft = days
	}
}

func (r *SweepReport) add(o SweepReport) {
	r.Looked, r.Renewed, r.Rotated = r.Looked+o.Looked, r.Renewed+o.Renewed, r.Rotated+o.Rotated
	r.Warned, r.NeedsLogin, r.Resealed = r.Warned+o.Warned, r.NeedsLogin+o.NeedsLogin, r.Resealed+o.Resealed
	r.Asked += o.Asked
	r.least(o.DaysLeft)
	r.Failed, r.Busy, r.More = r.Failed+o.Failed, r.Busy+o.Busy, r.More || o.More
}

// Sweeper renews ahead what would cross its threshold before the next sweep, announces what only a person can renew, and
// seals again what is under an old key. It finds its work in an index by time, so its cost is that of what is due. Safe for
// concurrent use, also by many processes: a shard belongs to one sweep at a time.
type Sweeper struct {
	k *Keeper
	o SweepOptions
}

// NewSweeper makes a Sweeper that renews through k. o may be nil.
func NewSweeper(k *Keeper, o *SweepOptions) *Sweeper {
	s := &Sweeper{k: k}
	if o != nil {
		s.o = *o
	}
	if s.o.Announce == nil {
		s.o.Announce = func(ctx context.Context, n Notice) error {
			k.o.Log.WarnContext(ctx, n.Type, "account", string(n.Account), "by", n.By, "days", n.Days, "reason", n.Reason)
			return nil
		}
	}
	if s.o.Scheduled == nil {
		s.o.Scheduled = func(context.Context, upload.Account, time.Time) (int, error) { return 0, nil }
	}
	s.o.Interval = cmp.Or(s.o.Interval, Interval)
	s.o.Limit = cmp.Or(s.o.Limit, 2000)
	s.o.Workers = cmp.Or(s.o.Workers, 8)
	s.o.Budget = cmp.Or(s.o.Budget, 3*time.Minute)
	s.o.Reserve = cmp.Or(s.o.Reserve, 32*time.Second)
	return s
}

// Sweep does one run. An account that fails does not keep the others: it is counted and logged. The error is that of an
// index or a lease that could not be read.
func (s *Sweeper) Sweep(ctx context.Context) (SweepReport, error) {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		out   = SweepReport{DaysLeft: noDays}
		errs  []error
		slots = make(chan struct{}, s.o.Workers)
		end   = s.k.o.Now().Add(s.o.Budget)
	)
	for i := range shards {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r, err := s.shard(ctx, i, end)
			mu.Lock()
			defer mu.Unlock()
			out.add(r)
			if err != nil {
				errs = append(errs, fmt.Errorf("shard %02d: %w", i, err))
			}
		})
	}
	wg.Wait()
	n, err := s.apps(ctx)
	out.Resealed += n
	if out.DaysLeft != noDays {
		s.k.o.Metric(ctx, "login_days_left", "None", out.DaysLeft)
	}
	return out, fault.Wrap("token.Sweep", errors.Join(append(errs, err)...))
}

// shard looks at what is due in one shard, the longest overdue first: at what presses, then, as far as the bounds go, at
// what can wait.
func (s *Sweeper) shard(ctx context.Context, i int, end time.Time) (out SweepReport, err error) {
	out.DaysLeft = noDays
	now := s.k.o.Now()
	key := table.Key{PK: fmt.Sprintf("SWEEP#token#%02d", i), SK: "LEASE"}
	l, _, _, err := takeLease(ctx, s.k.vault.table, key, s.k.o.Owner, now, s.o.Budget+s.o.Reserve+s.k.o.SaveTimeout)
	if err != nil {
		return out, err
	}
	if l == nil {
		out.Busy = 1
		return out, nil
	}
	defer func() {
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), s.k.o.SaveTimeout)
		defer done()
		l.release(ctx, time.Time{}, "")
	}()
	for _, part := range []string{pressingPart, patientPart} {
		limit := max(1, s.o.Limit/shards) - out.Looked
		if limit <= 0 || out.More {
			out.More = true // perhaps: nobody looked
			break
		}
		q := table.IndexQuery{Index: table.Due, PK: fmt.Sprintf("%s%02d", part, i), To: stamp(now.Add(s.o.Interval)) + "~", Limit: limit}
		if err := s.page(ctx, q, end, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// page looks at one page of accounts. It is read before it is worked on: what is worked on leaves its place.
func (s *Sweeper) page(ctx context.Context, q table.IndexQuery, end time.Time, out *SweepReport) error {
	hits, next, err := s.k.vault.table.QueryIndex(ctx, q)
	if err != nil {
		return err
	}
	out.More = next != ""
	for _, h := range hits {
		a, ok := accountOf(h.Key)
		if !ok {
			continue
		}
		if !s.timeLeft(ctx, end) {
			out.More = true
			break
		}
		out.Looked++
		if err := s.look(ctx, a, out); err != nil {
			out.Failed++
			s.k.o.Log.WarnContext(ctx, "an account's credential could not be looked after", "account", string(a), "error", err.Error())
		}
	}
	return nil
}

// timeLeft tells whether one more account may be begun.
func (s *Sweeper) timeLeft(ctx context.Context, end time.Time) bool {
	now := s.k.o.Now()
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && now.Before(end) && (!ok || now.Add(s.o.Reserve).Before(deadline))
}

// apps seals again the app keys that are under an old key.
func (s *Sweeper) apps(ctx context.Context) (n int, err error) {
	platforms := make([]string, 0, len(s.k.refreshers))
	for p := range s.k.refreshers {
		platforms = append(platforms, p)
	}
	slices.Sort(platforms)
	var errs []error
	for _, p := range platforms {
		done, err := s.k.vault.resealApp(ctx, p)
		if done {
			n++
		}
		errs = append(errs, err)
	}
	return n, errors.Join(errs...)
}

// LogValue makes a report one line of a log.
func (r SweepReport) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprintf("looked %d, renewed %d, rotated %d, asked %d, warned %d, needs login %d, resealed %d, failed %d, busy %d, more %v",
		r.Looked, r.Renewed, r.Rotated, r.Asked, r.Warned, r.NeedsLogin, r.Resealed, r.Failed, r.Busy, r.More))
}
