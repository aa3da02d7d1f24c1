package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"

	"github.com/vodlift/vodlift/shared/fault"
)

// PictureInfo is what the header of a picture says. Width and Height are 0 where they are not known.
type PictureInfo struct {
	ContentType   string // image/jpeg, image/png, image/gif, image/webp, image/bmp, image/heic, image/avif
	Width, Height int    // as stored; a turned JPEG is not turned back
}

// ProbePicture tells what kind of picture the size bytes are that open reads ranges of. What is none is Invalid for field
// "cover.key"; a header that is cut or damaged behind its first bytes has no size, and is left to the platform. Bounds and
// errors are those of Probe.
func ProbePicture(ctx context.Context, open func(offset, size int64) (io.ReadCloser, error), size int64) (PictureInfo, error) {
	const op = "media.ProbePicture"
	bad := func(msg string) error {
		return fault.InvalidField(op, "cover.key", "a picture: JPEG, PNG, GIF, WebP, BMP, HEIC or AVIF", "not a picture: "+msg)
	}
	if size <= 0 {
		return PictureInfo{}, bad("the object is empty")
	}
	r := &ranges{ctx: ctx, open: open, size: size}
	head, err := r.at(0, min(size, window))
	if err != nil {
		return PictureInfo{}, fault.Wrap(op, err)
	}
	info, ok := sniffPicture(head)
	if !ok {
		return PictureInfo{}, bad(looksLike(head))
	}
	if info.ContentType != "image/jpeg" {
		return info, nil
	}
	w, h, err := jpegSize(r)
	if err != nil && err != errDamaged && err != errLimit {
		return PictureInfo{}, fault.Wrap(op, err)
	}
	info.Width, info.Height = w, h
	return info, nil
}

func sniffPicture(h []byte) (PictureInfo, bool) {
	u16, u32, l16 := binary.BigEndian.Uint16, binary.BigEndian.Uint32, binary.LittleEndian.Uint16
	switch {
	case bytes.HasPrefix(h, []byte("\x89PNG\r\n\x1a\n")):
		i := PictureInfo{ContentType: "image/png"}
		if len(h) >= 24 && string(h[12:16]) == "IHDR" {
			i.Width, i.Height = side(u32(h[16:])), side(u32(h[20:]))
		}
		return i, true
	case bytes.HasPrefix(h, []byte("\xff\xd8\xff")):
		return PictureInfo{ContentType: "image/jpeg"}, true
	case bytes.HasPrefix(h, []byte("GIF87a")), bytes.HasPrefix(h, []byte("GIF89a")):
		i := PictureInfo{ContentType: "image/gif"}
		if len(h) >= 10 {
			i.Width, i.Height = int(l16(h[6:])), int(l16(h[8:]))
		}
		return i, true
	case len(h) >= 12 && string(h[:4]) == "RIFF" && string(h[8:12]) == "WEBP":
		i := PictureInfo{ContentType: "image/webp"}
		i.Width, i.Height = webpSize(h)
		return i, true
	case len(h) >= 26 && string(h[:2]) == "BM" && bytes.Equal(h[6:10], make([]byte, 4)):
		return PictureInfo{ContentType: "image/bmp", Width: side(binary.LittleEndian.Uint32(h[18:])), Height: side(binary.LittleEndian.Uint32(h[22:]))}, true
	case len(h) >= 12 && string(h[4:8]) == "ftyp" && u16(h) == 0:
		switch string(h[8:12]) {
		case "heic", "heix", "mif1":
			return PictureInfo{ContentType: "image/heic"}, true
		case "avif":
			return PictureInfo{ContentType: "image/avif"}, true
		}
	}
	return PictureInfo{}, false
}

// side is a length in points; what no picture has is 0.
func side(n uint32) int {
	if n > 1<<20 {
		return 0
	}
	return int(n)
}

// webpSize reads the three forms of the first chunk.
func webpSize(h []byte) (w, h2 int) {
	if len(h) < 30 {
		return 0, 0
	}
	l16 := binary.LittleEndian.Uint16
	l24 := func(p []byte) int { return int(p[0]) | int(p[1])<<8 | int(p[2])<<16 }
	switch string(h[12:16]) {
	case "VP8X":
		return l24(h[24:]) + 1, l24(h[27:]) + 1
	case "VP8 ":
		if bytes.Equal(h[23:26], []byte{0x9d, 0x01, 0x2a}) {
			return int(l16(h[26:]) & 0x3fff), int(l16(h[28:]) & 0x3fff)
		}
	case "VP8L":
		if h[20] == 0x2f {
			b := binary.LittleEndian.Uint32(h[21:])
			return int(b&0x3fff) + 1, int(b>>14&0x3fff) + 1
		}
	}
	return 0, 0
}

// jpegSize walks the segments to the frame header; what lies between, thumbnails included, is skipped unread.
func jpegSize(r *ranges) (w, h int, err error) {
	off := int64(2)
	for range MaxBoxes {
		p, err := r.at(off, 4)
		if err != nil {
			return 0, 0, err
		}
		if p[0] != 0xff {
			return 0, 0, errDamaged
		}
		kind, n := p[1], int64(binary.BigEndian.Uint16(p[2:]))
		switch {
		case kind == 0xff: // padding
			off++
			continue
		case kind == 0x01 || kind >= 0xd0 && kind <= 0xd8:
			off += 2
			continue
		case kind == 0xd9 || kind == 0xda || n < 2:
			return 0, 0, errDamaged
		case kind >= 0xc0 && kind <= 0xcf && kind != 0xc4 && kind != 0xc8 && kind != 0xcc:
			if p, err = r.at(off+4, 5); err != nil {
				return 0, 0, err
			}
			return int(binary.BigEndian.Uint16(p[3:])), int(binary.BigEndian.Uint16(p[1:])), nil
		}
		off += 2 + n
	}
	return 0, 0, errLimit
}
