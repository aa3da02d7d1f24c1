package vod

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// SubmitSnapshotJob implements API.
func (c *Client) SubmitSnapshotJob(ctx context.Context, s Snapshot) (string, error) {
	if err := named(StepSnapshot, s.ID); err != nil {
		return "", err
	}
	r := params{"VideoId": s.ID, "Count": integer(s.Count), "Interval": integer(s.IntervalS), "Width": s.Width, "Height": s.Height,
		"SpecifiedOffsetTime": integer(s.OffsetMS), "SnapshotTemplateId": s.TemplateID, "UserData": s.UserData}
	var a struct {
		Job struct {
			ID text `json:"JobId"`
		} `json:"SnapshotJob"`
	}
	if err := c.do(ctx, StepSnapshot, r, &a); err != nil {
		return "", err
	}
	if a.Job.ID == "" {
		return "", missing(StepSnapshot, "job id")
	}
	return string(a.Job.ID), nil
}

// SubmitAIMediaAuditJob implements API.
func (c *Client) SubmitAIMediaAuditJob(ctx context.Context, id, userData string) (string, error) {
	if err := named(StepAudit, id); err != nil {
		return "", err
	}
	r := params{"MediaId": id, "MediaType": "video", "UserData": userData}
	var a struct {
		ID text `json:"JobId"`
	}
	if err := c.do(ctx, StepAudit, r, &a); err != nil {
		return "", err
	}
	if a.ID == "" {
		return "", missing(StepAudit, "job id")
	}
	return string(a.ID), nil
}

// GetAIMediaAuditJob implements API. The result may come as an object or as its text.
func (c *Client) GetAIMediaAuditJob(ctx context.Context, jobID string) (Audit, error) {
	if err := named(StepAuditJob, jobID); err != nil {
		return Audit{}, err
	}
	r := params{"JobId": jobID}
	var a struct {
		Job struct {
			ID      text `json:"JobId"`
			MediaID text `json:"MediaId"`
			Status  text
			Data    json.RawMessage
		} `json:"MediaAuditJob"`
	}
	if err := c.do(ctx, StepAuditJob, r, &a); err != nil {
		return Audit{}, err
	}
	if a.Job.Status == "" || a.Job.ID != "" && string(a.Job.ID) != jobID {
		return Audit{}, missing(StepAuditJob, "status of this job")
	}
	var d struct{ Suggestion, Label text }
	data := bytes.TrimSpace(a.Job.Data)
	if len(data) > 0 && data[0] == '"' {
		var s string
		if json.Unmarshal(data, &s) == nil {
			data = []byte(s)
		}
	}
	if len(data) > 0 && data[0] == '{' {
		_ = json.Unmarshal(data, &d) // what cannot be read is no suggestion yet
	}
	return Audit{JobID: jobID, MediaID: string(a.Job.MediaID), Status: string(a.Job.Status), Suggestion: string(d.Suggestion), Label: string(d.Label)}, nil
}

// SubmitTranscodeJobs implements API.
func (c *Client) SubmitTranscodeJobs(ctx context.Context, id, templateGroup, userData string) ([]TranscodeJob, error) {
	if err := named(StepTranscode, id); err != nil {
		return nil, err
	}
	r := params{"VideoId": id, "TemplateGroupId": templateGroup, "UserData": userData}
	var a struct {
		Jobs list[struct {
			ID text `json:"JobId"`
		}] `json:"TranscodeJobs"`
	}
	if err := c.do(ctx, StepTranscode, r, &a); err != nil {
		return nil, err
	}
	var jobs []TranscodeJob
	for _, j := range a.Jobs {
		if j.ID != "" {
			jobs = append(jobs, TranscodeJob{ID: string(j.ID)})
		}
	}
	return jobs, nil
}

// List implements API. The platform answers 404 where nothing matches.
func (c *Client) List(ctx context.Context, q Query) (Listing, error) {
	r := params{"Status": strings.Join(q.Status, ","), "PageNo": integer(int64(q.Page)), "PageSize": integer(int64(q.Size)), "StorageLocation": q.Location,
		"StartTime": utc(q.From), "EndTime": utc(q.To)}
	var a struct {
		Total  number
		Videos list[videoAnswer] `json:"VideoList"`
	}
	if err := c.do(ctx, StepList, r, &a); err != nil {
		if isNotFound(err) {
			return Listing{}, nil
		}
		return Listing{}, err
	}
	l := Listing{Total: a.Total.whole()}
	for _, v := range a.Videos {
		l.Videos = append(l.Videos, v.video())
	}
	return l, nil
}

func utc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// SetCallback implements API.
func (c *Client) SetCallback(ctx context.Context, cb Callback) error {
	if cb.Signed && cb.Key == "" {
		return fault.InvalidField("vod."+string(StepSetCallback), "key", "set where callbacks are signed", "it is empty")
	}
	r := params{"CallbackType": "HTTP", "CallbackURL": cb.URL, "EventTypeList": strings.Join(cb.Events, ","), "AppId": c.app(cb.AppID), "AuthSwitch": "off"}
	if cb.Signed {
		r["AuthSwitch"], r["AuthKey"] = "on", cb.Key
	}
	return c.do(ctx, StepSetCallback, r, &struct{}{}, cb.Key)
}

// GetCallback implements API. The platform answers the key in clear.
func (c *Client) GetCallback(ctx context.Context, appID string) (Callback, error) {
	r := params{"AppId": c.app(appID)}
	var a struct {
		Callback struct {
			URL    text `json:"CallbackURL"`
			Events text `json:"EventTypeList"`
			Switch text `json:"AuthSwitch"`
			Key    text `json:"AuthKey"`
			AppID  text `json:"AppId"`
		} `json:"MessageCallback"`
	}
	if err := c.do(ctx, StepGetCallback, r, &a); err != nil {
		return Callback{}, err
	}
	k := a.Callback
	return Callback{URL: string(k.URL), Events: split(k.Events), Signed: k.Switch == "on", Key: string(k.Key), AppID: string(k.AppID)}, nil
}

// DeleteCallback implements API.
func (c *Client) DeleteCallback(ctx context.Context, appID string) error {
	return c.do(ctx, StepDropCallback, params{"AppId": c.app(appID)}, &struct{}{})
}
