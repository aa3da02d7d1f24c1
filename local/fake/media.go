package fake

import (
	"encoding/binary"
	"io"
	"time"
)

// Facts is what the platform sees in a video. Zero for bytes that are no MP4: what the platform says to those is in no
// source, so they pass.
type Facts struct {
	Width, Height int
	Duration      time.Duration
}

// Probe reads an MP4's movie header and the size of its first visible track. It is written against ISO/IEC 14496-12
// directly, so that it does not share a mistake with the project's own reader. It reads headers only, never the media.
func Probe(r io.ReaderAt, size int64) Facts {
	var f Facts
	budget := 20000 // boxes; a hostile file cannot keep us busy
	walk(r, 0, size, &budget, func(kind string, start, end int64) {
		if kind == "moov" {
			f = movie(r, start, end, &budget)
		}
	})
	return f
}

func movie(r io.ReaderAt, start, end int64, budget *int) Facts {
	var f Facts
	walk(r, start, end, budget, func(kind string, start, end int64) {
		switch kind {
		case "mvhd":
			f.Duration = movieDuration(r, start, end)
		case "trak":
			walk(r, start, end, budget, func(kind string, start, end int64) {
				if w, h := trackSize(r, end); kind == "tkhd" && f.Width == 0 && end-start >= 84 {
					f.Width, f.Height = w, h
				}
			})
		}
	})
	return f
}

// walk calls visit with the payload of each box between start and end.
func walk(r io.ReaderAt, start, end int64, budget *int, visit func(kind string, start, end int64)) {
	var head [16]byte
	for start+8 <= end && *budget > 0 {
		*budget--
		if _, err := r.ReadAt(head[:8], start); err != nil {
			return
		}
		size, header := int64(binary.BigEndian.Uint32(head[:4])), int64(8)
		switch size {
		case 0: // to the end
			size = end - start
		case 1:
			if _, err := r.ReadAt(head[:], start); err != nil {
				return
			}
			size, header = int64(binary.BigEndian.Uint64(head[8:])), 16
		}
		if size < header || size > end-start {
			return
		}
		visit(string(head[4:8]), start+header, start+size)
		start += size
	}
}

func movieDuration(r io.ReaderAt, start, end int64) time.Duration {
	b := make([]byte, 32)
	if end-start < int64(len(b)) {
		return 0
	}
	if _, err := r.ReadAt(b, start); err != nil {
		return 0
	}
	scale, units := binary.BigEndian.Uint32(b[12:]), uint64(binary.BigEndian.Uint32(b[16:]))
	if b[0] == 1 {
		scale, units = binary.BigEndian.Uint32(b[20:]), binary.BigEndian.Uint64(b[24:])
	}
	if scale == 0 {
		return 0
	}
	secs := float64(units) / float64(scale)
	if secs > 1e6 { // absurd, and past what a Duration holds safely
		secs = 1e6
	}
	return time.Duration(secs * float64(time.Second))
}

// trackSize reads width and height, 16.16 fixed point, the last eight bytes of a track header.
func trackSize(r io.ReaderAt, end int64) (int, int) {
	var b [8]byte
	if _, err := r.ReadAt(b[:], max(0, end-8)); err != nil {
		return 0, 0
	}
	return int(binary.BigEndian.Uint16(b[:])), int(binary.BigEndian.Uint16(b[4:]))
}
