package sample_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/abema/go-mp4"

	"github.com/vodlift/vodlift/local/sample"
)

func write(t *testing.T, seed uint64, minBytes int64) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := sample.WriteSeed(&b, seed, minBytes)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteSeed = %d, %v; wrote %d", n, err, b.Len())
	}
	return b.Bytes()
}

func TestSampleIsAPlayableFile(t *testing.T) {
	for name, minBytes := range map[string]int64{"the demo's": 0, "with a last chunk that is not full": 13_000_000} {
		t.Run(name, func(t *testing.T) {
			data := write(t, 0, minBytes)
			if minBytes == 0 && (len(data) < 11<<20 || len(data) > 16<<20) {
				t.Errorf("%d bytes, want 11 to 16 MiB", len(data))
			}
			if int64(len(data)) < minBytes {
				t.Errorf("%d bytes, want at least %d", len(data), minBytes)
			}
			checkOrder(t, data)
			checkTrack(t, data)
		})
	}
}

// checkOrder: ftyp, moov, mdat and nothing else, so that a player can start before the end.
func checkOrder(t *testing.T, data []byte) {
	t.Helper()
	var order []string
	end := uint64(0)
	_, err := mp4.ReadBoxStructure(bytes.NewReader(data), func(h *mp4.ReadHandle) (any, error) {
		if len(h.Path) == 1 {
			order = append(order, h.BoxInfo.Type.String())
			end = h.BoxInfo.Offset + h.BoxInfo.Size
		}
		if !h.BoxInfo.IsSupportedType() {
			t.Errorf("box %v is unknown", h.Path)
			return nil, nil
		}
		if h.BoxInfo.Type == mp4.BoxTypeMdat() {
			return nil, nil
		}
		if _, n, err := h.ReadPayload(); err != nil {
			t.Errorf("box %v: %v", h.Path, err)
		} else if kids, err := h.Expand(); err == nil && kids == nil && n != h.BoxInfo.Size-h.BoxInfo.HeaderSize {
			t.Errorf("box %v: %d bytes of %d are understood", h.Path, n, h.BoxInfo.Size-h.BoxInfo.HeaderSize)
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(order) != 3 || order[0] != "ftyp" || order[1] != "moov" || order[2] != "mdat" || end != uint64(len(data)) {
		t.Errorf("boxes %v end at %d of %d", order, end, len(data))
	}
}

func checkTrack(t *testing.T, data []byte) {
	t.Helper()
	info, err := mp4.Probe(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if !info.FastStart || len(info.Tracks) != 1 {
		t.Fatalf("probe = %+v", info)
	}
	tr := info.Tracks[0]
	frames := uint64(len(tr.Samples))
	if tr.Codec != mp4.CodecAVC1 || tr.AVC == nil || tr.AVC.Width != sample.Width || tr.AVC.Height != sample.Height ||
		tr.AVC.Profile != 66 || tr.AVC.ProfileCompatibility != 0xC0 || tr.AVC.Level != 31 || tr.AVC.LengthSize != 4 {
		t.Errorf("track = %+v, %+v", tr, tr.AVC)
	}
	if want := frames * uint64(tr.Timescale) / sample.FrameRate; tr.Duration != want || info.Duration*uint64(tr.Timescale) != want*uint64(info.Timescale) || frames < 110 {
		t.Errorf("%d frames, duration %d, want %d", frames, tr.Duration, want)
	}
	// The samples lie one behind the other, fill mdat to its end, and each is one NAL unit of an IDR picture.
	at, next := info.Tracks[0].Chunks[0].DataOffset, 0
	for _, c := range tr.Chunks {
		if c.DataOffset != at {
			t.Fatalf("chunk at %d, want %d", c.DataOffset, at)
		}
		for range c.SamplesPerChunk {
			s := tr.Samples[next]
			head := data[at : at+5]
			if n := uint32(head[0])<<24 | uint32(head[1])<<16 | uint32(head[2])<<8 | uint32(head[3]); n+4 != s.Size || head[4] != 0x65 {
				t.Fatalf("sample %d begins %x, its size is %d", next, head, s.Size)
			}
			if bytes.Contains(data[at+4:at+uint64(s.Size)], []byte{0, 0}) {
				t.Fatalf("sample %d needs emulation prevention", next)
			}
			at, next = at+uint64(s.Size), next+1
		}
	}
	if at != uint64(len(data)) || next != len(tr.Samples) {
		t.Errorf("%d of %d samples end at %d of %d", next, len(tr.Samples), at, len(data))
	}
}

func TestSameSeedGivesTheSameBytes(t *testing.T) {
	const want = "9c44a088969843aceddae77d16dca8641cf382a91ddb3221e3c0f3420918b3ba"
	sum := sha256.Sum256(write(t, 0, 0))
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the sample changed: sha256 %s, want %s", got, want)
	}
	if !bytes.Equal(write(t, 7, 0), write(t, 7, 0)) {
		t.Error("the same seed gave different bytes")
	}
}

func TestSeedsGiveDifferentBytesOfTheSameSize(t *testing.T) {
	seen := map[[32]byte]uint64{}
	size := len(write(t, 0, 0))
	for _, seed := range []uint64{0, 220, 1 << 32, ^uint64(0)} {
		b := write(t, seed, 0)
		sum := sha256.Sum256(b)
		if other, twice := seen[sum]; twice {
			t.Errorf("seeds %d and %d give the same file", seed, other)
		}
		if seen[sum] = seed; len(b) != size {
			t.Errorf("seed %d: %d bytes, want %d", seed, len(b), size)
		}
	}
}

func TestSizeIsKnownBefore(t *testing.T) {
	for _, minBytes := range []int64{-1, 0, 1, 13 << 20, 40 << 20} {
		n, err := sample.WriteSeed(io.Discard, 3, minBytes)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := sample.Size(minBytes); err != nil || n != want || n < minBytes {
			t.Errorf("at least %d: wrote %d, Size says %d, %v", minBytes, n, want, err)
		}
	}
	if n, err := sample.Size(5 << 30); err != nil || n < 5<<30 || n > 5<<30+1<<20 {
		t.Errorf("Size(5 GiB) = %d, %v", n, err)
	}
	if _, err := sample.Size(1 << 60); err == nil {
		t.Error("a size without limit is accepted")
	}
}

// stopAfter refuses what follows the first n bytes.
type stopAfter struct {
	bytes.Buffer
	n int
}

var errFull = errors.New("full")

func (s *stopAfter) Write(p []byte) (int, error) {
	if s.Len()+len(p) > s.n {
		k, _ := s.Buffer.Write(p[:s.n-s.Len()])
		return k, errFull
	}
	return s.Buffer.Write(p)
}

func TestFileOver4GiBHasLargeOffsets(t *testing.T) {
	w := &stopAfter{n: 2 << 20}
	if n, err := sample.WriteSeed(w, 0, 5<<30); !errors.Is(err, errFull) || n != int64(w.n) {
		t.Fatalf("WriteSeed = %d, %v", n, err)
	}
	boxes, err := mp4.ExtractBoxWithPayload(bytes.NewReader(w.Bytes()), nil, mp4.BoxPath{mp4.BoxTypeMoov(), mp4.BoxTypeTrak(), mp4.BoxTypeMdia(), mp4.BoxTypeMinf(), mp4.BoxTypeStbl(), mp4.BoxTypeCo64()})
	if err != nil || len(boxes) != 1 {
		t.Fatalf("co64: %d boxes, %v", len(boxes), err)
	}
	offsets := boxes[0].Payload.(*mp4.Co64).ChunkOffset
	if last := offsets[len(offsets)-1]; last < 1<<32 {
		t.Errorf("the last chunk is at %d", last)
	}
	mdat, err := mp4.ExtractBox(bytes.NewReader(w.Bytes()), nil, mp4.BoxPath{mp4.BoxTypeMdat()})
	if err != nil || len(mdat) != 1 || mdat[0].Offset+16 != offsets[0] {
		t.Fatalf("mdat %+v, %v; first chunk at %d", mdat, err, offsets[0])
	}
	if size, err := sample.Size(5 << 30); err != nil || int64(mdat[0].Offset+mdat[0].Size) != size {
		t.Errorf("mdat ends at %d, the file at %d, %v", mdat[0].Offset+mdat[0].Size, size, err)
	}
}

func TestFileAppearsWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "v.mp4")
	for range 2 {
		if err := sample.File(path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, write(t, 0, 0)) {
		t.Errorf("file has %d bytes, %v", len(got), err)
	}
	if err := sample.FileSeed(filepath.Join(dir, "w.mp4"), 1, 1<<60); err == nil {
		t.Error("an impossible size is no error")
	}
	if err := sample.File(filepath.Join(dir, "no", "such", "folder.mp4")); err == nil {
		t.Error("a missing folder is no error")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
