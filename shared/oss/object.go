package oss

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
)

// sizedReader has the form from which the SDK takes the length.
func sizedReader(s *stream) io.Reader { return &io.LimitedReader{R: s, N: s.size} }

// Info is what OSS says of an object.
type Info struct {
	ETag        string
	Size        int64 // of the whole object
	CRC64       uint64
	Summed      bool // CRC64 was said
	ContentType string
	Modified    time.Time
	Version     string
	Metadata    map[string]string // x-oss-meta-*: lower-case names without the prefix, values as they came
}

// Get names what GetRange reads.
type Get struct {
	Key     string
	Version string // optional
	ETag    string // optional: the read is conditional on it
	Offset  int64
	Size    int64 // at least 1
}

// Ranged is what GetRange got: Length bytes from Start of an object. The caller compares, reads and closes.
type Ranged struct {
	Info
	Body          io.ReadCloser
	Start, Length int64
}

// Head asks for an object's facts. A missing object or bucket is ErrNotFound.
func (c *Client) Head(ctx context.Context, key, version string) (Info, error) {
	k := &call{op: "oss.Head", repeat: true}
	defer k.end()
	b, opts, err := k.bucket(ctx, c, key)
	if err != nil {
		return Info{}, err
	}
	h, err := b.GetObjectDetailedMeta(key, withVersion(opts, version)...)
	if err != nil {
		return Info{}, k.classify(ctx, err)
	}
	i := infoOf(h)
	if i.Size, err = strconv.ParseInt(h.Get("Content-Length"), 10, 64); err != nil || i.Size < 0 {
		return Info{}, k.unreadable("the answer says no size")
	}
	return i, nil
}

// GetRange reads a range. A replaced object is ErrChanged, a missing one ErrNotFound, a range that begins beyond the
// end is Invalid. What the answer holds may be shorter: see Ranged. An error while reading Body is for ReadFault.
func (c *Client) GetRange(ctx context.Context, g Get) (Ranged, error) {
	k := &call{op: "oss.GetRange", repeat: true, raw: true}
	b, opts, err := k.bucket(ctx, c, g.Key)
	if err != nil {
		return Ranged{}, err
	}
	// Without the second header a range beyond the end gives the whole object (reference d.1).
	opts = append(withVersion(opts, g.Version), sdk.Range(g.Offset, g.Offset+g.Size-1), sdk.RangeBehavior("standard"))
	if g.ETag != "" {
		opts = append(opts, sdk.IfMatch(`"`+plain(g.ETag)+`"`))
	}
	body, err := b.GetObject(g.Key, opts...)
	if err != nil {
		k.end()
		return Ranged{}, k.classify(ctx, err)
	}
	r := Ranged{Info: infoOf(k.header), Body: body}
	length, err := strconv.ParseInt(k.header.Get("Content-Length"), 10, 64)
	if err != nil {
		k.end()
		return Ranged{}, k.unreadable("the answer says no length")
	}
	r.Length, r.Size = length, length
	if k.status == http.StatusPartialContent {
		var last int64
		if n, err := fmt.Sscanf(k.header.Get("Content-Range"), "bytes %d-%d/%d", &r.Start, &last, &r.Size); n != 3 || err != nil || last-r.Start+1 != length {
			k.end()
			return Ranged{}, k.unreadable("the answer has an unreadable range")
		}
	}
	return r, nil
}

func withVersion(opts []sdk.Option, version string) []sdk.Option {
	if version == "" {
		return opts
	}
	return append(opts, sdk.VersionId(version))
}

func infoOf(h http.Header) Info {
	i := Info{ETag: plain(h.Get("Etag")), ContentType: h.Get("Content-Type"), Version: h.Get("X-Oss-Version-Id"), Metadata: map[string]string{}}
	i.Modified, _ = http.ParseTime(h.Get("Last-Modified")) // zero = not said
	sum, err := strconv.ParseUint(h.Get("X-Oss-Hash-Crc64ecma"), 10, 64)
	i.CRC64, i.Summed = sum, err == nil
	for name, v := range h {
		if name, ok := strings.CutPrefix(strings.ToLower(name), "x-oss-meta-"); ok && len(v) > 0 {
			i.Metadata[name] = v[0]
		}
	}
	if i.Version == "null" {
		i.Version = "" // names whatever was written last without versions, and so pins nothing
	}
	return i
}
