package wire

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/workflow"
)

// The records of the vault that callbacks and forwarded requests are checked with. Each may have a second one of the
// same name and nextKey, which is in force as well while the key is being exchanged.
const (
	// VODCallbackKey has the configured URL as its text was entered at VOD as ID, and the key as Secret.
	VODCallbackKey = "vod-callback"
	// DouyinKey is the app itself: its Secret signs the webhooks.
	DouyinKey = "douyin"
	// ForwardKey has any ID; its Secret signs what Function Compute forwards.
	ForwardKey = "forward"

	nextKey = "-next"
)

// callbackTaker is the workflow as vodcallback needs it.
type callbackTaker interface {
	Callback(ctx context.Context, e callback.Event) (first bool, err error)
}

// dropTaker is the workflow as a forwarded drop needs it.
type dropTaker interface {
	Ingest(ctx context.Context, o source.Object) (workflow.Ingested, error)
}

// callbackParts are what the doors for callbacks and forwarded requests stand on.
type callbackParts struct {
	keys  *callbackKeys
	marks handler.Marks
	now   func() time.Time
	log   *slog.Logger
}

// newCallbackParts takes a vault and a table from the engines; e.Now is set.
func newCallbackParts(e Engines, v *token.Vault) callbackParts {
	return callbackParts{keys: &callbackKeys{vault: v, now: e.Now}, marks: forwardMarks{e.Table}, now: e.Now, log: e.Log}
}

func (p callbackParts) forwards() handler.Forwards {
	return handler.Forwards{Keys: p.keys.Forward, Marks: p.marks, Now: p.now, Log: p.log}
}

// vodcallback takes what platforms say: at our own door, or forwarded by Function Compute.
func vodcallback(w callbackTaker, p callbackParts) handler.Function {
	take := func(ctx context.Context, platform string, body []byte) error {
		parse := callback.ParseVOD
		if platform == callback.Douyin {
			parse = callback.ParseDouyin
		}
		e := parse(body)
		_, err := w.Callback(ctx, e)
		if g := e.Fields.Grant; err == nil && g != nil && !g.Given {
			// A hint: the next sweep asks the platform. Also for a repeat, since the first may have ended before this.
			_, err = p.keys.vault.Doubt(ctx, e.Platform, e.Fields.OpenID)
		}
		return err
	}
	of := func(platform string) func(context.Context, []byte) error {
		return func(ctx context.Context, body []byte) error { return take(ctx, platform, body) }
	}
	routes := handler.Callbacks{Keys: p.keys, Take: take, Now: p.now, Log: p.log}.Routes()
	f := p.forwards()
	routes["POST "+callback.PathVOD] = f.Serve(callback.PathVOD, of(callback.AliVOD))
	routes["POST "+callback.PathDouyin] = f.Serve(callback.PathDouyin, of(callback.Douyin))
	m := handler.Multi{HTTP: map[string]handler.HTTPFunc{}}
	for route, fn := range routes {
		m.HTTP[route] = handler.Raw(callback.MaxBody, fn)
	}
	return m.Function()
}

// forwardedDrop takes an OSS object that Function Compute forwarded: ingest's route "POST /forwarded/object-created".
func forwardedDrop(w dropTaker, p callbackParts) handler.HTTPFunc {
	return handler.Raw(handler.MaxBodyBytes, p.forwards().Serve(callback.PathObjectCreated, func(ctx context.Context, body []byte) error {
		var d handler.Dropped
		if err := handler.Decode(body, &d, true); err != nil {
			return err
		}
		keys := []string{d.Key}
		// Whether OSS encodes the key in its events is not documented (reference e.1): what is not there as it was written
		// may be there decoded.
		if plain, err := url.PathUnescape(d.Key); err == nil && plain != d.Key {
			keys = append(keys, plain)
		}
		for _, key := range keys {
			in, err := w.Ingest(ctx, source.Object{Bucket: d.Bucket, Key: key, ETag: d.ETag, Size: d.Size})
			if err != nil {
				return err
			}
			p.log.InfoContext(ctx, "forwarded drop", "bucket", d.Bucket, "publication", in.Publication, "reason", in.Reason)
			if in.Publication != "" {
				break
			}
		}
		return nil
	}))
}

// keysFor is how long keys are used before they are read again: a forged request should not cost a decryption each.
// A missing key is looked for every time, since somebody waits for it.
const keysFor = time.Minute

// callbackKeys reads the records above. Safe for concurrent use.
type callbackKeys struct {
	vault *token.Vault
	now   func() time.Time

	mu   sync.Mutex
	held map[string]heldKeys
}

type heldKeys struct {
	keys  []token.AppKey
	until time.Time
}

func (c *callbackKeys) read(ctx context.Context, name string) ([]token.AppKey, error) {
	c.mu.Lock()
	h, ok := c.held[name]
	c.mu.Unlock()
	if ok && c.now().Before(h.until) {
		return h.keys, nil
	}
	var keys []token.AppKey
	for _, n := range []string{name, name + nextKey} {
		k, err := c.vault.App(ctx, n)
		if errors.Is(err, token.ErrNoApp) {
			continue
		}
		if err != nil {
			return nil, fault.Wrap("wire.callbackKeys", err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = map[string]heldKeys{}
	}
	c.held[name] = heldKeys{keys: keys, until: c.now().Add(keysFor)}
	return keys, nil
}

// VOD gives the keys of VOD's callbacks.
func (c *callbackKeys) VOD(ctx context.Context) ([]callback.VODKey, error) {
	all, err := c.read(ctx, VODCallbackKey)
	var keys []callback.VODKey
	for _, k := range all {
		keys = append(keys, callback.VODKey{URL: k.ID, Secret: k.Secret})
	}
	return keys, err
}

// Douyin gives the app's secrets.
func (c *callbackKeys) Douyin(ctx context.Context) ([]string, error) {
	return c.secrets(ctx, DouyinKey)
}

// Forward gives the keys of our own functions on Function Compute.
func (c *callbackKeys) Forward(ctx context.Context) ([]string, error) {
	return c.secrets(ctx, ForwardKey)
}

func (c *callbackKeys) secrets(ctx context.Context, name string) ([]string, error) {
	all, err := c.read(ctx, name)
	var secrets []string
	for _, k := range all {
		secrets = append(secrets, k.Secret)
	}
	return slices.DeleteFunc(secrets, func(s string) bool { return s == "" }), err
}

// forwardMarks keeps handler.Marks in the table.
type forwardMarks struct{ table table.Table }

var _ handler.Marks = forwardMarks{}

func markKey(key string) table.Key { return table.Key{PK: "CB#forward#" + key, SK: "-"} }

// Seen looks, consistently.
func (m forwardMarks) Seen(ctx context.Context, key string) (bool, error) {
	_, err := m.table.Get(ctx, markKey(key))
	if errors.Is(err, table.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Once is a conditional create.
func (m forwardMarks) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	_, err := m.table.Put(ctx, table.Item{Key: markKey(key), Doc: json.RawMessage("{}"), Expires: until}, table.Absent)
	if errors.Is(err, table.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}
