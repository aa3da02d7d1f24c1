package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/s3source"
)

// inboxPart is the part size of what is put into the inbox, always the same: the ETag of a multipart object depends on
// it, and the ETag is part of a publication's identity.
const (
	inboxPart     = 16 << 20
	inboxInFlight = 3
)

// inbox is the bucket of the running stack, as any S3 client has it.
type inbox struct {
	api    *s3.Client
	conns  *http.Transport
	src    *s3source.Source
	bucket string
}

func (c *client) inbox() (*inbox, error) {
	if c.remote != nil && c.run.Inbox != "" {
		api := c.remote.bucket(c.run.Region)
		return &inbox{api: api, conns: &http.Transport{}, src: s3source.New(api), bucket: c.run.Inbox}, nil
	}
	if c.run.Bucket == "" || c.run.Inbox == "" {
		return nil, errors.New("the stack does not say where its bucket is")
	}
	conns := &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second}
	api := s3.New(s3.Options{
		BaseEndpoint: aws.String(c.run.Bucket), Region: c.run.Region, UsePathStyle: true, RetryMaxAttempts: 3,
		Credentials: credentials.NewStaticCredentialsProvider(c.id.BucketAccess, c.id.BucketSecret, ""),
		HTTPClient:  &http.Client{Transport: conns},
	})
	return &inbox{api: api, conns: conns, src: s3source.New(api), bucket: c.run.Inbox}, nil
}

// close ends idle connections: a gateway that shuts down waits for them.
func (i *inbox) close() { i.conns.CloseIdleConnections() }

// stat looks at an object; false if there is none.
func (i *inbox) stat(ctx context.Context, key string) (source.Info, bool, error) {
	info, err := i.src.Stat(ctx, source.Object{Bucket: i.bucket, Key: key})
	if errors.Is(err, source.ErrNotFound) {
		return info, false, nil
	}
	return info, err == nil, err
}

// same says whether the object at key has these bytes.
func (i *inbox) same(ctx context.Context, key string, body []byte) (same, there bool, err error) {
	info, there, err := i.stat(ctx, key)
	if err != nil || !there || info.Size != int64(len(body)) {
		return false, there, err
	}
	r, err := i.src.Open(ctx, info.Object, 0, info.Size)
	if err != nil {
		return false, there, err
	}
	defer r.Close()
	have, err := io.ReadAll(io.LimitReader(r, manifest.MaxBytes+1))
	return bytes.Equal(have, body), there, err
}

func (i *inbox) putSidecar(ctx context.Context, key string, body []byte) error {
	_, err := i.api.PutObject(ctx, &s3.PutObjectInput{Bucket: &i.bucket, Key: &key, Body: bytes.NewReader(body), ContentType: aws.String("application/json")})
	return err
}

func (i *inbox) remove(ctx context.Context, key string) error {
	_, err := i.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &i.bucket, Key: &key})
	return err
}

// putVideo streams n bytes of body into the inbox, in parts. Memory does not grow with n. If body fails, at its very
// end too, nothing appears in the inbox.
func (i *inbox) putVideo(ctx context.Context, key, contentType string, body io.Reader, n int64) error {
	tm := transfermanager.New(i.api, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold, o.Concurrency = inboxPart, inboxPart, inboxInFlight
		o.FailTimeout = 10 * time.Second
	})
	in := &transfermanager.UploadObjectInput{Bucket: &i.bucket, Key: &key, Body: body, ContentLength: &n}
	if contentType != "" {
		in.ContentType = &contentType
	}
	_, err := tm.UploadObject(ctx, in)
	return err
}

// localFile is a video on this machine.
type localFile struct {
	path, contentType string
	size              int64
	sha256            string // of the content, in hex
	etag              string // that the inbox will give it; empty: not known
}

// sum reads the whole file once for its name by content and for the ETag that it will have.
func (f *localFile) sum(ctx context.Context, progress func(int64)) error {
	r, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer r.Close()
	sha, tags := sha256.New(), &etagger{}
	n, err := io.Copy(io.MultiWriter(sha, tags), &counting{ctx: ctx, r: r, count: progress})
	if err != nil {
		return err
	}
	if n != f.size {
		return fmt.Errorf("%s changed while it was read: it had %d bytes, now %d", f.path, f.size, n)
	}
	f.sha256, f.etag = hex.EncodeToString(sha.Sum(nil)), tags.etag(n)
	return nil
}

// etagger computes the ETag that S3 gives to what is put in parts of inboxPart bytes.
type etagger struct {
	whole, part hash.Hash
	inPart      int
	parts       int
	all         hash.Hash
}

func (e *etagger) Write(p []byte) (int, error) {
	if e.whole == nil {
		e.whole, e.part, e.all = md5.New(), md5.New(), md5.New()
	}
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), inboxPart-e.inPart)
		e.part.Write(p[:k])
		if e.parts == 0 {
			e.whole.Write(p[:k])
		}
		if e.inPart += k; e.inPart == inboxPart {
			e.end()
		}
		p = p[k:]
	}
	return n, nil
}

func (e *etagger) end() {
	e.all.Write(e.part.Sum(nil))
	e.part.Reset()
	e.inPart, e.parts = 0, e.parts+1
}

func (e *etagger) etag(n int64) string {
	switch {
	case e.whole == nil:
		return ""
	case n < inboxPart:
		return hex.EncodeToString(e.whole.Sum(nil))
	case e.inPart > 0:
		e.end()
	}
	return fmt.Sprintf("%s-%d", hex.EncodeToString(e.all.Sum(nil)), e.parts)
}

// counting reads until ctx ends, and tells how much was read.
type counting struct {
	ctx   context.Context
	r     io.Reader
	count func(int64)
}

func (c *counting) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if c.count != nil {
		c.count(int64(n))
	}
	return n, err
}

// verifying fails at the end of the file unless it gave the bytes that were summed before: what changed in between
// must not appear in the inbox under the name of the old content.
type verifying struct {
	r    io.Reader
	h    hash.Hash
	want string
}

func (v *verifying) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.h.Write(p[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(v.h.Sum(nil)) != v.want {
		return n, errChanged
	}
	return n, err
}

var errChanged = errors.New("the file changed while it was read; nothing was published")
