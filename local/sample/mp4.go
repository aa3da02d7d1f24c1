package sample

import (
	"encoding/binary"
	"math"
)

// movie is what the index of the file has to know.
type movie struct {
	frames     int
	sampleSize int
}

const (
	timescale       = 1000
	frameDuration   = timescale / FrameRate
	samplesPerChunk = FrameRate
	made            = 3_850_243_200 // 2026-01-03 00:00:00 UTC, in seconds since 1904
	undetermined    = 0x55C4        // language "und"
)

func (m movie) payload() int64   { return int64(m.frames) * int64(m.sampleSize) }
func (m movie) duration() uint32 { return uint32(m.frames) * frameDuration }

// head is everything before the first sample: ftyp, moov, and the header of mdat. Where samples begin depends on the
// length of moov, which does not depend on where they begin; so it is made twice.
func (m movie) head() []byte {
	large := m.payload() > math.MaxUint32-1<<24
	ftyp := box("ftyp", []byte("isom"), u32(0x200), []byte("isomiso2avc1mp41"))
	mdat := u32(uint32(m.payload()+8), tag("mdat"))
	if large {
		mdat = append(u32(1, tag("mdat")), binary.BigEndian.AppendUint64(nil, uint64(m.payload()+16))...)
	}
	start := uint64(len(ftyp) + len(m.moov(0, large)) + len(mdat))
	out := append(ftyp, m.moov(start, large)...)
	return append(out, mdat...)
}

func (m movie) moov(start uint64, large bool) []byte {
	return box("moov",
		full("mvhd", 0, u32(made, made, timescale, m.duration(), 0x00010000, 0x01000000, 0, 0), unity(), make([]byte, 24), u32(2)),
		box("trak",
			full("tkhd", 3, u32(made, made, 1, 0, m.duration(), 0, 0, 0, 0), unity(), u32(Width<<16, Height<<16)),
			box("mdia",
				full("mdhd", 0, u32(made, made, timescale, m.duration(), undetermined<<16)),
				full("hdlr", 0, u32(0, tag("vide"), 0, 0, 0), []byte("VideoHandler\x00")),
				box("minf",
					full("vmhd", 1, make([]byte, 8)),
					box("dinf", full("dref", 0, u32(1), full("url ", 1))),
					m.stbl(start, large),
				),
			),
		),
	)
}

func (m movie) stbl(start uint64, large bool) []byte {
	return box("stbl",
		full("stsd", 0, u32(1), avc1()),
		full("stts", 0, u32(1, uint32(m.frames), frameDuration)),
		m.stsc(),
		m.stsz(),
		m.stco(start, large),
	)
}

// avc1 describes the picture and carries the parameter sets.
func avc1() []byte {
	s, p := sps(), pps()
	config := []byte{1, profile, compatibility, level, 0xFF, 0xE1} // lengths of 4 bytes, one sequence parameter set
	config = append(binary.BigEndian.AppendUint16(config, uint16(len(s))), s...)
	config = append(binary.BigEndian.AppendUint16(append(config, 1), uint16(len(p))), p...)
	return box("avc1",
		u32(0, 1), // data_reference_index 1
		make([]byte, 16),
		u32(Width<<16|Height, 0x00480000, 0x00480000, 0), // 72 dpi
		[]byte{0, 1}, make([]byte, 32), []byte{0, 24, 0xFF, 0xFF},
		box("avcC", config),
	)
}

func (m movie) chunks() int { return (m.frames + samplesPerChunk - 1) / samplesPerChunk }

// stsc says how many samples a chunk has: a second's worth, the last one perhaps fewer.
func (m movie) stsc() []byte {
	rest := m.frames % samplesPerChunk
	if rest == 0 {
		return full("stsc", 0, u32(1, 1, samplesPerChunk, 1))
	}
	return full("stsc", 0, u32(2, 1, samplesPerChunk, 1, uint32(m.chunks()), uint32(rest), 1))
}

func (m movie) stsz() []byte {
	b := u32(0, uint32(m.frames))
	for range m.frames {
		b = binary.BigEndian.AppendUint32(b, uint32(m.sampleSize))
	}
	return full("stsz", 0, b)
}

func (m movie) stco(start uint64, large bool) []byte {
	b := u32(uint32(m.chunks()))
	for i := range m.chunks() {
		at := start + uint64(i)*samplesPerChunk*uint64(m.sampleSize)
		if large {
			b = binary.BigEndian.AppendUint64(b, at)
		} else {
			b = binary.BigEndian.AppendUint32(b, uint32(at))
		}
	}
	if large {
		return full("co64", 0, b)
	}
	return full("stco", 0, b)
}

func box(name string, parts ...[]byte) []byte {
	n := 8
	for _, p := range parts {
		n += len(p)
	}
	b := append(binary.BigEndian.AppendUint32(make([]byte, 0, n), uint32(n)), name...)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// full is a box with version 0 and flags.
func full(name string, flags uint32, parts ...[]byte) []byte {
	return box(name, append([][]byte{u32(flags)}, parts...)...)
}

func u32(vs ...uint32) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func tag(name string) uint32 { return binary.BigEndian.Uint32([]byte(name)) }

// unity is the matrix that leaves the picture as it is.
func unity() []byte { return u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000) }
