package bucket_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestUnfinishedUploadsEndAtTheirAgeAndNoOthers(t *testing.T) {
	g := open(t, options(t.TempDir(), nil))
	c := client(t, g)
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("inbox"), Key: aws.String("half.mp4")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String("inbox"), Key: aws.String("half.mp4"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader([]byte("part"))}); err != nil {
		t.Fatal(err)
	}
	putParts(t, c, "whole.mp4", []byte("all of it"))
	if n, err := g.Expire(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("a young upload: %d ended, %v", n, err)
	}
	if n, err := g.Expire(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("an old upload: %d ended, %v", n, err)
	}
	if n, err := g.Expire(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("again: %d ended, %v", n, err)
	}
	if b, _ := get(t, c, "whole.mp4"); string(b) != "all of it" {
		t.Errorf("a finished one became %q", b)
	}
}
