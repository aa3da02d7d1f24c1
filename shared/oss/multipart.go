package oss

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/transfer/crc64x"
)

// Stored is an object as it was put, or a part.
type Stored struct {
	ETag  string // without quotes; upper-case hexadecimal MD5 of a part or a Put
	CRC64 uint64 // of the bytes that were sent
}

// Upload is an open multipart upload. It belongs to bucket and key, not to the credential that opened it.
type Upload struct {
	Key string
	ID  string
}

// Part is one part of an upload.
type Part struct {
	Number int
	Size   int64
	ETag   string
	CRC64  uint64
	Summed bool // CRC64 is known
}

// Put stores an object with one request, replacing what was there. md5, if given (16 bytes), is checked by OSS. An
// answer whose sum is another than ours is ErrDamaged.
func (c *Client) Put(ctx context.Context, key, contentType string, b Body, md5 []byte) (Stored, error) {
	k := &call{op: "oss.Put", repeat: true}
	defer k.end()
	bucket, opts, err := k.bucket(ctx, c, key)
	if err != nil {
		return Stored{}, err
	}
	if contentType != "" {
		opts = append(opts, sdk.ContentType(contentType))
	}
	if len(md5) > 0 {
		opts = append(opts, sdk.ContentMD5(base64.StdEncoding.EncodeToString(md5)))
	}
	return k.send(ctx, b, func(s *stream) error {
		return bucket.PutObject(key, sizedReader(s), opts...)
	})
}

// Initiate opens a multipart upload. A repeat leaves an open upload behind.
func (c *Client) Initiate(ctx context.Context, key, contentType string) (Upload, error) {
	k := &call{op: "oss.Initiate", repeat: true}
	defer k.end()
	bucket, opts, err := k.bucket(ctx, c, key)
	if err != nil {
		return Upload{}, err
	}
	if contentType != "" {
		opts = append(opts, sdk.ContentType(contentType))
	}
	r, err := bucket.InitiateMultipartUpload(key, opts...)
	if err != nil {
		return Upload{}, k.classify(ctx, err)
	}
	if r.UploadID == "" {
		return Upload{}, k.unreadable("the answer holds no upload id")
	}
	return Upload{Key: key, ID: r.UploadID}, nil
}

// UploadPart sends one part, streaming. The same part may be sent again; the later replaces the earlier.
func (c *Client) UploadPart(ctx context.Context, u Upload, number int, b Body) (Stored, error) {
	k := &call{op: "oss.UploadPart", repeat: true}
	defer k.end()
	if number < 1 || number > MaxParts {
		return Stored{}, fault.InvalidField(k.op, "part", fmt.Sprintf("1 to %d", MaxParts), fmt.Sprintf("it is %d", number))
	}
	bucket, opts, err := k.upload(ctx, c, u)
	if err != nil {
		return Stored{}, err
	}
	return k.send(ctx, b, func(s *stream) error {
		_, err := bucket.UploadPart(sdk.InitiateMultipartUploadResult{Bucket: c.cfg.Bucket, Key: u.Key, UploadID: u.ID}, s, b.Size, number, opts...)
		return err
	})
}

// upload is bucket for a request of an open upload.
func (k *call) upload(ctx context.Context, c *Client, u Upload) (*sdk.Bucket, []sdk.Option, error) {
	if u.ID == "" {
		return nil, nil, fault.InvalidField(k.op, "upload", "made by Initiate", "it has no id")
	}
	b, opts, err := k.bucket(ctx, c, u.Key)
	k.secrets = append(k.secrets, u.ID)
	return b, opts, err
}

// send opens the body, has it sent, and makes sure that all of it was, and arrived.
func (k *call) send(ctx context.Context, b Body, do func(*stream) error) (Stored, error) {
	ctx, cancel := context.WithCancel(ctx) // frees a reader that is still being read when we return
	defer cancel()
	s, err := open(ctx, k.op, b)
	if err != nil {
		return Stored{}, err
	}
	k.body = s
	err = do(s)
	sum, whole, serr := s.finish()
	etag := plain(k.header.Get("Etag"))
	switch {
	case serr != nil:
		return Stored{}, bodyFault(ctx, k.op, serr)
	case err != nil:
		return Stored{}, k.classify(ctx, err)
	case !whole:
		return Stored{}, fault.New(fault.Retryable, k.op, "OSS answered before it had the whole body")
	case etag == "":
		return Stored{}, k.unreadable("the answer holds no ETag")
	}
	return Stored{ETag: etag, CRC64: sum}, nil
}

// ListParts gives the parts that the upload has, in order of number, over as many pages as it takes. Their CRC64 is not
// known.
func (c *Client) ListParts(ctx context.Context, u Upload) ([]Part, error) {
	var all []Part
	for marker := 0; ; {
		r, err := c.listPage(ctx, u, marker)
		if err != nil {
			return nil, err
		}
		for _, p := range r.UploadedParts {
			all = append(all, Part{Number: p.PartNumber, Size: int64(p.Size), ETag: plain(p.ETag)})
		}
		next, err := strconv.Atoi(r.NextPartNumberMarker)
		if !r.IsTruncated {
			break
		}
		if err != nil || next <= marker || len(all) > MaxParts {
			return nil, fault.New(fault.Retryable, "oss.ListParts", "the list does not go on where it says")
		}
		marker = next
	}
	slices.SortFunc(all, func(a, b Part) int { return a.Number - b.Number })
	return all, nil
}

func (c *Client) listPage(ctx context.Context, u Upload, marker int) (sdk.ListUploadedPartsResult, error) {
	k := &call{op: "oss.ListParts", repeat: true}
	defer k.end()
	bucket, opts, err := k.upload(ctx, c, u)
	if err != nil {
		return sdk.ListUploadedPartsResult{}, err
	}
	opts = append(opts, sdk.MaxParts(1000))
	if marker > 0 {
		opts = append(opts, sdk.PartNumberMarker(marker))
	}
	r, err := bucket.ListUploadedParts(sdk.InitiateMultipartUploadResult{Bucket: c.cfg.Bucket, Key: u.Key, UploadID: u.ID}, opts...)
	switch {
	case err != nil:
		return r, k.classify(ctx, err)
	case r.UploadID != u.ID:
		return r, k.unreadable("the list is of another upload")
	}
	return r, nil
}

// Complete makes the object of the parts. Where the sum of every part is known, the whole's must be what OSS says: else
// ErrDamaged, and the object is there all the same. A lost answer leaves the outcome open: a second Complete is
// ErrNoUpload then, and Head can tell.
func (c *Client) Complete(ctx context.Context, u Upload, parts []Part) (Stored, error) {
	k := &call{op: "oss.Complete"}
	defer k.end()
	list := make([]sdk.UploadPart, 0, len(parts))
	for _, p := range parts {
		if p.ETag == "" {
			return Stored{}, fault.InvalidField(k.op, "parts", "each with the ETag that OSS gave", fmt.Sprintf("part %d has none", p.Number))
		}
		list = append(list, sdk.UploadPart{PartNumber: p.Number, ETag: `"` + plain(p.ETag) + `"`})
	}
	bucket, opts, err := k.upload(ctx, c, u)
	if err != nil {
		return Stored{}, err
	}
	r, err := bucket.CompleteMultipartUpload(sdk.InitiateMultipartUploadResult{Bucket: c.cfg.Bucket, Key: u.Key, UploadID: u.ID}, list, opts...)
	if err != nil {
		return Stored{}, k.classify(ctx, err)
	}
	if r.Key == "" && r.ETag == "" {
		return Stored{}, k.unreadable("the answer does not name the object")
	}
	sum, known := Combine(parts)
	if said := k.header.Get("X-Oss-Hash-Crc64ecma"); known && said != "" && said != strconv.FormatUint(sum, 10) {
		return Stored{}, k.damaged("the whole object has another CRC64 than its parts together")
	}
	return Stored{ETag: plain(r.ETag), CRC64: sum}, nil
}

// Abort gives an upload up; nil if it is already gone.
func (c *Client) Abort(ctx context.Context, u Upload) error {
	k := &call{op: "oss.Abort", repeat: true}
	defer k.end()
	bucket, opts, err := k.upload(ctx, c, u)
	if err != nil {
		return err
	}
	err = bucket.AbortMultipartUpload(sdk.InitiateMultipartUploadResult{Bucket: c.cfg.Bucket, Key: u.Key, UploadID: u.ID}, opts...)
	if err == nil {
		return nil
	}
	if err = k.classify(ctx, err); isGone(err) {
		return nil
	}
	return err
}

// Combine gives the CRC64 of the parts one after the other; false if one of them is not summed.
func Combine(parts []Part) (uint64, bool) {
	in := slices.Clone(parts)
	slices.SortFunc(in, func(a, b Part) int { return a.Number - b.Number })
	var sum uint64
	var step crc64x.Step
	size := int64(-1)
	for i, p := range in {
		switch {
		case !p.Summed:
			return 0, false
		case i == 0:
			sum = p.CRC64
			continue
		case p.Size != size:
			size, step = p.Size, crc64x.Over(p.Size)
		}
		sum = step.Combine(sum, p.CRC64)
	}
	return sum, len(in) > 0
}

// plain is an ETag without its quotes.
func plain(etag string) string { return strings.Trim(etag, `"`) }
