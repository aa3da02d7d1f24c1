// Package s3source reads videos from Amazon S3, or from anything that speaks its protocol.
//
// It knows aws-sdk-go-v2 and hides its types; it does not know who reads, or why. It asks for HeadObject and ranged
// GetObject (API version 2006-03-01); the IAM actions are s3:GetObject, and s3:GetObjectVersion where versions are on.
// Without s3:ListBucket S3 answers 403 instead of 404 for a missing object, which then is Permanent here.
package s3source

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
)

// API is what this package needs of an *s3.Client.
type API interface {
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Source implements source.Source over S3. It is safe for concurrent use.
type Source struct{ api API }

var (
	_ source.Source = (*Source)(nil)
	_ API           = (*s3.Client)(nil)
)

// New makes a Source. The client brings credentials, region, endpoint and HTTP client; its own retries are switched off
// for every call made here, and so is the check of whole-object checksums, which a ranged read cannot use.
func New(api API) *Source { return &Source{api: api} }

func once(o *s3.Options) {
	o.Retryer = aws.NopRetryer{}
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.DisableLogOutputChecksumValidationSkipped = true
}

// Stat implements source.Source. An object without an ETag is one that is being written just now: Retryable.
func (s *Source) Stat(ctx context.Context, o source.Object) (source.Info, error) {
	const op = "s3source.Stat"
	out, err := s.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.Bucket, Key: &o.Key, VersionId: optional(o.VersionID)}, once)
	if err != nil {
		return source.Info{}, classify(ctx, op, err)
	}
	info := source.Info{
		Object: source.Object{
			Bucket: o.Bucket, Key: o.Key, ETag: source.PlainETag(aws.ToString(out.ETag)), Size: aws.ToInt64(out.ContentLength),
			VersionID: version(out.VersionId),
		},
		ContentType: aws.ToString(out.ContentType), Modified: aws.ToTime(out.LastModified),
		Metadata: source.DecodeMetadata(out.Metadata),
	}
	switch {
	case info.ETag == "":
		return source.Info{}, &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: errNoETag}
	case o.ETag != "" && source.PlainETag(o.ETag) != info.ETag:
		return source.Info{}, source.Changed(op)
	}
	return info, nil
}

// Open implements source.Source. With o.ETag and o.Size set, an object of another size counts as replaced as well.
func (s *Source) Open(ctx context.Context, o source.Object, offset, size int64) (io.ReadCloser, error) {
	const op = "s3source.Open"
	if offset < 0 || size < 0 || offset > offset+size {
		return nil, source.BeyondEnd(op, offset, size)
	}
	if size == 0 {
		return s.openNothing(ctx, o, offset) // HTTP has no empty range
	}
	in := &s3.GetObjectInput{
		Bucket: &o.Bucket, Key: &o.Key, VersionId: optional(o.VersionID),
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+size-1)),
	}
	if o.ETag != "" {
		in.IfMatch = aws.String(`"` + source.PlainETag(o.ETag) + `"`)
	}
	out, err := s.api.GetObject(ctx, in, once)
	if err != nil {
		return nil, classify(ctx, op, err)
	}
	if err := check(op, o, out, offset, size); err != nil {
		_ = out.Body.Close() // the answer is refused; nothing depends on its end
		return nil, err
	}
	return source.Exactly(ctx, out.Body, size, op, func(err error) error { return classify(ctx, op, err) }), nil
}

func (s *Source) openNothing(ctx context.Context, o source.Object, offset int64) (io.ReadCloser, error) {
	info, err := s.Stat(ctx, o)
	if err != nil {
		return nil, err
	}
	if offset > info.Size {
		return nil, source.BeyondEnd("s3source.Open", offset, 0)
	}
	return http.NoBody, nil
}

// check makes sure that the answer is the range that was asked for. S3 shortens a range that reaches beyond the end,
// and a server that knows no ranges sends everything.
func check(op string, o source.Object, out *s3.GetObjectOutput, offset, size int64) error {
	length := aws.ToInt64(out.ContentLength)
	start, total := int64(0), length
	if r := aws.ToString(out.ContentRange); r != "" {
		var ok bool
		if start, total, ok = parseContentRange(r); !ok {
			return fault.Newf(fault.Retryable, op, "the answer has an unreadable range")
		}
	}
	switch etag := source.PlainETag(aws.ToString(out.ETag)); {
	case o.ETag != "" && etag != source.PlainETag(o.ETag), o.ETag != "" && o.Size > 0 && o.Size != total:
		return source.Changed(op)
	case offset+size > total:
		return source.BeyondEnd(op, offset, size)
	case start != offset || length != size:
		return fault.Newf(fault.Retryable, op, "the answer has %d bytes from %d instead of %d from %d", length, start, size, offset)
	}
	return nil
}

// parseContentRange reads "bytes 0-9/100".
func parseContentRange(s string) (start, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, all, found := strings.Cut(s, "/")
	first, _, dash := strings.Cut(span, "-")
	start, err1 := strconv.ParseInt(first, 10, 64)
	total, err2 := strconv.ParseInt(all, 10, 64)
	return start, total, ok && found && dash && err1 == nil && err2 == nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// version drops "null", which names whatever was written last without versions and so pins nothing.
func version(v *string) string {
	if s := aws.ToString(v); s != "null" {
		return s
	}
	return ""
}
