package bench

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"sync"

	"github.com/vodlift/vodlift/shared/transfer/crc64x"
)

// film is a video of any size that takes no room: a header, then a block of noise over and over. The block's length is
// prime, so no two parts hold the same bytes.
type film struct{ size int64 }

const blockSize = 1<<20 + 7

var noise = sync.OnceValue(func() []byte {
	b := make([]byte, blockSize)
	r := rand.New(rand.NewPCG(7, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
})

// header is an ftyp box and the beginning of an mdat that holds the rest.
func (f film) header() []byte {
	b := []byte{0, 0, 0, 16, 'f', 't', 'y', 'p', 'i', 's', 'o', 'm', 0, 0, 2, 0, 0, 0, 0, 0, 'm', 'd', 'a', 't'}
	binary.BigEndian.PutUint32(b[16:], uint32(f.size-16))
	return b
}

// ReadAt is io.ReaderAt's.
func (f film) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.size {
		return 0, io.EOF
	}
	var err error
	if rest := f.size - off; int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	n := 0
	if h := f.header(); off < int64(len(h)) {
		n = copy(p, h[off:])
	}
	for n < len(p) {
		n += copy(p[n:], noise()[(off+int64(n))%blockSize:])
	}
	return n, err
}

// sum is the CRC64 of the whole.
func (f film) sum() uint64 {
	var sum uint64
	buf := make([]byte, 256<<10)
	for off := int64(0); off < f.size; {
		n, _ := f.ReadAt(buf, off) // its only error is the end
		sum = crc64x.Update(sum, buf[:n])
		off += int64(n)
	}
	return sum
}
