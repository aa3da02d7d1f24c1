package douyinweb

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
)

var ecma = crc64.MakeTable(crc64.ECMA)

// UploadPart sends a chunk, or the whole video where one request carries it. The storage wants a CRC32 before the bytes,
// so the part is read twice: once for the sum, once to be sent. Memory does not grow with the part. A repeat replaces
// what was there. The receipt's ETag is the CRC32, which the list of chunks needs.
func (t *Target) UploadPart(ctx context.Context, s upload.Session, p target.Part) (upload.Receipt, error) {
	const op = "douyinweb.UploadPart"
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
	if err := t.alive(op, s); err != nil { // the bytes would be sent in vain
		return upload.Receipt{}, err
	}
	ctx, cancel := context.WithCancel(ctx) // frees a reader that is still being read when we return
	defer cancel()
	want, err := checksum(ctx, p)
	if err != nil {
		return upload.Receipt{}, bodyFault(ctx, op, err)
	}
	crc := fmt.Sprintf("%08x", want)
	q := t.toStorage(StepUpload, op, sess, http.MethodPost, "")
	if sess.UploadID != "" {
		q = t.toStorage(StepPart, op, sess, http.MethodPut, "?partNumber="+strconv.Itoa(p.Number)+"&uploadID="+url.QueryEscape(sess.UploadID))
	}
	q.header.Set("Content-Crc32", crc)
	body := &partBody{size: p.Size, want: want}
	q.ctype, q.length = "application/octet-stream", p.Size
	q.body = func(ctx context.Context) (io.ReadCloser, error) {
		ctx, free := context.WithCancel(ctx)
		src, err := p.Open(ctx)
		if err != nil {
			free()
			return nil, err
		}
		body.src, body.free = src, free
		return body, nil
	}
	r, err := t.caller.do(ctx, q)
	sum, whole, serr := body.finish()
	switch {
	case serr != nil:
		return upload.Receipt{}, bodyFault(ctx, op, serr)
	case err != nil:
		return upload.Receipt{}, err
	}
	if err := t.judgePart(q, r, sess, p.Number, whole); err != nil {
		return upload.Receipt{}, err
	}
	return upload.Receipt{Part: p.Number, Size: p.Size, CRC64: sum, ETag: crc}, nil
}

// judgePart says whether the storage took the part.
func (t *Target) judgePart(q request, r reply, sess session, part int, whole bool) error {
	o, f := q.storage(r)
	switch {
	case f != nil && f.Code == RowStorage && f.Kind == fault.Retryable && t.chunks.refused(sess.Slot.OID, part) >= maxRefusals:
		t.chunks.taken(sess.Slot.OID)
		return q.gone(f)
	case f != nil:
		return f
	case !whole:
		return fault.New(fault.Retryable, q.op, "the platform answered before it had the whole part")
	}
	if sess.UploadID == "" {
		if o.obj("payload"); o.err() != "" {
			return q.protocol(r, o.err())
		}
	}
	t.chunks.taken(sess.Slot.OID)
	return nil
}

// alive refuses to work on with a slot whose signature has ended.
func (t *Target) alive(op string, s upload.Session) error {
	if s.Expires.IsZero() || t.caller.now().Before(s.Expires) {
		return nil
	}
	return request{op: op}.gone(fmt.Errorf("its signature was good until %s", s.Expires.UTC().Format(time.RFC3339)))
}

// refusals counts how often the storage refused a chunk since it last took one of the same object. The platform does not
// say in a documented way whether a refusal is of the bytes or of the upload; that the same bytes are refused again and
// again does. Each process counts for itself: it costs a few requests at most.
type refusals struct {
	mu sync.Mutex
	n  map[string]map[int]int
}

func (c *refusals) refused(oid string, part int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]map[int]int{}
	}
	if c.n[oid] == nil {
		c.n[oid] = map[int]int{}
	}
	c.n[oid][part]++
	return c.n[oid][part]
}

func (c *refusals) taken(oid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.n, oid)
}

var (
	errLong    = errors.New("the part has more bytes than it says")
	errClosed  = errors.New("the part's body is closed")
	errChanged = errors.New("the part has other bytes than a moment ago")
)

// checksum reads the part once for its CRC32.
func checksum(ctx context.Context, p target.Part) (uint32, error) {
	src, err := p.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	h, buf := crc32.NewIEEE(), make([]byte, crcRoundTrip)
	for left := p.Size; ; {
		n, err := src.Read(buf[:max(1, min(int64(len(buf)), left))])
		if int64(n) > left {
			return 0, errLong
		}
		_, _ = h.Write(buf[:n])
		left -= int64(n)
		switch {
		case err == io.EOF && left > 0:
			return 0, io.ErrUnexpectedEOF
		case err == io.EOF:
			return h.Sum32(), nil
		case err != nil:
			return 0, err
		case ctx.Err() != nil:
			return 0, ctx.Err()
		}
	}
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

// partBody streams exactly size bytes of src. The last of them are only given when the source then ends and the CRC32
// is the one that was announced, so a lie cannot become a completed part. src is closed once: at the end of a running
// Read if there is one, else at once.
type partBody struct {
	size int64
	want uint32
	src  io.ReadCloser // nil until opened
	free func()        // makes a running Read of src return

	mu      sync.Mutex
	at      int64
	sum32   uint32
	sum64   uint64
	err     error // src's first failure
	done    bool  // everything was given
	reading bool
	closing bool
	closed  bool
}

// Read implements io.Reader for net/http, from one goroutine at a time.
func (b *partBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	switch {
	case b.closing:
		b.mu.Unlock()
		return 0, errClosed
	case b.err != nil || b.done:
		defer b.mu.Unlock()
		if b.err != nil {
			return 0, b.err
		}
		return 0, io.EOF
	case len(p) == 0:
		b.mu.Unlock()
		return 0, nil
	}
	b.reading = true
	left := b.size - b.at
	b.mu.Unlock()

	n, err := b.src.Read(p[:min(int64(len(p)), left)])
	if int64(n) == left && err == nil {
		err = b.atEnd()
	}
	return b.got(p[:n], err)
}

// atEnd makes sure that nothing follows the last byte.
func (b *partBody) atEnd() error {
	var probe [1]byte
	for range 100 { // a reader that gives nothing and no error is broken
		n, err := b.src.Read(probe[:])
		if n > 0 {
			return errLong
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// got books one read of src.
func (b *partBody) got(p []byte, err error) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	if b.closing {
		b.closeSrc()
	}
	b.at += int64(len(p))
	b.sum32 = crc32.Update(b.sum32, crc32.IEEETable, p)
	b.sum64 = crc64.Update(b.sum64, ecma, p)
	switch {
	case b.closing && err != nil && err != io.EOF: // the client gave up first; what src says now is only the echo
		return 0, errClosed
	case err == io.EOF && b.at < b.size:
		b.err = io.ErrUnexpectedEOF
	case err == io.EOF && b.sum32 != b.want:
		b.err = errChanged
	case err == io.EOF:
		b.done = true
		return len(p), io.EOF
	case err != nil:
		b.err = err
	}
	if b.err != nil {
		return 0, b.err
	}
	return len(p), nil
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
	return b.sum64, b.done, b.err
}
