// Package transfer carries the missing parts of one range from a source to a target: parts in flight, repeats of a
// part, the deadline, progress (design 2, "Inside a range").
//
// Bytes go straight from the ranged GET into the part's request; nothing is buffered, so memory does not grow with the
// size of a part or of the video. Every body is counted and its CRC64 taken in passing. The package does not know where
// receipts are kept, what a lease is, or which platform it talks to: the job's functions do.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/retry"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// Defaults of a Job (design 4.3).
const (
	DefaultFlushCount = 16
	DefaultFlushEvery = 5 * time.Second
	DefaultFlushGrace = 5 * time.Second
)

// Job is one range to carry. Target, Source, Plan and Flush must be set.
type Job struct {
	Target  target.Target
	Session upload.Session
	Source  source.Source
	Object  source.Object // with its ETag, so that a replaced object is noticed
	Plan    upload.Plan
	Missing []int // numbers of the parts to carry, in any order; they start in ascending order

	// InFlight is how many parts are sent at a time; 0 = Plan.InFlight.
	InFlight int

	// MayStart is asked before each part, and before a part is sent again; false = take no more (the lease has too little
	// left, the deadline is near, the upload was cancelled). Parts in flight finish. Called one at a time; nil = always.
	// It must answer at once.
	MayStart func(upload.Part) bool

	// Flush saves receipts for good. Called one at a time, with at most FlushCount of them, in the order of arrival:
	// when FlushCount are there, FlushEvery after the first of them, and at the end. Its context survives the
	// cancellation of the job by FlushGrace. It must be idempotent: after a Retryable or Unknown failure the same
	// receipts are given once more at the end. It may keep the slice.
	Flush func(ctx context.Context, rs []upload.Receipt) error

	FlushCount int           // default 16
	FlushEvery time.Duration // default 5 s
	FlushGrace time.Duration // default 5 s

	// Retry is for single parts; only Retryable faults are repeated, and a platform's delay is honoured where the
	// deadline allows. Its MaxWait decides which delays are left to the state machine.
	Retry retry.Policy

	// Progress, if set, gets the bytes handed to the target since its last call; it is negative when a part failed and
	// its bytes do not count. Called from several goroutines at once.
	Progress func(bytes int64)
}

// Result is what became of a job, also where there is an error.
type Result struct {
	Received int   // parts whose receipts were saved
	Left     int   // parts of Missing that were not
	Bytes    int64 // of the parts received
	Sent     int64 // handed to the target, repeats and failed attempts included: what egress costs
}

// Carry sends the missing parts until all are received, MayStart says no, ctx is done, or a fault stops it. No error
// and Left > 0 means that MayStart ended it: run the range again.
//
// The first fault that is not cured by a repeat takes no further parts but lets those in flight finish, because sending
// them again is the expensive mistake; their receipts are saved and the fault is returned. Three things cut the parts in
// flight as well: ctx being done (the error has the context's error and cause in its chain, and is Retryable, since a
// part may be sent again), a lost session (target.ErrSessionLost in the chain) and a Flush that failed for
// good, as when somebody else has the lease. Carry returns only when all its goroutines have ended.
func Carry(ctx context.Context, j Job) (Result, error) {
	const op = "transfer.Carry"
	j, err := j.ready()
	if err != nil {
		return Result{Left: len(j.Missing)}, err
	}
	if err := retry.NotBegun(ctx, op); err != nil {
		return Result{Left: len(j.Missing)}, err
	}
	c := &carrier{Job: j, queue: j.Missing, receipts: make(chan upload.Receipt)}
	c.ctx, c.cut = context.WithCancelCause(ctx)
	defer c.cut(nil)

	var workers, saver sync.WaitGroup
	saver.Go(func() { c.save(ctx) })
	for range min(j.InFlight, len(j.Missing)) {
		workers.Go(c.work)
	}
	workers.Wait()
	close(c.receipts)
	saver.Wait()

	c.result.Sent, c.result.Left = c.sent.Load(), len(j.Missing)-c.result.Received
	if c.result.Left == 0 {
		return c.result, nil // a Flush that failed was made up for
	}
	if ctx.Err() != nil && !definite(c.first) {
		return c.result, &fault.Error{Kind: fault.Retryable, Op: op, Err: errors.Join(ctx.Err(), context.Cause(ctx), c.first)}
	}
	return c.result, fault.Wrap(op, c.first)
}

// definite faults say more than that the context ended while they happened.
func definite(err error) bool {
	k := fault.KindOf(err)
	return k != fault.Unknown && k != fault.Retryable || errors.Is(err, target.ErrSessionLost)
}

// ready checks a job and fills in its defaults.
func (j Job) ready() (Job, error) {
	const op = "transfer.Carry"
	if j.Target == nil || j.Source == nil || j.Flush == nil {
		return j, fault.InvalidField(op, "job", "has a target, a source and a flush", "one is missing")
	}
	j.Missing = slices.Clone(j.Missing)
	slices.Sort(j.Missing)
	j.Missing = slices.Compact(j.Missing)
	if n := len(j.Missing); n > 0 && (j.Missing[0] < 1 || j.Missing[n-1] > j.Plan.Parts) {
		return j, fault.InvalidField(op, "job.missing", fmt.Sprintf("1 to %d", j.Plan.Parts), fmt.Sprintf("parts %d to %d", j.Missing[0], j.Missing[n-1]))
	}
	if j.InFlight <= 0 {
		j.InFlight = max(j.Plan.InFlight, 1)
	}
	if j.FlushCount <= 0 {
		j.FlushCount = DefaultFlushCount
	}
	if j.FlushEvery <= 0 {
		j.FlushEvery = DefaultFlushEvery
	}
	if j.FlushGrace <= 0 {
		j.FlushGrace = DefaultFlushGrace
	}
	if j.MayStart == nil {
		j.MayStart = func(upload.Part) bool { return true }
	}
	if j.Progress == nil {
		j.Progress = func(int64) {}
	}
	return j, nil
}

// errLeft: the part was left for the next turn; no fault.
var errLeft = errors.New("left for the next turn")

// carrier is a running job.
type carrier struct {
	Job
	ctx      context.Context // of the parts in flight
	cut      context.CancelCauseFunc
	receipts chan upload.Receipt
	sent     atomic.Int64
	result   Result // the saver's until it has ended

	mu      sync.Mutex
	queue   []int // parts that nobody took yet
	stopped bool
	first   error // the first fault
}

// work carries one part after the other.
func (c *carrier) work() {
	for {
		p, ok := c.take()
		if !ok {
			return
		}
		r, err := c.send(p)
		if err != nil {
			c.stop(err)
			return
		}
		c.receipts <- r
	}
}

func (c *carrier) take() (upload.Part, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return upload.Part{}, false
	}
	p := c.Plan.Part(c.queue[0])
	if !c.mayStart(p) {
		return upload.Part{}, false
	}
	c.queue = c.queue[1:]
	return p, true
}

// mayStart needs c.mu. Once it said no, it never says yes again.
func (c *carrier) mayStart(p upload.Part) bool {
	if !c.stopped && (c.ctx.Err() != nil || !c.MayStart(p)) {
		c.stopped = true
	}
	return !c.stopped
}

// stop takes no further parts. The first fault is the one that Carry returns, but a lost session outranks it: the
// others follow from it.
func (c *carrier) stop(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if errors.Is(err, errLeft) {
		return
	}
	lost := errors.Is(err, target.ErrSessionLost)
	if c.first == nil || lost && !errors.Is(c.first, target.ErrSessionLost) {
		c.first = err
	}
	if lost {
		c.cut(err)
	}
}

// send sends one part, again where that is harmless.
func (c *carrier) send(p upload.Part) (upload.Receipt, error) {
	for n := 1; ; n++ {
		if err := retry.NotBegun(c.ctx, "transfer.send"); err != nil {
			return upload.Receipt{}, err
		}
		a := newAttempt(c, p)
		r, err := c.Target.UploadPart(c.ctx, c.Session, target.Part{Part: p, Parts: c.Plan.Parts, Open: a.Open})
		c.sent.Add(a.end())
		if r, err = a.verdict(r, err); err == nil {
			return r, nil
		}
		c.Progress(-a.end())
		err = fmt.Errorf("part %d: %w", p.Number, err)
		d, again := c.Retry.Again(c.ctx, n, err)
		if !again || errors.Is(err, target.ErrSessionLost) {
			return upload.Receipt{}, err
		}
		if c.Retry.Pause(c.ctx, d) != nil {
			return upload.Receipt{}, err
		}
		c.mu.Lock()
		may := c.mayStart(p)
		c.mu.Unlock()
		if !may {
			return upload.Receipt{}, errLeft
		}
	}
}
