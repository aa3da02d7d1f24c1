package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Expire aborts multipart uploads that began before t and were never finished, as the deployed bucket's lifecycle rule
// does, and gives their number. Their parts would fill the disk for ever.
func (g *Gateway) Expire(ctx context.Context, t time.Time) (int, error) {
	conns := &http.Transport{}
	defer conns.CloseIdleConnections() // the gateway waits for them when it closes
	c := g.Client(func(o *s3.Options) { o.HTTPClient = &http.Client{Transport: conns} })
	n := 0
	var errs []error
	for _, b := range g.opts.Buckets {
		in := &s3.ListMultipartUploadsInput{Bucket: &b}
		for {
			out, err := c.ListMultipartUploads(ctx, in)
			if err != nil {
				errs = append(errs, fmt.Errorf("bucket: unfinished uploads of %s: %w", b, err))
				break
			}
			for _, u := range out.Uploads {
				if u.Initiated == nil || !u.Initiated.Before(t) {
					continue
				}
				if _, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b, Key: u.Key, UploadId: u.UploadId}); err != nil {
					errs = append(errs, fmt.Errorf("bucket: unfinished upload of %s: %w", value(u.Key), err))
					continue
				}
				n++
			}
			if out.IsTruncated == nil || !*out.IsTruncated {
				break
			}
			in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
		}
	}
	return n, errors.Join(errs...)
}
