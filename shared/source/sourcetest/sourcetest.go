// Package sourcetest proves that an implementation keeps the contract of source.Source. A source that has not passed it
// may not be used in another test.
//
// It knows the contract only: how objects come into a source, and how a network is made to fail, the harness tells.
package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
)

// Harness is one implementation with a store behind it.
type Harness struct {
	Source source.Source
	Bucket string // exists

	// Put stores an object as a client of that store would, metadata values as they go over the wire. What it returns
	// has bucket, key and ETag at least.
	Put func(t *testing.T, key string, body []byte, metadata map[string]string) source.Object
	// Delete removes an object.
	Delete func(t *testing.T, key string)
	// Spoil makes the next body deliver after bytes only: then it ends as if it were complete (cut), or its
	// connection breaks.
	Spoil func(after int64, cut bool)
	// Unclosed is the number of bodies that were opened and not closed; nil where that cannot be seen.
	Unclosed func() int

	// Versioned says that Put keeps what it replaces, and returns version ids.
	Versioned bool
	// Skip names tests that this store cannot take part in, with the reason.
	Skip map[string]string
}

// Keys are names that have broken other systems: each has to come through exactly, decoded exactly once.
var Keys = []string{
	"douyin/main/video.mp4", "my video.mp4", "a  b.mp4", "a+b.mp4", "a+b c+d.mp4", "100%.mp4", "a%20b%2Fc%2B.mp4", "a%2520b.mp4",
	"视频/我的 第一集.mp4", "🎬 premiere 👩‍👩‍👧.mp4", "cafe\u0301.mp4", "caf\u00e9.mp4", "what?a=b&c=d#e;f.mp4", `it's "quoted" \ back.mp4`,
	"<a>[b]{c}(d)|^`~!@$*,:=.mp4", "meta/etag/meta", "\u202efdp.mp4",
}

// Run runs every test of the contract; newHarness gives each one a store in which the keys that it uses do not exist
// yet.
func Run(t *testing.T, newHarness func(t *testing.T) *Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *Harness)
	}{
		{"ranges at boundaries", testRanges},
		{"reading beyond the end is Invalid", testBeyondEnd},
		{"stat tells size, etag and time", testStat},
		{"a replaced object is ErrChanged", testReplaced},
		{"a deleted object is ErrNotFound", testDeleted},
		{"what never was is ErrNotFound", testMissing},
		{"a version stays readable", testVersion},
		{"keys come through exactly", testKeys},
		{"metadata is decoded", testMetadata},
		{"a body that ends early is an error", testShort},
		{"a broken connection is an error", testBroken},
		{"cancel in mid-body", testCancel},
		{"cancelled before the start", testCancelledBefore},
		{"closing early and twice", testClose},
		{"many readers at once", testConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t)
			if why := h.Skip[c.name]; why != "" {
				t.Skipf("NOT TESTED: %s", why)
			}
			c.test(t, h)
			if h.Unclosed != nil {
				if n := h.Unclosed(); n != 0 {
					t.Errorf("%d bodies were not closed", n)
				}
			}
		})
	}
}

// Body makes n bytes in which every position can be told from its neighbours.
func Body(n int) []byte {
	b := make([]byte, n)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

func (h *Harness) read(ctx context.Context, o source.Object, offset, size int64) ([]byte, error) {
	r, err := h.Source.Open(ctx, o, offset, size)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

func wantFault(t *testing.T, what string, err error, kind fault.Kind, cause error) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: no error, want %v", what, kind)
	case fault.As(err) == nil:
		t.Errorf("%s: %v (%T) is not classified", what, err, err)
	case fault.KindOf(err) != kind:
		t.Errorf("%s: kind %v, want %v: %v", what, fault.KindOf(err), kind, err)
	case cause != nil && !errors.Is(err, cause):
		t.Errorf("%s: %v does not have %q in its chain", what, err, cause)
	}
}

func testRanges(t *testing.T, h *Harness) {
	const n = 64<<10 + 3
	body := Body(n)
	o := h.Put(t, "ranges", body, nil)
	for _, r := range [][2]int64{
		{0, 0}, {0, 1}, {0, n - 1}, {0, n}, {1, 1}, {1, n - 1}, {n - 1, 1}, {n - 1, 0}, {n, 0},
		{32<<10 - 1, 1}, {32 << 10, 1}, {32<<10 - 1, 2}, {32<<10 + 1, n - 32<<10 - 1}, {17, 32 << 10},
	} {
		got, err := h.read(t.Context(), o, r[0], r[1])
		if err != nil {
			t.Errorf("%d bytes from %d: %v", r[1], r[0], err)
		} else if !bytes.Equal(got, body[r[0]:r[0]+r[1]]) {
			t.Errorf("%d bytes from %d: got %d other bytes", r[1], r[0], len(got))
		}
	}
	r, err := h.Source.Open(t.Context(), o, 5, 3000)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := iotest.TestReader(r, body[5:3005]); err != nil {
		t.Error(err)
	}
	empty := h.Put(t, "empty", nil, nil)
	if got, err := h.read(t.Context(), empty, 0, 0); err != nil || len(got) != 0 {
		t.Errorf("nothing of an empty object: %d bytes, %v", len(got), err)
	}
}

func testBeyondEnd(t *testing.T, h *Harness) {
	o := h.Put(t, "short", Body(100), nil)
	empty := h.Put(t, "empty", nil, nil)
	for _, c := range []struct {
		o            source.Object
		offset, size int64
	}{{o, 0, 101}, {o, 99, 2}, {o, 100, 1}, {o, 101, 0}, {o, 1 << 40, 1}, {o, -1, 1}, {o, 0, -1}, {o, 1, 1<<63 - 1}, {empty, 0, 1}, {empty, 1, 0}} {
		b, err := h.read(t.Context(), c.o, c.offset, c.size)
		wantFault(t, "beyond the end", err, fault.Invalid, nil)
		if errors.Is(err, source.ErrChanged) || errors.Is(err, source.ErrNotFound) {
			t.Errorf("%d bytes from %d: misleading cause: %v", c.size, c.offset, err)
		}
		if len(b) != 0 {
			t.Errorf("%d bytes from %d: %d bytes came all the same", c.size, c.offset, len(b))
		}
	}
}

func testStat(t *testing.T, h *Harness) {
	put := h.Put(t, "video.mp4", Body(1234), nil)
	info, err := h.Source.Stat(t.Context(), source.Object{Bucket: h.Bucket, Key: "video.mp4"})
	if err != nil {
		t.Fatal(err)
	}
	if info.Bucket != h.Bucket || info.Key != "video.mp4" || info.Size != 1234 || info.Modified.IsZero() || info.Metadata == nil {
		t.Errorf("info = %+v", info)
	}
	if info.ETag == "" || info.ETag != source.PlainETag(put.ETag) {
		t.Errorf("etag = %q, want %q without quotes", info.ETag, put.ETag)
	}
	again, err := h.Source.Stat(t.Context(), info.Object)
	if err != nil || again.Object != info.Object {
		t.Errorf("stat of what stat gave = %+v, %v", again, err)
	}
	same := h.Put(t, "copy.mp4", Body(1234), nil)
	if source.PlainETag(same.ETag) != info.ETag {
		t.Errorf("the same bytes have etags %q and %q", same.ETag, info.ETag)
	}
}

func testReplaced(t *testing.T, h *Harness) {
	for name, other := range map[string][]byte{"same size": Body(501)[1:], "longer": Body(900), "shorter": Body(10), "empty": nil} {
		old := h.Put(t, name, Body(500), nil)
		old.VersionID = ""
		h.Put(t, name, other, nil)
		_, err := h.read(t.Context(), old, 0, 500)
		wantFault(t, name+": open", err, fault.Invalid, source.ErrChanged)
		_, err = h.read(t.Context(), old, 499, 1)
		wantFault(t, name+": open at the end", err, fault.Invalid, source.ErrChanged)
		_, err = h.read(t.Context(), old, 0, 0)
		wantFault(t, name+": open nothing", err, fault.Invalid, source.ErrChanged)
		_, err = h.Source.Stat(t.Context(), old)
		wantFault(t, name+": stat", err, fault.Invalid, source.ErrChanged)
		old.ETag = ""
		if got, err := h.read(t.Context(), old, 0, int64(len(other))); err != nil || !bytes.Equal(got, other) {
			t.Errorf("%s: without an etag the new object is read: %d bytes, %v", name, len(got), err)
		}
	}
}

func testDeleted(t *testing.T, h *Harness) {
	o := h.Put(t, "gone", Body(50), nil)
	o.VersionID = ""
	h.Delete(t, "gone")
	missing(t, h, o)
	if h.Put(t, "gone", Body(50), nil); !h.Versioned {
		if got, err := h.read(t.Context(), o, 0, 50); err != nil || !bytes.Equal(got, Body(50)) {
			t.Errorf("the same bytes put again: %d bytes, %v", len(got), err)
		}
	}
}

func testMissing(t *testing.T, h *Harness) {
	missing(t, h, source.Object{Bucket: h.Bucket, Key: "never"})
	missing(t, h, source.Object{Bucket: h.Bucket, Key: "never", ETag: "0123456789abcdef0123456789abcdef"})
	missing(t, h, source.Object{Bucket: "no-such-bucket-anywhere", Key: "never"})
}

func missing(t *testing.T, h *Harness, o source.Object) {
	t.Helper()
	_, err := h.Source.Stat(t.Context(), o)
	wantFault(t, "stat", err, fault.Invalid, source.ErrNotFound)
	_, err = h.read(t.Context(), o, 0, 10)
	wantFault(t, "open", err, fault.Invalid, source.ErrNotFound)
	_, err = h.read(t.Context(), o, 0, 0)
	wantFault(t, "open nothing", err, fault.Invalid, source.ErrNotFound)
}

func testVersion(t *testing.T, h *Harness) {
	if !h.Versioned {
		o := h.Put(t, "plain", Body(5), nil)
		if info, err := h.Source.Stat(t.Context(), o); err != nil || info.VersionID != "" {
			t.Errorf("stat of a store without versions: %+v, %v", info, err)
		}
		return
	}
	first := h.Put(t, "versions", Body(300), nil)
	info, err := h.Source.Stat(t.Context(), source.Object{Bucket: h.Bucket, Key: "versions"})
	if err != nil || info.VersionID == "" || info.VersionID != first.VersionID {
		t.Fatalf("stat = %+v, %v; want version %q", info, err, first.VersionID)
	}
	h.Put(t, "versions", Body(200), nil)
	pinned := func(when string) {
		t.Helper()
		if got, err := h.read(t.Context(), info.Object, 100, 200); err != nil || !bytes.Equal(got, Body(300)[100:]) {
			t.Errorf("%s: pinned read = %d bytes, %v", when, len(got), err)
		}
		if again, err := h.Source.Stat(t.Context(), info.Object); err != nil || again.Size != 300 || again.ETag != info.ETag {
			t.Errorf("%s: pinned stat = %+v, %v", when, again, err)
		}
	}
	pinned("after a replacement")
	h.Delete(t, "versions")
	pinned("after a deletion")
	missing(t, h, source.Object{Bucket: h.Bucket, Key: "versions"})
}

func testKeys(t *testing.T, h *Harness) {
	for i, key := range Keys {
		h.Put(t, key, Body(10+i), nil)
	}
	for i, key := range Keys {
		info, err := h.Source.Stat(t.Context(), source.Object{Bucket: h.Bucket, Key: key})
		if err != nil || info.Key != key || info.Size != int64(10+i) {
			t.Errorf("stat %q = %+v, %v", key, info, err)
			continue
		}
		if got, err := h.read(t.Context(), info.Object, 0, info.Size); err != nil || !bytes.Equal(got, Body(10+i)) {
			t.Errorf("read %q = %d bytes, %v", key, len(got), err)
		}
	}
}

func testMetadata(t *testing.T, h *Harness) {
	const title = "春节 🎬 a+b%20c"
	h.Put(t, "with", Body(1), map[string]string{
		"to": "douyin/main,youku/main", "Title": mime.BEncoding.Encode("UTF-8", title), "q": mime.QEncoding.Encode("utf-8", title),
		"broken": "=?UTF-8?B?***?=", "equals": "a=?b", "charset": "=?x-no-such?Q?abc?=",
	})
	want := map[string]string{"to": "douyin/main,youku/main", "title": title, "q": title, "broken": "=?UTF-8?B?***?=",
		"equals": "a=?b", "charset": "=?x-no-such?Q?abc?="}
	info, err := h.Source.Stat(t.Context(), source.Object{Bucket: h.Bucket, Key: "with"})
	if err != nil || !maps.Equal(info.Metadata, want) {
		t.Errorf("metadata = %q, %v; want %q", info.Metadata, err, want)
	}
	h.Put(t, "with", Body(2), nil)
	info, err = h.Source.Stat(t.Context(), source.Object{Bucket: h.Bucket, Key: "with"})
	if err != nil || len(info.Metadata) != 0 {
		t.Errorf("metadata of a replacement that has none = %q, %v", info.Metadata, err)
	}
}

func testShort(t *testing.T, h *Harness) {
	const n = 100_000
	o := h.Put(t, "short", Body(n), nil)
	for _, after := range []int64{0, 1, n / 2, n - 1} {
		h.Spoil(after, true)
		got, err := h.read(t.Context(), o, 0, n)
		wantFault(t, "a body that ends early", err, fault.Retryable, io.ErrUnexpectedEOF)
		if !bytes.Equal(got, Body(n)[:after]) {
			t.Errorf("cut after %d: got %d bytes", after, len(got))
		}
	}
	if got, err := h.read(t.Context(), o, 0, n); err != nil || len(got) != n {
		t.Errorf("the next read is whole: %d bytes, %v", len(got), err)
	}
}

func testBroken(t *testing.T, h *Harness) {
	const n = 100_000
	o := h.Put(t, "broken", Body(n), nil)
	for _, after := range []int64{0, 1, n / 2, n - 1} {
		h.Spoil(after, false)
		got, err := h.read(t.Context(), o, 0, n)
		wantFault(t, "a body that breaks", err, fault.Retryable, nil)
		if !bytes.Equal(got, Body(n)[:after]) {
			t.Errorf("broken after %d: got %d bytes", after, len(got))
		}
	}
}

func testCancel(t *testing.T, h *Harness) {
	const n = 4 << 20
	o := h.Put(t, "cancel", Body(n), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := h.Source.Open(ctx, o, 0, n)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	rest, err := io.Copy(io.Discard, r)
	wantFault(t, "after cancel", err, fault.Unknown, context.Canceled)
	if rest+1000 >= n {
		t.Error("everything was read in spite of the cancel")
	}
	if _, again := r.Read(make([]byte, 1)); !errors.Is(again, context.Canceled) {
		t.Errorf("a second read says %v", again)
	}
}

func testCancelledBefore(t *testing.T, h *Harness) {
	o := h.Put(t, "cancelled", Body(10), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Source.Stat(ctx, o)
	wantFault(t, "stat", err, fault.Unknown, context.Canceled)
	_, err = h.Source.Open(ctx, o, 0, 10)
	wantFault(t, "open", err, fault.Unknown, context.Canceled)
}

func testClose(t *testing.T, h *Harness) {
	o := h.Put(t, "close", Body(1<<20), nil)
	r, err := h.Source.Open(t.Context(), o, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := r.Read(make([]byte, 10)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read after close: %v, want an error that is not the end", err)
	}
}

func testConcurrent(t *testing.T, h *Harness) {
	const n, readers = 1 << 20, 8
	body := Body(n)
	o := h.Put(t, "shared", body, nil)
	var wg sync.WaitGroup
	for i := range int64(readers) {
		wg.Go(func() {
			from, size := i*n/readers, int64(n/readers)
			if got, err := h.read(t.Context(), o, from, size); err != nil || !bytes.Equal(got, body[from:from+size]) {
				t.Errorf("reader %d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
}
