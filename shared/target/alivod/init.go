package alivod

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
)

// Init creates the video at VOD, which names the place in OSS and a temporary credential for it, and with more than one
// part opens the multipart upload there. The upload's id goes along (UserData.Extend): a repeat after a lost answer leaves
// a video without a file, which can be found by it.
func (t *Target) Init(ctx context.Context, v upload.Video, plan upload.Plan) (upload.Session, error) {
	const op = "alivod.Init"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Session{}, err
	}
	if err := t.Validate(v); err != nil {
		return upload.Session{}, err
	}
	if err := t.checkPlan(op, v, plan); err != nil {
		return upload.Session{}, err
	}
	m, err := t.meta(v)
	if err != nil {
		return upload.Session{}, err
	}
	ticket, err := t.api.CreateUploadVideo(ctx, t.created(v, m))
	if err != nil {
		return upload.Session{}, fault.Wrap(op, err)
	}
	p := session{VideoID: ticket.ID, Parts: plan.Parts, Size: v.Size, ContentType: contentType(v)}
	if err := t.take(&p, ticket); err != nil {
		return upload.Session{}, fault.Wrap(op, err)
	}
	if p.Parts > 1 {
		if p.UploadID, err = t.initiate(ctx, op, p); err != nil {
			_, _ = t.api.DeleteVideo(ctx, p.VideoID) // best effort: else it stays without a file, and reconcile finds it
			return upload.Session{}, fault.Wrap(op, err)
		}
	}
	now := t.now()
	return p.pack(now, now.Add(sessionLife))
}

// created is what CreateUploadVideo is sent.
func (t *Target) created(v upload.Video, m meta) vod.NewVideo {
	return vod.NewVideo{Title: m.title, FileName: m.fileName, FileSize: v.Size, Description: m.description, CoverURL: m.CoverURL, Tags: m.tags,
		CateID: m.CateID, UserData: vod.UserData{Extend: v.Upload, CallbackURL: t.cfg.CallbackURL}, TemplateGroupID: m.TemplateGroupID,
		WorkflowID: m.WorkflowID, StorageLocation: m.StorageLocation}
}

func (t *Target) initiate(ctx context.Context, op string, p session) (string, error) {
	c, err := t.store(op, p)
	if err != nil {
		return "", err
	}
	u, err := c.Initiate(ctx, p.Object, p.ContentType)
	if errors.Is(err, oss.ErrCredential) { // no account's token: the next create brings another credential
		f := *fault.As(err)
		f.Kind, f.Action, f.Err = fault.Retryable, "The upload begins again.", err
		return "", &f
	}
	return u.ID, err
}

// take puts a fresh ticket into the session. The place stays the same after a refresh (reference a.4); another one would
// lose the parts.
func (t *Target) take(p *session, ticket vod.Ticket) error {
	now := t.now()
	at, err := vod.DecodeTicket(ticket, now, t.cfg.OSSEndpoint)
	if err != nil {
		return err
	}
	if p.Bucket != "" && (at.Bucket != p.Bucket || at.Key != p.Object) {
		return &fault.Error{Kind: fault.Permanent, Op: "alivod.Renew", Actor: fault.ActorUs, Action: "A new session is opened and the file sent again.",
			Err: fmt.Errorf("%w: VOD names another place for the file now", target.ErrSessionLost)}
	}
	p.Endpoint, p.Region, p.Bucket, p.Object, p.Credential, p.Expires, p.Issued = at.Endpoint, at.Region, at.Bucket, at.Key, at.Credential, at.Expires, now
	p.RenewAt = p.Expires.Add(-min(renewAhead, max(p.Expires.Sub(now)/10, 0)))
	return nil
}

// InitHash implements target.InitHasher: all that CreateUploadVideo sends but the file's own facts and the upload's id,
// which no manifest changes.
func (t *Target) InitHash(v upload.Video) string {
	m, err := t.meta(v)
	if err != nil {
		return "" // Init would refuse it
	}
	b, err := json.Marshal(struct {
		FileName, Title, Description string
		Tags                         []string
		Fields                       Fields
		Private                      bool // not sent but refused
	}{m.fileName, m.title, m.description, m.tags, m.Fields, v.Private})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// checkPlan refuses, and does not mend, a plan that OSS would refuse.
func (t *Target) checkPlan(op string, v upload.Video, p upload.Plan) error {
	bad := func(rule, msg string) error { return fault.InvalidField(op, "plan", rule, msg) }
	switch {
	case p.Size != v.Size || p.Parts < 1:
		return bad("of this video", fmt.Sprintf("the plan is for %d bytes, the video has %d", p.Size, v.Size))
	case p.OneRequest() && p.Size > oss.MaxPart:
		return bad(fmt.Sprintf("<= %d bytes in one request", int64(oss.MaxPart)), "too large for one request")
	case p.OneRequest():
		return nil
	case p.Parts > t.limits.MaxParts:
		return bad(fmt.Sprintf("<= %d parts", t.limits.MaxParts), fmt.Sprintf("the plan has %d parts", p.Parts))
	case p.PartSize < t.limits.MinPart || p.PartSize > t.limits.MaxPart:
		return bad(fmt.Sprintf("parts of %d to %d bytes", t.limits.MinPart, t.limits.MaxPart), fmt.Sprintf("the plan's have %d", p.PartSize))
	}
	return nil
}

// contentType is the object's: the video's own if it is one, else by the name, else video/mp4.
func contentType(v upload.Video) string {
	if strings.HasPrefix(v.ContentType, "video/") {
		return v.ContentType
	}
	for ext, typ := range map[string]string{".mov": "video/quicktime", ".webm": "video/webm", ".mkv": "video/x-matroska", ".flv": "video/x-flv", ".avi": "video/x-msvideo", ".ts": "video/mp2t"} {
		if strings.EqualFold(path.Ext(v.FileName), ext) {
			return typ
		}
	}
	return "video/mp4"
}

// fresh refuses to begin under a credential that is about to end.
func (t *Target) fresh(op string, p session) error {
	if t.now().Before(p.RenewAt) {
		return nil
	}
	return &fault.Error{Kind: fault.TokenExpired, Op: op, Effect: fault.EffectNone, Actor: fault.ActorUs, Action: renews,
		Err: fmt.Errorf("%w: its time is over at %s", target.ErrSessionCredential, p.Expires.UTC().Format(time.RFC3339))}
}

const renews = "New upload credentials are asked for and the upload goes on; parts stay."
