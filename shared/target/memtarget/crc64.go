package memtarget

import (
	"hash/crc64"
	"io"
	"sync"
)

var ecma = crc64.MakeTable(crc64.ECMA)

func update(sum uint64, b []byte) uint64 { return crc64.Update(sum, ecma, b) }

// matrix is a linear map of 64 bits: column i is the image of bit i.
type matrix [64]uint64

func (m *matrix) times(v uint64) (out uint64) {
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			out ^= m[i]
		}
	}
	return out
}

func (m *matrix) squared() *matrix {
	var s matrix
	for i := range s {
		s[i] = m.times(m[i])
	}
	return &s
}

// powers are the maps of 1, 2, 4, 8... zero bytes.
var powers = sync.OnceValue(func() *[63]matrix {
	var ps [63]matrix
	var m matrix // one zero bit
	m[0] = crc64.ECMA
	for i := 1; i < 64; i++ {
		m[i] = 1 << (i - 1)
	}
	op := m.squared().squared().squared()
	for i := range ps {
		ps[i] = *op
		op = op.squared()
	}
	return &ps
})

// combine gives the sum of a followed by b, from their sums and b's length: appending n zero bytes is a linear map.
func combine(a, b uint64, n int64) uint64 {
	ps := powers()
	for i := 0; n > 0; i, n = i+1, n>>1 {
		if n&1 != 0 {
			a = ps[i].times(a)
		}
	}
	return a ^ b
}

// Zeros is a body of n zero bytes that knows its own sum: a Platform that keeps no bytes does not read it.
func Zeros(n int64) io.ReadCloser { return &zeros{left: n, size: n} }

type zeros struct{ left, size int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

func (z *zeros) Close() error { return nil }

// Sum is the CRC-64/ECMA of the zeros, by doubling.
func (z *zeros) Sum() (int64, uint64) {
	sum, one, have := uint64(0), update(0, []byte{0}), int64(1)
	for n := z.size; n > 0; n >>= 1 {
		if n&1 != 0 {
			sum = combine(sum, one, have)
		}
		one = combine(one, one, have)
		have *= 2
	}
	return z.size, sum
}
