package alivod

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
)

// CoverForms implements target.CoverFormer: a picture (reference a.3: png, jpg, jpeg, gif). Which frame stands for a video
// without one is for the template group's snapshots to say.
func (t *Target) CoverForms() target.CoverForms {
	return target.CoverForms{Picture: true, Types: []string{"image/jpeg", "image/png", "image/gif"}, MaxSize: maxCoverInBytes}
}

// UploadCover implements target.Coverer: the picture goes to OSS by a ticket of its own, and becomes the video's cover. The
// ticket cannot be refreshed; a repeat asks for another.
func (t *Target) UploadCover(ctx context.Context, _ upload.Video, s upload.Session, p target.Picture) (upload.Session, error) {
	const op = "alivod.UploadCover"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Session{}, err
	}
	sess, err := t.session(op, s)
	if err != nil {
		return upload.Session{}, err
	}
	if err := t.CoverForms().Ready(op, "VOD", p); err != nil {
		return upload.Session{}, err
	}
	ext := map[string]string{"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}[p.ContentType]
	ticket, err := t.api.CreateUploadImage(ctx, vod.NewImage{Type: "cover", Ext: ext, Title: "cover of " + sess.VideoID})
	if err != nil {
		return upload.Session{}, fault.Wrap(op, err)
	}
	if err := t.putImage(ctx, op, ticket, p); err != nil {
		return upload.Session{}, err
	}
	at := unsigned(ticket.ImageURL)
	if at == "" {
		at = unsigned(ticket.FileURL)
	}
	if at == "" {
		return upload.Session{}, &fault.Error{Kind: fault.Permanent, Op: op, Actor: fault.ActorOperator, Action: "Ask the platform's support.", Err: errors.New("VOD does not say where the cover is")}
	}
	if err := t.api.UpdateVideoInfo(ctx, vod.Change{ID: sess.VideoID, CoverURL: &at}); err != nil {
		return upload.Session{}, t.gone(op, err)
	}
	s.Cover = p.Ref
	return s, nil
}

func (t *Target) putImage(ctx context.Context, op string, ticket vod.Ticket, p target.Picture) error {
	at, err := vod.DecodeTicket(ticket, t.now(), t.cfg.OSSEndpoint)
	if err != nil {
		return fault.Wrap(op, err)
	}
	c, err := t.store(op, session{Endpoint: at.Endpoint, Region: at.Region, Bucket: at.Bucket, Credential: at.Credential})
	if err != nil {
		return err
	}
	_, err = c.Put(ctx, at.Key, p.ContentType, oss.Body{Size: p.Size, Open: p.Open}, nil)
	return notTheAccount(op, err)
}

// notTheAccount: a refused credential of a picture is no account's token; the next ticket brings another (reference a.4).
func notTheAccount(op string, err error) error {
	if err == nil {
		return nil
	}
	f := *fault.As(fault.Wrap(op, err))
	if errors.Is(err, oss.ErrCredential) {
		f.Kind, f.Actor, f.Action = fault.Retryable, fault.ActorUs, "The picture is sent again."
	}
	return &f
}

// unsigned is a picture's address without its signature, which would end; the platform signs it anew where it shows it.
// What is no address is "".
func unsigned(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return ""
	}
	u.RawQuery, u.Fragment = "", ""
	if s = u.String(); len(s) > 1000 {
		return ""
	}
	return s
}

// Advise implements target.Adviser: VOD goes by the name's extension, so one that says something else is said.
func (t *Target) Advise(v upload.Video) []string {
	out := target.Advice(v)
	if name, err := fileName(v.FileName); err == nil && v.Container != "" && !fits(name, v.Container) {
		out = append(out, fmt.Sprintf("VOD goes by the name's extension, and the file is %s by its bytes.", v.Container))
	}
	return out
}

// fits tells whether an extension is one of a container's.
func fits(name, container string) bool {
	ext, ok := map[string]string{"mp4": ".mp4.m4v.f4v.mov", "mov": ".mov.qt.mp4", "3gp": ".3gp", "webm": ".webm.mkv", "mkv": ".mkv", "flv": ".flv.f4v", "avi": ".avi",
		"mpegts": ".ts.mts.m2t", "mpegps": ".mpg.mpeg.mpe.vob.dat", "asf": ".asf.wmv"}[container]
	return !ok || slices.Contains(strings.Split(ext, "."), strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")))
}
