package workflow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/transfer"
	"github.com/vodlift/vodlift/shared/upload"
)

// RangeStep is the input of uploadpart.
type RangeStep struct {
	Step
	Range int `json:"range"`
}

// RangeResult says whether anything is left for this wave, and how long to wait before the next turn.
type RangeResult struct {
	Done bool `json:"done"`
	Wait int  `json:"wait"`
}

// turn is one invocation's work on one range.
type turn struct {
	w       *Workflow
	u       state.Upload
	lease   *state.Lease
	began   time.Time
	ends    atomic.Int64 // end of the lease, unix nanoseconds
	stopped atomic.Bool  // take no more parts
	mu      sync.Mutex   // one renewal of the lease at a time: the timer and the flushes both renew
}

// Carry carries one range as far as this invocation's time allows (design 2, "Inside a range", "Deadline").
// A fault is recorded on the range for Open; only a Retryable one without a delay is also returned, so that the state
// machine's Retry may act.
func (w *Workflow) Carry(ctx context.Context, in RangeStep) (RangeResult, error) {
	done := RangeResult{Done: true}
	u, err := w.Ledger.Upload(ctx, in.Upload)
	if err != nil {
		return RangeResult{}, err
	}
	if u.Gen != in.Gen || over(&u) || !u.Live || u.Plan == nil || in.Range > u.Plan.Ranges {
		return done, nil
	}
	lease, err := w.Ledger.TakeLease(ctx, u.ID, u.Gen, u.Session, in.Range)
	if errors.Is(err, state.ErrLeaseHeld) {
		return RangeResult{Wait: max(1, seconds(fault.As(err).After))}, nil
	}
	if err != nil {
		return RangeResult{}, err
	}
	t := &turn{w: w, u: u, lease: lease, began: w.Now()}
	t.ends.Store(lease.Record.Until.UnixNano())
	res, err := t.run(ctx)
	return t.finish(ctx, res, err)
}

// over says that nothing may be sent for this upload any more.
func over(u *state.Upload) bool {
	return u.Status.Terminal() || !u.Cancel.IsZero() && !u.Public() || u.Asset != nil
}

// run carries what is missing under the lease.
func (t *turn) run(ctx context.Context) (res transfer.Result, err error) {
	w, r := t.w, t.lease.Record
	if r.Turns > upload.MaxTurns || r.Barren >= 3 {
		return res, fault.Newf(fault.Unknown, "workflow.Carry", "range %d made no progress: %d turns, the last %d without a new part", r.Range, r.Turns, r.Barren)
	}
	tgt, version, err := w.Targets.OpenTarget(ctx, t.u.Account)
	if err != nil {
		return res, withToken(err, version)
	}
	tgt, sess, err := w.openSessionOf(ctx, &t.u, tgt)
	if err != nil {
		return res, err
	}
	cctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { t.keep(cctx, cancel) })
	defer wg.Wait()
	defer cancel(nil)
	missing, err := t.missing(cctx, tgt, sess)
	if err == nil && len(missing) > 0 {
		res, err = transfer.Carry(cctx, transfer.Job{
			Target: tgt, Session: sess, Source: w.Source, Object: object(t.u.Source), Plan: *t.u.Plan, Missing: missing,
			InFlight: t.u.Plan.InFlight, MayStart: t.mayStart(ctx), Flush: t.flush, Progress: t.progress, Retry: w.PartRetry,
		})
	}
	if err != nil && context.Cause(cctx) != nil && ctx.Err() == nil && t.stopped.Load() {
		res.Left = max(res.Left, 1)
		err = nil // cut by ourselves: superseded, cancelled, or the lease is over; the ledger says which
	}
	return res, withToken(err, version)
}

// tokenError remembers which token a step used.
type tokenError struct {
	error
	version int64
}

func (e *tokenError) Unwrap() error { return e.error }

func withToken(err error, version int64) error {
	if err == nil {
		return nil
	}
	return &tokenError{err, version}
}

func (w *Workflow) faultOf(step string, err error) *state.Fault {
	f := state.FaultOf(step, err, w.Now())
	var te *tokenError
	if errors.As(err, &te) {
		f.Token = te.version
	}
	return f
}

// missing lists the parts of the range without a receipt. On a takeover the platform is asked first, where it can
// tell: resending is the expensive mistake. What only the platform knows gets its CRC64 from the source again.
func (t *turn) missing(ctx context.Context, tgt target.Target, sess upload.Session) ([]int, error) {
	w, plan, r := t.w, t.u.Plan, t.lease.Range
	first, last := plan.Range(r)
	have, err := w.Ledger.Receipts(ctx, t.u.ID, t.u.Session, first, last)
	if err != nil {
		return nil, err
	}
	var missing []int
	for n := first; n <= last; n++ {
		if r, ok := have[n]; !ok || r.Unsummed {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 || t.lease.Record.Turns == 1 && t.u.Gen == 1 && t.u.Counts.Carries <= 1 {
		return missing, nil
	}
	listed, ok, err := listParts(ctx, tgt, sess)
	if err != nil || !ok {
		return missing, err
	}
	at := map[int]upload.Receipt{}
	for _, l := range listed {
		at[l.Part] = l
	}
	left := missing[:0]
	for _, n := range missing {
		l, ok := at[n]
		if !ok || l.Size != plan.Part(n).Size || !t.mayStart(ctx)(plan.Part(n)) {
			left = append(left, n)
			continue
		}
		if l.Unsummed {
			if l.CRC64, err = transfer.Sum(ctx, w.Source, object(t.u.Source), plan.Part(n)); err != nil {
				return nil, err
			}
			l.Unsummed = false
		}
		if err := t.flush(ctx, []upload.Receipt{l}); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// mayStart says whether a part may be begun: enough of the lease and of the function's time is left, and nobody has
// stopped the upload.
func (t *turn) mayStart(ctx context.Context) func(upload.Part) bool {
	deadline, bounded := ctx.Deadline()
	return func(upload.Part) bool {
		now := t.w.Now()
		if t.stopped.Load() || bounded && deadline.Sub(now) < t.w.Set.Margin {
			return false
		}
		return time.Unix(0, t.ends.Load()).Sub(now) >= t.w.Set.PartRest
	}
}

// flush saves receipts and renews the lease with it. What arrives after the lease was lost is saved all the same: a
// receipt is a fact.
func (t *turn) flush(ctx context.Context, rs []upload.Receipt) error {
	for len(rs) > 0 {
		n := min(len(rs), state.MaxChunk)
		if err := t.w.Ledger.AddReceipts(ctx, t.u.ID, t.u.Session, rs[:n]); err != nil {
			return err
		}
		rs = rs[n:]
	}
	t.renew(ctx)
	return nil
}

// renew extends the lease and reads generation and cancel; over either, no further part is taken.
func (t *turn) renew(ctx context.Context) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, err := t.lease.Renew(ctx)
	if err == nil {
		t.ends.Store(until.UnixNano())
	} else if errors.Is(err, state.ErrLeaseHeld) {
		t.stopped.Store(true)
		return false
	}
	u, err := t.w.Ledger.Upload(ctx, t.u.ID)
	if err == nil && (u.Gen != t.u.Gen || u.Session != t.u.Session || !u.Live || over(&u)) {
		t.stopped.Store(true)
		return false
	}
	return true
}

// keep renews the lease by a timer, and cuts what is in flight when the lease ends or the work is not wanted any more.
func (t *turn) keep(ctx context.Context, cut context.CancelCauseFunc) {
	tick := time.NewTicker(t.w.Set.LeaseRenew)
	defer tick.Stop()
	end := time.NewTimer(time.Unix(0, t.ends.Load()).Sub(t.w.Now()))
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !t.renew(ctx) {
				cut(state.ErrLeaseHeld)
				return
			}
		case <-end.C:
			if rest := time.Unix(0, t.ends.Load()).Sub(t.w.Now()); rest > 0 {
				end.Reset(rest)
				continue
			}
			t.stopped.Store(true)
			cut(state.ErrLeaseHeld)
			return
		}
	}
}

func (t *turn) progress(n int64) {
	if t.w.Progress != nil {
		t.w.Progress(t.u.ID, n)
	}
}

// finish frees the range and turns what happened into the answer.
func (t *turn) finish(ctx context.Context, res transfer.Result, err error) (RangeResult, error) {
	w := t.w
	var f *state.Fault
	if err != nil {
		f = w.faultOf("carry", err)
		w.note(ctx, &t.u, "carry", fmt.Sprintf("range %d", t.lease.Range), err)
	}
	if d := w.Now().Sub(t.began); d > 0 && res.Sent > 0 {
		w.metric(ctx, "range_bytes_per_second", "Bytes/Second", float64(res.Sent)/d.Seconds())
	}
	save, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if rerr := t.lease.Release(save, res.Received, res.Sent, f); rerr != nil && !errors.Is(rerr, state.ErrLeaseHeld) {
		w.note(ctx, &t.u, "carry", fmt.Sprintf("range %d could not be released", t.lease.Range), rerr)
	}
	switch {
	case err == nil && (res.Left == 0 || t.stopped.Load() && res.Received == 0):
		return RangeResult{Done: true}, nil
	case err == nil:
		return RangeResult{}, nil
	case isKind(err, fault.Retryable) && f.After > w.Set.NearWait:
		return RangeResult{Done: true}, nil // Open parks for so long, without a grant
	case isKind(err, fault.Retryable) && f.After > 0:
		return RangeResult{Wait: seconds(f.After)}, nil
	case isKind(err, fault.Retryable):
		return RangeResult{}, err
	}
	return RangeResult{Done: true}, nil
}
