package targettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"sync"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// 1. Stored bytes equal sent bytes, at every interesting size.
func roundTrip(t *testing.T, s *suite) {
	l := s.Limits
	want := max(l.WantPart, l.MinPart)
	sizes := []int64{want - 1, want, want + 1, 2 * want, 2*want + 1, 3 * want, l.OneRequest, l.OneRequest + 1}
	if l.OneRequest > 0 || l.MinLastPart <= 1 {
		sizes = append(sizes, 1)
	}
	seen := map[int64]bool{}
	for _, size := range sizes {
		p, err := upload.NewPlan(size, l, upload.Settings{})
		if size < 1 || seen[size] || err != nil { // sizes that the platform's rules cannot cut
			continue
		}
		seen[size] = true
		t.Run(fmt.Sprintf("%d bytes in %d parts", size, p.Parts), func(t *testing.T) {
			c := s.New(t)
			v, sess, a := s.asset(t, c, size)
			if a.ID == "" {
				t.Fatal("an asset without an id")
			}
			if got := s.Stored(t, a); !bytes.Equal(got, content(size)) {
				t.Fatalf("the platform has %d other bytes, want %d", len(got), size)
			}
			before := s.Posts(t)
			post, err := c.Publish(t.Context(), v, sess, a)
			if err != nil || post.ID == "" {
				t.Fatalf("Publish: %+v, %v", post, err)
			}
			if n := s.Posts(t) - before; n != 1 {
				t.Errorf("%d posts, want 1", n)
			}
		})
	}
	if len(seen) < 3 {
		t.Errorf("only %d sizes could be tried", len(seen))
	}
}

// 2. Session, receipts and asset are plain data: every step in a new client.
func resume(t *testing.T, s *suite) {
	for _, parts := range []int{1, 3} {
		size := max(s.Limits.OneRequest, 1)
		if parts > 1 {
			size, _ = s.parted(t, parts)
		} else if s.Limits.OneRequest <= 0 {
			continue
		}
		v, all, p := s.video(size), content(size), s.plan(t, size)
		sess := throughJSON(t, s.init(t, s.New(t), v, p))
		var rs []upload.Receipt
		for n := 1; n <= p.Parts; n++ {
			rs = append(rs, send(t, s.New(t), sess, part(p, n, all)))
			sess, rs = throughJSON(t, sess), throughJSON(t, rs)
		}
		a, err := s.New(t).Complete(t.Context(), sess, rs)
		if err != nil {
			t.Fatal(err)
		}
		a = throughJSON(t, a)
		if !bytes.Equal(s.Stored(t, a), all) {
			t.Error("other bytes after going on in new clients")
		}
		if _, err := s.New(t).Publish(t.Context(), v, sess, a); err != nil {
			t.Error(err)
		}
	}
}

// 3. Out of order and in parallel, or a clean Invalid.
func anyOrder(t *testing.T, s *suite) {
	const parts = 4
	size, p := s.parted(t, parts)
	all, c := content(size), s.New(t)
	v := s.video(size)
	sess := s.init(t, c, v, p)
	if s.Limits.InOrder {
		_, err := c.UploadPart(t.Context(), sess, part(p, 2, all))
		wantKind(t, err, fault.Invalid)
		return
	}
	rs := make([]upload.Receipt, parts)
	for n := parts; n >= 1; n-- { // backwards
		rs[n-1] = send(t, c, sess, part(p, n, all))
	}
	a, err := c.Complete(t.Context(), sess, rs)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Stored(t, a), all) {
		t.Error("other bytes after sending the parts backwards")
	}

	sess = s.init(t, c, v, p)
	var wg sync.WaitGroup
	for n := 1; n <= parts; n++ {
		wg.Go(func() {
			r, err := c.UploadPart(t.Context(), sess, part(p, n, all))
			if err != nil {
				t.Errorf("part %d: %v", n, err)
			}
			rs[parts-n] = r // Complete gets them in another order, too
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	if a, err = c.Complete(t.Context(), sess, rs); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Stored(t, a), all) {
		t.Error("other bytes after sending the parts in parallel")
	}
}

// 4. The same part twice: the later one counts, and nothing is doubled. The receipt's CRC64 is of the bytes sent.
func twice(t *testing.T, s *suite) {
	size, p := s.parted(t, 2)
	all, c := content(size), s.New(t)
	sess := s.init(t, c, s.video(size), p)
	one := send(t, c, sess, part(p, 1, all))
	again, err := c.UploadPart(t.Context(), sess, part(p, 1, all))
	if err != nil {
		wantKind(t, err, fault.Duplicate)
		again = one
	}
	two := send(t, c, sess, part(p, 2, all))
	x := p.Part(1)
	if want := crc64.Checksum(all[:x.Size], crc64.MakeTable(crc64.ECMA)); one.CRC64 != want || again.CRC64 != want {
		t.Errorf("CRC64 %x and %x, want %x", one.CRC64, again.CRC64, want)
	}
	a, err := c.Complete(t.Context(), sess, []upload.Receipt{again, two})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Stored(t, a); !bytes.Equal(got, all) {
		t.Errorf("%d bytes, want %d", len(got), size)
	}
}

// 5. Bodies that lie: an error, and never a completed video.
func lies(t *testing.T, s *suite) {
	for _, parts := range []int{1, 2} {
		size := s.Limits.OneRequest
		if parts > 1 {
			size, _ = s.parted(t, parts)
		} else if size <= 0 {
			continue
		}
		all, c, p := content(size), s.New(t), s.plan(t, size)
		for name, change := range map[string]func(*reader){
			"one byte short":   func(r *reader) { r.b = r.b[:len(r.b)-1] },
			"empty":            func(r *reader) { r.b = nil },
			"one byte long":    func(r *reader) { r.b = append(bytes.Clone(r.b), 'x') },
			"much longer":      func(r *reader) { r.b = append(bytes.Clone(r.b), make([]byte, 1<<17)...) },
			"fails midway":     func(r *reader) { r.b, r.err = r.b[:len(r.b)/2], errMidway },
			"fails at the end": func(r *reader) { r.err = errMidway },
		} {
			t.Run(fmt.Sprintf("%s, of %d parts", name, parts), func(t *testing.T) {
				sess := s.init(t, c, s.video(size), p)
				lie, n := counted(part(p, p.Parts, all), all, change)
				r, err := c.UploadPart(t.Context(), sess, lie)
				if err == nil {
					t.Fatalf("got the receipt %+v", r)
				}
				wantKind(t, err, fault.Retryable, fault.Unknown, fault.Invalid)
				closedAll(t, n)
				if parts == 1 {
					return // no receipt, no asset
				}
				first := send(t, c, sess, part(p, 1, all))
				forged := upload.Receipt{Part: 2, Size: p.Part(2).Size, CRC64: 1}
				if a, err := c.Complete(t.Context(), sess, []upload.Receipt{first, forged}); err == nil {
					if got := s.Stored(t, a); !bytes.Equal(got, all[:first.Size]) {
						t.Error("the lie is in the completed video")
					}
				}
			})
		}
		t.Run(fmt.Sprintf("cannot be opened, of %d parts", parts), func(t *testing.T) {
			sess := s.init(t, c, s.video(size), p)
			bad := part(p, p.Parts, all)
			bad.Open = func(context.Context) (io.ReadCloser, error) { return nil, errOpen }
			_, err := c.UploadPart(t.Context(), sess, bad)
			wantKind(t, err, fault.Retryable)
			if !errors.Is(err, errOpen) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

func closedAll(t testing.TB, n *counts) {
	t.Helper()
	eventually(t, "each opened reader is closed", func() bool { return n.closed.Load() == n.opened.Load() })
	if n.twice.Load() > 0 || n.late.Load() > 0 {
		t.Errorf("%d closed again, %d reads after a close", n.twice.Load(), n.late.Load())
	}
}

// 6. A reader per attempt, closed exactly once, on the good path and after failures.
func closedOnce(t *testing.T, s *suite) {
	size, p := s.parted(t, 2)
	all, c := content(size), s.New(t)
	sess := s.init(t, c, s.video(size), p)
	good, n := counted(part(p, 1, all), all, nil)
	send(t, c, sess, good)
	closedAll(t, n)
	if n.opened.Load() < 1 {
		t.Error("the reader was never opened")
	}
	if s.Fail == nil {
		return
	}
	for _, how := range []Misbehaviour{Unauthorized, Broken, LostBefore, CutBefore, LostAfter, HTML} {
		bad, n := counted(part(p, 1, all), all, nil)
		s.Fail(t, Failure{"UploadPart", how})
		if _, err := c.UploadPart(t.Context(), sess, bad); err == nil {
			t.Errorf("%s: no error", how)
		}
		closedAll(t, n)
	}
	// The same client and session still work.
	again, n := counted(part(p, 1, all), all, nil)
	send(t, c, sess, again)
	closedAll(t, n)
}

// 7. Cancel mid-body: it returns, the context's error is in the chain, the kind is Unknown.
func cancelMidBody(t *testing.T, s *suite) {
	size, p := s.parted(t, 2)
	all, c := content(size), s.New(t)
	sess := s.init(t, c, s.video(size), p)
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan struct{})
	x, n := counted(part(p, 1, all), all, nil)
	inner := x.Open
	x.Open = func(ctx context.Context) (io.ReadCloser, error) {
		r, err := inner(ctx)
		rd := r.(*reader)
		rd.b, rd.block, rd.ready = rd.b[:len(rd.b)/2], ctx, ready
		return rd, err
	}
	done := make(chan error, 1)
	go func() {
		_, err := c.UploadPart(ctx, sess, x)
		done <- err
	}()
	<-ready
	cancel()
	err := <-done
	wantKind(t, err, fault.Unknown)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the context's error is lost: %v", err)
	}
	closedAll(t, n)
	rs := []upload.Receipt{send(t, c, sess, part(p, 1, all)), send(t, c, sess, part(p, 2, all))}
	a, err := c.Complete(t.Context(), sess, rs)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Stored(t, a), all) {
		t.Error("other bytes after a cancelled part was sent again")
	}
}

// A cancelled context never changes remote data.
func cancelledBefore(t *testing.T, s *suite) {
	size, p := s.parted(t, 2)
	all, c := content(size), s.New(t)
	v, sess, a := s.asset(t, c, size)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x, n := counted(part(p, 1, all), all, nil)
	for name, call := range map[string]func() error{
		"Init":       func() error { _, err := c.Init(ctx, v, p); return err },
		"UploadPart": func() error { _, err := c.UploadPart(ctx, sess, x); return err },
		"Complete":   func() error { _, err := c.Complete(ctx, sess, []upload.Receipt{{Part: 1}}); return err },
		"Publish":    func() error { _, err := c.Publish(ctx, v, sess, a); return err },
		"Abort":      func() error { return c.Abort(ctx, sess) },
	} {
		err := call()
		if err == nil {
			t.Errorf("%s under a cancelled context: no error", name)
		}
		if name == "Publish" && fault.EffectOf(err) != fault.EffectNone {
			t.Errorf("Publish under a cancelled context: the effect is unknown: %v", err)
		}
	}
	closedAll(t, n)
	if got := s.Posts(t); got != 0 {
		t.Errorf("%d posts, want 0", got)
	}
}

// 8. Gaps and repeats.
func gaps(t *testing.T, s *suite) {
	size, p := s.parted(t, 3)
	all, c := content(size), s.New(t)
	sess := s.init(t, c, s.video(size), p)
	var rs []upload.Receipt
	for n := 1; n <= 3; n++ {
		rs = append(rs, send(t, c, sess, part(p, n, all)))
	}
	for name, bad := range map[string][]upload.Receipt{
		"none": nil, "the first missing": rs[1:], "one in the middle missing": {rs[0], rs[2]}, "the last missing": rs[:2],
		"one twice": {rs[0], rs[1], rs[1]}, "an unknown part": {rs[0], rs[1], {Part: 4, Size: rs[2].Size}},
	} {
		if _, err := c.Complete(t.Context(), sess, bad); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			wantKind(t, err, fault.Invalid)
		}
	}
	a, err := c.Complete(t.Context(), sess, rs)
	if err != nil {
		t.Fatalf("after the refused ones: %v", err)
	}
	again, err := c.Complete(t.Context(), sess, rs)
	switch {
	case err == nil && again.ID != a.ID:
		t.Errorf("Complete again: another asset")
	case err != nil && fault.KindOf(err) != fault.Duplicate && !errors.Is(err, target.ErrSessionLost):
		t.Errorf("Complete again: %v, want the same asset, Duplicate or ErrSessionLost", err)
	}
	for range 2 {
		if err := c.Abort(t.Context(), sess); err != nil {
			t.Errorf("Abort: %v", err)
		}
	}
	open := s.init(t, c, s.video(size), p)
	for range 2 {
		if err := c.Abort(t.Context(), open); err != nil {
			t.Errorf("Abort of an open session: %v", err)
		}
	}
}
