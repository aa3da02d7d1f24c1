package s3source

import (
	"context"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
)

// ListAPI is what Lister needs of an *s3.Client. IAM: s3:ListBucket on the bucket.
type ListAPI interface {
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// Lister walks a bucket in the order of its keys. It is safe for concurrent use.
type Lister struct{ api ListAPI }

// NewLister makes a Lister.
func NewLister(api ListAPI) *Lister { return &Lister{api} }

// List gives at most limit objects whose key comes after `after`, with ETag and size; next is the last of them where more
// follow, else empty. Keys are as they are: what an XML answer cannot hold is asked for in URL encoding, and decoded
// where the answer says that it is encoded.
func (l *Lister) List(ctx context.Context, bucket, after string, limit int) ([]source.Object, string, error) {
	in := &s3.ListObjectsV2Input{Bucket: &bucket, MaxKeys: aws.Int32(int32(min(limit, 1000))), EncodingType: types.EncodingTypeUrl}
	if after != "" {
		in.StartAfter = &after
	}
	out, err := l.api.ListObjectsV2(ctx, in, once)
	if err != nil {
		return nil, "", classify(ctx, "s3source.List", err)
	}
	objects := make([]source.Object, 0, len(out.Contents))
	next := ""
	for _, o := range out.Contents {
		key := aws.ToString(o.Key)
		if out.EncodingType == types.EncodingTypeUrl {
			key, err = url.QueryUnescape(key)
		}
		if err != nil {
			return nil, "", fault.Newf(fault.Permanent, "s3source.List", "the list has a key that cannot be decoded: %w", err)
		}
		objects = append(objects, source.Object{Bucket: bucket, Key: key, ETag: source.PlainETag(aws.ToString(o.ETag)), Size: aws.ToInt64(o.Size)})
		next = key
	}
	if !aws.ToBool(out.IsTruncated) {
		next = ""
	}
	return objects, next, nil
}

// PresignAPI is what Signer needs of an *s3.PresignClient. IAM: s3:GetObject for whoever's credentials sign.
type PresignAPI interface {
	PresignGetObject(context.Context, *s3.GetObjectInput, ...func(*s3.PresignOptions)) (*v4.PresignedHTTPRequest, error)
}

// Signer makes addresses that are good for a while, of objects of one bucket. It is safe for concurrent use.
type Signer struct {
	api    PresignAPI
	bucket string
	now    func() time.Time
}

// NewSigner makes a Signer. now defaults to time.Now.
func NewSigner(api PresignAPI, bucket string, now func() time.Time) *Signer {
	if now == nil {
		now = time.Now
	}
	return &Signer{api, bucket, now}
}

// SignGet makes the address of an object, good for life. It makes no request: whether the object is there it does not
// know. The address is a secret of a kind; it ends at expires at the latest, earlier with the signing credential.
func (s *Signer) SignGet(ctx context.Context, key string, life time.Duration) (address string, expires time.Time, err error) {
	r, err := s.api.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key}, func(o *s3.PresignOptions) { o.Expires = life })
	if err != nil {
		return "", time.Time{}, classify(ctx, "s3source.SignGet", err)
	}
	return r.URL, s.now().Add(life), nil
}

// Linker makes addresses of objects of any bucket, for whoever has to fetch one from outside. It is safe for concurrent
// use.
type Linker struct{ api PresignAPI }

// NewLinker makes a Linker.
func NewLinker(api PresignAPI) *Linker { return &Linker{api} }

// Link makes the address of an object, of its version where one is named, answered with contentType, good for life. It is
// a secret of a kind, and makes no request.
func (l *Linker) Link(ctx context.Context, o source.Object, contentType string, life time.Duration) (string, error) {
	in := &s3.GetObjectInput{Bucket: &o.Bucket, Key: &o.Key, VersionId: optional(o.VersionID), ResponseContentType: optional(contentType)}
	r, err := l.api.PresignGetObject(ctx, in, func(p *s3.PresignOptions) { p.Expires = life })
	if err != nil {
		return "", classify(ctx, "s3source.Link", err)
	}
	return r.URL, nil
}
