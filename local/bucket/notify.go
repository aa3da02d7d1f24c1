package bucket

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"
)

const deliveries = 8 // calls of OnEvent at once

// notifier is the storage with an ear: whatever makes an object through the gateway is told to OnEvent.
//
// It sits between the gateway and its storage and does not use the gateway's webhook: there the key is already decoded,
// size and ETag are known, nothing is sent over a socket, and the webhook's address is not printed to standard output.
type notifier struct {
	backend.Backend
	meta *metadata
	opts Options

	ctx  context.Context // of deliveries
	halt context.CancelFunc
	free chan struct{}

	mu   sync.Mutex
	on   bool
	work sync.WaitGroup
}

func newNotifier(ctx context.Context, be backend.Backend, m *metadata, o Options) *notifier {
	n := &notifier{Backend: be, meta: m, opts: o, free: make(chan struct{}, deliveries)}
	n.ctx, n.halt = context.WithCancel(ctx)
	return n
}

func (n *notifier) enable() { n.mu.Lock(); n.on = true; n.mu.Unlock() }

// stop ends deliveries: those that wait are dropped, those that run see their context end.
func (n *notifier) stop() {
	n.mu.Lock()
	n.on = false
	n.mu.Unlock()
	n.halt()
}

func (n *notifier) wait() { n.work.Wait() }

// PutObject implements backend.Backend.
func (n *notifier) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	bucket, key := value(in.Bucket), value(in.Key)
	if !isPath(key) {
		return s3response.PutObjectOutput{}, badKey()
	}
	out, err := n.Backend.PutObject(ctx, in)
	if err == nil {
		n.tidy("attributes", n.meta.settle(bucket, key))
		n.tell(bucket, Object{Key: key, ETag: out.ETag, VersionID: out.VersionID, Size: sizeOrUnknown(out.Size)}, ReasonPut)
	}
	return out, n.quiet("PutObject", err)
}

// CopyObject implements backend.Backend.
func (n *notifier) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	bucket, key := value(in.Bucket), value(in.Key)
	if !isPath(key) {
		return s3response.CopyObjectOutput{}, badKey()
	}
	out, err := n.Backend.CopyObject(ctx, in)
	if err == nil && out.CopyObjectResult != nil {
		n.tidy("attributes", n.meta.settle(bucket, key))
		n.tell(bucket, Object{Key: key, ETag: value(out.CopyObjectResult.ETag), VersionID: value(out.VersionId), Size: -1}, ReasonCopy)
	}
	return out, n.quiet("CopyObject", err)
}

// CompleteMultipartUpload implements backend.Backend.
func (n *notifier) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	bucket, key, upload := value(in.Bucket), value(in.Key), value(in.UploadId)
	out, version, err := n.Backend.CompleteMultipartUpload(ctx, in)
	if err == nil {
		n.tidy("upload", n.meta.dropUpload(bucket, key, upload))
		n.tidy("attributes", n.meta.settle(bucket, key))
		n.tell(bucket, Object{Key: key, ETag: value(out.ETag), VersionID: version, Size: -1}, ReasonComplete)
	}
	return out, version, n.quiet("CompleteMultipartUpload", err)
}

// AbortMultipartUpload implements backend.Backend.
func (n *notifier) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) error {
	bucket, key, upload := value(in.Bucket), value(in.Key), value(in.UploadId)
	err := n.Backend.AbortMultipartUpload(ctx, in)
	if err == nil {
		n.tidy("upload", n.meta.dropUpload(bucket, key, upload))
	}
	return n.quiet("AbortMultipartUpload", err)
}

// tidy logs what could not be put in order. The request is done all the same, and the next start tries again.
func (n *notifier) tidy(what string, err error) {
	if err != nil {
		n.opts.Log.Warn("bucket not tidied up", "what", what, "error", err)
	}
}

// looks bounds how often an object that is replaced all the time is looked at again.
const looks = 100

// GetObject implements backend.Backend. The storage reads the ETag and then opens the file; when another object takes
// the place between the two, it is asked again.
func (n *notifier) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	for try := 0; ; try++ {
		out, err := n.Backend.GetObject(ctx, in)
		if err != nil || value(in.VersionId) != "" || try == looks || n.isStill(in.Bucket, in.Key, out.ETag) {
			return out, n.quiet("GetObject", err)
		}
		if out.Body != nil {
			_ = out.Body.Close() // nothing was read from it
		}
	}
}

// HeadObject implements backend.Backend; see GetObject.
func (n *notifier) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	for try := 0; ; try++ {
		out, err := n.Backend.HeadObject(ctx, in)
		if err != nil || value(in.VersionId) != "" || try == looks || n.isStill(in.Bucket, in.Key, out.ETag) {
			return out, n.quiet("HeadObject", err)
		}
	}
}

func (n *notifier) isStill(bucket, key, etag *string) bool {
	now, err := n.meta.RetrieveAttribute(nil, value(bucket), value(key), attrETag)
	return err != nil && value(etag) == "" || string(now) == value(etag)
}

// tell delivers in the background; the client's request does not wait for it. The strings may belong to a request
// buffer that is used again, so they are copied.
func (n *notifier) tell(bucket string, obj Object, reason string) {
	at := n.opts.Now()
	bucket, obj.Key, obj.ETag, obj.VersionID = strings.Clone(bucket), strings.Clone(obj.Key), strings.Clone(obj.ETag), strings.Clone(obj.VersionID)
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.on || n.opts.OnEvent == nil {
		return
	}
	n.work.Go(func() {
		select {
		case n.free <- struct{}{}:
			defer func() { <-n.free }()
		case <-n.ctx.Done():
			return
		}
		if obj.Size < 0 && !n.measure(bucket, &obj) {
			return
		}
		ev, err := n.opts.created(bucket, obj, at, reason)
		if err != nil {
			n.opts.Log.Error("bucket event not made", "bucket", bucket, "key", obj.Key, "error", err)
			return
		}
		n.deliver(ev)
	})
}

// measure asks for the size that the storage does not tell when it copies or completes. An object that is gone or was
// replaced again meanwhile needs no event: its successor has one.
func (n *notifier) measure(bucket string, obj *Object) bool {
	head, err := n.HeadObject(n.ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &obj.Key})
	if err != nil || head.ContentLength == nil || strings.Trim(value(head.ETag), `"`) != strings.Trim(obj.ETag, `"`) {
		n.opts.Log.Warn("bucket event dropped: the object changed again", "bucket", bucket, "key", obj.Key, "error", err)
		return false
	}
	obj.Size = *head.ContentLength
	return true
}

// deliver calls OnEvent until it takes the event or the pauses are used up. It reports whether the event was taken.
func (n *notifier) deliver(ev Event) bool {
	log := n.opts.Log.With("bucket", ev.Detail.Bucket.Name, "key", ev.Detail.Object.Key, "event", ev.ID)
	for attempt := 0; ; attempt++ {
		err := n.opts.OnEvent(n.ctx, ev)
		if err == nil {
			return true
		}
		if n.ctx.Err() != nil {
			return false
		}
		if attempt >= len(n.opts.Backoff) {
			log.Error("bucket event given up; the next start gives it again", "error", err)
			return false
		}
		log.Warn("bucket event refused; it will be given again", "error", err, "pause", n.opts.Backoff[attempt])
		select {
		case <-time.After(n.opts.Backoff[attempt]):
		case <-n.ctx.Done():
			return false
		}
	}
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func sizeOrUnknown(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}
