package bucket_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

func TestAKeyThatAFileSystemWouldChangeIsRefusedAndLeavesNothing(t *testing.T) {
	e := newEar()
	g := open(t, options(t.TempDir(), e.hear))
	c := client(t, g)
	put(t, c, "there.mp4", []byte("x"), nil)
	for _, key := range []string{"a//b.mp4", "a/../b.mp4", "a/./b.mp4", "a/..", "..a/../b"} {
		_, errPut := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("inbox"), Key: &key, Body: bytes.NewReader([]byte("x"))})
		_, errParts := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("inbox"), Key: &key})
		_, errCopy := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("inbox"), Key: &key, CopySource: aws.String("inbox/there.mp4")})
		for what, err := range map[string]error{"put": errPut, "parts": errParts, "copy": errCopy} {
			var api smithy.APIError
			if !errors.As(err, &api) {
				t.Errorf("%s of %q: %v, want a refusal", what, key, err)
			}
		}
	}
	events, err := g.List(t.Context(), time.Time{})
	if err != nil || len(events) != 1 {
		t.Errorf("the bucket has %+v, %v", events, err)
	}
}
