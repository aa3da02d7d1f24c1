package youku

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// codeNoVideo: the video does not exist; an answer about one very id.
const codeNoVideo = 120020001

// Publish is commit: one request, over a connection of its own. An error has EffectNone only for a code whose row says
// so, or when no byte was written; everything else leaves the outcome open, which Inspect can tell. What is published
// was all said at create: v is not sent again.
func (t *Target) Publish(ctx context.Context, v upload.Video, s upload.Session, a upload.Asset) (upload.Post, error) {
	const op = "youku.Publish"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Post{}, err
	}
	p, err := t.session(op, s)
	if err != nil {
		return upload.Post{}, err
	}
	if a.ID != p.VideoID {
		return upload.Post{}, fault.InvalidField(op, "asset", "the session's own", "the asset is of another session")
	}
	if target.CoverDue(v, s) { // only a new session can send another (InitHash)
		return upload.Post{}, target.CoverDueFault(op)
	}
	ans, err := t.call(ctx, request{step: StepCommit, op: op, method: http.MethodPost, path: pathCommit, fresh: true, secrets: p.secrets(),
		params: url.Values{"upload_token": {p.UploadToken}}})
	if err != nil {
		return upload.Post{}, err
	}
	var d struct {
		VideoID string `json:"video_id"`
	}
	if ans.data(&d); d.VideoID == "" {
		return upload.Post{}, ans.unreadable("the answer holds no video_id")
	}
	if d.VideoID != p.VideoID && t.opt.Log != nil {
		t.opt.Log.WarnContext(ctx, "commit answered another video_id than create", "target", "youku", "created", p.VideoID, "committed", d.VideoID)
	}
	return upload.Post{ID: d.VideoID, URL: pageOf(d.VideoID), At: t.caller.now()}, nil
}

// pageOf is the public page (section 7).
func pageOf(id string) string { return "http://v.youku.com/v_show/id_" + url.PathEscape(id) + ".html" }

// shown is what videos/show says of a video.
type shown struct {
	ID        string `json:"id"`
	Link      string `json:"link"`
	State     string `json:"state"`
	Published string `json:"published"`
}

// States of a video (section 7).
const (
	stateEncoding = "encoding"
	stateReview   = "in_review"
	stateNormal   = "normal"
	stateFail     = "fail"
	stateLimited  = "limited"
	stateBlocked  = "blocked" // old material; unconfirmed
)

// show asks for a video; no login is needed. missing: the platform says that this very id does not exist.
func (t *Target) show(ctx context.Context, op, id string) (v shown, missing bool, err error) {
	app, err := t.appKey(ctx, op)
	if err != nil {
		return shown{}, false, err
	}
	a, err := t.caller.do(ctx, request{step: StepShow, op: op, method: http.MethodGet, path: pathShow, params: url.Values{"client_id": {app.ID}, "video_id": {id}}})
	if f := fault.As(err); f != nil && f.Code == fmt.Sprint(codeNoVideo) {
		return shown{}, true, nil
	}
	if err != nil {
		return shown{}, false, err
	}
	a.data(&v)
	if v.ID != "" && v.ID != id {
		return shown{}, false, a.unreadable("the answer is about another video")
	}
	if v.State == "" {
		return shown{}, false, a.unreadable("the answer says no state")
	}
	return v, false, nil
}

// page is the link that the platform gave, if it is one for people, else the known form.
func (v shown) page(id string) string {
	u, err := url.Parse(v.Link)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(v.Link) > 500 {
		return pageOf(id)
	}
	return v.Link
}

// Inspect asks for the very video that create named: a state means that the commit took effect, since an uncommitted
// video has none. That it does not exist is a denial only later than Config.DenyAfter after the last moment at which
// the commit was begun, since in the first minutes a committed video may be unknown (section 7), and only if the upload
// is still open: see stillOpen. The caller adds its own settle_at.
func (t *Target) Inspect(ctx context.Context, at target.Attempt) (target.Finding, error) {
	const op = "youku.Inspect"
	if err := begin(ctx, op, t.bad); err != nil {
		return target.Finding{}, err
	}
	id := at.Asset.ID
	if id == "" { // the asset may have been dropped, the session names it too
		p, err := t.session(op, at.Session)
		if err != nil {
			return target.Finding{}, err
		}
		id = p.VideoID
	}
	v, missing, err := t.show(ctx, op, id)
	now := t.caller.now()
	switch {
	case err != nil:
		return target.Finding{}, err
	case missing && (at.SendBy.IsZero() || now.Before(at.SendBy.Add(t.cfg.DenyAfter))):
		return target.Finding{}, nil
	case missing:
		open, err := t.stillOpen(ctx, op, at.Session)
		return target.Finding{Denied: open}, err
	}
	switch v.State {
	case stateEncoding, stateReview, stateNormal, stateFail, stateLimited, stateBlocked:
		return target.Finding{Posts: []upload.Post{{ID: id, URL: v.page(id), At: v.when(now)}}}, nil
	}
	return target.Finding{}, &fault.Error{Kind: fault.Unknown, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator,
		Action: "Look at the account's own page.", Err: fmt.Errorf("the video has a state that is not documented: %s", printable(v.State, nil))}
}

// stillOpen asks for a credential for the upload, which only one that was not committed gets (assumed; section 5 does not
// say). How long a committed video may stay unknown to videos/show is not documented, and who believes it too early creates
// the video a second time: an upload that is closed denies nothing.
func (t *Target) stillOpen(ctx context.Context, op string, s upload.Session) (bool, error) {
	p, err := t.session(op, s)
	if err != nil || p.Bucket == "" || p.Object == "" {
		return false, nil // it cannot be asked
	}
	if _, err = t.renew(ctx, op, p); errors.Is(err, target.ErrSessionLost) {
		return false, nil
	}
	return err == nil, err
}

// when is the time of publication, if the platform says it; it writes Beijing time.
func (v shown) when(now time.Time) time.Time {
	at, err := time.ParseInLocation("2006-01-02 15:04:05", v.Published, time.FixedZone("UTC+8", 8*3600))
	if err != nil || at.Year() < 2000 || at.After(now.Add(24*time.Hour)) {
		return now
	}
	return at
}

// Check implements target.Checker by videos/show. A video that does not exist may still come for a day (section 7).
func (t *Target) Check(ctx context.Context, _ upload.Video, p upload.Post) (target.Verdict, error) {
	const op = "youku.Check"
	if err := begin(ctx, op, t.bad); err != nil {
		return target.Verdict{}, err
	}
	if p.ID == "" {
		return target.Verdict{}, fault.InvalidField(op, "post", "a video_id", "it is empty")
	}
	v, missing, err := t.show(ctx, op, p.ID)
	switch {
	case err != nil:
		return target.Verdict{}, err
	case missing && !p.At.IsZero() && t.caller.now().Sub(p.At) > giveUpAfter:
		return target.Verdict{State: target.Blocked, Reason: "the platform does not know the video a day after its commit (120020001)"}, nil
	case missing:
		return target.Verdict{State: target.Later, Reason: "the platform does not know it yet"}, nil
	}
	d := target.Verdict{URL: v.page(p.ID)}
	switch v.State {
	case stateEncoding:
		d.State, d.Reason = target.Later, "being transcoded"
	case stateReview:
		d.State, d.Reason = target.Later, "in review"
	case stateNormal:
		d.State = target.Live
	case stateLimited:
		d.State, d.Reason = target.Live, "published with a restricted grading (limited)"
	case stateFail:
		d.State, d.Reason = target.Blocked, "the platform could not transcode it (fail); see whether the file plays, then publish it again"
	default:
		d.State, d.Reason = target.Blocked, "the platform says "+printable(v.State, nil)+"; look at the account's own page"
	}
	return d, nil
}
