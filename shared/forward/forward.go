// Package forward is what ingest and vodcallback are on Function Compute: they hold no key of AWS or of a database, verify
// what came, and forward it to our HTTP API (design 2). It is apart from wire so that those binaries link none of what the
// functions on AWS stand on.
package forward

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/retry"
	"github.com/vodlift/vodlift/shared/transport"
)

// Function builds the function called name. It makes no remote call by itself.
//
// There is no table there to hold sealed records, so its keys come from the function's environment. All it can do with
// them is to say that a platform said something, which is a hint in any case (design 4.7):
//
//   - FORWARD_URL, FORWARD_KEY: the API, and the key of the record "forward";
//   - LOG_LEVEL, optional;
//   - vodcallback only: VOD_CALLBACK_URL and VOD_CALLBACK_KEY, DOUYIN_CLIENT_SECRET, each optional, and each with a
//     second of the same name and _NEXT while it is being exchanged. Callbacks without a key are answered with 503.
func Function(_ context.Context, name string) (handler.Function, error) {
	return build(name, os.LookupEnv)
}

func build(name string, lookup func(string) (string, bool)) (handler.Function, error) {
	env, err := readForwardEnv(name, lookup)
	if err != nil {
		return nil, err
	}
	log := handler.NewLog(os.Stdout, env.level)
	client := transport.New(transport.Options{
		Hosts: []string{env.host}, AllowLoopback: loopbackForward, Connect: 1500 * time.Millisecond, TLS: 1500 * time.Millisecond, FirstByte: 10 * time.Second,
		MaxResponse: 1 << 20, Log: log,
	})
	policy := retry.Policy{Attempts: 5, Backoff: retry.Backoff{Base: 200 * time.Millisecond, Cap: 5 * time.Second}}
	if name == "vodcallback" {
		policy = retry.Policy{Attempts: 4, Backoff: retry.Backoff{Base: 100 * time.Millisecond, Cap: 500 * time.Millisecond}}
	}
	f, err := handler.NewForwarder(env.get("FORWARD_URL"), env.get("FORWARD_KEY"), client, time.Now, policy)
	if err != nil {
		return nil, err
	}
	if name == "ingest" {
		return handler.Wrap(name, forwardDrops(f), log, 2*time.Second), nil
	}
	return handler.Wrap(name, forwardCallbacks(f, env, log), log, 500*time.Millisecond), nil
}

func forwardDrops(f *handler.Forwarder) handler.Function {
	return handler.OSSEvent(func(ctx context.Context, d handler.Dropped) error {
		body, err := json.Marshal(d)
		if err != nil {
			return fault.Wrap("forward.Function", err)
		}
		return f.Send(ctx, callback.PathObjectCreated, body)
	})
}

// callbackPatience is how long a platform's request may take with us: both cut it after 5 s, and one that was cut counts
// as lost although we go on.
const callbackPatience = 4 * time.Second

func forwardCallbacks(f *handler.Forwarder, keys handler.CallbackKeys, log *slog.Logger) handler.Function {
	paths := map[string]string{callback.AliVOD: callback.PathVOD, callback.Douyin: callback.PathDouyin}
	c := handler.Callbacks{Keys: keys, Now: time.Now, Log: log, Take: func(ctx context.Context, platform string, body []byte) error {
		ctx, cancel := context.WithTimeout(ctx, callbackPatience)
		defer cancel()
		return f.Send(ctx, paths[platform], body)
	}}
	return handler.FCHTTP(callback.MaxBody, c.Routes())
}

// forwardEnv is the environment of a function on Function Compute. It is the handler.CallbackKeys of vodcallback.
type forwardEnv struct {
	values map[string]string
	host   string
	level  slog.Level
}

func (e forwardEnv) get(name string) string { return e.values[name] }

// VOD gives the configured keys of VOD's callbacks.
func (e forwardEnv) VOD(context.Context) ([]callback.VODKey, error) {
	var keys []callback.VODKey
	for _, next := range []string{"", "_NEXT"} {
		if k := (callback.VODKey{URL: e.get("VOD_CALLBACK_URL" + next), Secret: e.get("VOD_CALLBACK_KEY" + next)}); k.Secret != "" {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// Douyin gives the configured client secrets.
func (e forwardEnv) Douyin(context.Context) ([]string, error) {
	return slices.DeleteFunc([]string{e.get("DOUYIN_CLIENT_SECRET"), e.get("DOUYIN_CLIENT_SECRET_NEXT")}, func(s string) bool { return s == "" }), nil
}

// forwardNames lists what a function reads on Function Compute; the first two are required.
func forwardNames(name string) []string {
	names := []string{"FORWARD_URL", "FORWARD_KEY", "LOG_LEVEL"}
	if name == "vodcallback" {
		names = append(names, "VOD_CALLBACK_URL", "VOD_CALLBACK_KEY", "VOD_CALLBACK_URL_NEXT", "VOD_CALLBACK_KEY_NEXT",
			"DOUYIN_CLIENT_SECRET", "DOUYIN_CLIENT_SECRET_NEXT")
	}
	return names
}

// readForwardEnv reports everything that is missing or wrong at once, and repeats no value.
func readForwardEnv(name string, lookup func(string) (string, bool)) (forwardEnv, error) {
	e := forwardEnv{values: map[string]string{}}
	if name != "ingest" && name != "vodcallback" {
		return e, fault.InvalidField("forward.Function", "name", "ingest or vodcallback", "this function does not run on Function Compute: "+name)
	}
	var bad []string
	for _, n := range forwardNames(name) {
		v, _ := lookup(n)
		e.values[n] = strings.TrimSpace(v)
	}
	for _, n := range forwardNames(name)[:2] {
		if e.get(n) == "" {
			bad = append(bad, "missing: "+n)
		}
	}
	for _, next := range []string{"", "_NEXT"} {
		// A second key may be for the same URL, so only a key without any URL is wrong.
		if u, k := "VOD_CALLBACK_URL"+next, "VOD_CALLBACK_KEY"+next; e.get(k) != "" && e.get(u) == "" {
			if e.values[u] = e.get("VOD_CALLBACK_URL"); e.get(u) == "" {
				bad = append(bad, k+" needs "+u)
			}
		}
	}
	if l := e.get("LOG_LEVEL"); l != "" && e.level.UnmarshalText([]byte(l)) != nil {
		bad = append(bad, "LOG_LEVEL must be DEBUG, INFO, WARN or ERROR")
	}
	if u, err := url.Parse(e.get("FORWARD_URL")); err == nil {
		e.host = u.Host
	}
	if len(bad) == 0 {
		return e, nil
	}
	f := fault.Newf(fault.Invalid, "forward.Function", "the environment of %s: %s", name, strings.Join(bad, "; "))
	f.Effect, f.Actor = fault.EffectNone, fault.ActorOperator
	return e, f
}
