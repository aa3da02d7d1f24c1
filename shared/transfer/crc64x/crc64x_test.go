package crc64x_test

import (
	"hash/crc64"
	"testing"

	"pgregory.net/rapid"

	"github.com/vodlift/vodlift/shared/transfer/crc64x"
)

func whole(p []byte) uint64 { return crc64.Checksum(p, crc64.MakeTable(crc64.ECMA)) }

func TestCombineEqualsTheSumOfTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 8).Draw(t, "parts")
		var all []byte
		var sum uint64
		for _, p := range parts {
			sum = crc64x.Combine(sum, whole(p), int64(len(p)))
			all = append(all, p...)
		}
		if sum != whole(all) {
			t.Fatalf("got %016x, want %016x", sum, whole(all))
		}
	})
}

func TestCombineIsAssociativeAtAnyLength(t *testing.T) {
	// Lengths no test could hold in memory: (a b) c must equal a (b c).
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b"), rapid.Uint64().Draw(t, "c")
		lb, lc := rapid.Int64Range(0, 1<<50).Draw(t, "lb"), rapid.Int64Range(0, 1<<50).Draw(t, "lc")
		left := crc64x.Combine(crc64x.Combine(a, b, lb), c, lc)
		if right := crc64x.Combine(a, crc64x.Combine(b, c, lc), lb+lc); left != right {
			t.Fatalf("got %016x and %016x", left, right)
		}
	})
}

func TestKnownSums(t *testing.T) {
	// The check value of CRC-64/XZ (ECMA, reflected), from the catalogue of CRC algorithms.
	if got := crc64x.Update(0, []byte("123456789")); crc64x.Format(got) != "995dc9bbdf1939fa" {
		t.Errorf("got %s", crc64x.Format(got))
	}
	if got := crc64x.Combine(7, 0, 0); got != 7 {
		t.Errorf("nothing appended: got %d, want 7", got)
	}
	if got := crc64x.Format(1); got != "0000000000000001" {
		t.Errorf("got %s", got)
	}
}

func BenchmarkCombine(b *testing.B) {
	s := crc64x.Over(5 << 20)
	var sum uint64
	for b.Loop() {
		sum = s.Combine(sum, 0x995dc9bbdf1939fa)
	}
}
