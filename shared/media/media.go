// Package media looks at the first bytes of a dropped file, and for MP4 at its index wherever that is, to say before a
// byte is sent whether it is a video, of what type, and how long and large.
//
// What it reads was written by strangers (design 4.10): it asks for few small ranges, never for a length that the file
// names, visits a bounded number of boxes, and what it cannot read it leaves to the platform. It knows no bucket and no
// platform. It reads containers only; no picture is decoded.
package media

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// Bounds of one Probe.
const (
	MaxRead     = 16 << 20 // bytes
	MaxBoxes    = 10_000
	MaxRequests = 64 // ranges opened

	window = 64 << 10 // bytes of one request
)

// Info is what the header says. Zero fields are not known.
type Info struct {
	Container     string // mp4, mov, 3gp, webm, mkv, flv, avi, mpegts, mpegps, asf
	ContentType   string // by the bytes, whatever the file is called
	Duration      time.Duration
	Width, Height int     // as shown, a turned phone video upright
	Codec         string  // of the first video track, as four letters: avc1, hvc1
	FrameRate     float64 // of that track, on average; 0 also where the file is in fragments
	IndexAtEnd    bool    // the index (moov) stands behind the pictures (mdat)
	// Checked: the index was read and is sound, so duration, size and codec are what it says. False where the container
	// keeps no index that we read, or it is damaged, missing or beyond the bounds: no verdict, not a bad one.
	Checked bool
	// Why says for people what stood in the way where Checked is false.
	Why string
}

// The reasons of Info.Why.
const (
	WhyContainer = "the header of this kind of file is not read here"
	WhyNoIndex   = "the file holds no index (moov)"
	WhyEncrypted = "its index is compressed"
	WhyDamaged   = "its index is damaged"
	WhyTooMuch   = "its index is too large or too scattered to read"
)

// Probe tells what kind of video the size bytes are that open reads ranges of. What is clearly none (another format, no
// bytes, sound only) is Invalid for field "source". An error of open or of reading is returned with its kind. Every
// reader is closed. open is called one at a time.
func Probe(ctx context.Context, open func(offset, size int64) (io.ReadCloser, error), size int64) (Info, error) {
	const op = "media.Probe"
	if size <= 0 {
		return Info{}, notVideo("the file is empty")
	}
	r := &ranges{ctx: ctx, open: open, size: size}
	head, err := r.at(0, min(size, window))
	if err != nil {
		return Info{}, fault.Wrap(op, err)
	}
	info, ok := sniff(head, size)
	if !ok {
		return Info{}, notVideo(looksLike(head))
	}
	if !isoContainer(info.Container) {
		info.Why = WhyContainer
		return info, nil
	}
	if brand := string(brandOf(head)); pictureBrands[brand] {
		return Info{}, notVideo(fmt.Sprintf("it is a picture (brand %q)", brand))
	}
	w := walker{r: r, info: info}
	switch err := w.file(); {
	case err == errStop:
		return w.unchecked(WhyEncrypted), nil
	case err == errLimit:
		return w.unchecked(WhyTooMuch), nil
	case err == errDamaged:
		return w.unchecked(WhyDamaged), nil
	case err != nil:
		return Info{}, fault.Wrap(op, err)
	case w.tracks > 0 && !w.video:
		return Info{}, notVideo("it has sound or text, but no picture")
	case !w.video: // no moov, or an empty one
		return w.unchecked(WhyNoIndex), nil
	}
	w.info.Checked = true
	return w.info, nil
}

func isoContainer(c string) bool { return c == "mp4" || c == "mov" || c == "3gp" }

func notVideo(msg string) error {
	return fault.InvalidField("media.Probe", "source", "a video: MP4, MOV, 3GP, WebM, MKV, FLV, AVI, MPEG or WMV", "not a video: "+msg)
}

// looksLike describes bytes that are no video, by the standard library's sniffer; its answer never quotes the bytes.
func looksLike(head []byte) string {
	if len(bytes.Trim(head, "\x00")) == 0 {
		return "it begins with zeros only"
	}
	kind := http.DetectContentType(head)
	if kind == "application/octet-stream" {
		return "its first bytes are of no known format"
	}
	return "it looks like " + kind
}

// pictureBrands are still pictures in the same container.
var pictureBrands = map[string]bool{"heic": true, "heix": true, "mif1": true, "avif": true, "jp2 ": true, "crx ": true}

// startBoxes may open a QuickTime file of the time before ftyp.
var startBoxes = map[string]bool{"moov": true, "mdat": true, "wide": true, "free": true, "skip": true, "pnot": true}

func brandOf(head []byte) []byte {
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		return head[8:12]
	}
	return nil
}

// sniff goes by the magic numbers of the containers' specifications.
func sniff(head []byte, size int64) (Info, bool) {
	has := func(at int, magic string) bool {
		return len(head) >= at+len(magic) && string(head[at:at+len(magic)]) == magic
	}
	switch {
	case has(4, "ftyp"):
		return isoInfo(string(brandOf(head))), len(head) >= 12
	case len(head) >= 8 && startBoxes[string(head[4:8])] && plausible(head, size):
		return Info{Container: "mov", ContentType: "video/quicktime"}, true
	case has(0, "\x1a\x45\xdf\xa3"):
		return ebmlInfo(head)
	case has(0, "FLV\x01"):
		return Info{Container: "flv", ContentType: "video/x-flv"}, true
	case has(0, "RIFF") && has(8, "AVI "):
		return Info{Container: "avi", ContentType: "video/x-msvideo"}, true
	case has(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"):
		return Info{Container: "asf", ContentType: "video/x-ms-wmv"}, true
	case has(0, "\x00\x00\x01\xba"):
		return Info{Container: "mpegps", ContentType: "video/mpeg"}, true
	case synced(head, 0, 188), synced(head, 4, 192):
		return Info{Container: "mpegts", ContentType: "video/mp2t"}, true
	}
	return Info{}, false
}

func isoInfo(brand string) Info {
	switch {
	case brand == "qt  ":
		return Info{Container: "mov", ContentType: "video/quicktime"}
	case strings.HasPrefix(brand, "3gp") || strings.HasPrefix(brand, "3g2"):
		return Info{Container: "3gp", ContentType: "video/3gpp"}
	}
	return Info{Container: "mp4", ContentType: "video/mp4"}
}

// ebmlInfo reads the DocType (element 0x4282) in the header, which comes within its first bytes.
func ebmlInfo(head []byte) (Info, bool) {
	head = head[:min(len(head), 256)]
	_, rest, ok := bytes.Cut(head, []byte("\x42\x82"))
	if !ok || len(rest) < 1 || rest[0]&0x80 == 0 {
		return Info{}, false
	}
	n := int(rest[0] & 0x7f)
	if n > len(rest)-1 {
		return Info{}, false
	}
	switch strings.TrimRight(string(rest[1:1+n]), "\x00") {
	case "webm":
		return Info{Container: "webm", ContentType: "video/webm"}, true
	case "matroska":
		return Info{Container: "mkv", ContentType: "video/x-matroska"}, true
	}
	return Info{}, false
}

// synced finds the sync byte of a transport stream in five packets; fewer are too easily chance, or a text with Gs.
func synced(head []byte, first, packet int) bool {
	for i := range 5 {
		if at := first + i*packet; at >= len(head) || head[at] != 0x47 {
			return false
		}
	}
	return true
}

// ranges reads the file through a window, within the bounds.
type ranges struct {
	ctx      context.Context
	open     func(offset, size int64) (io.ReadCloser, error)
	size     int64
	read     int64
	requests int
	start    int64
	buf      []byte
}

// at gives n bytes at off, n <= window. They are valid until the next call. Beyond the file is errDamaged.
func (r *ranges) at(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || n > window || off > r.size-n {
		return nil, errDamaged
	}
	if off < r.start || off+n > r.start+int64(len(r.buf)) {
		if err := r.load(off, min(window, r.size-off)); err != nil {
			return nil, err
		}
	}
	return r.buf[off-r.start : off-r.start+n], nil
}

func (r *ranges) load(off, n int64) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.read+n > MaxRead || r.requests >= MaxRequests {
		return errLimit
	}
	r.read += n
	r.requests++
	body, err := r.open(off, n)
	if err != nil {
		return err
	}
	r.buf, r.start = r.buf[:0], off
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, 0, n)
	}
	got, err := io.ReadFull(body, r.buf[:n])
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("reading %d bytes at %d: %w", n, off, err)
	}
	r.buf = r.buf[:got]
	return nil
}

// plausible: the size of a first box that has no magic of its own.
func plausible(head []byte, size int64) bool {
	b, ok := parseHeader(head[:min(len(head), 16)], 0, size)
	return ok && (b.kind != "moov" || b.end <= size)
}
