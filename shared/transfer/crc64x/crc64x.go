// Package crc64x takes CRC-64/ECMA sums apart and together: the sum of a whole from the sums of its parts, without the
// bytes. It exists because parts travel in different processes, while the whole's sum names the content (design 2).
// It knows nothing of uploads; the polynomial is the one of hash/crc64's ECMA table, which Alibaba OSS uses too.
package crc64x

import (
	"fmt"
	"hash/crc64"
)

// poly is crc64.ECMA: the polynomial x^64 + ..., lowest power in the highest bit.
const poly = uint64(crc64.ECMA)

// one is the polynomial 1 (x^0) in that notation.
const one = uint64(1) << 63

// Update adds p to a sum that starts at 0, as crc64.Update with the ECMA table.
func Update(sum uint64, p []byte) uint64 {
	// MakeTable keeps the ECMA table and gives the same one every time.
	return crc64.Update(sum, crc64.MakeTable(crc64.ECMA), p)
}

// Combine gives the sum of the bytes of a followed by those of b, of which there are lenB.
func Combine(a, b uint64, lenB int64) uint64 { return Over(lenB).Combine(a, b) }

// Step appends sums over one length; making it costs some 64 multiplications, using it one.
type Step struct{ factor uint64 }

// Over makes the Step for appended pieces of n bytes; n below 0 counts as 0.
func Over(n int64) Step {
	// x^(8n) modulo the polynomial: a's remainder moved past n more bytes.
	factor, square := one, one>>8
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			factor = multiply(factor, square)
		}
		square = multiply(square, square)
	}
	return Step{factor}
}

// Combine is Combine over the step's length. The inversions before and after a CRC cancel out, as in zlib.
func (s Step) Combine(a, b uint64) uint64 { return multiply(s.factor, a) ^ b }

// multiply is a*b modulo the polynomial over GF(2), lowest power in the highest bit.
func multiply(a, b uint64) uint64 {
	var product uint64
	for m := one; m != 0; m >>= 1 {
		if a&m != 0 {
			product ^= b
			if a&(m-1) == 0 {
				break
			}
		}
		if b&1 == 1 {
			b = b>>1 ^ poly
		} else {
			b >>= 1
		}
	}
	return product
}

// Format writes a sum as upload.Video.CRC64 holds it: 16 hex digits.
func Format(sum uint64) string { return fmt.Sprintf("%016x", sum) }
