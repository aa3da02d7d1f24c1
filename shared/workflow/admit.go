package workflow

import (
	"context"

	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// toCarry looks which ranges still have work, and takes the grant for them; with nothing missing it goes to Complete.
func (w *Workflow) toCarry(ctx context.Context, u *state.Upload) (Opened, error) {
	left, received, worst, err := w.leftOver(ctx, u)
	if err != nil {
		return Opened{}, err
	}
	if len(left) == 0 {
		return w.toComplete(ctx, u, received)
	}
	if worst != nil {
		if o, done, err := w.rangeFault(ctx, u, worst); done || err != nil {
			return o, err
		}
	}
	if u.Counts.Carries >= upload.MaxCarries {
		return w.carriesSpent(ctx, u, received)
	}
	if queued, err := w.behindOthers(ctx, u); err != nil {
		return Opened{}, err
	} else if queued {
		return w.waitSlot(ctx, u)
	}
	changed, n, err := w.Ledger.TakeGrant(ctx, u.ID, u.Gen, int64(len(left)), func(u *state.Upload) error {
		u.Counts.Carries++
		noteReceived(u, received)
		return u.To(upload.EvOpened, "")
	})
	if err != nil {
		return Opened{}, err
	}
	if n == 0 {
		return w.waitSlot(ctx, u)
	}
	*u = changed
	return Opened{Next: "carry", Ranges: left, Grant: int(n)}, nil
}

// carriesSpent ends the generation; what its last carry brought counts as its progress.
func (w *Workflow) carriesSpent(ctx context.Context, u *state.Upload, received int) (Opened, error) {
	_, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error { noteReceived(u, received); return nil })
	return next("end", 0), err
}

// noteReceived notes how many parts have a receipt. New ones show that the renewed token is good; not for publishing,
// though, once that has been tried.
func noteReceived(u *state.Upload, n int) {
	if n > u.Received && u.Attempt == 0 {
		u.Counts.Renewals = 0
	}
	u.NoteReceived(n)
}

// leftOver lists the ranges with missing parts or a live lease, and the worst fault that they recorded.
func (w *Workflow) leftOver(ctx context.Context, u *state.Upload) (left []int, received int, worst *state.Fault, err error) {
	have, err := w.Ledger.Receipts(ctx, u.ID, u.Session, 1, u.Plan.Parts)
	if err != nil {
		return nil, 0, nil, err
	}
	records, err := w.Ledger.Ranges(ctx, u.ID, u.Session)
	if err != nil {
		return nil, 0, nil, err
	}
	now := w.Now()
	open := map[int]bool{}
	for _, r := range records {
		open[r.Range] = r.Held(now)
		if r.Gen == u.Gen && r.Fault != nil && (worst == nil || graver(r.Fault, worst)) {
			worst = r.Fault
		}
	}
	for n := 1; n <= u.Plan.Parts; n++ {
		if r, ok := have[n]; !ok || r.Unsummed {
			open[u.Plan.RangeOf(n)] = true
		}
	}
	for r := 1; r <= u.Plan.Ranges; r++ {
		if open[r] {
			left = append(left, r)
		}
	}
	return left, len(have), worst, nil
}

// behindOthers says whether somebody waits for a grant for longer than this upload.
func (w *Workflow) behindOthers(ctx context.Context, u *state.Upload) (bool, error) {
	if u.Grant != nil {
		return false, nil
	}
	first, err := w.Ledger.SlotWaiters(ctx, 1)
	if err != nil || len(first) == 0 || first[0] == u.ID {
		return false, err
	}
	p, ok, err := w.Ledger.Park(ctx, first[0])
	if err != nil || !ok || p.Slot.IsZero() || !u.Slot.IsZero() && !p.Slot.Before(u.Slot) {
		return false, err
	}
	other, err := w.Ledger.Upload(ctx, first[0])
	if err != nil || other.Gen != p.Gen {
		return false, nil // unreadable, or a park of a dead generation: the sweep's business, it holds up nobody
	}
	room, err := w.Ledger.AccountPool(ctx, other.Account)
	return room > 0, err // held up by its own account only, it does not hold up others
}

// waitSlot parks until a grant may be had; the place in the queue is kept from the first time.
func (w *Workflow) waitSlot(ctx context.Context, u *state.Upload) (Opened, error) {
	now := w.Now()
	_, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		if u.Slot.IsZero() {
			u.Slot = now
		}
		u.NextAt = now.Add(w.Set.SlotPoll)
		return u.To(upload.EvWait, whySlot)
	})
	return next("park", 0), err
}

// release gives the upload's grant back and wakes who waits for one.
func (w *Workflow) release(ctx context.Context, u *state.Upload) (state.Upload, error) {
	if u.Grant == nil {
		return *u, nil
	}
	changed, err := w.Ledger.ReleaseGrant(ctx, u.ID, u.Gen)
	if err != nil {
		return changed, err
	}
	w.wakeSlots(ctx)
	return changed, nil
}

// wakeSlots wakes those who wait for a grant, the longest first, as far as the pools may serve them. What it cannot do
// the due sweep does a little later.
func (w *Workflow) wakeSlots(ctx context.Context) {
	if err := w.tryWakeSlots(context.WithoutCancel(ctx)); err != nil {
		w.Log.Warn("waiting uploads not woken", "error", err.Error())
	}
}

// slotLook is how many waiters are looked at: those of an account that is full are passed over.
const slotLook = 1000

func (w *Workflow) tryWakeSlots(ctx context.Context) error {
	free, _, err := w.Ledger.Pools(ctx)
	if err != nil || free < 1 {
		return err
	}
	ids, err := w.Ledger.SlotWaiters(ctx, slotLook)
	if err != nil {
		return err
	}
	room := map[upload.Account]int64{}
	for _, id := range ids {
		if free < 1 {
			return nil
		}
		u, err := w.Ledger.Upload(ctx, id)
		if err != nil {
			w.Log.Warn("a waiting upload cannot be read", "upload", id, "error", err.Error())
			continue // it must not stop admission for all others
		}
		n, known := room[u.Account]
		if !known {
			if n, err = w.Ledger.AccountPool(ctx, u.Account); err != nil {
				return err
			}
		}
		if room[u.Account] = n - 1; n < 1 {
			continue // its own account is full: others behind it need not wait for that
		}
		free--
		if err := w.wake(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
