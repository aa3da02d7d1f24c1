package alivod

import (
	"context"
	"errors"
	"fmt"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
)

// UploadPart streams a part to OSS, or the whole video where one PUT carries it. A repeat replaces what was there. Under
// a credential that is refused or about to end it is target.ErrSessionCredential, the latter before the part is opened.
func (t *Target) UploadPart(ctx context.Context, s upload.Session, p target.Part) (upload.Receipt, error) {
	const op = "alivod.UploadPart"
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
		got, err = c.Put(ctx, sess.Object, sess.ContentType, body, nil)
	} else {
		got, err = c.UploadPart(ctx, sess.multipart(), p.Number, body)
	}
	if err != nil {
		return upload.Receipt{}, t.storage(op, sess, err)
	}
	return upload.Receipt{Part: p.Number, Size: p.Size, CRC64: got.CRC64, ETag: got.ETag}, nil
}

func (p session) multipart() oss.Upload { return oss.Upload{Key: p.Object, ID: p.UploadID} }

// ListParts implements target.PartLister. The sums of these parts are not known. A policy that forbids listing costs the
// sending of parts again, not the session: none are known then.
func (t *Target) ListParts(ctx context.Context, s upload.Session) ([]upload.Receipt, error) {
	const op = "alivod.ListParts"
	if err := begin(ctx, op, t.bad); err != nil {
		return nil, err
	}
	sess, err := t.session(op, s)
	if err != nil {
		return nil, err
	}
	if sess.UploadID == "" {
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

// Complete makes the object of the parts and compares its sum with theirs; VOD begins to process the video then. After one
// PUT nothing is sent. A multipart upload that OSS no longer knows may have been completed by a call whose answer was lost:
// then the object, or else the video, is looked at.
func (t *Target) Complete(ctx context.Context, s upload.Session, rs []upload.Receipt) (upload.Asset, error) {
	const op = "alivod.Complete"
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
	asset := upload.Asset{ID: p.VideoID}
	if p.UploadID == "" {
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

// there tells whether the object is what these parts make. Where the credential may not ask OSS, VOD says whether the
// video has its file: nobody else was given the right to send one. A refusal to say is a no.
func (t *Target) there(ctx context.Context, c *oss.Client, p session, parts []oss.Part) bool {
	sum, known := oss.Combine(parts)
	i, err := c.Head(ctx, p.Object, "")
	if err == nil && known && i.Summed {
		return i.Size == p.Size && i.CRC64 == sum
	}
	if err != nil && !errors.Is(err, oss.ErrDenied) {
		return false
	}
	v, err := t.api.GetVideoInfo(ctx, p.VideoID)
	return err == nil && arrived(v.Status) && v.Size == p.Size
}

// arrived tells whether a status says that the file is there.
func arrived(status string) bool {
	switch status {
	case vod.StatusUploadSucc, vod.StatusTranscoding, vod.StatusTranscodeFail, vod.StatusChecking, vod.StatusBlocked, vod.StatusNormal:
		return true
	}
	return false
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
