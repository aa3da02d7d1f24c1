package douyin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// pictureNames are the kinds of picture that are sent, with the name that the file gets. The platform's own list for
// covers is in no source (unconfirmed); these are what it takes everywhere else.
func pictureNames() map[string]string {
	return map[string]string{"image/jpeg": "cover.jpg", "image/png": "cover.png", "image/webp": "cover.webp"}
}

// CoverForms implements target.CoverFormer: a moment (cover_tsp), or a picture by image upload (custom_cover_image_url), of
// at most 100 MiB at legacy and 20 MiB at v1 (reference A.6, A.7).
func (t *Target) CoverForms() target.CoverForms {
	f := target.CoverForms{Frame: true, Picture: true, Types: []string{"image/jpeg", "image/png", "image/webp"}, MaxSize: maxCover}
	if t.cfg.Generation == Legacy {
		f.MaxSize = maxCoverOld
	}
	return f
}

// UploadCover implements target.Coverer by image upload. A repeat leaves a picture that nobody uses. The field's name and
// the place of image_id in the answer are unconfirmed: image, and data.image.image_id.
func (t *Target) UploadCover(ctx context.Context, _ upload.Video, s upload.Session, p target.Picture) (upload.Session, error) {
	const op = "douyin.UploadCover"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Session{}, err
	}
	sess, err := t.session(op, s)
	if err != nil {
		return upload.Session{}, err
	}
	if err := t.CoverForms().Ready(op, "Douyin", p); err != nil {
		return upload.Session{}, err
	}
	boundary, err := t.boundary()
	if err != nil {
		return upload.Session{}, fault.Wrap(op, err)
	}
	ctx, cancel := context.WithCancel(ctx) // frees a reader that is still being read when we return
	defer cancel()
	body := newPartBody(boundary, formFile{"image", pictureNames()[p.ContentType], p.ContentType}, p.Size)
	a, err := t.call(ctx, request{step: StepCover, op: op, method: http.MethodPost, path: t.paths.image,
		ctype: "multipart/form-data; boundary=" + boundary, length: body.length(), body: body.from(p.Open)})
	_, whole, serr := body.finish()
	switch {
	case serr != nil:
		return upload.Session{}, bodyFault(ctx, op, serr)
	case err != nil:
		return upload.Session{}, err
	case !whole:
		return upload.Session{}, fault.New(fault.Retryable, op, "the platform answered before it had the whole picture")
	}
	var d struct {
		Image struct {
			ImageID string `json:"image_id"`
		} `json:"image"`
	}
	if a.data(&d); d.Image.ImageID == "" {
		return upload.Session{}, a.unreadable("the answer holds no image_id")
	}
	sess.CoverID, s.Cover = d.Image.ImageID, p.Ref
	s.Private, err = json.Marshal(sess)
	return s, err
}

// Advise implements target.Adviser (reference A.6): portrait, 720p or better, MP4 or WebM.
func (t *Target) Advise(v upload.Video) []string {
	out := target.Advice(v)
	switch {
	case v.Width == 0 || v.Height == 0:
	case v.Width > v.Height:
		out = append(out, fmt.Sprintf("Douyin advises portrait; this video is %dx%d.", v.Width, v.Height))
	case v.Width < 720:
		out = append(out, fmt.Sprintf("Douyin advises 720 points across or more; this video is %dx%d.", v.Width, v.Height))
	}
	return out
}

// Pace implements target.Pacer: 75 posts a day for each user and app (reference A.6, 2114007); that the day is China's is
// unconfirmed.
func (t *Target) Pace() target.Pace { return target.Pace{PerDay: postsPerDay, Zone: china()} }

func china() *time.Location { return time.FixedZone("UTC+8", 8*3600) }
