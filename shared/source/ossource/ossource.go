// Package ossource reads videos from Alibaba Cloud OSS, by way of shared/oss.
//
// It maps that package's words to those of the source contract and checks that an answer is what was asked for; it does
// not know who reads, or why. RAM action: oss:GetObject (and oss:GetObjectVersion where versions are on).
package ossource

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/source"
)

// Source implements source.Source over OSS. It is safe for concurrent use.
type Source struct{ client *oss.Client }

var _ source.Source = (*Source)(nil)

// New makes a Source. The client's own bucket does not matter: each object names its own.
func New(client *oss.Client) *Source { return &Source{client: client} }

// Stat implements source.Source.
func (s *Source) Stat(ctx context.Context, o source.Object) (source.Info, error) {
	const op = "ossource.Stat"
	h, err := s.client.In(o.Bucket).Head(ctx, o.Key, o.VersionID)
	if err != nil {
		return source.Info{}, translate(ctx, op, err)
	}
	switch {
	case h.ETag == "":
		return source.Info{}, &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: errors.New("the object has no ETag yet")}
	case o.ETag != "" && source.PlainETag(o.ETag) != h.ETag:
		return source.Info{}, source.Changed(op)
	}
	return source.Info{
		Object:      source.Object{Bucket: o.Bucket, Key: o.Key, ETag: h.ETag, Size: h.Size, VersionID: h.Version},
		ContentType: h.ContentType, Modified: h.Modified, Metadata: source.DecodeMetadata(h.Metadata),
	}, nil
}

// Open implements source.Source. With o.ETag and o.Size set, an object of another size counts as replaced as well.
func (s *Source) Open(ctx context.Context, o source.Object, offset, size int64) (io.ReadCloser, error) {
	const op = "ossource.Open"
	if offset < 0 || size < 0 || offset > offset+size {
		return nil, source.BeyondEnd(op, offset, size)
	}
	if size == 0 {
		return s.openNothing(ctx, o, offset) // HTTP has no empty range
	}
	r, err := s.client.In(o.Bucket).GetRange(ctx, oss.Get{Key: o.Key, Version: o.VersionID, ETag: source.PlainETag(o.ETag), Offset: offset, Size: size})
	if errors.Is(err, oss.ErrBeyondEnd) {
		// Which of the two conditions OSS looks at first is not said: a replaced object explains more.
		if _, serr := s.Stat(ctx, o); serr != nil {
			return nil, fault.Wrap(op, serr)
		}
		return nil, source.BeyondEnd(op, offset, size)
	}
	if err != nil {
		return nil, translate(ctx, op, err)
	}
	if err := check(op, o, r, offset, size); err != nil {
		_ = r.Body.Close() // the answer is refused; nothing depends on its end
		return nil, err
	}
	return source.Exactly(ctx, r.Body, size, op, func(err error) error { return oss.ReadFault(ctx, op, err) }), nil
}

func (s *Source) openNothing(ctx context.Context, o source.Object, offset int64) (io.ReadCloser, error) {
	info, err := s.Stat(ctx, o)
	if err != nil {
		return nil, err
	}
	if offset > info.Size {
		return nil, source.BeyondEnd("ossource.Open", offset, 0)
	}
	return http.NoBody, nil
}

// check makes sure that the answer is the range that was asked for: one that reaches beyond the end is shortened.
func check(op string, o source.Object, r oss.Ranged, offset, size int64) error {
	switch {
	case o.ETag != "" && r.ETag != source.PlainETag(o.ETag), o.ETag != "" && o.Size > 0 && o.Size != r.Info.Size:
		return source.Changed(op)
	case offset+size > r.Info.Size:
		return source.BeyondEnd(op, offset, size)
	case r.Start != offset || r.Length != size:
		return fault.Newf(fault.Retryable, op, "the answer has %d bytes from %d instead of %d from %d", r.Length, r.Start, size, offset)
	}
	return nil
}

// translate puts the source contract's causes into the chain. A refused credential is no account's token: whoever
// provides it has a new one the next time.
func translate(ctx context.Context, op string, err error) error {
	switch {
	case ctx.Err() != nil:
		return source.Ended(op, ctx.Err())
	case errors.Is(err, oss.ErrNotFound):
		return source.NotFound(op)
	case errors.Is(err, oss.ErrChanged):
		return source.Changed(op)
	case errors.Is(err, oss.ErrCredential):
		f := *fault.As(err)
		f.Kind, f.Op, f.Err = fault.Retryable, op, err
		return &f
	}
	return fault.Wrap(op, err)
}
