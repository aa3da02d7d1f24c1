// Package source is the contract of a place that videos come from. It hides which SDK reads it; it does not know who
// reads, or why.
package source

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrNotFound is in the chain when the object does not exist (any more). Its kind is Invalid.
var ErrNotFound = errors.New("the source object does not exist")

// ErrChanged is in the chain when the object is not the one that was asked for: its ETag differs. Its kind is Invalid.
var ErrChanged = errors.New("the source object was replaced")

// Object names one object. ETag and VersionID pin which one; Stat fills what it can.
type Object struct {
	Bucket    string `json:"bucket"`
	Key       string `json:"key"` // decoded; never URL-encoded
	ETag      string `json:"etag,omitempty"`
	Size      int64  `json:"size"`
	VersionID string `json:"version_id,omitempty"` // only pins reads (design 1)
}

// Info is what Stat knows of an object.
type Info struct {
	Object
	ContentType string
	Modified    time.Time
	Metadata    map[string]string // user metadata: lower-case names without x-amz-meta-, values decoded (RFC 2047)
}

// Source reads objects. Implementations classify every error as a *fault.Error, never retry, never buffer a whole
// body, and are safe for concurrent use.
type Source interface {
	// Stat looks at o.Bucket and o.Key (and o.VersionID, if set). If o.ETag is set and differs from the object's, the
	// error has ErrChanged in its chain; a missing object or bucket gives ErrNotFound.
	Stat(ctx context.Context, o Object) (Info, error)

	// Open gives exactly size bytes from offset of the very object that o names: with o.ETag set the read is
	// conditional on it (If-Match), and a replaced object gives ErrChanged. Asking beyond the end is Invalid. A body
	// that ends early gives io.ErrUnexpectedEOF from Read, never a silent short read. The caller closes it; closing
	// early is cheap. Cancelling ctx fails the read with the context's error in the chain.
	Open(ctx context.Context, o Object, offset, size int64) (io.ReadCloser, error)
}
