package bucket_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/vodlift/vodlift/local/bucket"
)

var nastyKeys = map[string]string{
	"plain":            "douyin/main/video.mp4",
	"space":            "douyin/my video.mp4",
	"two spaces":       "a  b.mp4",
	"plus":             "a+b.mp4",
	"plus and space":   "a+b c+d.mp4",
	"percent":          "100%.mp4",
	"looks encoded":    "a%20b%2Fc%2B.mp4",
	"encoded twice":    "a%2520b.mp4",
	"chinese":          "视频/我的 第一集.mp4",
	"emoji":            "🎬 premiere 👩‍👩‍👧.mp4",
	"decomposed":       "cafe\u0301.mp4",
	"composed":         "caf\u00e9.mp4",
	"query characters": "what?a=b&c=d#e;f.mp4",
	"quotes":           `it's "quoted" \ back.mp4`,
	"brackets":         "<a>[b]{c}(d)|^`~!@$*,:=.mp4",
	"component meta":   "meta/etag/meta.mp4",
	"is meta":          "x/meta",
	"below meta":       "y/meta/etag",
	"bucket attribute": "meta/acl",
	"dots":             "a/...b/.c.mp4",
	"right to left":    "\u202efdp.mp4",
}

func TestKeysComeThroughExactlyAndDecodedOnce(t *testing.T) {
	e := newEar()
	g := open(t, options(t.TempDir(), e.hear))
	c := client(t, g)
	for name, key := range nastyKeys {
		t.Run(name, func(t *testing.T) {
			body := []byte("the body of " + key)
			etag := strings.Trim(put(t, c, key, body, nil), `"`)
			ev := e.wait(t, keyIs(key))
			if o := ev.Detail.Object; o.Size != int64(len(body)) || o.ETag != etag || ev.Detail.Reason != bucket.ReasonPut {
				t.Errorf("event = %+v, want size %d, etag %s, reason %s", ev.Detail, len(body), etag, bucket.ReasonPut)
			}
			if got, _ := get(t, c, key); !bytes.Equal(got, body) {
				t.Errorf("body = %q, want %q", got, body)
			}
			again := key + ".parts"
			part := []byte("the only part of " + key)
			etag = strings.Trim(putParts(t, c, again, part), `"`)
			ev = e.wait(t, keyIs(again))
			if o := ev.Detail.Object; o.Size != int64(len(part)) || o.ETag != etag || ev.Detail.Reason != bucket.ReasonComplete {
				t.Errorf("event of parts = %+v, want size %d, etag %s", ev.Detail, len(part), etag)
			}
		})
	}
	want := slices.Sorted(func(yield func(string) bool) {
		for k := range maps.Values(nastyKeys) {
			_ = yield(k) && yield(k+".parts")
		}
	})
	events, err := g.List(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ev := range events {
		got = append(got, ev.Detail.Object.Key)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("List has keys\n%q\nwant\n%q", got, want)
	}
}

func TestEventIsWhatS3SendsToEventBridge(t *testing.T) {
	e := newEar()
	o := options(t.TempDir(), e.hear)
	o.Rand = bytes.NewReader(bytes.Repeat([]byte{0xab}, 24))
	o.Now = func() time.Time { return time.Date(2026, 11, 22, 1, 2, 3, 4000, time.FixedZone("CST", 8*3600)) }
	g := open(t, o)
	put(t, client(t, g), "a b+c.mp4", []byte("hello"), nil)
	got, err := json.MarshalIndent(e.wait(t, keyIs("a b+c.mp4")), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "version": "0",
  "id": "abababab-abab-4bab-abab-abababababab",
  "detail-type": "Object Created",
  "source": "aws.s3",
  "account": "000000000000",
  "time": "2026-11-21T17:02:03Z",
  "region": "us-east-1",
  "resources": [
    "arn:aws:s3:::inbox"
  ],
  "detail": {
    "version": "0",
    "bucket": {
      "name": "inbox"
    },
    "object": {
      "key": "a b+c.mp4",
      "size": 5,
      "etag": "5d41402abc4b2a76b9719d911017c592",
      "sequencer": "18EA1E1FB597BDA0"
    },
    "request-id": "ABABABABABABABAB",
    "requester": "000000000000",
    "source-ip-address": "127.0.0.1",
    "reason": "PutObject"
  }
}`
	if string(got) != want {
		t.Errorf("event =\n%s\nwant\n%s", got, want)
	}
}

func TestCopyIsAnEventToo(t *testing.T) {
	e := newEar()
	g := open(t, options(t.TempDir(), e.hear))
	c := client(t, g)
	put(t, c, "from.mp4", []byte("copied"), nil)
	if _, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("inbox"), Key: aws.String("to.mp4"), CopySource: aws.String("inbox/from.mp4")}); err != nil {
		t.Fatal(err)
	}
	ev := e.wait(t, keyIs("to.mp4"))
	if ev.Detail.Reason != bucket.ReasonCopy || ev.Detail.Object.Size != 6 {
		t.Errorf("event = %+v", ev.Detail)
	}
}

func TestRefusedEventIsGivenAgain(t *testing.T) {
	var mu sync.Mutex
	calls := map[string]int{}
	e := newEar()
	o := options(t.TempDir(), func(ctx context.Context, ev bucket.Event) error {
		mu.Lock()
		calls[ev.ID]++
		n := calls[ev.ID]
		mu.Unlock()
		if n < 3 {
			return errors.New("not now")
		}
		return e.hear(ctx, ev)
	})
	o.Backoff = []time.Duration{time.Millisecond, time.Millisecond}
	g := open(t, o)
	put(t, client(t, g), "v.mp4", []byte("v"), nil)
	ev := e.wait(t, keyIs("v.mp4"))
	mu.Lock()
	defer mu.Unlock()
	if calls[ev.ID] != 3 {
		t.Errorf("called %d times, want 3", calls[ev.ID])
	}
}

func TestRestartKeepsObjectsMetadataAndETagsAndReplaysEvents(t *testing.T) {
	dir := t.TempDir()
	encoded := mime.QEncoding.Encode("utf-8", "标题 🎬")
	meta := map[string]string{"title": "plain title", "title-zh": encoded}
	body := bytes.Repeat([]byte("0123456789"), 1000)

	g, err := bucket.Open(t.Context(), options(dir, nil))
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, g)
	etag := put(t, c, "a/v 1.mp4", body, meta)
	parts := putParts(t, c, "a/big.mp4", bytes.Repeat([]byte("x"), 5<<20), []byte("end"))
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}

	e := newEar()
	g = open(t, options(dir, e.hear))
	c = client(t, g)
	got, out := get(t, c, "a/v 1.mp4")
	if !bytes.Equal(got, body) || aws.ToString(out.ETag) != etag {
		t.Errorf("after a restart: %d bytes, etag %s; want %d, %s", len(got), aws.ToString(out.ETag), len(body), etag)
	}
	if !maps.Equal(out.Metadata, meta) {
		t.Errorf("metadata = %q, want %q", out.Metadata, meta)
	}
	if n, err := g.Replay(t.Context(), time.Time{}); n != 2 || err != nil {
		t.Errorf("Replay = %d, %v; want 2", n, err)
	}
	ev := e.wait(t, keyIs("a/big.mp4"))
	if o := ev.Detail.Object; `"`+o.ETag+`"` != parts || o.Size != 5<<20+3 || ev.Detail.Reason != bucket.ReasonComplete {
		t.Errorf("replayed event = %+v, want etag %s", ev.Detail, parts)
	}
	if n, err := g.Replay(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("Replay since later = %d, %v; want 0", n, err)
	}
}

func TestETagDependsOnBytesAndPartsOnly(t *testing.T) {
	g := open(t, options(t.TempDir(), nil))
	c := client(t, g)
	if a, b := put(t, c, "a", []byte("same"), nil), put(t, c, "b", []byte("same"), map[string]string{"x": "y"}); a != b {
		t.Errorf("etags of the same bytes differ: %s, %s", a, b)
	}
	p := bytes.Repeat([]byte("p"), 5<<20)
	if a, b := putParts(t, c, "c", p, []byte("q")), putParts(t, c, "d", p, []byte("q")); a != b || !strings.HasSuffix(a, `-2"`) {
		t.Errorf("etags of the same parts: %s, %s", a, b)
	}
}

func TestRangedReadOfAReplacedObjectIs412(t *testing.T) {
	g := open(t, options(t.TempDir(), nil))
	c := client(t, g)
	etag := put(t, c, "v.mp4", []byte("first contents"), nil)
	in := &s3.GetObjectInput{Bucket: aws.String("inbox"), Key: aws.String("v.mp4"), Range: aws.String("bytes=2-5"), IfMatch: &etag}
	out, err := c.GetObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(out.Body)
	out.Body.Close()
	if err != nil || string(b) != "rst " {
		t.Fatalf("range = %q, %v", b, err)
	}
	put(t, c, "v.mp4", []byte("other contents"), nil)
	_, err = c.GetObject(t.Context(), in)
	var re *smithyhttp.ResponseError
	if !errors.As(err, &re) || re.HTTPStatusCode() != http.StatusPreconditionFailed {
		t.Errorf("read of a replaced object: %v, want 412", err)
	}
}

func TestReplacedObjectKeepsNothingOfTheOldOne(t *testing.T) {
	g := open(t, options(t.TempDir(), nil))
	c := client(t, g)
	putParts(t, c, "v.mp4", bytes.Repeat([]byte("x"), 5<<20), []byte("y"))
	put(t, c, "v.mp4", []byte("a"), map[string]string{"to": "douyin/main"})
	put(t, c, "v.mp4", []byte("b"), nil)
	if _, out := get(t, c, "v.mp4"); len(out.Metadata) != 0 {
		t.Errorf("the new object has the old one's metadata: %q", out.Metadata)
	}
	put(t, c, "v.mp4", []byte("c"), map[string]string{"to": "youku/main"})
	putParts(t, c, "v.mp4", bytes.Repeat([]byte("x"), 5<<20), []byte("z"))
	if _, out := get(t, c, "v.mp4"); len(out.Metadata) != 0 {
		t.Errorf("the new multipart object has the old one's metadata: %q", out.Metadata)
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	good := options(t.TempDir(), nil)
	for name, change := range map[string]func(*bucket.Options){
		"no folder":                     func(o *bucket.Options) { o.Dir = "" },
		"no key":                        func(o *bucket.Options) { o.AccessKey = "" },
		"no secret":                     func(o *bucket.Options) { o.SecretKey = "" },
		"an address that is not ours":   func(o *bucket.Options) { o.Addr = "0.0.0.0:0" },
		"a host name":                   func(o *bucket.Options) { o.Addr = "localhost:0" },
		"an address without port":       func(o *bucket.Options) { o.Addr = "127.0.0.1" },
		"a bucket name that is invalid": func(o *bucket.Options) { o.Buckets = []string{"No Such Name"} },
		"a folder that is a file": func(o *bucket.Options) {
			o.Dir = filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(o.Dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			o := good
			change(&o)
			g, err := bucket.Open(t.Context(), o)
			if err == nil {
				g.Close()
				t.Fatal("Open succeeded")
			}
			if strings.Contains(err.Error(), good.SecretKey) {
				t.Error("the secret is in the error")
			}
			if after, err := os.Getwd(); err != nil || after != before {
				t.Errorf("working directory = %s, %v; want %s", after, err, before)
			}
		})
	}
}

func TestOnlyOneGatewayPerProcessAndTheSecondLeavesTheFirstAlone(t *testing.T) {
	g := open(t, options(t.TempDir(), nil))
	if second, err := bucket.Open(t.Context(), options(t.TempDir(), nil)); err == nil {
		second.Close()
		t.Fatal("a second gateway started")
	}
	put(t, client(t, g), "still.mp4", []byte("here"), nil)
}

func TestCloseRestoresTheWorkingDirectoryAndEndsWaitingEvents(t *testing.T) {
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	g := open(t, options(t.TempDir(), func(ctx context.Context, _ bucket.Event) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}))
	put(t, client(t, g), "v.mp4", []byte("v"), nil)
	<-entered
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Getwd(); err != nil || after != before {
		t.Errorf("working directory = %s, %v; want %s", after, err, before)
	}
	select {
	case <-g.Done():
	default:
		t.Error("Done is not closed")
	}
}

func TestBucketThatWasHalfMadeIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "objects", "inbox"), 0o700); err != nil {
		t.Fatal(err)
	}
	g := open(t, options(dir, nil))
	put(t, client(t, g), "v.mp4", []byte("v"), nil)
}

func TestListGoesOverPages(t *testing.T) {
	g := open(t, options(t.TempDir(), nil))
	root := filepath.Join(g.Dir(), "objects", "inbox")
	const n = 2001
	for i := range n {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("v%04d", i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	events, err := g.List(t.Context(), time.Time{})
	if err != nil || len(events) != n {
		t.Errorf("List = %d events, %v; want %d", len(events), err, n)
	}
}
