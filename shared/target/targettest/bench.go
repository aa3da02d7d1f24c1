package targettest

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// RunBenchmarks measures UploadPart at three sizes; B/op must not grow with them. It needs Harness.Discarding.
func RunBenchmarks(b *testing.B, newHarness func(t testing.TB) Harness) {
	h := newHarness(b)
	if h.Discarding == nil {
		b.Log("NOT RUN: this harness has no platform that discards")
		return
	}
	s := &suite{h}
	c := h.Discarding(b)
	low := max(h.Limits.MinPart, 1<<16)
	for _, size := range []int64{low, 4 * low, 16 * low} {
		if h.Limits.MaxPart > 0 && size > h.Limits.MaxPart || h.Limits.MaxSize > 0 && 2*size > h.Limits.MaxSize {
			continue
		}
		b.Run(fmt.Sprintf("part of %s", mb(size)), func(b *testing.B) {
			plan := upload.Plan{Size: 2 * size, Parts: 2, PartSize: size, Ranges: 1, PartsPerRange: 2, InFlight: 1}
			sess := s.init(b, c, s.video(2*size), plan)
			p := target.Part{Part: plan.Part(1), Parts: 2, Open: zeros(size)}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				send(b, c, sess, p)
			}
		})
	}
}

// zeros gives readers of n zero bytes that hold nothing.
func zeros(n int64) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(zero{}, n)), nil
	}
}

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
