package token_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

const main = upload.Account("douyin/main")

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that only sleeping moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) move(d time.Duration) { c.mu.Lock(); c.t = c.t.Add(d); c.mu.Unlock() }

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() == nil {
		c.move(d)
	}
	return ctx.Err()
}

// platform is an OAuth server of one account that checks what Douyin checks: only the refresh token in force renews.
type platform struct {
	now    func() time.Time
	rotate bool
	life   time.Duration
	// during runs inside Refresh, after the effect: what happens while the answer travels. Its error replaces the answer.
	during func(ctx context.Context) error
	// before fails the call without effect; change spoils the answer.
	before func() error
	change func(*token.Token)

	mu      sync.Mutex
	n       int
	calls   int
	refresh string
	access  string
}

func (p *platform) login(grant string) token.Token {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	p.refresh, p.access = fmt.Sprintf("secret-r%d", p.n), fmt.Sprintf("secret-a%d", p.n)
	return token.Token{Grant: grant, Subject: "open-1", Access: p.access, Refresh: p.refresh, Obtained: p.now(), Expires: p.now().Add(p.life),
		RefreshBy: p.now().Add(30 * 24 * time.Hour), Scopes: []string{"video.create"}}
}

func (p *platform) works(t token.Token) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return t.Access == p.access
}

func (p *platform) Refresh(ctx context.Context, app token.AppKey, old token.Token) (token.Token, error) {
	t, err := p.effect(app, old)
	if err == nil && p.during != nil {
		err = p.during(ctx)
	}
	if err != nil {
		return token.Token{}, err
	}
	if p.change != nil {
		p.change(&t)
	}
	return t, ctx.Err()
}

func (p *platform) effect(app token.AppKey, old token.Token) (token.Token, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.before != nil {
		if err := p.before(); err != nil {
			return token.Token{}, err
		}
	}
	if app.ID != "app-1" || old.Refresh != p.refresh {
		return token.Token{}, &fault.Error{Kind: fault.CredentialsExpired, Op: "platform", Code: "10010", Err: fmt.Errorf("refresh token expired")}
	}
	p.n++
	p.access = fmt.Sprintf("secret-a%d", p.n)
	t := token.Token{Access: p.access, Expires: p.now().Add(p.life)}
	if p.rotate {
		p.refresh = fmt.Sprintf("secret-r%d", p.n)
		t.Refresh, t.RefreshBy, t.Renewals = p.refresh, p.now().Add(30*24*time.Hour), old.Renewals+1
	}
	return t, nil
}

// engine is a database in memory that loses what lose says. Opening one is what costs; benches may share it.
type engine struct {
	db    *sqlite.DB
	lose  func(op string) sqlite.Loss
	users int
	seal  *token.Sealer
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{seal: newSealer(t)}
	db, err := sqlite.OpenMemory(&sqlite.Options{Lose: func(op string) sqlite.Loss {
		if e.lose != nil {
			return e.lose(op)
		}
		return sqlite.NotLost
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	e.db = db
	return e
}

// folder is a part of a table with keys of its own.
type folder struct {
	table.Table
	name string
}

func (f folder) in(k table.Key) table.Key { return table.Key{PK: f.name + k.PK, SK: k.SK} }

func (f folder) Get(ctx context.Context, k table.Key) (table.Item, error) {
	it, err := f.Table.Get(ctx, f.in(k))
	it.PK = strings.TrimPrefix(it.PK, f.name)
	it.Index = nil // a Put writes it anew
	return it, err
}

func (f folder) Put(ctx context.Context, it table.Item, v int64) (int64, error) {
	it.Key = f.in(it.Key)
	places := map[table.Index]table.Place{}
	for i, p := range it.Index {
		places[i] = table.Place{PK: f.name + p.PK, SK: p.SK}
	}
	it.Index = places
	return f.Table.Put(ctx, it, v)
}

func (f folder) QueryIndex(ctx context.Context, q table.IndexQuery) ([]table.Hit, string, error) {
	q.PK = f.name + q.PK
	hits, next, err := f.Table.QueryIndex(ctx, q)
	for i := range hits {
		hits[i].PK = strings.TrimPrefix(hits[i].PK, f.name)
	}
	return hits, next, err
}

func (f folder) Delete(ctx context.Context, k table.Key, v int64) error {
	return f.Table.Delete(ctx, f.in(k), v)
}

// bench is a Keeper over a table in memory, with a login stored.
type bench struct {
	*clock
	*platform
	*engine
	t      *testing.T
	table  table.Table
	cipher *token.Sealer
	vault  *token.Vault
	log    *bytes.Buffer
}

func newBench(t *testing.T) *bench { t.Helper(); return newBenchOn(t, newEngine(t)) }

func newBenchOn(t *testing.T, e *engine) *bench {
	t.Helper()
	e.users++
	b := &bench{t: t, clock: &clock{t: start}, engine: e, log: &bytes.Buffer{}, cipher: e.seal}
	b.platform = &platform{now: b.clock.now, life: time.Hour, rotate: true}
	b.table = folder{e.db, fmt.Sprintf("%d/", e.users)}
	b.lose = nil
	b.vault = token.NewVault(b.table, b.cipher, b.clock.now)
	if err := b.vault.PutApp(t.Context(), "douyin", token.AppKey{ID: "app-1", Secret: "secret-app"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.vault.SaveLogin(t.Context(), main, b.login("g1")); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) keeper(o token.KeeperOptions) *token.Keeper {
	o.Now, o.Sleep, o.Log = b.clock.now, b.clock.sleep, slog.New(slog.NewJSONHandler(b.log, nil))
	o.Random = func() float64 { return 0.5 }
	return token.NewKeeper(b.vault, map[string]token.Refresher{"douyin": b.platform}, &o)
}

func (b *bench) load() token.Token {
	b.t.Helper()
	tok, err := b.vault.Load(b.t.Context(), main)
	if err != nil {
		b.t.Fatal(err)
	}
	return tok
}
