package youku

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
)

// UploadPart streams a part to OSS, or the whole video where one PUT carries it. A repeat replaces what was there. Under
// a credential that is refused or about to end it is target.ErrSessionCredential, the latter before the part is opened.
func (t *Target) UploadPart(ctx context.Context, s upload.Session, p target.Part) (upload.Receipt, error) {
	const op = "youku.UploadPart"
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
	if sess.Instant {
		return summed(ctx, op, p)
	}
	if err := t.fresh(op, sess); err != nil {
		return upload.Receipt{}, err
	}
	c, err := t.store(op, sess)
	if err != nil {
		return upload.Receipt{}, err
	}
	body := oss.Body{Size: p.Size, Open: p.Open}
	var got oss.Stored
	if sess.UploadID == "" {
		md5, _ := hex.DecodeString(sess.MD5) // Init demanded 32 digits
		got, err = c.Put(ctx, sess.Object, sess.ContentType, body, md5)
	} else {
		got, err = c.UploadPart(ctx, sess.multipart(), p.Number, body)
	}
	if err != nil {
		return upload.Receipt{}, t.storage(op, sess, err)
	}
	return upload.Receipt{Part: p.Number, Size: p.Size, CRC64: got.CRC64, ETag: got.ETag}, nil
}

func (p session) multipart() oss.Upload { return oss.Upload{Key: p.Object, ID: p.UploadID} }

// summed is the receipt of a part that need not be sent, since the platform has these bytes already: they are read for
// their sum only.
func summed(ctx context.Context, op string, p target.Part) (upload.Receipt, error) {
	r, err := p.Open(ctx)
	if err != nil {
		return upload.Receipt{}, readFault(ctx, op, err)
	}
	defer r.Close()
	h := crc64.New(crc64.MakeTable(crc64.ECMA))
	n, err := io.Copy(h, r)
	switch {
	case err != nil:
		return upload.Receipt{}, readFault(ctx, op, err)
	case n > p.Size:
		return upload.Receipt{}, fault.InvalidField(op, "body", "as long as it says", "the part has more bytes than it says")
	case n < p.Size:
		return upload.Receipt{}, readFault(ctx, op, io.ErrUnexpectedEOF)
	}
	return upload.Receipt{Part: p.Number, Size: n, CRC64: h.Sum64()}, nil
}

func readFault(ctx context.Context, op string, err error) error {
	switch {
	case ctx.Err() != nil:
		return &fault.Error{Kind: fault.Unknown, Op: op, Actor: fault.ActorUs, Err: transport.ContextError(ctx)}
	case fault.As(err) != nil:
		return fault.Wrap(op, fmt.Errorf("reading the part: %w", err))
	}
	return fault.Newf(fault.Retryable, op, "reading the part: %w", err)
}

// margin is how long before its end a credential counts as ended: 5 minutes or a tenth of its life, the smaller.
func (p session) margin() time.Duration { return min(renewAhead, p.Expires.Sub(p.Issued)/10) }

// fresh refuses to begin under a credential that is about to end.
func (t *Target) fresh(op string, p session) error {
	if t.caller.now().Before(p.Expires.Add(-p.margin())) {
		return nil
	}
	return &fault.Error{Kind: fault.TokenExpired, Op: op, Effect: fault.EffectNone, Actor: fault.ActorUs, Action: renews,
		Err: fmt.Errorf("%w: its time is over at %s", target.ErrSessionCredential, p.Expires.UTC().Format(time.RFC3339))}
}

const renews = "New upload credentials are asked for and the upload goes on; parts stay."

// storage gives OSS's refusals their meaning for the session (reference 8.5).
func (t *Target) storage(op string, p session, err error) error {
	f := *fault.As(fault.Wrap(op, err))
	lost := func() error {
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorUs, "A new session is opened and the file sent again."
		f.Err = fmt.Errorf("%w: %w", target.ErrSessionLost, err)
		return &f
	}
	switch {
	case errors.Is(err, oss.ErrCredential), errors.Is(err, oss.ErrDenied) && (p.Renewals == 0 || t.caller.now().Sub(p.Issued) > deniedFresh):
		f.Kind, f.Actor, f.Action = fault.TokenExpired, fault.ActorUs, renews
		f.Err = fmt.Errorf("%w: %w", target.ErrSessionCredential, err)
		return &f
	case errors.Is(err, oss.ErrDenied), errors.Is(err, oss.ErrNoUpload), errors.Is(err, oss.ErrNotFound), errors.Is(err, oss.ErrParts):
		return lost()
	case errors.Is(err, oss.ErrDamaged) && op == "youku.Complete": // the object is made, and wrong
		return lost()
	}
	return &f
}

// ListParts implements target.PartLister. The sums of these parts are not known. A policy that forbids listing (what
// Youku's allows is unconfirmed) costs the sending of parts again, not the session: none are known then.
func (t *Target) ListParts(ctx context.Context, s upload.Session) ([]upload.Receipt, error) {
	const op = "youku.ListParts"
	if err := begin(ctx, op, t.bad); err != nil {
		return nil, err
	}
	sess, err := t.session(op, s)
	if err != nil {
		return nil, err
	}
	if sess.UploadID == "" || sess.Instant {
		return nil, nil // one PUT is there or not; nothing lists it
	}
	if err := t.fresh(op, sess); err != nil {
		return nil, err
	}
	c, err := t.store(op, sess)
	if err != nil {
		return nil, err
	}
	parts, err := c.ListParts(ctx, sess.multipart())
	if errors.Is(err, oss.ErrDenied) {
		return nil, nil
	}
	if err != nil {
		return nil, t.storage(op, sess, err)
	}
	rs := make([]upload.Receipt, 0, len(parts))
	for _, p := range parts {
		if p.Number <= sess.Parts {
			rs = append(rs, upload.Receipt{Part: p.Number, Size: p.Size, ETag: p.ETag, Unsummed: true})
		}
	}
	return rs, nil
}

// Complete makes the object of the parts and compares its sum with theirs. Nothing is known to the platform's users
// before Publish. After one PUT nothing is sent. A multipart upload that OSS no longer knows may have been completed by
// a call whose answer was lost: then the object is looked at, if the policy allows that.
func (t *Target) Complete(ctx context.Context, s upload.Session, rs []upload.Receipt) (upload.Asset, error) {
	const op = "youku.Complete"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Asset{}, err
	}
	p, err := t.session(op, s)
	if err != nil {
		return upload.Asset{}, err
	}
	if err := whole(op, p, rs); err != nil {
		return upload.Asset{}, err
	}
	asset := upload.Asset{ID: p.VideoID, Expires: s.Opened.Add(tokenLife)}
	if p.UploadID == "" || p.Instant {
		return asset, nil
	}
	if err := t.fresh(op, p); err != nil {
		return upload.Asset{}, err
	}
	parts := make([]oss.Part, len(rs))
	for i, r := range rs {
		parts[i] = oss.Part{Number: r.Part, Size: r.Size, ETag: r.ETag, CRC64: r.CRC64, Summed: !r.Unsummed}
	}
	c, err := t.store(op, p)
	if err != nil {
		return upload.Asset{}, err
	}
	if _, err = c.Complete(ctx, p.multipart(), parts); errors.Is(err, oss.ErrNoUpload) && t.there(ctx, c, p, parts) {
		err = nil
	}
	if err != nil {
		return upload.Asset{}, t.storage(op, p, err)
	}
	return asset, nil
}

// there tells whether the object is what these parts make. A refusal to say is a no.
func (t *Target) there(ctx context.Context, c *oss.Client, p session, parts []oss.Part) bool {
	sum, known := oss.Combine(parts)
	i, err := c.Head(ctx, p.Object, "")
	return err == nil && known && i.Summed && i.Size == p.Size && i.CRC64 == sum
}

// whole demands a receipt for each part, once, and all the bytes.
func whole(op string, p session, rs []upload.Receipt) error {
	seen := make([]bool, p.Parts+1)
	var size int64
	for _, r := range rs {
		if r.Part < 1 || r.Part > p.Parts || seen[r.Part] {
			return fault.InvalidField(op, "receipts", fmt.Sprintf("one each for parts 1 to %d", p.Parts), fmt.Sprintf("part %d is unknown or there twice", r.Part))
		}
		seen[r.Part] = true
		size += r.Size
	}
	for n := 1; n <= p.Parts; n++ {
		if !seen[n] {
			return fault.InvalidField(op, "receipts", fmt.Sprintf("one each for parts 1 to %d", p.Parts), fmt.Sprintf("part %d is missing", n))
		}
	}
	if size != p.Size {
		return fault.InvalidField(op, "receipts", fmt.Sprintf("%d bytes together", p.Size), fmt.Sprintf("they have %d", size))
	}
	return nil
}
