package bucket_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vodlift/vodlift/local/bucket"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/s3source"
	"github.com/vodlift/vodlift/shared/source/sourcetest"
)

// The S3 source is proven here, against a real gateway, since shared/ must not import local/.
func TestS3SourceKeepsTheContract(t *testing.T) {
	for _, versioned := range []bool{false, true} {
		t.Run(fmt.Sprintf("versioned=%t", versioned), func(t *testing.T) {
			o := options(t.TempDir(), nil)
			o.Versioning = versioned
			g := open(t, o)
			sourcetest.Run(t, func(t *testing.T) *sourcetest.Harness { return s3Harness(t, g, versioned) })
		})
	}
}

func s3Harness(t *testing.T, g *bucket.Gateway, versioned bool) *sourcetest.Harness {
	t.Helper()
	direct, tr := client(t, g), &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	spoiler := &sourcetest.Spoiler{Next: tr}
	read := g.Client(func(o *s3.Options) { o.HTTPClient = &http.Client{Transport: spoiler} })
	return &sourcetest.Harness{
		Source: s3source.New(read), Bucket: "inbox", Versioned: versioned, Spoil: spoiler.Spoil, Unclosed: spoiler.Unclosed,
		Put: func(t *testing.T, key string, body []byte, metadata map[string]string) source.Object {
			t.Helper()
			out, err := direct.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("inbox"), Key: &key, Body: bytes.NewReader(body), Metadata: metadata})
			if err != nil {
				t.Fatalf("put %q: %v", key, err)
			}
			return source.Object{Bucket: "inbox", Key: key, ETag: aws.ToString(out.ETag), Size: int64(len(body)), VersionID: aws.ToString(out.VersionId)}
		},
		Delete: func(t *testing.T, key string) {
			t.Helper()
			if _, err := direct.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("inbox"), Key: &key}); err != nil {
				t.Fatalf("delete %q: %v", key, err)
			}
		},
	}
}
