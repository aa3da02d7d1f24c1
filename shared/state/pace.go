package state

import (
	"context"
	"encoding/binary"
	"io"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// Pace is how often an account publishes. What is zero is as its target's pace has it.
type Pace struct {
	PerDay int           // publishes in any 24 hours, at most 2000; < 0: without a limit
	GapMin time.Duration // between two of them: a random time from GapMin to GapMax
	GapMax time.Duration
}

// day is the window of PerDay. It slides: nobody says at which hour a platform's day begins, and what holds for any 24
// hours holds for every day.
const (
	day       = 24 * time.Hour
	inDay     = day + time.Minute // the platform counts from when it was asked, which is a little later
	mostInDay = 2000              // the times of a day stand in one record
)

// DefaultPaces are the platforms' own quotas, by target; Settings.Paces stands over them. Douyin takes 75 posts of a user
// and app a day (reference douyin A.6).
func DefaultPaces() map[string]Pace { return map[string]Pace{"douyin": {PerDay: 75}} }

// PaceOf is the pace of an account: its own, where that says nothing its target's.
func (s Settings) PaceOf(a upload.Account) Pace {
	p := s.Paces[string(a)].over(s.Paces[a.Target()]).over(DefaultPaces()[a.Target()])
	if p.PerDay = min(p.PerDay, mostInDay); p.PerDay < 0 {
		p.PerDay = 0
	}
	p.GapMin = max(p.GapMin, 0)
	p.GapMax = max(p.GapMax, p.GapMin)
	return p
}

func (p Pace) over(q Pace) Pace {
	if p.PerDay == 0 {
		p.PerDay = q.PerDay
	}
	if p.GapMin == 0 && p.GapMax == 0 {
		p.GapMin, p.GapMax = q.GapMin, q.GapMax
	}
	return p
}

// limits says that the pace holds anybody up.
func (p Pace) limits() bool { return p.PerDay > 0 || p.GapMax > 0 }

// bucket is the account's BUCKET#publish: its one open intent (design 4.1), and what of its pace is used up.
type bucket struct {
	Upload  string    `json:"upload,omitempty"`
	Attempt int       `json:"attempt,omitempty"`
	Until   time.Time `json:"until,omitzero"` // settle_at of that intent

	Used []int64   `json:"used,omitempty"` // when the intents of the last day were recorded, unix milliseconds, in order
	Next time.Time `json:"next,omitzero"`  // end of the gap after the last of them
	Was  time.Time `json:"was,omitzero"`   // Next before that one
	Full time.Time `json:"full,omitzero"`  // the platform said: no more before then
}

// at is the first moment from `from` on at which the pace allows one more; quota says that a quota is why it is later.
func (b *bucket) at(p Pace, from time.Time) (t time.Time, quota bool) {
	t = from
	if p.GapMax > 0 {
		t = latest(t, b.Next)
	}
	q := b.Full
	if n := len(b.Used); p.PerDay > 0 && n >= p.PerDay {
		q = latest(q, time.UnixMilli(b.Used[n-p.PerDay]).Add(inDay))
	}
	return latest(t, q), q.After(t)
}

// take uses one up.
func (b *bucket) take(p Pace, now time.Time, gap time.Duration) {
	old := now.Add(-inDay).UnixMilli()
	used := make([]int64, 0, len(b.Used)+1)
	for _, u := range b.Used {
		if u > old {
			used = append(used, u)
		}
	}
	used = append(used, now.UnixMilli())
	slices.Sort(used)
	b.Used = used[max(0, len(used)-max(p.PerDay, 1)):]
	b.Was, b.Next = b.Next, now.Add(gap)
}

// giveBack undoes the take of an intent that provably had no effect.
func (b *bucket) giveBack(u *Upload) {
	at := u.Intent.At.UnixMilli()
	if i := slices.Index(b.Used, at); i >= 0 {
		b.Used = slices.Delete(slices.Clone(b.Used), i, i+1)
	}
	if b.Upload == u.ID && b.Attempt == u.Intent.Attempt {
		b.Next, b.Was = b.Was, time.Time{}
	}
}

// idle says that the record holds nothing.
func (b *bucket) idle() bool {
	return b.Upload == "" && len(b.Used) == 0 && b.Next.IsZero() && b.Full.IsZero()
}

func latest(ts ...time.Time) (t time.Time) {
	for _, x := range ts {
		if x.After(t) {
			t = x
		}
	}
	return t
}

// gap draws the time to the next publish.
func (l *Ledger) gap(p Pace) (time.Duration, error) {
	span := p.GapMax - p.GapMin
	if span <= 0 {
		return p.GapMin, nil
	}
	var b [8]byte
	if _, err := io.ReadFull(l.rand, b[:]); err != nil {
		return 0, fault.Wrap("state.gap", err)
	}
	return p.GapMin + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(span+1)), nil
}

// readBucket reads the account's bucket; an account that has none has an empty one.
func (l *Ledger) readBucket(ctx context.Context, a upload.Account) (cell[bucket], error) {
	b, err := open[bucket](ctx, l.t, busyKey(a))
	if isAbsent(err) {
		return cell[bucket]{item: table.Item{Key: busyKey(a)}}, nil
	}
	return b, fault.Wrap("state.bucket", err)
}

// bucketOp takes the account's one open intent, and one publish of its pace, for upload u.
func (l *Ledger) bucketOp(ctx context.Context, u *Upload, in Intent) (table.Op, error) {
	const op = "state.RecordIntent"
	b, err := l.readBucket(ctx, u.Account)
	if err != nil {
		return table.Op{}, err
	}
	now, p := l.now(), l.set.PaceOf(u.Account)
	if b.Value.Upload != "" && b.Value.Upload != u.ID && now.Before(b.Value.Until) {
		return table.Op{}, &fault.Error{Kind: fault.Retryable, Op: op, After: b.Value.Until.Sub(now), Err: ErrBusyAccount}
	}
	if at, quota := b.Value.at(p, now); at.After(now) {
		return table.Op{}, &fault.Error{Kind: fault.Retryable, Op: op, After: at.Sub(now), Quota: quota, Err: ErrPaced}
	}
	gap, err := l.gap(p)
	if err != nil {
		return table.Op{}, err
	}
	if p.limits() {
		b.Value.take(p, in.At, gap)
	}
	b.Value.Upload, b.Value.Attempt, b.Value.Until = u.ID, u.Attempt, in.SettleAt
	it, err := b.encode()
	return table.Op{Put: &it, If: b.item.Version}, err
}

// freeAccount is the operation that ends the account's open intent, if it is this upload's, gives back what it took of the
// pace if it provably had no effect, and notes until when the platform wants no more.
func (l *Ledger) freeAccount(ctx context.Context, u *Upload) ([]table.Op, error) {
	b, err := l.readBucket(ctx, u.Account)
	if err != nil {
		return nil, err
	}
	was := b.Value
	if in := u.Intent; in != nil && (in.Result == IntentRefused || in.Result == IntentDenied) {
		b.Value.giveBack(u)
		b.Value.Full = latest(b.Value.Full, in.QuotaUntil)
	}
	if b.Value.Upload == u.ID {
		b.Value.Upload, b.Value.Attempt, b.Value.Until = "", 0, time.Time{}
	}
	same := was.Upload == b.Value.Upload && len(was.Used) == len(b.Value.Used) && was.Next.Equal(b.Value.Next) && was.Full.Equal(b.Value.Full)
	if same || b.item.Version == 0 && b.Value.idle() {
		return nil, nil
	}
	it, err := b.encode()
	if err != nil {
		return nil, err
	}
	return []table.Op{{Put: &it, If: b.item.Version}}, nil
}
