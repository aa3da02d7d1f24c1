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
// ledger: a lost answer is completed once more, then the session is given up for a new one.
func (w *Workflow) Complete(ctx context.Context, in Step) (Result, error) {
	u, ok, err := w.begin(ctx, in, func(u *state.Upload) {
		if u.Live && u.Asset == nil {
			u.Completes++
		}
	})
	if err != nil || !ok {
		return Result{Next: superseded}, err
	}
	if !u.Live || u.Plan == nil || over(&u) || u.Public() {
		return Result{Next: "open"}, nil
	}
	rs, err := w.allReceipts(ctx, &u)
	if err != nil || rs == nil {
		return Result{Next: "open"}, err
	}
	if u.Completes > maxComplete {
		return Result{Next: "open"}, w.lose(ctx, &u, "completing it gave no answer")
	}
	tgt, version, err := w.Targets.OpenTarget(ctx, u.Account)
	if err != nil {
		return Result{Next: "open"}, w.stepFault(ctx, &u, "complete", withToken(err, version))
	}
	sess, err := w.Ledger.Session(ctx, u.ID, u.Session)
	if err != nil {
		return Result{}, err
	}
	asset, err := tgt.Complete(ctx, sess, rs)
	if err != nil {
		if errors.Is(err, target.ErrSessionLost) {
			return Result{Next: "open"}, w.lose(ctx, &u, err.Error())
		}
		return Result{Next: "open"}, w.stepFault(ctx, &u, "complete", withToken(err, version))
	}
	crc, err := transfer.ContentCRC64(rs)
	if err != nil {
		return Result{}, err
	}
	sum := fmt.Sprintf("%016x", crc)
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
	return Result{Next: "open"}, err
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
		r, ok := have[n]
		if want := u.Plan.Part(n).Size; ok && r.Size != want {
			return nil, fault.Newf(fault.Invalid, "workflow.Complete", "part %d has a receipt for %d bytes, not %d", n, r.Size, want)
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// stepFault records what a step met, for Open and for people. It gives nil: the machine branches on the ledger.
func (w *Workflow) stepFault(ctx context.Context, u *state.Upload, step string, err error) error {
	f := w.faultOf(step, err)
	w.note(ctx, u, step, "failed", err)
	changed, uerr := w.Ledger.Update(context.WithoutCancel(ctx), u.ID, u.Gen, func(u *state.Upload) error { u.Fault = f; return nil })
	if uerr != nil {
		return uerr
	}
	*u = changed
	return nil
}
