package vod

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
)

// params are a request's own parameters. Those that are empty are not sent, but by UpdateVideoInfo.
type params map[string]string

func integer(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// Text is the JSON that the platform takes as UserData; "" for the zero value. What is too long is cut nowhere: the
// platform refuses it, and the target checks before.
func (u UserData) Text() string {
	if u == (UserData{}) {
		return ""
	}
	var out struct {
		MessageCallback *struct {
			CallbackURL  string
			CallbackType string
		} `json:",omitempty"`
		Extend string `json:",omitempty"`
	}
	out.Extend = u.Extend
	if u.CallbackURL != "" {
		out.MessageCallback = &struct {
			CallbackURL  string
			CallbackType string
		}{u.CallbackURL, "HTTP"}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(out) // strings only: it cannot fail
	return strings.TrimSpace(b.String())
}

// ticketAnswer is what the three calls that give tickets answer.
type ticketAnswer struct {
	VideoID string `json:"VideoId"`
	ImageID string `json:"ImageId"`
	Address string `json:"UploadAddress"`
	Auth    string `json:"UploadAuth"`
	Image   string `json:"ImageURL"`
	File    string `json:"FileURL"`
}

func (a ticketAnswer) ticket(step Step, id string) (Ticket, error) {
	switch {
	case id == "":
		return Ticket{}, missing(step, "id")
	case a.Address == "" || a.Auth == "":
		return Ticket{}, missing(step, "upload address or credential")
	}
	return Ticket{ID: id, Address: a.Address, Auth: a.Auth, ImageURL: a.Image, FileURL: a.File}, nil
}

// CreateUploadVideo implements API.
func (c *Client) CreateUploadVideo(ctx context.Context, v NewVideo) (Ticket, error) {
	r := params{"Title": v.Title, "FileName": v.FileName, "FileSize": integer(v.FileSize), "Description": v.Description, "CoverURL": v.CoverURL,
		"Tags": strings.Join(v.Tags, ","), "CateId": integer(v.CateID), "UserData": v.UserData.Text(), "TemplateGroupId": v.TemplateGroupID,
		"WorkflowId": v.WorkflowID, "StorageLocation": v.StorageLocation, "AppId": c.app(v.AppID)}
	var a ticketAnswer
	if err := c.do(ctx, StepCreateVideo, r, &a); err != nil {
		return Ticket{}, err
	}
	return a.ticket(StepCreateVideo, a.VideoID)
}

func (c *Client) app(id string) string {
	if id != "" {
		return id
	}
	return c.cfg.AppID
}

// RefreshUploadVideo implements API.
func (c *Client) RefreshUploadVideo(ctx context.Context, id string) (Ticket, error) {
	if err := named(StepRefreshVideo, id); err != nil {
		return Ticket{}, err
	}
	r := params{"VideoId": id}
	var a ticketAnswer
	if err := c.do(ctx, StepRefreshVideo, r, &a); err != nil {
		return Ticket{}, err
	}
	if a.VideoID != "" && a.VideoID != id {
		return Ticket{}, missing(StepRefreshVideo, "ticket of this video, but of another")
	}
	return a.ticket(StepRefreshVideo, id)
}

// named demands an id, and nothing that would be several.
func named(step Step, id string) error {
	if id == "" || len(id) > 256 || strings.ContainsAny(id, ", \t\r\n") {
		return fault.InvalidField("vod."+string(step), "video_id", "one id", "this is none")
	}
	return nil
}

// CreateUploadImage implements API.
func (c *Client) CreateUploadImage(ctx context.Context, i NewImage) (Ticket, error) {
	r := params{"ImageType": i.Type, "ImageExt": i.Ext, "Title": i.Title, "Tags": strings.Join(i.Tags, ","), "Description": i.Description,
		"CateId": integer(i.CateID), "OriginalFileName": i.FileName, "AppId": c.app(i.AppID)}
	var a ticketAnswer
	if err := c.do(ctx, StepCreateImage, r, &a); err != nil {
		return Ticket{}, err
	}
	return a.ticket(StepCreateImage, a.ImageID)
}

// videoAnswer is a video as the three calls that show one write it.
type videoAnswer struct {
	ID          text `json:"VideoId"`
	Title       text
	Description text
	Tags        text
	Status      text
	AuditStatus text
	CateID      number `json:"CateId"`
	CateName    text
	CoverURL    text
	Size        number
	Duration    number
	Created     text `json:"CreationTime"`
	Modified    text `json:"ModificationTime"`
	Snapshots   list[text]
	UserData    text
	Location    text `json:"StorageLocation"`
	TemplateID  text `json:"TemplateGroupId"`
}

func (a videoAnswer) video() Video {
	return Video{ID: string(a.ID), Title: string(a.Title), Description: string(a.Description), Tags: split(a.Tags), Status: string(a.Status),
		AuditStatus: string(a.AuditStatus), CateID: a.CateID.whole(), CateName: string(a.CateName), CoverURL: string(a.CoverURL), Size: a.Size.whole(),
		Duration: float64(a.Duration), Created: moment(a.Created), Modified: moment(a.Modified), Snapshots: texts(a.Snapshots),
		UserData: string(a.UserData), Location: string(a.Location), TemplateID: string(a.TemplateID)}
}

// of checks that an answer is about the video that was asked for. A status is what callers judge by.
func (a videoAnswer) of(step Step, id string) (Video, error) {
	switch {
	case string(a.ID) != "" && string(a.ID) != id:
		return Video{}, missing(step, "answer about this video, but about another")
	case a.Status == "":
		return Video{}, missing(step, "status")
	}
	v := a.video()
	v.ID = id
	return v, nil
}

// GetVideoInfo implements API.
func (c *Client) GetVideoInfo(ctx context.Context, id string) (Video, error) {
	if err := named(StepVideoInfo, id); err != nil {
		return Video{}, err
	}
	r := params{"VideoId": id}
	var a struct{ Video videoAnswer }
	if err := c.do(ctx, StepVideoInfo, r, &a); err != nil {
		return Video{}, err
	}
	return a.Video.of(StepVideoInfo, id)
}

// GetPlayInfo implements API. It asks for every stream.
func (c *Client) GetPlayInfo(ctx context.Context, id string) (PlayInfo, error) {
	if err := named(StepPlayInfo, id); err != nil {
		return PlayInfo{}, err
	}
	r := params{"VideoId": id, "ResultType": "Multiple"}
	var a struct {
		Base    videoAnswer `json:"VideoBase"`
		Streams list[struct {
			URL        text `json:"PlayURL"`
			Format     text
			Definition text
			Width      number
			Height     number
			Size       number
			Duration   number
			Status     text
			JobID      text `json:"JobId"`
		}] `json:"PlayInfoList"`
	}
	if err := c.do(ctx, StepPlayInfo, r, &a); err != nil {
		return PlayInfo{}, err
	}
	v, err := a.Base.of(StepPlayInfo, id)
	if err != nil {
		return PlayInfo{}, err
	}
	p := PlayInfo{Video: v}
	for _, s := range a.Streams {
		p.Streams = append(p.Streams, Stream{URL: string(s.URL), Format: string(s.Format), Definition: string(s.Definition), Width: s.Width.whole(),
			Height: s.Height.whole(), Size: s.Size.whole(), Duration: float64(s.Duration), Status: string(s.Status), JobID: string(s.JobID)})
	}
	return p, nil
}

// GetVideoPlayAuth implements API.
func (c *Client) GetVideoPlayAuth(ctx context.Context, id string, timeout int) (PlayAuth, error) {
	if err := named(StepPlayAuth, id); err != nil {
		return PlayAuth{}, err
	}
	if timeout != 0 && (timeout < 100 || timeout > 3000) {
		return PlayAuth{}, fault.InvalidField("vod."+string(StepPlayAuth), "timeout", "100 to 3000 seconds", fmt.Sprintf("it is %d", timeout))
	}
	r := params{"VideoId": id, "AuthInfoTimeout": integer(int64(timeout))}
	var a struct {
		PlayAuth text
		Meta     videoAnswer `json:"VideoMeta"`
	}
	if err := c.do(ctx, StepPlayAuth, r, &a); err != nil {
		return PlayAuth{}, err
	}
	if a.PlayAuth == "" {
		return PlayAuth{}, missing(StepPlayAuth, "PlayAuth")
	}
	v := a.Meta.video()
	v.ID = id
	return PlayAuth{Auth: string(a.PlayAuth), Video: v}, nil
}

// UpdateVideoInfo implements API. A text that is set and empty is sent as such.
func (c *Client) UpdateVideoInfo(ctx context.Context, ch Change) error {
	if err := named(StepUpdate, ch.ID); err != nil {
		return err
	}
	r := params{"VideoId": ch.ID}
	set := func(name string, v *string) {
		if v != nil {
			r[name] = *v
		}
	}
	set("Title", ch.Title)
	set("Description", ch.Description)
	set("CoverURL", ch.CoverURL)
	if ch.Tags != nil {
		r["Tags"] = strings.Join(*ch.Tags, ",")
	}
	if ch.CateID != nil {
		r["CateId"] = strconv.FormatInt(*ch.CateID, 10)
	}
	return c.do(ctx, StepUpdate, r, &struct{}{})
}

// DeleteVideo implements API. Where every id is missing the platform answers an error: that is no error here.
func (c *Client) DeleteVideo(ctx context.Context, ids ...string) (Deleted, error) {
	if len(ids) == 0 || len(ids) > 20 {
		return Deleted{}, fault.InvalidField("vod."+string(StepDelete), "video_ids", "1 to 20", fmt.Sprintf("there are %d", len(ids)))
	}
	for _, id := range ids {
		if err := named(StepDelete, id); err != nil {
			return Deleted{}, err
		}
	}
	r := params{"VideoIds": strings.Join(ids, ",")}
	var a struct {
		Forbidden list[text] `json:"ForbiddenVideoIds"`
		Missing   list[text] `json:"NonExistVideoIds"`
	}
	if err := c.do(ctx, StepDelete, r, &a); err != nil {
		if isNotFound(err) {
			return Deleted{Missing: ids}, nil
		}
		return Deleted{}, err
	}
	return Deleted{Forbidden: texts(a.Forbidden), Missing: texts(a.Missing)}, nil
}

// AssumeRole implements Roles.
func (c *Client) AssumeRole(ctx context.Context, arn, session, policy string, seconds int) (Session, error) {
	r := params{"RoleArn": arn, "RoleSessionName": session, "Policy": policy, "DurationSeconds": integer(int64(seconds))}
	var a struct {
		Credentials struct {
			ID      string `json:"AccessKeyId"`
			Secret  string `json:"AccessKeySecret"`
			Token   string `json:"SecurityToken"`
			Expires string `json:"Expiration"`
		}
	}
	if err := c.do(ctx, StepAssumeRole, r, &a); err != nil {
		return Session{}, err
	}
	k := a.Credentials
	if k.ID == "" || k.Secret == "" || k.Token == "" {
		return Session{}, missing(StepAssumeRole, "credential")
	}
	if _, err := time.Parse(time.RFC3339, k.Expires); err != nil {
		return Session{}, missing(StepAssumeRole, "end of the credential")
	}
	return Session{Credential: oss.Credential{ID: k.ID, Secret: k.Secret, Token: k.Token}, Expires: k.Expires}, nil
}
