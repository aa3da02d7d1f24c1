package bucket_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/vodlift/vodlift/local/bucket"
)

// ear collects events and lets a test wait for one.
type ear struct {
	mu     sync.Mutex
	events []bucket.Event
	more   chan struct{}
}

func newEar() *ear { return &ear{more: make(chan struct{}, 1)} }

func (e *ear) hear(_ context.Context, ev bucket.Event) error {
	e.mu.Lock()
	e.events = append(e.events, ev)
	e.mu.Unlock()
	select {
	case e.more <- struct{}{}:
	default:
	}
	return nil
}

// wait gives the first event that fits.
func (e *ear) wait(t *testing.T, fits func(bucket.Event) bool) bucket.Event {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		e.mu.Lock()
		i := slices.IndexFunc(e.events, fits)
		if i >= 0 {
			ev := e.events[i]
			e.mu.Unlock()
			return ev
		}
		got := slices.Clone(e.events)
		e.mu.Unlock()
		select {
		case <-e.more:
		case <-deadline:
			t.Fatalf("the event never came; heard %+v", got)
		}
	}
}

func options(dir string, on func(context.Context, bucket.Event) error) bucket.Options {
	return bucket.Options{Dir: dir, AccessKey: "test-key", SecretKey: "test-secret", Buckets: []string{"inbox"}, OnEvent: on}
}

func open(t *testing.T, o bucket.Options) *bucket.Gateway {
	t.Helper()
	g, err := bucket.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return g
}

// client has connections of its own, which end with the test.
func client(t *testing.T, g *bucket.Gateway) *s3.Client {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(tr.CloseIdleConnections)
	return g.Client(func(o *s3.Options) { o.HTTPClient = &http.Client{Transport: tr} })
}

func put(t *testing.T, c *s3.Client, key string, body []byte, meta map[string]string) string {
	t.Helper()
	out, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("inbox"), Key: &key, Body: bytes.NewReader(body), Metadata: meta})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return aws.ToString(out.ETag)
}

func putParts(t *testing.T, c *s3.Client, key string, parts ...[]byte) string {
	t.Helper()
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("inbox"), Key: &key})
	if err != nil {
		t.Fatalf("begin %q: %v", key, err)
	}
	var done []types.CompletedPart
	for i, p := range parts {
		n := aws.Int32(int32(i + 1))
		out, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String("inbox"), Key: &key, UploadId: up.UploadId, PartNumber: n, Body: bytes.NewReader(p)})
		if err != nil {
			t.Fatalf("part %d of %q: %v", i+1, key, err)
		}
		done = append(done, types.CompletedPart{PartNumber: n, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
	}
	out, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: aws.String("inbox"), Key: &key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
	if err != nil {
		t.Fatalf("complete %q: %v", key, err)
	}
	return aws.ToString(out.ETag)
}

func get(t *testing.T, c *s3.Client, key string) ([]byte, *s3.GetObjectOutput) {
	t.Helper()
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("inbox"), Key: &key})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	return b, out
}

func keyIs(key string) func(bucket.Event) bool {
	return func(ev bucket.Event) bool { return ev.Detail.Object.Key == key }
}
