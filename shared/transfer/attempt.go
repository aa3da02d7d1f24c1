package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/transfer/crc64x"
	"github.com/vodlift/vodlift/shared/upload"
)

// attempt is one sending of one part: it gives out readers of the part's bytes and remembers what they saw. A target
// that wants a checksum before the body opens more than one.
type attempt struct {
	part     upload.Part
	job      context.Context // cuts every body when it is done
	open     func(context.Context) (io.ReadCloser, error)
	progress func(int64)

	mu     sync.Mutex
	high   int64 // the furthest that any reader came
	ended  bool  // what is read from now on belongs to nobody
	crc    uint64
	whole  bool  // a body was read to its end, and crc is its sum
	failed error // of a body; never a cancelled context
}

func newAttempt(c *carrier, p upload.Part) *attempt {
	return &attempt{part: p, job: c.ctx, progress: c.Progress, open: func(ctx context.Context) (io.ReadCloser, error) {
		return c.Source.Open(ctx, c.Object, p.Offset, p.Size)
	}}
}

// Open is target.Part's Open.
func (a *attempt) Open(ctx context.Context) (io.ReadCloser, error) {
	r, err := a.open(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &body{a: a, ctx: ctx, r: r}, nil
}

// fail remembers the first failure of a body, so that the source's word is not lost in what a target makes of it.
func (a *attempt) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil || a.job.Err() != nil {
		return err
	}
	if fault.As(err) == nil && errors.Is(err, io.ErrUnexpectedEOF) {
		err = fault.Newf(fault.Retryable, "transfer.Read", "the source ended early: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed == nil && !a.ended {
		a.failed = err
	}
	return err
}

// moved reports progress, a byte once however often it is read.
func (a *attempt) moved(pos int64) {
	a.mu.Lock()
	d := pos - a.high
	if d <= 0 || a.ended {
		a.mu.Unlock()
		return
	}
	a.high = pos
	a.mu.Unlock()
	if a.progress != nil {
		a.progress(d)
	}
}

// end closes the books of the attempt and gives the bytes it handed out.
func (a *attempt) end() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	return a.high
}

// done is told of every body that was read to its end.
func (a *attempt) done(crc uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.whole && a.crc != crc {
		return fault.New(fault.Permanent, "transfer.Read", "two reads of the same bytes differ")
	}
	a.whole, a.crc = true, crc
	return nil
}

func (a *attempt) sum() (uint64, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.crc, a.whole
}

// verdict judges what the target said in the light of what the bodies saw, and completes the receipt.
func (a *attempt) verdict(r upload.Receipt, err error) (upload.Receipt, error) {
	crc, whole := a.sum()
	a.mu.Lock()
	failed := a.failed
	a.mu.Unlock()
	if err != nil {
		// A replaced source stays Invalid whatever the target calls a body that broke off; and where the target cannot
		// know, the body's failure is why.
		if failed != nil && (fault.KindOf(err) == fault.Unknown || fault.KindOf(failed) != fault.Retryable) {
			return r, fmt.Errorf("the source's bytes could not be read: %w", failed)
		}
		return r, err
	}
	const op = "transfer.verdict"
	if failed != nil && !whole {
		return r, fault.Newf(fault.KindOf(failed), op, "a receipt was given for a body that failed: %w", failed)
	}
	if !whole {
		return r, fault.Newf(fault.Retryable, op, "a receipt was given after %d of %d bytes", a.end(), a.part.Size)
	}
	if r.Part == 0 {
		r.Part = a.part.Number
	}
	if r.Size == 0 {
		r.Size = a.part.Size
	}
	switch {
	case r.Part != a.part.Number || r.Size != a.part.Size:
		return r, fault.Newf(fault.Permanent, op, "the receipt is for part %d of %d bytes, sent was part %d of %d", r.Part, r.Size, a.part.Number, a.part.Size)
	case r.CRC64 != 0 && r.CRC64 != crc:
		return r, fault.Newf(fault.Retryable, op, "the bytes arrived damaged: CRC64 %016x, sent was %016x", r.CRC64, crc)
	}
	r.CRC64, r.Unsummed = crc, false
	return r, nil
}

// body is one reader of a part. It gives exactly the part's bytes: a source that has fewer or more is an error, and of
// one that has more the last bytes are withheld, so that no platform takes the part for complete.
type body struct {
	a      *attempt
	ctx    context.Context // of Open
	r      io.ReadCloser
	pos    int64
	crc    uint64
	err    error // of the Read before
	probe  [1]byte
	closed atomic.Bool
}

// Read counts, sums and passes on.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if err := errors.Join(b.ctx.Err(), b.a.job.Err()); err != nil {
		return 0, b.fail(err)
	}
	left := b.a.part.Size - b.pos
	n, err := 0, error(nil)
	if left > 0 {
		n, err = b.r.Read(p[:min(int64(len(p)), left)])
	}
	if n > 0 {
		b.crc = crc64x.Update(b.crc, p[:n])
		b.pos += int64(n)
	}
	if b.pos == b.a.part.Size {
		if err = b.finish(err); err != nil {
			return 0, b.fail(err)
		}
		b.err = io.EOF
		b.a.moved(b.pos)
		return n, nil
	}
	b.a.moved(b.pos)
	if err == io.EOF {
		err = fault.Newf(fault.Retryable, "transfer.Read", "the source gave %d of %d bytes: %w", b.pos, b.a.part.Size, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return n, b.fail(err)
	}
	return n, nil
}

// finish makes sure that the source has no more than it should, and that its end is a good one.
func (b *body) finish(err error) error {
	for err == nil {
		var n int
		if n, err = b.r.Read(b.probe[:]); n > 0 {
			return fault.Newf(fault.Permanent, "transfer.Read", "the source gave more than %d bytes", b.a.part.Size)
		}
	}
	if err != io.EOF {
		return err
	}
	return b.a.done(b.crc)
}

func (b *body) fail(err error) error {
	if b.closed.Load() {
		b.err = err // the target hung up; that is no failure of the source
	} else {
		b.err = b.a.fail(b.ctx, err)
	}
	return b.err
}

// Close closes the source's body once.
func (b *body) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	return b.r.Close()
}
