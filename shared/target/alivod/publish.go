package alivod

import (
	"context"
	"errors"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
)

// Publish makes no request: the video is its own post from the moment its file was there. Check says how it fares.
func (t *Target) Publish(ctx context.Context, v upload.Video, s upload.Session, a upload.Asset) (upload.Post, error) {
	const op = "alivod.Publish"
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
	if target.CoverDue(v, s) {
		return upload.Post{}, target.CoverDueFault(op)
	}
	return upload.Post{ID: p.VideoID, At: t.now()}, nil
}

// Inspect implements target.Inspector: a Publish whose end is not known has always taken effect if the video has its file,
// whether or not it was called. A video that VOD does not know, or whose file never came, was not published.
func (t *Target) Inspect(ctx context.Context, at target.Attempt) (target.Finding, error) {
	const op = "alivod.Inspect"
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
	v, err := t.api.GetVideoInfo(ctx, id)
	switch {
	case errors.Is(err, vod.ErrNotFound):
		return target.Finding{Denied: true}, nil
	case err != nil:
		return target.Finding{}, fault.Wrap(op, err)
	case v.Status == vod.StatusUploading: // VOD may not have noticed the file yet; adopting it is right either way
	case v.Status == vod.StatusUploadFail:
		return target.Finding{Denied: true}, nil
	}
	when := t.now()
	if !v.Created.IsZero() && v.Created.Before(when) {
		when = v.Created
	}
	return target.Finding{Posts: []upload.Post{{ID: id, At: when}}}, nil
}

// Check implements target.Checker by GetVideoInfo, and by GetPlayInfo where the status alone does not say whether the video
// plays (an upload that nobody transcodes). There is no public page: a player asks for the video by its id.
func (t *Target) Check(ctx context.Context, _ upload.Video, p upload.Post) (target.Verdict, error) {
	const op = "alivod.Check"
	if err := begin(ctx, op, t.bad); err != nil {
		return target.Verdict{}, err
	}
	if p.ID == "" {
		return target.Verdict{}, fault.InvalidField(op, "post", "a video id", "it is empty")
	}
	v, err := t.api.GetVideoInfo(ctx, p.ID)
	switch {
	case errors.Is(err, vod.ErrNotFound):
		return target.Verdict{State: target.Blocked, Reason: "the video was deleted at the platform (InvalidVideo.NotFound)"}, nil
	case err != nil:
		return target.Verdict{}, fault.Wrap(op, err)
	}
	d := verdict(v.Status)
	if v.Status != vod.StatusUploadSucc {
		return d, nil
	}
	play, err := t.api.GetPlayInfo(ctx, p.ID)
	switch {
	case errors.Is(err, vod.ErrNotPlayable), errors.Is(err, vod.ErrNotFound):
		return d, nil
	case err != nil:
		return target.Verdict{}, fault.Wrap(op, err)
	}
	for _, s := range play.Streams {
		if s.Status == vod.StatusNormal {
			return target.Verdict{State: target.Live}, nil
		}
	}
	return d, nil
}

// verdict is what a status means (reference a.3). One that is newer than this program is waited on.
func verdict(status string) target.Verdict {
	later := func(s string) target.Verdict { return target.Verdict{State: target.Later, Reason: s} }
	blocked := func(s string) target.Verdict { return target.Verdict{State: target.Blocked, Reason: s} }
	switch status {
	case vod.StatusNormal:
		return target.Verdict{State: target.Live}
	case vod.StatusUploading:
		return later("the platform has not taken note of the file yet")
	case vod.StatusUploadSucc:
		return later("the file has arrived; its processing has not begun")
	case vod.StatusTranscoding:
		return later("being transcoded")
	case vod.StatusChecking:
		return later("in review")
	case vod.StatusBlocked:
		return blocked("the platform's review refused it (Blocked)")
	case vod.StatusUploadFail:
		return blocked("the platform could not take the file (UploadFail); publish it again")
	case vod.StatusTranscodeFail:
		return blocked("the platform could not transcode it (TranscodeFail); see whether the file plays, then publish it again")
	}
	return later("the platform says " + word(status))
}

// word makes a word of the platform's fit for people.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r > ' ' && r <= '~' {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), 64)]
}
