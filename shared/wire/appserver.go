package wire

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/target/alivod"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
	"github.com/vodlift/vodlift/shared/workflow"
)

// Apps are the settings of the AppServer.
type Apps struct {
	appserver.Settings
	// Account is whose credential at VOD is used.
	Account upload.Account
	Users   users.Settings
	Limits  users.Limits
	// Signer makes the addresses of the catalogue's media; nil: play paths are refused.
	Signer catalogue.Signer
}

// apps is the AppServer. It is made at the first call, since its key for addresses is a record of the table.
type apps struct {
	e     Engines
	vault *token.Vault

	mu  sync.Mutex
	api *appserver.API
}

// newCatalogue is the catalogue that the apps are shown. Making it makes no call.
func newCatalogue(e Engines) (*catalogue.Store, error) {
	signer := e.Apps.Signer
	if signer == nil {
		signer = noSigner{}
	}
	return catalogue.New(e.Table, catalogue.Options{Signer: signer, Now: e.Now, Rand: randomOr(e.Rand)})
}

func (a *apps) get(ctx context.Context) (*appserver.API, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.api != nil {
		return a.api, nil
	}
	random := randomOr(a.e.Rand)
	addresses, err := users.LoadAddresses(ctx, a.e.Table, a.e.Cipher, random)
	if err != nil {
		return nil, err
	}
	people, err := users.New(a.e.Table, users.Options{Addresses: addresses, Now: a.e.Now, Rand: random, Settings: a.e.Apps.Users})
	if err != nil {
		return nil, err
	}
	quotas, err := users.NewQuotas(a.e.Table, users.QuotaOptions{Addresses: addresses, Now: a.e.Now, Rand: random, Limits: a.e.Apps.Limits})
	if err != nil {
		return nil, err
	}
	shown, err := newCatalogue(a.e)
	if err != nil {
		return nil, err
	}
	client := vod.New(a.e.VOD.Config, alivod.Provider(a.credential()), a.e.HTTP, &vod.Options{Now: a.e.Now})
	a.api = appserver.New(appserver.Parts{Table: a.e.Table, VOD: client, Roles: client, Users: people, Quotas: quotas, Catalogue: shown,
		Now: a.e.Now, Rand: random, Log: a.e.Log, Settings: a.e.Apps.Settings})
	return a.api, nil
}

// credentialFresh is how long a credential is used before it is looked at again: apps make many calls, and each look
// costs a read and a decryption.
const credentialFresh = 30 * time.Second

func (a *apps) credential() alivod.Credentials {
	var mu sync.Mutex
	var have token.Token
	var at time.Time
	return func(ctx context.Context) (token.Token, error) {
		mu.Lock()
		defer mu.Unlock()
		now := a.e.Now()
		if have.Access != "" && now.Sub(at) < credentialFresh && (have.Expires.IsZero() || now.Add(credentialFresh).Before(have.Expires)) {
			return have, nil
		}
		t, err := a.vault.Load(ctx, a.e.Apps.Account)
		if err != nil {
			return token.Token{}, err
		}
		have, at = t, now
		return t, nil
	}
}

// function serves every route of the apps by one handler: unknown paths get the apps' own envelope.
func (a *apps) function() handler.Function {
	serve := handler.HTTPFunc(func(ctx context.Context, req events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		api, err := a.get(ctx)
		if err != nil {
			return events.APIGatewayV2HTTPResponse{}, err
		}
		return api.Handle(ctx, req)
	})
	m := handler.Multi{HTTP: map[string]handler.HTTPFunc{}}
	for _, family := range []string{"vod", "demo", "user", "music", "resource", "font"} {
		m.HTTP["ANY /"+family+"/{call+}"] = serve
	}
	return m.Function()
}

// work does what is due for the apps' videos.
func (a *apps) work(ctx context.Context) error {
	if a.e.Apps.Account == "" {
		return nil
	}
	api, err := a.get(ctx)
	if err != nil {
		return err
	}
	r, err := api.Work(ctx)
	if r.Looked > 0 {
		a.e.Log.InfoContext(ctx, "the apps' videos were looked after", slog.Any("report", r))
	}
	return err
}

// both takes a callback for the uploads and, where it is of VOD, for the apps' videos: each knows its own. A repeat is
// taken by both, since the first may have failed in one of them.
type both struct {
	w    *workflow.Workflow
	apps *apps
}

func (b both) Callback(ctx context.Context, e callback.Event) (bool, error) {
	first, err := b.w.Callback(ctx, e)
	if e.Platform != callback.AliVOD || b.apps.e.Apps.Account == "" {
		return first, err
	}
	api, aerr := b.apps.get(ctx)
	if aerr == nil {
		aerr = api.Callback(ctx, e)
	}
	return first, errors.Join(err, aerr)
}

// noSigner refuses: there is no bucket for the catalogue's media.
type noSigner struct{}

func (noSigner) SignGet(context.Context, string, time.Duration) (string, time.Time, error) {
	return "", time.Time{}, fault.New(fault.Permanent, "wire.SignGet", "the catalogue's media have no bucket here")
}
