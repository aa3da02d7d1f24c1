package stack_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vodlift/vodlift/local/sample"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// openDemo starts a demo stack on dir and closes it with the test.
func openDemo(t *testing.T, dir string) *stack.Stack {
	t.Helper()
	s, err := stack.Open(t.Context(), stack.Options{Dir: dir, Kind: stack.Demo, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// drop puts an object into the inbox as any S3 client would.
func drop(t *testing.T, s *stack.Stack, key string, body []byte) {
	t.Helper()
	_, err := s.Bucket.Client(nil).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(stack.Inbox), Key: &key, Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
}

// settled waits until every upload of the object's publication has ended.
func settled(t *testing.T, s *stack.Stack, key string) workflow.PublicationView {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		id, err := s.Ledger.ByObject(ctx, stack.Inbox, key)
		if err != nil {
			t.Fatal(err)
		}
		if id != "" {
			p, err := s.ViewPublication(ctx, id, true)
			if err != nil {
				t.Fatal(err)
			}
			done := len(p.Views) > 0
			for _, v := range p.Views {
				done = done && v.Status.Terminal() && v.Settled
			}
			if done {
				return p
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p, _ := s.ViewPublication(t.Context(), id, true)
			t.Fatalf("%s has not ended: %+v", key, p)
		}
	}
}

func TestADroppedSampleIsPublishedOnceWithTheSameBytes(t *testing.T) {
	s := openDemo(t, t.TempDir())
	var b bytes.Buffer
	if _, err := sample.Write(&b); err != nil {
		t.Fatal(err)
	}
	drop(t, s, "a/video.mp4", b.Bytes())
	drop(t, s, "a/video.mp4.publish.json", []byte(`{"title":"First light","tags":["demo"]}`))
	p := settled(t, s, "a/video.mp4")
	v := p.Views[0]
	if v.Status != upload.Published || v.Plan.Ranges < 2 {
		t.Fatalf("got %s in %d ranges, want PUBLISHED in several: %+v", v.Status, v.Plan.Ranges, v.Timeline)
	}
	sum := sha256.Sum256(b.Bytes())
	e := s.Douyin.Effects()
	if len(e.Posts) != 1 || e.Posts[0].SHA256 != hex.EncodeToString(sum[:]) || e.Posts[0].Title != "First light #demo" {
		t.Errorf("got %+v", e.Posts)
	}
}
