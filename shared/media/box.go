package media

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// The reasons to give no verdict. They never leave the package.
var (
	errLimit   = errors.New("beyond the bounds of a probe")
	errDamaged = errors.New("the structure is damaged")
	errStop    = errors.New("encrypted or compressed index")
)

// box is a piece of the file (ISO/IEC 14496-12, 4.2): its content is from body to end.
type box struct {
	kind      string
	body, end int64
}

// parseHeader reads a box header at off; the box must end within limit. 8 bytes are enough but for a 64 bit size.
func parseHeader(h []byte, off, limit int64) (box, bool) {
	if len(h) < 8 {
		return box{}, false
	}
	size, n := int64(binary.BigEndian.Uint32(h)), int64(8)
	switch size {
	case 0: // to the end of what holds it
		size = limit - off
	case 1:
		if len(h) < 16 {
			return box{}, false
		}
		large := binary.BigEndian.Uint64(h[8:])
		if large > math.MaxInt64 {
			return box{}, false
		}
		size, n = int64(large), 16
	}
	if size < n || size > limit-off {
		return box{}, false
	}
	return box{string(h[4:8]), off + n, off + size}, true
}

// walker goes through the boxes that matter and skips the others unread.
type walker struct {
	r      *ranges
	info   Info
	boxes  int
	tracks int
	video  bool
	data   bool // an mdat came before
	track  trackInfo
	// timescale of the movie header, which the duration of a fragmented file counts in
	timescale uint32
}

type trackInfo struct {
	width, height int
	handler       string
	codec         string
	turned        bool
	enclosed      bool // width and height come from tkhd
	// of the track's own clock, and how many pictures it has
	timescale         uint32
	duration, samples uint64
}

func (w *walker) unchecked(why string) Info {
	i := w.info
	return Info{Container: i.Container, ContentType: i.ContentType, Why: why}
}

// each calls fn for every box between off and end.
func (w *walker) each(off, end int64, fn func(box) error) error {
	for off < end {
		if w.boxes++; w.boxes > MaxBoxes {
			return errLimit
		}
		if end-off < 8 {
			return w.zeros(off, end-off) // QuickTime ends some containers with four zero bytes
		}
		h, err := w.r.at(off, min(16, end-off))
		if err != nil {
			return err
		}
		b, ok := parseHeader(h, off, end)
		if !ok {
			return errDamaged
		}
		if err := fn(b); err != nil {
			return err
		}
		off = b.end
	}
	return nil
}

// zeros is nil if the n bytes at off are padding.
func (w *walker) zeros(off, n int64) error {
	p, err := w.r.at(off, n)
	for _, c := range p {
		if c != 0 {
			return errDamaged
		}
	}
	return err
}

// file looks for the index. It stops there: what follows a moov tells nothing more.
func (w *walker) file() error {
	errFound := errors.New("found")
	err := w.each(0, w.r.size, func(b box) error {
		if b.kind != "moov" {
			w.data = w.data || b.kind == "mdat"
			return nil
		}
		w.info.IndexAtEnd = w.data
		if err := w.each(b.body, b.end, w.inMoov); err != nil {
			return err
		}
		return errFound
	})
	if err == errFound {
		return nil
	}
	return err
}

func (w *walker) inMoov(b box) error {
	switch b.kind {
	case "cmov":
		return errStop // compressed by QuickTime; its size is not worth the risk of unpacking
	case "mvhd":
		return w.duration(b, false)
	case "mvex":
		return w.each(b.body, b.end, func(b box) error {
			if b.kind == "mehd" {
				return w.duration(b, true)
			}
			return nil
		})
	case "trak":
		w.tracks++
		w.track = trackInfo{}
		if err := w.each(b.body, b.end, w.inTrak); err != nil {
			return err
		}
		w.keep()
	}
	return nil
}

func (w *walker) inTrak(b box) error {
	switch b.kind {
	case "tkhd":
		return w.tkhd(b)
	case "mdia", "minf", "stbl":
		return w.each(b.body, b.end, w.inTrak)
	case "hdlr":
		p, err := w.r.at(b.body, min(12, b.end-b.body))
		// A handler inside minf is QuickTime's data handler; the media handler comes first.
		if err == nil && len(p) == 12 && w.track.handler == "" {
			w.track.handler = string(p[8:12])
		}
		return err
	case "stsd":
		return w.stsd(b)
	case "mdhd":
		return w.mdhd(b)
	case "stsz", "stz2":
		p, err := w.r.at(b.body, min(12, b.end-b.body))
		if err == nil && len(p) == 12 {
			w.track.samples = uint64(binary.BigEndian.Uint32(p[8:]))
		}
		return err
	}
	return nil
}

// mdhd is the track's own clock. One that cannot be read costs the frame rate only.
func (w *walker) mdhd(b box) error {
	p, err := w.r.at(b.body, min(32, b.end-b.body))
	if err != nil || len(p) < 4 {
		return err
	}
	switch at := map[byte]int{0: 12, 1: 20}[p[0]]; {
	case at == 12 && len(p) >= 20, at == 20 && len(p) >= 32:
		w.track.timescale, w.track.duration = binary.BigEndian.Uint32(p[at:]), units(p[at+4:], p[0])
	}
	return nil
}

// rate is pictures a second on average; nonsense is 0.
func (t trackInfo) rate() float64 {
	if t.samples < 2 || t.duration == 0 || t.timescale == 0 || t.duration == math.MaxUint64 {
		return 0
	}
	r := float64(t.samples) * float64(t.timescale) / float64(t.duration)
	if r < 0.01 || r > 1000 {
		return 0
	}
	return math.Round(r*1000) / 1000
}

// keep takes over the first track that has a picture.
func (w *walker) keep() {
	t := w.track
	if t.handler != "vide" || w.video {
		return
	}
	w.video = true
	if t.turned {
		t.width, t.height = t.height, t.width
	}
	w.info.Width, w.info.Height, w.info.Codec, w.info.FrameRate = t.width, t.height, t.codec, t.rate()
}

// full reads the start of a box's content with its version, 0 or 1; shorter than n of that version is damaged.
func (w *walker) full(b box, n [2]int64) (version byte, p []byte, err error) {
	p, err = w.r.at(b.body, min(b.end-b.body, 128))
	if err != nil {
		return 0, nil, err
	}
	if len(p) < 4 || p[0] > 1 || int64(len(p)) < n[p[0]] {
		return 0, nil, errDamaged
	}
	return p[0], p, nil
}

// duration reads mvhd, or the mehd of a fragmented file, whose mvhd says 0.
func (w *walker) duration(b box, fragmented bool) error {
	if fragmented {
		v, p, err := w.full(b, [2]int64{8, 12})
		if err != nil {
			return err
		}
		if d := units(p[4:], v); w.info.Duration == 0 {
			w.info.Duration = seconds(d, w.timescale)
		}
		return nil
	}
	v, p, err := w.full(b, [2]int64{20, 32})
	if err != nil {
		return err
	}
	at := 12
	if v == 1 {
		at = 20
	}
	scale := binary.BigEndian.Uint32(p[at:])
	w.info.Duration = seconds(units(p[at+4:], v), scale)
	w.timescale = scale
	return nil
}

func units(p []byte, version byte) uint64 {
	if version == 1 {
		return binary.BigEndian.Uint64(p)
	}
	d := binary.BigEndian.Uint32(p)
	if d == math.MaxUint32 { // "cannot be determined"
		return math.MaxUint64
	}
	return uint64(d)
}

// seconds is 0 for what cannot be: no time scale, or over ten days.
func seconds(d uint64, scale uint32) time.Duration {
	const most = 10 * 24 * 3600
	if scale == 0 || d/uint64(scale) >= most {
		return 0
	}
	s := uint64(scale)
	return time.Duration(d/s)*time.Second + time.Duration(d%s*uint64(time.Second)/s)
}

// tkhd holds the size to show, and the matrix, by which a phone says that it was held upright.
func (w *walker) tkhd(b box) error {
	v, p, err := w.full(b, [2]int64{84, 96})
	if err != nil {
		return err
	}
	at := 40 // of the matrix
	if v == 1 {
		at = 52
	}
	m := func(i int) uint32 { return binary.BigEndian.Uint32(p[at+4*i:]) }
	w.track.turned = m(0) == 0 && m(4) == 0 && m(1) != 0 && m(3) != 0
	if width, height := int(m(9)>>16), int(m(10)>>16); width > 0 && height > 0 {
		w.track.width, w.track.height, w.track.enclosed = width, height, true
	}
	return nil
}

// stsd names the codec in its first entry, and the coded size, which serves where tkhd has none.
func (w *walker) stsd(b box) error {
	p, err := w.r.at(b.body, min(b.end-b.body, 8+36))
	if err != nil {
		return err
	}
	if len(p) < 16 {
		return errDamaged
	}
	if w.track.codec == "" {
		w.track.codec = printable(p[12:16])
	}
	if len(p) >= 44 && w.track.handler == "vide" && !w.track.enclosed {
		w.track.width, w.track.height = int(binary.BigEndian.Uint16(p[40:])), int(binary.BigEndian.Uint16(p[42:]))
	}
	return nil
}

// printable keeps a codec's name fit for a log.
func printable(p []byte) string {
	out := make([]byte, 0, 4)
	for _, c := range p {
		if c < 0x20 || c > 0x7e {
			c = '?'
		}
		out = append(out, c)
	}
	return string(out)
}
