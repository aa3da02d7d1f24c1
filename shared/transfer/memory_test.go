package transfer_test

import (
	"context"
	"io"
	"runtime"
	"testing"

	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/transfer"
	"github.com/vodlift/vodlift/shared/upload"
)

// zeros is a source and void a target that hold nothing, so that what is allocated is transfer's own.
type zeros struct{}

func (zeros) Stat(context.Context, source.Object) (source.Info, error) { return source.Info{}, nil }
func (zeros) Open(_ context.Context, _ source.Object, _, size int64) (io.ReadCloser, error) {
	return &zeroBody{left: size}, nil
}

type zeroBody struct{ left int64 }

func (z *zeroBody) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	z.left -= n
	return int(n), nil
}
func (*zeroBody) Close() error { return nil }

type void struct {
	target.Target
	buf []byte
}

func (v void) UploadPart(ctx context.Context, _ upload.Session, p target.Part) (upload.Receipt, error) {
	r, err := p.Open(ctx)
	if err != nil {
		return upload.Receipt{}, err
	}
	defer func() { _ = r.Close() }()
	for {
		if _, err := r.Read(v.buf); err == io.EOF {
			return upload.Receipt{Part: p.Number, Size: p.Size}, nil
		} else if err != nil {
			return upload.Receipt{}, err
		}
	}
}

func flat(partSize int64, parts int) transfer.Job {
	j := transfer.Job{Target: void{buf: make([]byte, 32<<10)}, Source: zeros{},
		Plan:  upload.Plan{Size: partSize * int64(parts), Parts: parts, PartSize: partSize, Ranges: 1, PartsPerRange: parts, InFlight: 1},
		Flush: func(context.Context, []upload.Receipt) error { return nil }}
	for i := range parts {
		j.Missing = append(j.Missing, i+1)
	}
	return j
}

func allocatedPerPart(t *testing.T, partSize int64) uint64 {
	const parts = 8
	j := flat(partSize, parts)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if res, err := transfer.Carry(t.Context(), j); err != nil || res.Left != 0 {
		t.Fatal(res, err)
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / parts
}

func TestAllocatedBytesPerPartDoNotGrowWithThePart(t *testing.T) {
	allocatedPerPart(t, 1) // what is made once in a process
	small, large := allocatedPerPart(t, 64<<10), allocatedPerPart(t, 4<<20)
	t.Logf("allocated per part: %d bytes for 64 KiB, %d for 4 MiB", small, large)
	if large > small+4<<10 || large > 16<<10 {
		t.Errorf("got %d bytes allocated for a part of 4 MiB, %d for one of 64 KiB", large, small)
	}
}

func BenchmarkCarry(b *testing.B) {
	for name, size := range map[string]int64{"64KiB": 64 << 10, "5MiB": 5 << 20, "64MiB": 64 << 20} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(size)
			j := flat(size, b.N)
			if _, err := transfer.Carry(b.Context(), j); err != nil {
				b.Fatal(err)
			}
		})
	}
}
