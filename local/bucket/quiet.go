package bucket

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// quiet logs an error that S3 has no code for and gives the client "internal error" instead. Otherwise the gateway
// would write it to standard error, in colour. A client that went away is not worth a warning.
func (n *notifier) quiet(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(s3err.S3Error); ok { // the gateway looks at the outermost error only
		return err
	}
	if errors.Is(err, context.Canceled) {
		n.opts.Log.Debug("bucket request ended", "op", op, "error", err)
	} else {
		n.opts.Log.Error("bucket request failed", "op", op, "error", err)
	}
	return s3err.GetAPIError(s3err.ErrInternalError)
}

// CreateMultipartUpload implements backend.Backend.
func (n *notifier) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	if !isPath(value(in.Key)) {
		return s3response.InitiateMultipartUploadResult{}, badKey()
	}
	out, err := n.Backend.CreateMultipartUpload(ctx, in)
	return out, n.quiet("CreateMultipartUpload", err)
}

// UploadPart implements backend.Backend.
func (n *notifier) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	out, err := n.Backend.UploadPart(ctx, in)
	return out, n.quiet("UploadPart", err)
}

// DeleteObject implements backend.Backend.
func (n *notifier) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	out, err := n.Backend.DeleteObject(ctx, in)
	return out, n.quiet("DeleteObject", err)
}

// ListObjectsV2 implements backend.Backend.
func (n *notifier) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	out, err := n.Backend.ListObjectsV2(ctx, in)
	return out, n.quiet("ListObjectsV2", err)
}
