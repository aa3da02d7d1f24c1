package bucket_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestReaderNeverSeesTheETagOfAnotherObject(t *testing.T) {
	g := open(t, options(t.TempDir(), nil))
	c := client(t, g)
	put(t, c, "v.mp4", []byte("first"), nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := readsWhatItsETagSays(ctx, c); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 60 {
		put(t, c, "v.mp4", fmt.Appendf(nil, "object number %d", i), nil)
	}
	stop()
	wg.Wait()
}

func readsWhatItsETagSays(ctx context.Context, c *s3.Client) error {
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("inbox"), Key: aws.String("v.mp4")})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		return err
	}
	sum := md5.Sum(b)
	if etag := strings.Trim(aws.ToString(out.ETag), `"`); etag != hex.EncodeToString(sum[:]) {
		return fmt.Errorf("%q came with the etag %s", b, etag)
	}
	return nil
}

func TestFinishedUploadsLeaveNoPartsBehind(t *testing.T) {
	dir := t.TempDir()
	g := open(t, options(dir, nil))
	c := client(t, g)
	putParts(t, c, "a/meta/v.mp4", bytes.Repeat([]byte("x"), 5<<20), []byte("y"))
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("inbox"), Key: aws.String("given-up")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String("inbox"), Key: aws.String("given-up"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String("inbox"), Key: aws.String("given-up"), UploadId: up.UploadId})
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range []string{"objects", "meta"} {
		left, err := filepath.Glob(filepath.Join(dir, tree, "inbox", ".sgwtmp", "multipart", "*", "*"))
		if err != nil || len(left) != 0 {
			t.Errorf("left in %s: %q, %v", tree, left, err)
		}
	}
	orphan := filepath.Join(dir, "meta", "inbox", ".sgwtmp", "multipart", "ab", "cd", "1", "meta")
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(orphan, 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, options(dir, nil))
	if _, err := os.Stat(orphan); !os.IsNotExist(err) {
		t.Errorf("what a killed process left is still there: %v", err)
	}
}
