// Package wire builds the program from its parts. It is the only package that imports concrete adapters (design 3); the
// engines (table, bucket, machine) come from the caller: Function takes those of AWS, the one-machine stack brings its
// own to New.
package wire

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/alivod"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/target/douyinweb"
	"github.com/vodlift/vodlift/shared/target/youku"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/workflow"
)

// Engines are what a program runs on. All are required but where a comment says otherwise.
type Engines struct {
	Table   table.Table
	Cipher  token.Cipher
	Source  source.Source
	Starter workflow.Starter
	Waker   workflow.Waker
	Outside workflow.Outside
	HTTP    *http.Client // of the platforms; see transport.New
	Log     *slog.Logger
	Now     func() time.Time // default time.Now
	Rand    io.Reader        // default crypto/rand
	Routes  manifest.Routes
	Ledger  state.Settings
	Steps   workflow.Settings
	Douyin  douyin.Config
	Youku   youku.Config
	VOD     alivod.Config
	Web     douyinweb.Config // Douyin's creator web
	Apps    Apps
	Lister  workflow.Lister // optional: without it the books list no bucket
	Link    Linker          // optional: without it no platform can fetch a cover, and nothing is handed over
	Margin  time.Duration   // of every function's deadline; default 2 s
	// Place is where the operators' console stands.
	Place console.Place
	// Loopback: redirect addresses of logins may be on loopback, which only fakes take.
	Loopback bool
	// Progress, optional: see workflow.Parts.
	Progress func(upload string, bytes int64)
	// Targets, optional, are further platforms by their word, or stand-ins for known ones.
	Targets map[string]target.Opener
}

// App is the program, wired.
type App struct {
	*workflow.Workflow
	Vault     *token.Vault
	Console   *console.Console
	Functions map[string]handler.Function // by the name of their folder, wrapped
}

// core is what every function stands on.
type core struct {
	e      Engines
	vault  *token.Vault
	keeper *token.Keeper
	w      *workflow.Workflow
}

func newCore(e Engines) *core {
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.Margin <= 0 {
		e.Margin = 2 * time.Second
	}
	k := &core{e: e, vault: token.NewVault(e.Table, e.Cipher, e.Now)}
	k.keeper = token.NewKeeper(k.vault, map[string]token.Refresher{
		"douyin":    douyin.NewRefresher(e.Douyin, e.HTTP, &douyin.Options{Now: e.Now}),
		"youku":     youku.NewRefresher(e.Youku, e.HTTP, &youku.Options{Now: e.Now, Log: e.Log}),
		"alivod":    alivod.NewRefresher(e.VOD, e.HTTP, &alivod.Options{Now: e.Now}),
		"douyinweb": douyinweb.NewRefresher(e.Web, e.HTTP, &douyinweb.Options{Now: e.Now}),
	}, &token.KeeperOptions{Now: e.Now, Log: e.Log, Metric: metric(e.Log)})
	known := platforms(e, e.Loopback)
	k.w = workflow.New(workflow.Parts{
		Subject: func(ctx context.Context, a upload.Account) (string, error) {
			i, err := k.vault.Info(ctx, a)
			if errors.Is(err, token.ErrNoCredential) {
				return "", nil
			}
			return i.Subject, err
		},
		Plain:  func(a upload.Account) any { return known[a.Target()].Validator },
		Ledger: state.New(e.Table, e.Cipher, e.Now, randomOr(e.Rand), e.Ledger), Source: e.Source,
		Targets: &openers{vault: k.vault, now: e.Now, http: e.HTTP, douyin: e.Douyin, youku: e.Youku, vod: e.VOD, web: e.Web, clock: oss.NewClock(e.Now), log: e.Log, more: e.Targets},
		Renewer: renewer{k.keeper}, Starter: e.Starter, Waker: e.Waker, Outside: e.Outside, Routes: e.Routes,
		Lister: e.Lister, Link: e.Link, Metric: metric(e.Log), Listed: listed(e, k.vault), Now: e.Now, Rand: e.Rand, Log: e.Log, Set: e.Steps, Progress: e.Progress,
	})
	return k
}

// metric writes a function's metrics.
func metric(log *slog.Logger) func(ctx context.Context, name, unit string, value float64, dims ...string) {
	return func(ctx context.Context, name, unit string, value float64, dims ...string) {
		handler.Metric(ctx, log, name, unit, value, dims...)
	}
}

// wrapped gives the functions their edge.
func (k *core) wrapped(all map[string]handler.Function) map[string]handler.Function {
	out := map[string]handler.Function{}
	for name, fn := range all {
		out[name] = handler.Wrap(name, fn, k.e.Log, k.e.Margin)
	}
	return out
}

// New wires an App. It makes no remote call.
func New(e Engines) *App {
	k := newCore(e)
	app := &App{Workflow: k.w, Vault: k.vault, Console: newConsole(k), Functions: k.wrapped(steps(k.w))}
	for _, more := range []map[string]handler.Function{drops(k), hub(k, &apps{e: k.e, vault: k.vault}), desk(k, app.Console)} {
		maps.Copy(app.Functions, k.wrapped(more))
	}
	return app
}

func newConsole(k *core) *console.Console {
	e := k.e
	p := console.Parts{Workflow: k.w, Vault: k.vault, Table: e.Table, Platforms: platforms(e, e.Loopback), Records: records(), HTTP: e.HTTP, Place: e.Place}
	if e.Apps.Account != "" {
		c, err := newCatalogue(e)
		if err != nil {
			e.Log.Error("there is no catalogue", "error", err.Error())
		} else {
			p.Catalogue = c
		}
	}
	return console.New(p)
}

// renewer is the Keeper as the workflow wants it.
type renewer struct{ k *token.Keeper }

func (r renewer) RenewAccount(ctx context.Context, a upload.Account, refused int64) error {
	_, err := r.k.Renew(ctx, a, refused)
	return err
}

// openers builds the target of an account with its present token.
type openers struct {
	vault  *token.Vault
	now    func() time.Time
	http   *http.Client
	douyin douyin.Config
	youku  youku.Config
	vod    alivod.Config
	web    douyinweb.Config
	clock  *oss.Clock // of requests to OSS; one for the process, since it learns
	log    *slog.Logger
	more   map[string]target.Opener
}

// OpenTarget loads the account's token once: a step works with one token, and a refused one is known by its version.
func (o *openers) OpenTarget(ctx context.Context, a upload.Account) (target.Target, int64, error) {
	if other, ok := o.more[a.Target()]; ok {
		return other.OpenTarget(ctx, a)
	}
	if !slices.Contains(manifest.KnownTargets(), a.Target()) {
		return nil, 0, unknownTarget(a)
	}
	t, err := o.vault.Load(ctx, a)
	if err != nil {
		return nil, t.Version, err
	}
	// Cookies are renewed by nobody: the creator web's own adapter says that they are over, and a person logs in.
	if a.Target() != "douyinweb" && !t.Expires.IsZero() && !o.now().Before(t.Expires) {
		return nil, t.Version, &fault.Error{Kind: fault.TokenExpired, Op: "wire.OpenTarget", Effect: fault.EffectNone,
			Err: fault.Newf(fault.TokenExpired, string(a), "the token's time was over at %s", t.Expires.UTC().Format(time.RFC3339))}
	}
	cred := func(context.Context) (token.Token, error) { return t, nil }
	switch a.Target() {
	case "alivod":
		return alivod.New(o.vod, o.http, cred, &alivod.Options{Now: o.now, Clock: o.clock}), t.Version, nil
	case "douyinweb":
		return douyinweb.New(o.web, o.http, cred, &douyinweb.Options{Now: o.now}), t.Version, nil
	case "youku":
		app := func(ctx context.Context) (token.AppKey, error) { return o.vault.App(ctx, "youku") }
		return youku.New(o.youku, o.http, app, cred, &youku.Options{Now: o.now, Clock: o.clock, Log: o.log, Password: o.watchPassword}), t.Version, nil
	}
	app := func(ctx context.Context) (token.AppKey, error) { return o.vault.App(ctx, "douyin") }
	return douyin.New(o.douyin, o.http, cred, &douyin.Options{Now: o.now, App: app}), t.Version, nil
}

// WatchPasswordPrefix begins the name under which a watch password of Youku is kept, beside the apps' keys: sealed, and
// never in a manifest. manifest.youku names it without the prefix.
const WatchPasswordPrefix = "youku-watch-"

func (o *openers) watchPassword(ctx context.Context, name string) (string, error) {
	k, err := o.vault.App(ctx, WatchPasswordPrefix+name)
	return k.Secret, err
}

// Limits of the account's platform.
func (o *openers) Limits(a upload.Account) (upload.Limits, error) {
	if other, ok := o.more[a.Target()]; ok {
		return other.Limits(a)
	}
	switch a.Target() {
	case "douyin":
		return douyin.Limits(o.douyin), nil
	case "youku":
		return youku.Limits(o.youku), nil
	case "alivod":
		return alivod.Limits(o.vod), nil
	case "douyinweb":
		return douyinweb.Limits(o.web), nil
	}
	return upload.Limits{}, unknownTarget(a)
}

func unknownTarget(a upload.Account) error {
	return fault.InvalidField("wire.OpenTarget", "account", "a known target", "there is no target "+a.Target())
}

// hostOf is the host of a base address; the platform's own where none is given.
func hostOf(base string) string {
	if base == "" {
		base = douyin.DefaultBase
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "invalid.invalid" // refused by the transport
	}
	return u.Host
}
