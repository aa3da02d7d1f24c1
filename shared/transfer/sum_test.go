package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"pgregory.net/rapid"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/transfer"
	"github.com/vodlift/vodlift/shared/transfer/crc64x"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestContentCRC64EqualsTheSumOfTheWholeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 2000).Draw(t, "size")
		part := rapid.IntRange(1, 300).Draw(t, "part")
		data, rs := content(size), []upload.Receipt{}
		for off := 0; off < size; off += part {
			p := data[off:min(off+part, size)]
			rs = append(rs, upload.Receipt{Part: off/part + 1, Size: int64(len(p)), CRC64: crc64x.Update(0, p)})
		}
		rs = rapid.Permutation(rs).Draw(t, "order")
		if got, err := transfer.ContentCRC64(rs); err != nil || got != crc64x.Update(0, data) {
			t.Fatalf("got %016x, %v; want %016x", got, err, crc64x.Update(0, data))
		}
	})
}

func TestContentCRC64RefusesWhatNamesSomethingElse(t *testing.T) {
	for name, rs := range map[string][]upload.Receipt{
		"nothing":         {},
		"a gap":           {{Part: 1, Size: 1}, {Part: 3, Size: 1}},
		"no first part":   {{Part: 2, Size: 1}},
		"a part twice":    {{Part: 1, Size: 1}, {Part: 1, Size: 1}},
		"an unsummed one": {{Part: 1, Size: 1, Unsummed: true}},
	} {
		if _, err := transfer.ContentCRC64(rs); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
}

func TestSumTakesAPartFromTheSourceAgain(t *testing.T) {
	src := &mem{data: content(200_000)}
	p := upload.Part{Number: 2, Offset: 100, Size: 150_000}
	got, err := transfer.Sum(t.Context(), src, source.Object{}, p)
	if want := crc64x.Update(0, src.data[100:150_100]); err != nil || got != want {
		t.Errorf("got %016x, %v; want %016x", got, err, want)
	}
	src.body = func(_ int64, _ int, good io.Reader) (io.Reader, error) { return io.LimitReader(good, 70_000), nil }
	if _, err := transfer.Sum(t.Context(), src, source.Object{}, p); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short body: got %v", err)
	}
	src.body = func(int64, int, io.Reader) (io.Reader, error) {
		return nil, fault.Newf(fault.Invalid, "mem", "%w", source.ErrChanged)
	}
	if _, err := transfer.Sum(t.Context(), src, source.Object{}, p); fault.KindOf(err) != fault.Invalid || !errors.Is(err, source.ErrChanged) {
		t.Errorf("a replaced object: got %v", err)
	}
	if src.open != 0 {
		t.Errorf("%d bodies left open", src.open)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src.body = nil
	if _, err := transfer.Sum(ctx, src, source.Object{}, p); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// ExampleCombineCRC64 names a content whose halves were summed in different processes.
func ExampleCombineCRC64() {
	a, b := crc64x.Update(0, []byte("12345")), crc64x.Update(0, []byte("6789"))
	fmt.Println(crc64x.Format(transfer.CombineCRC64(a, b, 4)))
	// Output: 995dc9bbdf1939fa
}
