package transfer

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/transfer/crc64x"
	"github.com/vodlift/vodlift/shared/upload"
)

// CombineCRC64 gives the CRC-64/ECMA of a's bytes followed by b's, of which there are lenB.
func CombineCRC64(a, b uint64, lenB int64) uint64 { return crc64x.Combine(a, b, lenB) }

// ContentCRC64 gives the CRC64 of the whole content, which names it (design 2), from the receipts of all its parts in
// any order. A part that is missing, there twice or Unsummed is Invalid: such a sum would name something else.
func ContentCRC64(rs []upload.Receipt) (uint64, error) {
	const op = "transfer.ContentCRC64"
	rs = slices.Clone(rs)
	slices.SortStableFunc(rs, func(a, b upload.Receipt) int { return a.Part - b.Part })
	if len(rs) == 0 {
		return 0, fault.InvalidField(op, "receipts", "at least one", "there are none")
	}
	var sum uint64
	var step crc64x.Step
	for i, r := range rs {
		switch {
		case r.Part != i+1:
			return 0, fault.InvalidField(op, "receipts", "every part once", fmt.Sprintf("want part %d, got part %d", i+1, r.Part))
		case r.Unsummed:
			return 0, fault.InvalidField(op, "receipts", "every part summed", fmt.Sprintf("part %d has no CRC64 of ours", r.Part))
		}
		if i == 0 || rs[i-1].Size != r.Size { // parts are equal but for the last: one Step serves nearly all
			step = crc64x.Over(r.Size)
		}
		sum = step.Combine(sum, r.CRC64)
	}
	return sum, nil
}

// Sum takes the CRC64 of a part from the source again, for receipts that are known only from the platform's list
// (Unsummed). It reads the part once in a fixed buffer and gives the source's faults; a body of another length is
// an error.
func Sum(ctx context.Context, src source.Source, obj source.Object, p upload.Part) (uint64, error) {
	t := &attempt{part: p, job: ctx, open: func(ctx context.Context) (io.ReadCloser, error) {
		return src.Open(ctx, obj, p.Offset, p.Size)
	}}
	r, err := t.Open(ctx)
	if err != nil {
		return 0, fault.Wrap("transfer.Sum", err)
	}
	defer func() { _ = r.Close() }()
	buf := make([]byte, 64<<10)
	for {
		_, err := r.Read(buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, fault.Wrap("transfer.Sum", err)
		}
	}
	sum, _ := t.sum()
	return sum, nil
}
