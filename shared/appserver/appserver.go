package appserver

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/vod"
)

// VOD is what the API asks of VOD; *vod.Client has it.
type VOD interface {
	videos.Platform
	CreateUploadImage(ctx context.Context, i vod.NewImage) (vod.Ticket, error)
}

// Settings of the API; the zero value is the safe one.
type Settings struct {
	DemoEndpoints bool // serve /demo/*, which anybody may call
	GuestUpload   bool // guests of randomUser may upload and publish
	// RoleARN is the RAM role of getSts: acs:ram::<account>:role/<name>. Empty: getSts is off.
	RoleARN string
	// AllowOrigin is the Access-Control-Allow-Origin of every answer, for browser clients; empty: none.
	AllowOrigin string
	Videos      videos.Settings
}

// Parts are what an API is made of. All but Settings are needed.
type Parts struct {
	Table     table.Table
	VOD       VOD
	Roles     vod.Roles
	Users     Users
	Quotas    Quotas
	Catalogue Catalogue
	Now       func() time.Time
	Rand      io.Reader // safe for concurrent use
	Log       *slog.Logger
	Settings  Settings
}

// API answers the calls of the apps. Safe for concurrent use; it keeps nothing between calls.
type API struct {
	p      Parts
	calls  map[string]call
	videos *videos.Store
}

// New makes an API. It makes no remote call; it warns in the log when anybody may call /demo.
func New(p Parts) *API {
	p.Settings.Videos.OnlyIssued = p.Settings.RoleARN == ""
	a := &API{p: p, calls: map[string]call{}}
	a.videos = videos.New(videos.Parts{Table: p.Table, VOD: p.VOD, Quotas: p.Quotas, Now: p.Now, Rand: p.Rand, Log: p.Log, Settings: p.Settings.Videos})
	for _, c := range calls() {
		if !c.demo || p.Settings.DemoEndpoints {
			a.calls[c.path] = c
		}
	}
	if p.Settings.DemoEndpoints {
		p.Log.Warn("the /demo endpoints are on: anybody who reaches this API gets upload credentials; never use this in earnest")
	}
	return a
}

// Videos gives the videos behind the API, for the functions that move them without a caller: reconcile and vodcallback.
func (a *API) Videos() *videos.Store { return a.videos }

// Work does what is due; for reconcile, every minute.
func (a *API) Work(ctx context.Context) (videos.Report, error) { return a.videos.Work(ctx) }

// Callback takes an event of VOD as a hint; for vodcallback.
func (a *API) Callback(ctx context.Context, e callback.Event) error { return a.videos.Callback(ctx, e) }
