package appserver

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/videos"
)

// Bounds of a page.
const (
	maxPageIndex = 10_000_000
	maxPageSize  = 100
)

func (a *API) videoPublish(ctx context.Context, who *caller) (any, error) {
	in := who.in
	id := in.must("videoId", maxID)
	f := videos.Facts{Title: in.text("title", maxTitle), Description: in.text("description", maxDescription), Duration: in.span("duration"),
		CoverURL: in.address("coverUrl"), Size: in.whole("size", 0, maxFileSize, 0), Tags: strings.Join(in.tags(), ","),
		CateID: in.whole("cateId", -1<<53, 1<<53, 0), CateName: in.text("cateName", maxTitle)}
	if in.err != nil {
		return nil, in.err
	}
	if err := a.mayUpload(who); err != nil {
		return nil, err
	}
	if err := a.videos.Publish(ctx, who.user.ID, who.from, id, f); err != nil {
		return nil, err
	}
	return nothing{}, nil
}

func (a *API) deleteVideoByID(ctx context.Context, who *caller) (any, error) {
	id, user := who.in.must("videoId", maxID), who.in.must("userId", maxID)
	if who.in.err != nil {
		return nil, who.in.err
	}
	if err := self(who, user); err != nil {
		return nil, err
	}
	return nil, a.videos.Delete(ctx, who.user.ID, id)
}

// videoUser is who published a video, as others see him.
type videoUser struct {
	UserID    string `json:"userId"`
	UserName  string `json:"userName"`
	AvatarURL string `json:"avatarUrl"`
}

// videoData is the Video of reference c.3, in the types of the seed's examples.
type videoData struct {
	ID                    string    `json:"id"`
	VideoID               string    `json:"videoId"`
	Title                 string    `json:"title"`
	Description           string    `json:"description"`
	Duration              float64   `json:"duration"`
	CoverURL              string    `json:"coverUrl"`
	CreationTime          string    `json:"creationTime"`
	Status                string    `json:"status"`
	FirstFrameURL         string    `json:"firstFrameUrl"`
	Size                  int64     `json:"size"`
	CateID                int64     `json:"cateId"`
	CateName              string    `json:"cateName"`
	Tags                  string    `json:"tags"`
	ShareURL              string    `json:"shareUrl"`
	User                  videoUser `json:"user"`
	TranscodeStatus       string    `json:"transcodeStatus"`
	SnapshotStatus        string    `json:"snapshotStatus"`
	CensorStatus          string    `json:"censorStatus"`
	NarrowTranscodeStatus string    `json:"narrowTranscodeStatus"`
	FileURL               *string   `json:"fileUrl,omitempty"` // in the recommended list only
}

type listData struct {
	Total     int64       `json:"total"`
	VideoList []videoData `json:"videoList"`
}

// pageOf reads the page. id is what the apps send for every page after the first: the numeric id of the last video that
// they have; where it is given, pageIndex has no effect.
func pageOf(in *input) videos.Page {
	return videos.Page{Index: in.page("pageIndex", maxPageIndex), Size: in.page("pageSize", maxPageSize), After: in.whole("id", 0, 1<<53, 0)}
}

func (a *API) getRecommendVideoList(ctx context.Context, who *caller) (any, error) {
	page := pageOf(who.in)
	if who.in.err != nil {
		return nil, who.in.err
	}
	list, total, err := a.videos.Recommended(ctx, page)
	if err != nil {
		return nil, err
	}
	out, err := a.listOf(ctx, list, total)
	if err != nil {
		return nil, err
	}
	for i, v := range list {
		url := ""
		if len(v.Files) > 0 {
			url = v.Files[0].URL
		}
		out.VideoList[i].FileURL, out.VideoList[i].Status = &url, listedStatus
	}
	return out, nil
}

// listedStatus is what the seed's example of the recommended list says for each; the apps know no other there.
const listedStatus = "1"

func (a *API) getPersonalVideoList(ctx context.Context, who *caller) (any, error) {
	page := pageOf(who.in)
	if who.in.err != nil {
		return nil, who.in.err
	}
	list, total, err := a.videos.Personal(ctx, who.user.ID, page)
	if err != nil {
		return nil, err
	}
	return a.listOf(ctx, list, total)
}

// listOf gives each video with its user as he is now.
func (a *API) listOf(ctx context.Context, list []videos.Video, total int64) (*listData, error) {
	owners := map[string]*videoUser{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, v := range list {
		if owners[v.Owner] != nil {
			continue
		}
		o := &videoUser{UserID: v.Owner}
		owners[v.Owner] = o
		g.Go(func() error {
			u, err := a.p.Users.Get(gctx, o.UserID)
			if errors.Is(err, users.ErrNotFound) {
				return nil
			}
			// The name that he logs in with is nobody's business.
			o.UserName, o.AvatarURL = u.Nickname, u.Avatar
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := &listData{Total: total, VideoList: make([]videoData, 0, len(list))}
	for _, v := range list {
		out.VideoList = append(out.VideoList, videoData{ID: strconv.FormatInt(v.Number, 10), VideoID: v.ID, Title: v.Title, Description: v.Description,
			Duration: v.Duration, CoverURL: v.CoverURL, CreationTime: date(v.Published) + ".0", Status: v.Status, FirstFrameURL: v.FirstFrame,
			Size: v.Size, CateID: v.CateID, CateName: v.CateName, Tags: v.Tags, User: *owners[v.Owner], TranscodeStatus: v.Transcode,
			SnapshotStatus: v.Snapshot, CensorStatus: v.Censor})
	}
	return out, nil
}
