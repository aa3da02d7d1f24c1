package douyin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"sync"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
)

var ecma = crc64.MakeTable(crc64.ECMA)

// UploadPart streams a part, or the whole video where the session has one request for it. A repeat is harmless: the
// later bytes replace the earlier (assumed), an unused video_id ends by itself. Memory does not grow with the part.
func (t *Target) UploadPart(ctx context.Context, s upload.Session, p target.Part) (upload.Receipt, error) {
	const op = "douyin.UploadPart"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Receipt{}, err
	}
	sess, err := t.session(op, s)
	if err != nil {
		return upload.Receipt{}, err
	}
	if p.Number < 1 || p.Number > sess.Parts || p.Size < 1 || p.Offset < 0 || p.Offset+p.Size > sess.Size || sess.Parts == 1 && p.Size != sess.Size {
		return upload.Receipt{}, fault.InvalidField(op, "part", fmt.Sprintf("1 to %d, inside the %d bytes", sess.Parts, sess.Size),
			fmt.Sprintf("part %d has %d bytes from %d", p.Number, p.Size, p.Offset))
	}
	boundary, err := t.boundary()
	if err != nil {
		return upload.Receipt{}, fault.Wrap(op, err)
	}
	ctx, cancel := context.WithCancel(ctx) // frees a reader that is still being read when we return
	defer cancel()
	body := newPartBody(boundary, theVideo, p.Size)
	q := request{step: StepUpload, op: op, method: http.MethodPost, path: t.paths.upload, ctype: "multipart/form-data; boundary=" + boundary, length: body.length()}
	if sess.UploadID != "" {
		q.step, q.path, q.secrets = StepPart, t.paths.part, []string{sess.UploadID}
		q.query = url.Values{"upload_id": {sess.UploadID}, "part_number": {strconv.Itoa(p.Number)}}
	}
	q.body = body.from(p.Open)
	a, err := t.call(ctx, q)
	sum, whole, serr := body.finish()
	switch {
	case serr != nil:
		return upload.Receipt{}, bodyFault(ctx, op, serr)
	case err != nil:
		return upload.Receipt{}, err
	case !whole:
		return upload.Receipt{}, fault.New(fault.Retryable, op, "the platform answered before it had the whole part")
	}
	r := upload.Receipt{Part: p.Number, Size: p.Size, CRC64: sum}
	if sess.UploadID == "" {
		if r.Asset = a.videoID(); r.Asset == "" {
			return upload.Receipt{}, a.unreadable("the answer holds no video_id")
		}
	}
	return r, nil
}

// bodyFault classifies a reader that could not be opened or read, or lied about its length. Since the body was never
// finished, the platform has no completed part.
func bodyFault(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return &fault.Error{Kind: fault.Unknown, Op: op, Actor: fault.ActorUs, Err: transport.ContextError(ctx)}
	}
	if fault.As(err) != nil {
		return fault.Wrap(op, fmt.Errorf("reading the part: %w", err))
	}
	if errors.Is(err, errLong) {
		return fault.InvalidField(op, "part", "as long as it says", err.Error())
	}
	return fault.Newf(fault.Retryable, op, "reading the part: %w", err)
}

func (t *Target) boundary() (string, error) {
	src := t.rand
	if src == nil {
		src = rand.Reader
	}
	var b [24]byte
	if _, err := io.ReadFull(src, b[:]); err != nil {
		return "", fmt.Errorf("no randomness: %w", err)
	}
	return "vodlift-" + hex.EncodeToString(b[:]), nil
}

var (
	errLong   = errors.New("the part has more bytes than it says")
	errClosed = errors.New("the part's body is closed")
)

// partBody is a multipart/form-data body with one file, streamed: head, exactly size bytes of src, tail. The tail is
// only given when src had exactly size bytes, so a lie can not become a completed part. src is closed once: at the end
// of a running Read if there is one, else at once.
type partBody struct {
	head, tail []byte
	size       int64
	src        io.ReadCloser // nil until opened
	free       func()        // makes a running Read of src return

	mu      sync.Mutex
	at      int64 // bytes of src so far
	sum     uint64
	err     error // src's first failure
	done    bool  // src had exactly size bytes
	tailed  int   // bytes of tail given
	reading bool
	closing bool
	closed  bool
}

// formFile is the file of a form.
type formFile struct{ field, name, ctype string }

// theVideo has a Content-Type of its own that begins with video/, without which the platform refuses it (reference A.4).
var theVideo = formFile{"video", fileName, filePartType}

func newPartBody(boundary string, file formFile, size int64) *partBody {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary(boundary) // ours: short and hexadecimal
	_, _ = w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + file.field + `"; filename="` + file.name + `"`},
		"Content-Type":        {file.ctype},
	})
	head := bytes.Clone(b.Bytes())
	_ = w.Close()
	return &partBody{head: head, tail: bytes.Clone(b.Bytes()[len(head):]), size: size}
}

// from opens the body's source when the request begins.
func (b *partBody) from(open func(context.Context) (io.ReadCloser, error)) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		ctx, free := context.WithCancel(ctx)
		src, err := open(ctx)
		if err != nil {
			free()
			return nil, err
		}
		b.src, b.free = src, free
		return b, nil
	}
}

func (b *partBody) length() int64 { return int64(len(b.head)) + b.size + int64(len(b.tail)) }

// Read implements io.Reader for net/http, from one goroutine at a time.
func (b *partBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	switch {
	case b.closing:
		b.mu.Unlock()
		return 0, errClosed
	case b.err != nil:
		defer b.mu.Unlock()
		return 0, b.err
	case len(b.head) > 0:
		defer b.mu.Unlock()
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	case b.done:
		defer b.mu.Unlock()
		n := copy(p, b.tail[b.tailed:])
		if b.tailed += n; b.tailed == len(b.tail) {
			return n, io.EOF
		}
		return n, nil
	case len(p) == 0:
		b.mu.Unlock()
		return 0, nil
	}
	b.reading = true
	left := b.size - b.at
	b.mu.Unlock()

	var probe [1]byte
	if left > 0 {
		p = p[:min(int64(len(p)), left)]
	} else {
		p = probe[:] // is there more than it says?
	}
	n, err := b.src.Read(p)
	return b.got(p, n, err, left)
}

// got books one read of src.
func (b *partBody) got(p []byte, n int, err error, left int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	if b.closing {
		b.closeSrc()
	}
	switch {
	case left == 0 && n > 0:
		b.err = errLong
		return 0, b.err
	case n > 0:
		b.at += int64(n)
		b.sum = crc64.Update(b.sum, ecma, p[:n])
	}
	switch {
	case err == io.EOF && b.at == b.size:
		b.done = true
	case b.closing && err != nil: // the client gave up first; what src says now is only the echo
		return n, errClosed
	case err == io.EOF:
		b.err = io.ErrUnexpectedEOF
	case err != nil:
		b.err = err
	}
	if b.err != nil {
		return n, b.err
	}
	if left == 0 {
		return 0, nil // the tail comes next
	}
	return n, nil
}

// Close implements io.Closer; net/http and finish may both call it, from any goroutine.
func (b *partBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closing = true
	if b.reading {
		b.free()
		return nil
	}
	b.closeSrc()
	return nil
}

func (b *partBody) closeSrc() {
	if !b.closed && b.src != nil {
		b.closed = true
		_ = b.src.Close() // of a reader: there is nothing that it could lose
		b.free()
	}
}

// finish closes the body and tells what was sent: the sum, whether all of it was, and src's own failure.
func (b *partBody) finish() (sum uint64, whole bool, err error) {
	_ = b.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sum, b.done && b.tailed == len(b.tail), b.err
}
