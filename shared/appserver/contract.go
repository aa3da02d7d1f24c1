// Package appserver is the client-facing API that the iOS and Android short-video apps call (reference
// alibaba-vod-and-oss, part c): credentials, users, videos, music and resources, in the demo server's envelope.
//
// It decides who may do what to which video. It does not know Lambda (handler does), the wire form of VOD (vod does), how
// passwords are kept (users) or where the catalogue comes from (catalogue).
package appserver

import (
	"context"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/videos"
)

// Users is what the API needs of *users.Store. Errors are *fault.Error; the sentinels in their chain decide the code:
// users.ErrCredentials (401: unknown user and wrong password alike), users.ErrTaken (403), users.ErrToken (403: missing,
// expired, revoked, foreign), users.ErrClosed (403: sign-up is off), users.ErrTooMany (500 with a text that says when to
// come back), any other Invalid (300 with its text). from is the caller's address.
type Users interface {
	Register(ctx context.Context, name, password, from string) (users.User, error)
	Login(ctx context.Context, name, password, from string) (users.Session, error)
	Random(ctx context.Context, from string) (users.Session, error)
	Rename(ctx context.Context, id, nickname string) error
	// Authenticate gives the user whom a token was issued to. users.ErrToken: nobody's.
	Authenticate(ctx context.Context, token string) (users.User, error)
	// Get reads one user, to be shown beside a video.
	Get(ctx context.Context, id string) (users.User, error)
}

// Quotas is what the API needs of *users.Quotas.
type Quotas interface {
	videos.Quotas
}

// Catalogue is what the API needs of *catalogue.Store. Its types' JSON is the answer's data as it stands (names and
// types of the seed's examples). catalogue.ErrNotFound: no such music, paster or font.
type Catalogue interface {
	// Music gives one page (from 1) and how many there are in all.
	Music(ctx context.Context, page, size int) (list []catalogue.Music, total int, err error)
	PlayPath(ctx context.Context, musicID string) (catalogue.PlayPath, error)
	Pasters(ctx context.Context) ([]catalogue.PasterGroup, error)
	// PasterList: kind is 1 (front) or 2 (rear).
	PasterList(ctx context.Context, id string, kind int) ([]catalogue.Paster, error)
	FrontPasters(ctx context.Context) ([]catalogue.FrontPaster, error)
	TextPasters(ctx context.Context) ([]catalogue.TextGroup, error)
	TextPasterList(ctx context.Context, id string) ([]catalogue.TextPaster, error)
	MVs(ctx context.Context) ([]catalogue.MV, error)
	Fonts(ctx context.Context) ([]catalogue.Font, error)
	Font(ctx context.Context, id string) (catalogue.Font, error)
}

var (
	_ Users     = (*users.Store)(nil)
	_ Quotas    = (*users.Quotas)(nil)
	_ Catalogue = (*catalogue.Store)(nil)
)
