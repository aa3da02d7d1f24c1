package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/retry"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/transfer"
	"github.com/vodlift/vodlift/shared/transfer/crc64x"
	"github.com/vodlift/vodlift/shared/upload"
)

var errBusy = fault.New(fault.Retryable, "sink", "busy")

func TestEveryByteArrivesOnceAndTheSumsNameTheContent(t *testing.T) {
	for _, size := range []int{1, 99, 100, 101, 5037} {
		for _, inFlight := range []int{1, 4, 8} {
			j, src, dst, kept := job(size, 100, inFlight)
			var progress atomic.Int64
			j.Progress = func(n int64) { progress.Add(n) }
			res, err := transfer.Carry(t.Context(), j)
			if want := (transfer.Result{Received: j.Plan.Parts, Bytes: int64(size), Sent: int64(size)}); err != nil || res != want {
				t.Fatalf("%d bytes: got %+v, %v; want %+v", size, res, err, want)
			}
			var got []byte
			for i := 1; i <= j.Plan.Parts; i++ {
				got = append(got, dst.parts[i]...)
			}
			sum, err := transfer.ContentCRC64(kept.all())
			if !bytes.Equal(got, src.data) || err != nil || sum != crc64x.Update(0, src.data) || progress.Load() != int64(size) {
				t.Errorf("%d bytes, %d in flight: other bytes, sum (%v) or progress %d", size, inFlight, err, progress.Load())
			}
			if dst.top > inFlight {
				t.Errorf("%d parts in flight, at most %d allowed", dst.top, inFlight)
			}
			check(t, "all", src, dst)
		}
	}
}

func TestOneInFlightSendsInAscendingOrder(t *testing.T) {
	j, _, dst, _ := job(1000, 100, 1)
	j.Missing = []int{7, 3, 9, 3}
	if res, err := transfer.Carry(t.Context(), j); err != nil || res.Received != 3 || !slices.Equal(dst.order, []int{3, 7, 9}) {
		t.Errorf("got %+v, %v, order %v", res, err, dst.order)
	}
}

func TestPartsAreReallyInFlightTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _, dst, _ := job(1600, 100, 8)
		start := time.Now()
		dst.before = func(context.Context, int, int) error { time.Sleep(time.Second); return nil }
		if _, err := transfer.Carry(t.Context(), j); err != nil || dst.top != 8 || time.Since(start) != 2*time.Second {
			t.Errorf("got %v, %d in flight, %v", err, dst.top, time.Since(start))
		}
	})
}

func TestOnlyRetryablePartsAreSentAgain(t *testing.T) {
	for _, k := range fault.Kinds() {
		synctest.Test(t, func(t *testing.T) {
			j, src, dst, _ := job(1000, 100, 4)
			var progress atomic.Int64
			j.Progress = func(n int64) { progress.Add(n) }
			dst.after = func(_ context.Context, part, n int) error {
				if part == 2 && n < 3 {
					return &fault.Error{Kind: k, Op: "sink", After: 2 * time.Second}
				}
				return nil
			}
			start := time.Now()
			res, err := transfer.Carry(t.Context(), j)
			check(t, k.String(), src, dst)
			if progress.Load() != res.Bytes {
				t.Errorf("%v: progress says %d, result %d bytes", k, progress.Load(), res.Bytes)
			}
			if k == fault.Retryable {
				if err != nil || dst.sends[2] != 3 || res.Left != 0 || res.Sent != 1200 || time.Since(start) < 4*time.Second {
					t.Errorf("got %+v, %v, %d sends in %v", res, err, dst.sends[2], time.Since(start))
				}
				return
			}
			if fault.KindOf(err) != k || dst.sends[2] != 1 || res.Left == 0 {
				t.Errorf("%v: got %+v, %v, %d sends", k, res, err, dst.sends[2])
			}
		})
	}
}

func TestAFaultTakesNoMorePartsButLetsThoseInFlightFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, src, dst, kept := job(1000, 100, 4)
		dst.before = func(ctx context.Context, part, _ int) error {
			if part == 1 {
				time.Sleep(time.Second)
				return fault.New(fault.TokenExpired, "sink", "token refused")
			}
			time.Sleep(10 * time.Second)
			return ctx.Err()
		}
		res, err := transfer.Carry(t.Context(), j)
		if fault.KindOf(err) != fault.TokenExpired || res.Received != 3 || res.Left != 7 || len(dst.sends) != 4 || len(kept.all()) != 3 {
			t.Errorf("got %+v, %v, sent %v", res, err, dst.sends)
		}
		check(t, "fault", src, dst)
	})
}

func TestALostSessionCutsAtOnceAndOutranksOtherFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, src, dst, _ := job(1000, 100, 4)
		dst.before = func(ctx context.Context, part, _ int) error {
			switch part {
			case 1:
				time.Sleep(time.Second)
				return fault.New(fault.Unknown, "sink", "odd")
			case 2:
				time.Sleep(2 * time.Second)
				// Retryable by mistake: it is not repeated all the same.
				return fault.Newf(fault.Retryable, "sink", "%w", target.ErrSessionLost)
			}
			<-ctx.Done()
			return fault.Newf(fault.Unknown, "sink", "%w", ctx.Err())
		}
		start := time.Now()
		res, err := transfer.Carry(t.Context(), j)
		if !errors.Is(err, target.ErrSessionLost) || res.Left != 10 || time.Since(start) != 2*time.Second || dst.sends[2] != 1 {
			t.Errorf("got %+v, %v after %v", res, err, time.Since(start))
		}
		check(t, "lost", src, dst)
	})
}

func TestMayStartEndsTheTurnWithoutAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			fails    bool
			asked    int // how often it says yes
			received int
		}{
			"before a part":               {false, 5, 5},
			"at once":                     {false, 0, 0},
			"before a part is sent again": {true, 4, 3},
		} {
			j, src, dst, _ := job(1000, 100, 4)
			asked := 0
			j.MayStart = func(upload.Part) bool { asked++; return asked <= c.asked }
			dst.before = func(_ context.Context, part, _ int) error {
				if c.fails && part == 1 {
					return errBusy
				}
				time.Sleep(time.Hour) // parts in flight finish however long they take
				return nil
			}
			res, err := transfer.Carry(t.Context(), j)
			if err != nil || res.Received != c.received || res.Left != 10-c.received {
				t.Errorf("%s: got %+v, %v", name, res, err)
			}
			check(t, name, src, dst)
		}
	})
}

func TestCancellingCutsPartsAndStillSavesReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaseEnd := errors.New("the lease ended")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(leaseEnd) })
		j, src, dst, kept := job(1000, 100, 4)
		dst.before = func(ctx context.Context, part, _ int) error {
			if part <= 2 {
				return nil
			}
			<-ctx.Done()
			return fault.Newf(fault.Unknown, "sink", "%w", ctx.Err())
		}
		kept.fail = func(ctx context.Context, _ int) error { return retry.Sleep(ctx, 4*time.Second) }
		res, err := transfer.Carry(ctx, j)
		if res.Received != 2 || !errors.Is(err, context.Canceled) || !errors.Is(err, leaseEnd) || fault.KindOf(err) != fault.Retryable {
			t.Errorf("got %+v, %v", res, err)
		}
		check(t, "cancel", src, dst)
	})
}

func TestAFlushSurvivesCancellationOnlyForItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		j, src, dst, kept := job(200, 100, 1)
		dst.before = func(ctx context.Context, part, _ int) error {
			if part == 2 {
				<-ctx.Done()
			}
			return ctx.Err()
		}
		start := time.Now()
		kept.fail = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		res, err := transfer.Carry(ctx, j)
		if res.Received != 0 || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 8*time.Second {
			t.Errorf("got %+v, %v after %v", res, err, time.Since(start))
		}
		check(t, "grace", src, dst)
	})
}

func TestNothingBeginsUnderACancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j, _, dst, kept := job(300, 100, 4)
	res, err := transfer.Carry(ctx, j)
	if res.Left != 3 || fault.KindOf(err) != fault.Retryable || fault.EffectOf(err) != fault.EffectNone || len(dst.sends)+kept.calls != 0 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestBodiesThatLieNeverMakeAReceipt(t *testing.T) {
	changed := fault.Newf(fault.Invalid, "mem", "%w", source.ErrChanged)
	odd := errors.New("cable cut")
	cut := func(err error) func(io.Reader) (io.Reader, error) {
		return func(good io.Reader) (io.Reader, error) {
			return io.MultiReader(io.LimitReader(good, 40), &failing{err}), nil
		}
	}
	for name, c := range map[string]struct {
		body  func(good io.Reader) (io.Reader, error)
		kind  fault.Kind
		is    error
		sends int
		heals bool // when it lies only once
	}{
		"short":               {func(g io.Reader) (io.Reader, error) { return io.LimitReader(g, 99), nil }, fault.Retryable, io.ErrUnexpectedEOF, 4, true},
		"empty":               {func(g io.Reader) (io.Reader, error) { return io.LimitReader(g, 0), nil }, fault.Retryable, io.ErrUnexpectedEOF, 4, true},
		"long":                {func(g io.Reader) (io.Reader, error) { return io.MultiReader(g, bytes.NewReader([]byte{1})), nil }, fault.Permanent, nil, 1, false},
		"ends early":          {cut(io.ErrUnexpectedEOF), fault.Retryable, io.ErrUnexpectedEOF, 4, true},
		"busy midway":         {cut(fault.New(fault.Retryable, "mem", "busy")), fault.Retryable, nil, 4, true},
		"replaced midway":     {cut(changed), fault.Invalid, source.ErrChanged, 1, false},
		"unclassified midway": {cut(odd), fault.Unknown, odd, 1, false},
		"does not open":       {func(io.Reader) (io.Reader, error) { return nil, changed }, fault.Invalid, source.ErrChanged, 1, false},
		"fails at its end":    {func(g io.Reader) (io.Reader, error) { return io.MultiReader(g, &failing{errBusy}), nil }, fault.Retryable, nil, 4, true},
	} {
		for _, once := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				name := fmt.Sprintf("%s, once %v", name, once)
				j, src, dst, kept := job(300, 100, 1)
				src.body = func(offset int64, n int, good io.Reader) (io.Reader, error) {
					if offset == 100 && (n == 1 || !once) {
						return c.body(good)
					}
					return good, nil
				}
				res, err := transfer.Carry(t.Context(), j)
				check(t, name, src, dst)
				if once && c.heals {
					if err != nil || res.Left != 0 || dst.sends[2] != 2 {
						t.Errorf("%s: got %+v, %v, %d sends", name, res, err, dst.sends[2])
					}
					return
				}
				if fault.KindOf(err) != c.kind || c.is != nil && !errors.Is(err, c.is) || dst.sends[2] != c.sends {
					t.Errorf("%s: got %v after %d sends; want %v after %d", name, err, dst.sends[2], c.kind, c.sends)
				}
				if dst.parts[2] != nil || slices.ContainsFunc(kept.all(), func(r upload.Receipt) bool { return r.Part == 2 }) {
					t.Errorf("%s: the part was completed", name)
				}
			})
		}
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestReceiptsThatLieAreNotBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sink)
		kind   fault.Kind
	}{
		"another CRC64":          {func(s *sink) { s.receipt = func(r *upload.Receipt) { r.CRC64++ } }, fault.Retryable},
		"another part":           {func(s *sink) { s.receipt = func(r *upload.Receipt) { r.Part++ } }, fault.Permanent},
		"another size":           {func(s *sink) { s.receipt = func(r *upload.Receipt) { r.Size-- } }, fault.Permanent},
		"given before the bytes": {func(s *sink) { s.limit = 10 }, fault.Retryable},
	} {
		synctest.Test(t, func(t *testing.T) {
			j, src, dst, kept := job(300, 100, 2)
			c.change(dst)
			res, err := transfer.Carry(t.Context(), j)
			if fault.KindOf(err) != c.kind || res.Received != 0 || len(kept.all()) != 0 {
				t.Errorf("%s: got %+v, %v", name, res, err)
			}
			check(t, name, src, dst)
		})
	}
}

func TestAReceiptWithoutSumGetsOurs(t *testing.T) {
	j, src, dst, kept := job(300, 100, 2)
	dst.passes = 2 // as a platform that wants a checksum before the body
	dst.receipt = func(r *upload.Receipt) { *r = upload.Receipt{ETag: "x"} }
	var progress atomic.Int64
	j.Progress = func(n int64) { progress.Add(n) }
	if _, err := transfer.Carry(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if sum, err := transfer.ContentCRC64(kept.all()); err != nil || sum != crc64x.Update(0, src.data) || progress.Load() != 300 {
		t.Errorf("got %016x, %v, progress %d", sum, err, progress.Load())
	}
}
