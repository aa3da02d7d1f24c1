// Package vodtest is a strict stand-in for VOD and STS in the AppServer's own tests: it keeps videos, images and jobs in
// memory, refuses what the platform refuses (reference alibaba-vod-and-oss a.3), and records every breach of a rule that
// our side must keep. It speaks no HTTP; local/ has the fake that does.
package vodtest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/vod"
)

// Platform is the stand-in. Safe for concurrent use.
type Platform struct {
	mu       sync.Mutex
	now      func() time.Time
	videos   map[string]*vod.Video
	streams  map[string][]vod.Stream
	audits   map[string]vod.Audit
	seq      int
	calls    map[string]int
	fail     map[string][]error
	breaches []string
	policies []string
}

var (
	_ vod.API   = (*Platform)(nil)
	_ vod.Roles = (*Platform)(nil)
)

// New makes an empty platform.
func New(now func() time.Time) *Platform {
	return &Platform{now: now, videos: map[string]*vod.Video{}, streams: map[string][]vod.Stream{}, audits: map[string]vod.Audit{}, calls: map[string]int{}, fail: map[string][]error{}}
}

// Fail makes the next calls of an operation fail, one error each; a nil lets one through.
func (p *Platform) Fail(op string, errs ...error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail[op] = append(p.fail[op], errs...)
}

// Calls says how often an operation was called.
func (p *Platform) Calls(op string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[op]
}

// Breaches lists what our side must never do and did.
func (p *Platform) Breaches() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.breaches...)
}

// Policies lists the session policies that were asked for.
func (p *Platform) Policies() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.policies...)
}

// Add puts a video there that was made by another way, and gives its id.
func (p *Platform) Add(v vod.Video) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v.ID == "" {
		v.ID = p.id()
	}
	if v.Created.IsZero() {
		v.Created = p.now()
	}
	p.videos[v.ID] = &v
	return v.ID
}

// Change edits a video.
func (p *Platform) Change(id string, fn func(*vod.Video)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn(p.videos[id])
}

// Upload ends the upload of a video: so many bytes have come, and it can be played.
func (p *Platform) Upload(id string, size int64) {
	p.Change(id, func(v *vod.Video) { v.Status, v.Size, v.Duration = vod.StatusNormal, size, 10.4167 })
}

// Stream adds a stream of a job.
func (p *Platform) Stream(id string, s vod.Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[id] = append(p.streams[id], s)
}

// Judge ends the review jobs of a video.
func (p *Platform) Judge(id, status, suggestion string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for job, a := range p.audits {
		if a.MediaID == id {
			a.Status, a.Suggestion = status, suggestion
			p.audits[job] = a
		}
	}
}

// Has says whether a video is there.
func (p *Platform) Has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.videos[id] != nil
}

// Jobs lists the review jobs of a video.
func (p *Platform) Jobs(id string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for job, a := range p.audits {
		if a.MediaID == id {
			out = append(out, job)
		}
	}
	return out
}

// Refused is a refusal by the platform, without effect.
func Refused(kind fault.Kind, code string) error {
	return &fault.Error{Kind: kind, Op: "vodtest", Code: code, Effect: fault.EffectNone, Err: errors.New("the platform's own words")}
}

// Lost is an answer that did not arrive.
func Lost() error { return fault.New(fault.Unknown, "vodtest", "the answer was lost") }

func notFound() error {
	return &fault.Error{Kind: fault.Permanent, Op: "vodtest", Code: "InvalidVideo.NotFound", Effect: fault.EffectNone, Err: vod.ErrNotFound}
}

// enter counts a call, and takes its planned failure. A lost answer is a call that was done all the same: the caller
// gets the error after.
func (p *Platform) enter(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(op, err)
	}
	p.calls[op]++
	if q := p.fail[op]; len(q) > 0 {
		p.fail[op] = q[1:]
		return q[0]
	}
	return nil
}

func lost(err error) bool { return err != nil && fault.KindOf(err) == fault.Unknown }

func (p *Platform) id() string {
	p.seq++
	return fmt.Sprintf("%032x", 0xabc000000+p.seq)
}

func (p *Platform) ticket(id, key string) vod.Ticket {
	enc := func(format string, args ...any) string {
		return base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf(format, args...)))
	}
	return vod.Ticket{ID: id,
		Address: enc(`{"Endpoint":"https://oss-cn-shanghai.aliyuncs.com","Bucket":"outin-test","FileName":%q}`, key),
		Auth:    enc(`{"SecurityToken":"token","AccessKeyId":"STS.test","AccessKeySecret":"secret","Expiration":"3600","ExpireUTCTime":%q,"Region":"cn-shanghai"}`, p.now().Add(time.Hour).UTC().Format(time.RFC3339))}
}

// CreateUploadVideo implements vod.API.
func (p *Platform) CreateUploadVideo(ctx context.Context, v vod.NewVideo) (vod.Ticket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.enter(ctx, "CreateUploadVideo")
	if err != nil && !lost(err) {
		return vod.Ticket{}, err
	}
	if v.Title == "" || len(v.Title) > 128 || !strings.Contains(v.FileName, ".") || len(v.Description) > 1024 || len(v.Tags) > 16 {
		p.breaches = append(p.breaches, "CreateUploadVideo with fields that the platform refuses")
	}
	if strings.ContainsAny(v.Title, "😀🎬") {
		return vod.Ticket{}, Refused(fault.Invalid, "IllegalCharacters")
	}
	id := p.id()
	p.videos[id] = &vod.Video{ID: id, Title: v.Title, Description: v.Description, Tags: v.Tags, CoverURL: v.CoverURL, Status: vod.StatusUploading, Created: p.now()}
	if err != nil {
		return vod.Ticket{}, err
	}
	return p.ticket(id, "sv/"+id+"/"+id+".mp4"), nil
}

// RefreshUploadVideo implements vod.API. Like the real one it would overwrite any video; that it is asked to is a breach.
func (p *Platform) RefreshUploadVideo(ctx context.Context, id string) (vod.Ticket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(ctx, "RefreshUploadVideo"); err != nil {
		return vod.Ticket{}, err
	}
	v := p.videos[id]
	if v == nil {
		return vod.Ticket{}, notFound()
	}
	if v.Status != vod.StatusUploading {
		p.breaches = append(p.breaches, "RefreshUploadVideo of a video that is "+v.Status)
	}
	return p.ticket(id, "sv/"+id+"/"+id+".mp4"), nil
}

// CreateUploadImage implements vod.API.
func (p *Platform) CreateUploadImage(ctx context.Context, i vod.NewImage) (vod.Ticket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(ctx, "CreateUploadImage"); err != nil {
		return vod.Ticket{}, err
	}
	if i.Type != "default" && i.Type != "cover" {
		p.breaches = append(p.breaches, "CreateUploadImage of type "+i.Type)
	}
	id := p.id()
	t := p.ticket(id, "image/"+i.Type+"/"+id+"-6-2."+i.Ext)
	t.ImageURL = "https://outin-test.oss-cn-shanghai.aliyuncs.com/image/" + i.Type + "/" + id + "-6-2." + i.Ext + "?Expires=1&Signature=x"
	t.FileURL = t.ImageURL
	return t, nil
}

// GetVideoInfo implements vod.API.
func (p *Platform) GetVideoInfo(ctx context.Context, id string) (vod.Video, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(ctx, "GetVideoInfo"); err != nil {
		return vod.Video{}, err
	}
	if v := p.videos[id]; v != nil {
		return *v, nil
	}
	return vod.Video{}, notFound()
}

func (p *Platform) playable(id string) (*vod.Video, error) {
	v := p.videos[id]
	if v == nil {
		return nil, notFound()
	}
	if v.Status != vod.StatusNormal {
		return nil, &fault.Error{Kind: fault.Retryable, Op: "vodtest", Code: "Forbidden.IllegalStatus", Effect: fault.EffectNone, Err: vod.ErrNotPlayable}
	}
	return v, nil
}

// GetPlayInfo implements vod.API.
func (p *Platform) GetPlayInfo(ctx context.Context, id string) (vod.PlayInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(ctx, "GetPlayInfo"); err != nil {
		return vod.PlayInfo{}, err
	}
	v, err := p.playable(id)
	if err != nil {
		return vod.PlayInfo{}, err
	}
	return vod.PlayInfo{Video: *v, Streams: append([]vod.Stream(nil), p.streams[id]...)}, nil
}

// GetVideoPlayAuth implements vod.API.
func (p *Platform) GetVideoPlayAuth(ctx context.Context, id string, _ int) (vod.PlayAuth, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(ctx, "GetVideoPlayAuth"); err != nil {
		return vod.PlayAuth{}, err
	}
	v, err := p.playable(id)
	if err != nil {
		return vod.PlayAuth{}, err
	}
	return vod.PlayAuth{Auth: base64.StdEncoding.EncodeToString([]byte(`{"VideoMeta":{"VideoId":"` + id + `"}}`)), Video: *v}, nil
}

// UpdateVideoInfo implements vod.API.
func (p *Platform) UpdateVideoInfo(ctx context.Context, c vod.Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(ctx, "UpdateVideoInfo"); err != nil {
		return err
	}
	if p.videos[c.ID] == nil {
		return notFound()
	}
	return nil
}

// DeleteVideo implements vod.API.
func (p *Platform) DeleteVideo(ctx context.Context, ids ...string) (vod.Deleted, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.enter(ctx, "DeleteVideo")
	if err != nil && !lost(err) {
		return vod.Deleted{}, err
	}
	var d vod.Deleted
	for _, id := range ids {
		if p.videos[id] == nil {
			d.Missing = append(d.Missing, id)
		}
		delete(p.videos, id)
	}
	return d, err
}

// List implements vod.API.
func (p *Platform) List(ctx context.Context, _ vod.Query) (vod.Listing, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return vod.Listing{}, p.enter(ctx, "List")
}

// SetCallback implements vod.API.
func (p *Platform) SetCallback(ctx context.Context, _ vod.Callback) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.enter(ctx, "SetCallback")
}

// DeleteCallback implements vod.API.
func (p *Platform) DeleteCallback(ctx context.Context, _ string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.enter(ctx, "DeleteMessageCallback")
}

// GetCallback implements vod.API.
func (p *Platform) GetCallback(ctx context.Context, _ string) (vod.Callback, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return vod.Callback{}, p.enter(ctx, "GetCallback")
}

// AssumeRole implements vod.Roles.
func (p *Platform) AssumeRole(ctx context.Context, arn, session, policy string, seconds int) (vod.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(ctx, "AssumeRole"); err != nil {
		return vod.Session{}, err
	}
	if arn == "" || len(session) < 2 || len(session) > 32 || seconds < 900 || policy == "" {
		p.breaches = append(p.breaches, "AssumeRole with fields that the platform refuses, or no policy")
	}
	p.policies = append(p.policies, policy)
	return vod.Session{Credential: oss.Credential{ID: "STS.test", Secret: "secret", Token: "token"},
		Expires: p.now().Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339)}, nil
}
