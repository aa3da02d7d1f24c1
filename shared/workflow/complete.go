package workflow

import (
	"context"
	"errors"
	"fmt"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/transfer"
	"github.com/vodlift/vodlift/shared/upload"
)

// Complete makes the asset of the received parts. Whatever happens the machine goes back to Open, which reads the
// ledger. After a lost answer the platform is asked for the session's parts, where it can tell: while they are all there
// nothing was completed, and the try does not count. Else it is completed once more, then the session is given up for a
// new one. What was refused before any effect does not count.
func (w *Workflow) Complete(ctx context.Context, in Step) (Result, error) {
	u, ok, err := w.begin(ctx, in, func(u *state.Upload) {
		if u.Live && u.Asset == nil {
			u.Completes++
		}
	})
	if err != nil || !ok {
		return Result{Next: superseded}, err
	}
	open := Result{Next: "open"}
	if !u.Live || u.Plan == nil || over(&u) || u.Public() {
		return open, nil
	}
	rs, err := w.allReceipts(ctx, &u)
	if err != nil || rs == nil {
		return open, err
	}
	sum, err := contentSum(u.Plan, rs)
	if err != nil {
		return open, w.stepFault(ctx, &u, "complete", err)
	}
	tgt, version, err := w.Targets.OpenTarget(ctx, u.Account)
	if err != nil {
		return open, w.completeFault(ctx, &u, withToken(err, version), true)
	}
	tgt, sess, err := w.openSessionOf(ctx, &u, tgt)
	if err != nil {
		return open, err
	}
	if u.Completes > 1 {
		if err := w.askOpen(ctx, &u, tgt, sess, rs); err != nil {
			return open, w.completeFault(ctx, &u, withToken(err, version), true)
		}
	}
	if u.Completes > maxComplete {
		return open, w.lose(ctx, &u, "completing it gave no answer")
	}
	asset, err := tgt.Complete(ctx, sess, rs)
	if err == nil && asset.ID == "" {
		err = fault.New(fault.Unknown, "workflow.Complete", "the platform's answer names no file")
	}
	switch {
	case errors.Is(err, target.ErrSessionLost):
		return open, w.lose(ctx, &u, err.Error())
	case err != nil:
		return open, w.completeFault(ctx, &u, withToken(err, version), !isKind(err, fault.Unknown) && !isKind(err, fault.Duplicate))
	}
	if err := w.Ledger.SessionDone(context.WithoutCancel(ctx), u.ID, u.Session, w.Now().Add(-w.Set.OrphanAge)); err != nil {
		w.note(ctx, &u, "complete", "the session could not be marked as completed", err)
	}
	u, err = w.Ledger.Update(context.WithoutCancel(ctx), u.ID, u.Gen, func(u *state.Upload) error {
		if u.Asset == nil {
			u.Asset, u.CRC64, u.Fault = &asset, sum, nil
			u.Advanced()
		}
		return nil
	})
	if err == nil {
		w.note(ctx, &u, "complete", fmt.Sprintf("%d bytes are one file at the platform now, crc64 %s", u.Source.Size, sum), nil)
	}
	return open, ignoreSuperseded(err)
}

// askOpen asks the platform whether the session that an earlier Complete gave no answer about is still open with every
// part in it. It is: that Complete had no effect, and does not count. A session that is gone may have been completed:
// completing it again then gives its file, or the session up. An error is one of asking.
func (w *Workflow) askOpen(ctx context.Context, u *state.Upload, t target.Target, s upload.Session, rs []upload.Receipt) error {
	listed, ok, err := listParts(ctx, t, s)
	if !ok || errors.Is(err, target.ErrSessionLost) {
		return nil
	}
	if err != nil {
		return err
	}
	there := map[int]int64{}
	for _, l := range listed {
		there[l.Part] = l.Size
	}
	for _, r := range rs {
		if there[r.Part] != r.Size {
			return nil
		}
	}
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { u.Completes = 1; return nil })
	if err == nil {
		*u = changed
		w.note(ctx, u, "complete", "the platform still has the session open with every part: an earlier try had no effect", nil)
	}
	return err
}

// completeFault records why Complete failed. refused: it had no effect, so the try does not count.
func (w *Workflow) completeFault(ctx context.Context, u *state.Upload, err error, refused bool) error {
	n := u.Completes
	if serr := w.stepFault(ctx, u, "complete", err); serr != nil || !refused {
		return serr
	}
	_, uerr := w.Ledger.Update(context.WithoutCancel(ctx), u.ID, u.Gen, func(u *state.Upload) error { u.Completes = n - 1; return nil })
	return ignoreSuperseded(uerr)
}

// contentSum names the content by the CRC64 of its parts, whose sizes must be those of the plan.
func contentSum(plan *upload.Plan, rs []upload.Receipt) (string, error) {
	for _, r := range rs {
		if want := plan.Part(r.Part).Size; r.Size != want {
			return "", fault.Newf(fault.Invalid, "workflow.Complete", "part %d has a receipt for %d bytes, not %d", r.Part, r.Size, want)
		}
	}
	crc, err := transfer.ContentCRC64(rs)
	return fmt.Sprintf("%016x", crc), err
}

// allReceipts gives the receipts in order, or nil while some are missing or a range is still leased: Complete needs
// every lease free or expired (design 4.3).
func (w *Workflow) allReceipts(ctx context.Context, u *state.Upload) ([]upload.Receipt, error) {
	left, _, _, err := w.leftOver(ctx, u)
	if err != nil || len(left) > 0 {
		return nil, err
	}
	have, err := w.Ledger.Receipts(ctx, u.ID, u.Session, 1, u.Plan.Parts)
	if err != nil {
		return nil, err
	}
	rs := make([]upload.Receipt, 0, u.Plan.Parts)
	for n := 1; n <= u.Plan.Parts; n++ {
		rs = append(rs, have[n])
	}
	return rs, nil
}

// stepFault records what a step met, for Open and for people. It gives nil when that is done: the machine branches on the
// ledger.
func (w *Workflow) stepFault(ctx context.Context, u *state.Upload, step string, err error) error {
	f := w.faultOf(step, err)
	w.note(ctx, u, step, "failed", err)
	changed, uerr := w.Ledger.Update(context.WithoutCancel(ctx), u.ID, u.Gen, func(u *state.Upload) error { u.Fault = f; return nil })
	if uerr == nil {
		*u = changed
	}
	return ignoreSuperseded(uerr)
}
