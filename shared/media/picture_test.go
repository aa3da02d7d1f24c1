package media_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/media"
)

func drawn(t testing.TB, w, h int, write func(io.Writer, image.Image) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pictures(t testing.TB) map[string][]byte {
	webp, err := base64.StdEncoding.DecodeString("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA") // one point, VP8
	if err != nil {
		t.Fatal(err)
	}
	jpg := drawn(t, 641, 483, func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) })
	exif := cat(jpg[:2], []byte{0xff, 0xe1, 0xff, 0xff}, make([]byte, 0xfffd), jpg[2:])
	return map[string][]byte{
		"image/jpeg 641 483":                  jpg,
		"image/jpeg 641 483 behind a segment": exif,
		"image/png 321 7":                     drawn(t, 321, 7, png.Encode),
		"image/gif 5 300":                     drawn(t, 5, 300, func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) }),
		"image/webp 1 1":                      webp,
		"image/webp 4000 3 large":             cat([]byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00"), []byte{0x9f, 0x0f, 0, 2, 0, 0}),
		"image/webp 16 2 lossless":            cat([]byte("RIFF\x16\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x2f"), []byte{15, 0x40, 0, 0, 0, 0, 0, 0, 0}),
		"image/bmp 2 3":                       cat([]byte("BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00"), []byte{2, 0, 0, 0, 3, 0, 0, 0}),
		"image/heic 0 0":                      box("ftyp", []byte("heic"), u32(0)),
		"image/avif 0 0":                      box("ftyp", []byte("avif"), u32(0)),
		"image/jpeg 0 0 cut":                  jpg[:20],
		"image/jpeg 0 0 damaged":              cat(jpg[:4], []byte{0, 4, 0, 0}, make([]byte, 50)),
		"image/png 0 0 cut":                   []byte("\x89PNG\r\n\x1a\n\x00"),
	}
}

func TestAPictureIsKnownByItsBytes(t *testing.T) {
	for name, b := range pictures(t) {
		f := bytesFile(t, b)
		got, err := media.ProbePicture(t.Context(), f.Open, f.size)
		var want media.PictureInfo
		var side [2]int
		words := strings.Fields(name)
		want.ContentType = words[0]
		for i := range side {
			for _, d := range words[1+i] {
				side[i] = side[i]*10 + int(d-'0')
			}
		}
		want.Width, want.Height = side[0], side[1]
		if err != nil || got != want || f.open != 0 {
			t.Errorf("%s: got %+v, %v, %d readers open", name, got, err, f.open)
		}
	}
}

func TestWhatIsNoPictureIsInvalidForTheCover(t *testing.T) {
	for name, b := range map[string][]byte{"nothing": nil, "text": []byte("BM, I said"), "a video": cat(ftyp, full), "HTML": []byte("<html>"), "one byte": {0xff}} {
		f := bytesFile(t, b)
		_, err := media.ProbePicture(t.Context(), f.Open, f.size)
		if x := fault.As(err); x == nil || x.Kind != fault.Invalid || x.Field != "cover.key" || x.Rule == "" || x.Effect != fault.EffectNone {
			t.Errorf("%s: got %v", name, err)
		}
	}
	cause := fault.New(fault.Retryable, "s3source.Open", "throttled")
	if _, err := media.ProbePicture(t.Context(), func(int64, int64) (io.ReadCloser, error) { return nil, cause }, 10); fault.KindOf(err) != fault.Retryable {
		t.Errorf("a failed read: %v", err)
	}
}

func FuzzProbePicture(f *testing.F) {
	for _, b := range pictures(f) {
		f.Add(b, int64(len(b)))
	}
	f.Add([]byte("\xff\xd8\xff\xff\xff\xff\xff"), int64(1)<<62)
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		src := &file{t: t, data: b, size: max(size, int64(len(b)))}
		info, err := media.ProbePicture(t.Context(), src.Open, src.size)
		if err != nil && fault.KindOf(err) != fault.Invalid || err == nil && (!strings.HasPrefix(info.ContentType, "image/") || info.Width < 0 || info.Height < 0) {
			t.Fatalf("got %+v, %v", info, err)
		}
		if src.open != 0 || src.bytes > media.MaxRead || src.requests > media.MaxRequests {
			t.Fatalf("%d open, %d bytes in %d requests", src.open, src.bytes, src.requests)
		}
	})
}
