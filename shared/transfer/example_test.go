package transfer_test

import (
	"context"
	"fmt"

	"github.com/vodlift/vodlift/shared/transfer"
	"github.com/vodlift/vodlift/shared/transfer/crc64x"
	"github.com/vodlift/vodlift/shared/upload"
)

// A range of three parts, of which the ledger has the first already.
func ExampleCarry() {
	src, dst := &mem{data: content(250)}, &sink{}
	ledger := []upload.Receipt{{Part: 1, Size: 100, CRC64: crc64x.Update(0, src.data[:100])}}
	res, err := transfer.Carry(context.Background(), transfer.Job{
		Target: dst, Source: src,
		Plan:    upload.Plan{Size: 250, Parts: 3, PartSize: 100, Ranges: 1, PartsPerRange: 3, InFlight: 4},
		Missing: []int{2, 3},
		Flush: func(_ context.Context, rs []upload.Receipt) error {
			ledger = append(ledger, rs...)
			return nil
		},
	})
	fmt.Printf("%+v %v\n", res, err)
	sum, err := transfer.ContentCRC64(ledger)
	fmt.Println(sum == crc64x.Update(0, src.data), err)
	// Output:
	// {Received:2 Left:0 Bytes:150 Sent:150} <nil>
	// true <nil>
}
