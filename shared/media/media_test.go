package media_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/abema/go-mp4"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/media"
)

// file is a source of ranges that counts what is read and that every reader is closed once. Beyond data it is zero.
type file struct {
	t        testing.TB
	data     []byte
	tailAt   int64 // where tail begins; far away files cost no memory
	tail     []byte
	size     int64
	requests int
	bytes    int64
	open     int
}

func bytesFile(t testing.TB, b []byte) *file { return &file{t: t, data: b, size: int64(len(b))} }

func (f *file) Open(off, n int64) (io.ReadCloser, error) {
	if off < 0 || n <= 0 || off+n > f.size {
		f.t.Errorf("asked for %d bytes at %d of %d", n, off, f.size)
		return nil, errors.New("out of range")
	}
	f.requests++
	f.bytes += n
	f.open++
	b := make([]byte, n)
	if off < int64(len(f.data)) {
		copy(b, f.data[off:])
	}
	for i := range b {
		if at := off + int64(i) - f.tailAt; f.tail != nil && at >= 0 && at < int64(len(f.tail)) {
			b[i] = f.tail[at]
		}
	}
	return closing{bytes.NewReader(b), f}, nil
}

type closing struct {
	io.Reader
	f *file
}

func (c closing) Close() error { c.f.open--; return nil }

func probe(t testing.TB, f *file) (media.Info, error) {
	t.Helper()
	info, err := media.Probe(t.Context(), f.Open, f.size)
	if f.open != 0 {
		t.Errorf("%d readers are left open", f.open)
	}
	if f.bytes > media.MaxRead || f.requests > media.MaxRequests {
		t.Errorf("%d bytes in %d requests", f.bytes, f.requests)
	}
	return info, err
}

func box(kind string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

func u32(vs ...uint32) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func u64(vs ...uint64) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

var (
	upright = u32(1<<16, 0, 0, 0, 1<<16, 0, 0, 0, 1<<30)
	turned  = u32(0, 1<<16, 0, 0xffff0000, 0, 0, 0, 0, 1<<30)
	ftyp    = box("ftyp", []byte("isom"), u32(512), []byte("isommp42"))
)

func mvhd(scale, duration uint32) []byte {
	return box("mvhd", u32(0, 0, 0, scale, duration, 1<<16), make([]byte, 12), upright, make([]byte, 24), u32(3))
}

func mvhd64(scale uint32, duration uint64) []byte {
	return box("mvhd", u32(1<<24), u64(0, 0), u32(scale), u64(duration), u32(1<<16), make([]byte, 12), upright, make([]byte, 24), u32(3))
}

func trak(handler, codec string, width, height uint32, matrix []byte) []byte {
	tkhd := box("tkhd", u32(7, 0, 0, 1, 0, 0), make([]byte, 16), matrix, u32(width<<16, height<<16))
	mdhd := box("mdhd", u32(0, 0, 0, 1000, 5000, 0))
	hdlr := box("hdlr", u32(0, 0), []byte(handler), make([]byte, 12), []byte("h\x00"))
	entry := box(codec, make([]byte, 6), []byte{0, 1}, make([]byte, 20))
	if handler == "vide" {
		entry = box(codec, make([]byte, 6), []byte{0, 1}, make([]byte, 16), []byte{0x07, 0x80, 0x04, 0x38}, make([]byte, 50))
	}
	stbl := box("stbl", box("stsd", u32(0, 1), entry), box("stts", u32(0, 0)), box("stsc", u32(0, 0)), box("stsz", u32(0, 0, 0)), box("stco", u32(0, 0)))
	return box("trak", tkhd, box("mdia", mdhd, hdlr, box("minf", box("hdlr", u32(0, 0), []byte("url "), make([]byte, 14)), stbl)))
}

func movie(parts ...[]byte) []byte { return box("moov", parts...) }

var (
	sound   = trak("soun", "mp4a", 0, 0, upright)
	picture = trak("vide", "avc1", 1280, 720, upright)
	full    = movie(mvhd(1000, 5500), sound, picture)
)

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestAnMP4IsReadWhereverItsIndexIs(t *testing.T) {
	mdat := box("mdat", make([]byte, 300_000))
	want := media.Info{Container: "mp4", ContentType: "video/mp4", Duration: 5500 * time.Millisecond, Width: 1280, Height: 720, Codec: "avc1", Checked: true}
	large := append(append(u32(1), "mdat"...), u64(16+300_000)...)
	for name, b := range map[string][]byte{
		"in front":                      cat(ftyp, full, mdat),
		"at the end":                    cat(ftyp, mdat, full),
		"after a 64 bit box":            cat(ftyp, large, make([]byte, 300_000), full),
		"last, of size 0":               cat(ftyp, mdat, u32(0), full[4:]),
		"after padding":                 cat(ftyp, box("free", make([]byte, 70_000)), full, mdat),
		"index larger than one request": cat(ftyp, movie(mvhd(1000, 5500), box("udta", make([]byte, 200_000)), sound, picture), mdat),
		"with QuickTime's four zeros":   cat(ftyp, movie(mvhd(1000, 5500), sound, picture, box("udta", u32(0)), u32(0)), mdat),
		"with a 64 bit header":          cat(ftyp, movie(mvhd64(90_000, 495_000), picture), mdat),
		"fragmented":                    cat(ftyp, movie(mvhd(1000, 0), picture, box("mvex", box("mehd", u32(0, 5500)))), mdat),
	} {
		t.Run(name, func(t *testing.T) {
			f, want := bytesFile(t, b), want
			want.IndexAtEnd = name == "at the end" || name == "after a 64 bit box" || name == "last, of size 0"
			if got, err := probe(t, f); err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
			if f.requests > 5 {
				t.Errorf("%d requests", f.requests)
			}
		})
	}
}

func TestTheIndexOfAHugeFileCostsTwoRequests(t *testing.T) {
	const size = 200 << 30
	head := cat(ftyp, u32(1), []byte("mdat"), u64(size-uint64(len(ftyp))-uint64(len(full))))
	f := &file{t: t, data: head, tail: full, tailAt: size - int64(len(full)), size: size}
	got, err := probe(t, f)
	if err != nil || !got.Checked || got.Width != 1280 || f.requests != 2 {
		t.Errorf("got %+v, %v in %d requests", got, err, f.requests)
	}
}

func TestWhatIsShownCounts(t *testing.T) {
	for name, c := range map[string]struct {
		moov []byte
		want media.Info
	}{
		"a phone held upright":          {movie(mvhd(600, 600), trak("vide", "hvc1", 1920, 1080, turned)), media.Info{Duration: time.Second, Width: 1080, Height: 1920, Codec: "hvc1"}},
		"coded size where none is told": {movie(mvhd(600, 600), trak("vide", "av01", 0, 0, upright)), media.Info{Duration: time.Second, Width: 1920, Height: 1080, Codec: "av01"}},
		"the first of two pictures":     {movie(mvhd(1, 1), picture, trak("vide", "mjpg", 10, 10, upright)), media.Info{Duration: time.Second, Width: 1280, Height: 720, Codec: "avc1"}},
		"a duration that is not known":  {movie(mvhd(1, 0xffffffff), picture), media.Info{Width: 1280, Height: 720, Codec: "avc1"}},
		"a time scale of zero":          {movie(mvhd(0, 5), picture), media.Info{Width: 1280, Height: 720, Codec: "avc1"}},
		"a codec with odd letters":      {movie(mvhd(1, 1), trak("vide", "\x1b[3m", 1280, 720, upright)), media.Info{Duration: time.Second, Width: 1280, Height: 720, Codec: "?[3m"}},
	} {
		want := c.want
		want.Container, want.ContentType, want.Checked = "mov", "video/quicktime", true
		if got, err := probe(t, bytesFile(t, cat(box("ftyp", []byte("qt  "), u32(0)), c.moov))); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestContainersAreKnownByTheirBytes(t *testing.T) {
	ts := bytes.Repeat(append([]byte{0x47}, make([]byte, 187)...), 6)
	m2ts := bytes.Repeat(append([]byte{0, 0, 0, 0, 0x47}, make([]byte, 187)...), 6)
	head := "\x1a\x45\xdf\xa3\x93\x42\x86\x81\x01\x42\x82"
	for kind, b := range map[string][]byte{
		"webm video/webm": []byte(head + "\x84webm\x42\x87\x81\x04"), "mkv video/x-matroska": []byte(head + "\x88matroska"),
		"flv video/x-flv": []byte("FLV\x01\x05\x00\x00\x00\x09"), "avi video/x-msvideo": []byte("RIFF\x00\x10\x00\x00AVI LIST"), "mpegts video/mp2t": ts, "mpegts  video/mp2t": m2ts,
		"mpegps video/mpeg": []byte("\x00\x00\x01\xba\x44\x00"), "asf video/x-ms-wmv": []byte("\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c\x00"),
		"3gp video/3gpp": box("ftyp", []byte("3gp5"), u32(0)), "mov video/quicktime": box("ftyp", []byte("qt  "), u32(0)), "mov  video/quicktime": cat(box("wide"), box("mdat", make([]byte, 9))),
		"mp4 video/mp4": box("ftyp", []byte("M4V "), u32(0)), "mp4  video/mp4": box("ftyp", []byte("\xff\x00xx"), u32(0)),
	} {
		got, err := probe(t, bytesFile(t, b))
		container, typ, _ := strings.Cut(kind, " ")
		why := media.WhyContainer
		if container == "mp4" || container == "mov" || container == "3gp" {
			why = media.WhyNoIndex
		}
		if want := (media.Info{Container: container, ContentType: strings.TrimSpace(typ), Why: why}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", kind, got, err)
		}
	}
}

func TestWhatIsClearlyNoVideoIsInvalidForTheSource(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing": nil, "one byte": {0}, "zeros": make([]byte, 100_000), "text": []byte(strings.Repeat("Good morning. ", 500)), "Gs": []byte(strings.Repeat("G", 100)), "HTML": []byte("<html><body>404"), "a manifest": []byte(`{"title":"a"}`),
		"zip": []byte("PK\x03\x04\x14\x00"), "jpeg": []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), "png": []byte("\x89PNG\r\n\x1a\n\x00"), "mp3": []byte("ID3\x04\x00"), "wave": []byte("RIFF\x00\x10\x00\x00WAVEfmt "), "pdf": []byte("%PDF-1.7"),
		"heic": box("ftyp", []byte("heic"), u32(0)), "sound only": cat(box("ftyp", []byte("M4A "), u32(0)), movie(mvhd(1, 1), sound)), "a cut ftyp": []byte("\x00\x00\x00\x18ftyp"),
		"EBML of another kind": []byte("\x1a\x45\xdf\xa3\x93\x42\x82\x84abcd"), "EBML without a kind": []byte("\x1a\x45\xdf\xa3"), "EBML with a kind beyond the end": []byte("\x1a\x45\xdf\xa3\x42\x82\xff"), "text that begins like a box": []byte("aaaamdat is not a video"),
		"random": []byte("\x8f\x02\x13\x99\x01\xe5\xb0\x77\x12\x00\xaa"),
	} {
		_, err := probe(t, bytesFile(t, b))
		if f := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != "source" || f.Rule == "" || !strings.Contains(err.Error(), "not a video") || f.Effect != fault.EffectNone {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestADamagedIndexIsNoVerdict(t *testing.T) {
	huge := func(kind string) []byte { return append(u32(0x7fffffff), kind...) }
	nest := []byte{}
	for range 300 {
		nest = box("mdia", nest)
	}
	for name, b := range map[string][]byte{
		"no index": cat(ftyp, box("mdat", make([]byte, 100))), "an index cut off": cat(ftyp, full[:len(full)-40]), "a box beyond its parent": cat(ftyp, movie(mvhd(1, 1), huge("trak"))), "a box beyond the file": cat(ftyp, huge("mdat")),
		"a size below its header": cat(ftyp, u32(7), []byte("free")), "a 64 bit size of all ones": cat(ftyp, u32(1), []byte("mdat"), u64(1<<64-1)), "a 64 bit size too small": cat(ftyp, u32(1), []byte("mdat"), u64(15)), "a cut 64 bit size": cat(ftyp, u32(1), []byte("mdat")),
		"a short mvhd": cat(ftyp, movie(box("mvhd", u32(0)))), "an unknown version": cat(ftyp, movie(box("mvhd", u32(2<<24), make([]byte, 96)))), "a short tkhd": cat(ftyp, movie(box("trak", box("tkhd", make([]byte, 83))))), "an empty stsd": cat(ftyp, movie(box("trak", box("stsd")))),
		"an empty index": cat(ftyp, movie()), "compressed": cat(ftyp, movie(box("cmov", make([]byte, 50)))), "rubbish after a box": cat(ftyp, full[:0], []byte("abc")), "more boxes than are visited": cat(ftyp, bytes.Repeat(box("free"), media.MaxBoxes+1), full),
		"deeply nested, and damaged": cat(ftyp, movie(box("trak", nest, []byte("x")))), "a short mehd": cat(ftyp, movie(mvhd(1, 0), box("mvex", box("mehd", u32(0))), picture)),
	} {
		got, err := probe(t, bytesFile(t, b))
		why, ok := map[string]string{"no index": media.WhyNoIndex, "an empty index": media.WhyNoIndex, "compressed": media.WhyEncrypted, "more boxes than are visited": media.WhyTooMuch}[name]
		if !ok {
			why = media.WhyDamaged
		}
		if want := (media.Info{Container: "mp4", ContentType: "video/mp4", Why: why}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestReadingStaysWithinBounds(t *testing.T) {
	// Boxes of just over one window: each costs a request, and the index is never reached.
	var b []byte
	for range 100 {
		b = append(b, box("free", make([]byte, 66_000))...)
	}
	f := bytesFile(t, cat(ftyp, b, full))
	if got, err := probe(t, f); err != nil || got.Checked || f.requests != media.MaxRequests {
		t.Errorf("got %+v, %v in %d requests", got, err, f.requests)
	}
}

func TestMemoryDoesNotFollowTheNumbersInTheFile(t *testing.T) {
	docs := [][]byte{cat(ftyp, full), cat(ftyp, movie(mvhd(1, 1), append(u32(0xfffffff0), "trak"...))), cat(ftyp, u32(1), []byte("mdat"), u64(1<<62))}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, b := range docs {
		f := &file{t: t, data: b, size: 1 << 62}
		if _, err := probe(t, f); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	// The test's own file hands out a fresh buffer for every request: 64 KiB each, as the probe's one window.
	if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
		t.Errorf("%d bytes allocated", got)
	}
}

// clocked is a track of n pictures on a clock of its own.
func clocked(mdhd []byte, n uint32) []byte {
	hdlr := box("hdlr", u32(0, 0), []byte("vide"), make([]byte, 12))
	entry := box("hvc1", make([]byte, 70))
	return box("trak", box("tkhd", u32(7, 0, 0, 1, 0, 0), make([]byte, 16), upright, u32(1280<<16, 720<<16)),
		box("mdia", mdhd, hdlr, box("minf", box("stbl", box("stsd", u32(0, 1), entry), box("stsz", u32(0, 0, n))))))
}

func TestTheFrameRateIsTheAverage(t *testing.T) {
	for name, c := range map[string]struct {
		trak []byte
		want float64
	}{
		"25 a second":                {clocked(box("mdhd", u32(0, 0, 0, 12800, 128000, 0)), 250), 25},
		"29.97, 64 bits":             {clocked(box("mdhd", u32(1<<24), u64(0, 0), u32(30000), u64(300300), u32(0)), 300), 29.97},
		"no length":                  {clocked(box("mdhd", u32(0, 0, 0, 12800, 0, 0)), 250), 0},
		"a length of all ones":       {clocked(box("mdhd", u32(0, 0, 0, 12800, 0xffffffff, 0)), 250), 0},
		"no clock":                   {clocked(box("mdhd", u32(0, 0, 0, 0, 5, 0)), 250), 0},
		"in fragments":               {clocked(box("mdhd", u32(0, 0, 0, 12800, 128000, 0)), 0), 0},
		"more than can be":           {clocked(box("mdhd", u32(0, 0, 0, 1000, 1, 0)), 0xffffffff), 0},
		"a short clock is no damage": {clocked(box("mdhd", u32(0)), 250), 0},
	} {
		got, err := probe(t, bytesFile(t, cat(ftyp, movie(mvhd(1, 10), c.trak))))
		if err != nil || !got.Checked || got.FrameRate != c.want {
			t.Errorf("%s: got %+v, %v, want %v", name, got, err, c.want)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
func (f failing) Close() error             { return nil }

func TestAFailedReadKeepsItsKindAndIsNoVerdict(t *testing.T) {
	cause := fault.New(fault.Retryable, "s3source.Open", "throttled")
	for name, open := range map[string]func(int64, int64) (io.ReadCloser, error){
		"open":  func(int64, int64) (io.ReadCloser, error) { return nil, cause },
		"read":  func(int64, int64) (io.ReadCloser, error) { return failing{cause}, nil },
		"later": func(off, n int64) (io.ReadCloser, error) { return later(off, n, cause) },
	} {
		_, err := media.Probe(t.Context(), open, 1<<20)
		if fault.KindOf(err) != fault.Retryable || !errors.Is(err, cause) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	short := func(int64, int64) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }
	if _, err := media.Probe(t.Context(), short, 1000); fault.KindOf(err) != fault.Unknown || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := media.Probe(ctx, short, 1000); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func later(off, n int64, cause error) (io.ReadCloser, error) {
	if off > 0 {
		return nil, cause
	}
	b := make([]byte, n)
	copy(b, cat(ftyp, u32(500_000), []byte("mdat")))
	return io.NopCloser(bytes.NewReader(b)), nil
}

// The built files are also held against a reader that we did not write.
func TestTheFilesOfTheseTestsAreWhatAnotherReaderSees(t *testing.T) {
	b := cat(ftyp, full, box("mdat", make([]byte, 10)))
	theirs, err := mp4.Probe(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := probe(t, bytesFile(t, b))
	if err != nil || fmt.Sprint(theirs.Duration*1000/uint64(theirs.Timescale)) != fmt.Sprint(ours.Duration.Milliseconds()) || len(theirs.Tracks) != 2 {
		t.Errorf("they say %d/%d and %d tracks, we %+v, %v", theirs.Duration, theirs.Timescale, len(theirs.Tracks), ours, err)
	}
}

func FuzzProbe(f *testing.F) {
	for _, b := range [][]byte{cat(ftyp, full), cat(ftyp, box("mdat", make([]byte, 20)), full), cat(ftyp, movie(mvhd64(1, 1), picture, box("mvex", box("mehd", u32(0, 1))))), []byte("\x1a\x45\xdf\xa3\x42\x82\x84webm"), []byte("FLV\x01"), {}} {
		f.Add(b, int64(len(b)))
	}
	f.Add(cat(ftyp, full), int64(1)<<62)
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		size = max(size, int64(len(b)))
		src := &file{t: t, data: b, size: size}
		info, err := probe(t, src)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatal(err)
		}
		if err == nil && (info.ContentType == "" || info.Container == "" || info.Duration < 0 || info.Width < 0 || info.Height < 0 || info.FrameRate < 0 || info.FrameRate > 1000 || info.Checked == (info.Why != "") || !info.Checked && (info.Duration != 0 || info.Codec != "" || info.IndexAtEnd)) {
			t.Fatalf("got %+v", info)
		}
	})
}
