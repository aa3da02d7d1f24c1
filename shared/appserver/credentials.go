package appserver

import (
	"context"
	"strings"

	"github.com/vodlift/vodlift/shared/vod"
)

// stsPolicy narrows getSts to what the SDK of the apps needs to upload. RefreshUploadVideo is not in it: with it a user
// could overwrite anybody's video.
const stsPolicy = `{"Version":"1","Statement":[{"Effect":"Allow","Action":["vod:CreateUploadVideo","vod:CreateUploadImage"],"Resource":["*"]}]}`

// stsSeconds is how long it is good: what the seed says of it.
const stsSeconds = 3000

// stsData has both spellings of the end: the table says expiration, the example Expiration.
type stsData struct {
	Expiration      string `json:"expiration"`
	ExpirationToo   string `json:"Expiration"`
	AccessKeyID     string `json:"accessKeyId"`
	AccessKeySecret string `json:"accessKeySecret"`
	SecurityToken   string `json:"securityToken"`
}

// mayUpload refuses guests, who can be made by anybody in any number.
func (a *API) mayUpload(who *caller) error {
	if who.user.Guest && !a.p.Settings.GuestUpload {
		return refuse(codeForbidden, "guests cannot upload; register and log in")
	}
	return nil
}

func (a *API) getSts(ctx context.Context, who *caller) (any, error) {
	if err := a.mayUpload(who); err != nil {
		return nil, err
	}
	if a.p.Settings.RoleARN == "" {
		return nil, refuse(codeFailed, "getSts is not set up here; use getVideoUploadAuth")
	}
	if err := a.p.Quotas.Charge(ctx, who.user.ID, who.from, 1, 0); err != nil {
		return nil, err
	}
	s, err := a.p.Roles.AssumeRole(ctx, a.p.Settings.RoleARN, sessionName(who.user.ID), stsPolicy, stsSeconds)
	if err != nil {
		return nil, err
	}
	return stsData{Expiration: s.Expires, ExpirationToo: s.Expires, AccessKeyID: s.ID, AccessKeySecret: s.Secret, SecurityToken: s.Token}, nil
}

// sessionName names the user in the cloud's audit trail: 2 to 32 of [A-Za-z0-9.@_-] (reference a.5).
func sessionName(user string) string {
	if user == "" {
		return "app-demo"
	}
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, user)
	return "app-" + name[:min(len(name), 28)]
}

type videoUploadData struct {
	VideoID       string `json:"videoId"`
	UploadAddress string `json:"uploadAddress"`
	UploadAuth    string `json:"uploadAuth"`
}

func (a *API) getVideoUploadAuth(ctx context.Context, who *caller) (any, error) {
	in := who.in
	v := vod.NewVideo{Title: in.must("title", maxTitle), FileName: in.fileName(), FileSize: in.whole("fileSize", 0, maxFileSize, 0),
		Description: in.text("description", maxDescription), CoverURL: in.address("coverURL"), Tags: in.tags()}
	if in.err != nil {
		return nil, in.err
	}
	if err := a.mayUpload(who); err != nil {
		return nil, err
	}
	t, err := a.videos.Issue(ctx, who.user.ID, who.from, v)
	if err != nil {
		return nil, err
	}
	return videoUploadData{VideoID: t.ID, UploadAddress: t.Address, UploadAuth: t.Auth}, nil
}

type refreshData struct {
	UploadAddress string `json:"uploadAddress"`
	UploadAuth    string `json:"uploadAuth"`
}

// maxID is generous: what is too long or no id at all is nobody's video.
const maxID = 256

func (a *API) refreshVideoUploadAuth(ctx context.Context, who *caller) (any, error) {
	id := who.in.must("videoId", maxID)
	if who.in.err != nil {
		return nil, who.in.err
	}
	if err := a.mayUpload(who); err != nil {
		return nil, err
	}
	t, err := a.videos.Refresh(ctx, who.user.ID, id)
	if err != nil {
		return nil, err
	}
	return refreshData{UploadAddress: t.Address, UploadAuth: t.Auth}, nil
}

type imageUploadData struct {
	UploadAddress string `json:"uploadAddress"`
	UploadAuth    string `json:"uploadAuth"`
	ImageID       string `json:"imageId"`
	ImageURL      string `json:"imageURL"`
}

func (a *API) getImageUploadAuth(ctx context.Context, who *caller) (any, error) {
	in := who.in
	i := vod.NewImage{Type: in.oneOf("imageType", "", "default", "cover"), Ext: in.oneOf("imageExt", "png", "png", "jpg", "jpeg", "gif"),
		Title: in.text("title", maxTitle), Tags: in.tags()}
	if in.err != nil {
		return nil, in.err
	}
	if err := a.mayUpload(who); err != nil {
		return nil, err
	}
	if err := a.p.Quotas.Charge(ctx, who.user.ID, who.from, 1, 0); err != nil {
		return nil, err
	}
	t, err := a.p.VOD.CreateUploadImage(ctx, i)
	if err != nil {
		return nil, err
	}
	return imageUploadData{UploadAddress: t.Address, UploadAuth: t.Auth, ImageID: t.ID, ImageURL: t.ImageURL}, nil
}

type playAuthData struct {
	CoverURL string `json:"coverURL"`
	Duration string `json:"duration"` // seconds
	VideoID  string `json:"videoId"`
	PlayAuth string `json:"playAuth"`
}

func (a *API) getVideoPlayAuth(ctx context.Context, who *caller) (any, error) {
	id := who.in.must("videoId", maxID)
	if who.in.err != nil {
		return nil, who.in.err
	}
	p, err := a.videos.PlayAuth(ctx, who.user.ID, id)
	if err != nil {
		return nil, err
	}
	return playAuthData{CoverURL: p.Video.CoverURL, Duration: seconds(p.Video.Duration), VideoID: id, PlayAuth: p.Auth}, nil
}
