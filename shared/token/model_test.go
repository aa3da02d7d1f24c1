package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
)

// model drives several keepers against one platform that rotates its refresh tokens and takes only the one in force. While
// an answer travels, anything may happen: leases end, clocks jump, others renew, people log in, processes die.
type model struct {
	*bench
	rt      *rapid.T
	grants  int
	grant   string // of the newest login; empty = removed
	lost    bool   // since that login something happened that may cost a rotated token: a crash, a failed save, a revocation
	removed bool
	version int64
	keys    *turning
	rotated map[string]int // renewals of the refresh token that took effect, by grant
	said    *notices
}

// Renew is the platform's renewal of the refresh token; like every answer, it travels.
func (m *model) Renew(ctx context.Context, _ token.AppKey, old token.Token) (token.Token, error) {
	m.platform.mu.Lock()
	good := old.Refresh == m.refresh
	if good {
		m.n++
		m.refresh = fmt.Sprintf("secret-r%d", m.n)
		m.rotated[old.Grant]++
	}
	t := old
	t.Refresh, t.Renewals, t.RefreshBy = m.refresh, old.Renewals+1, m.clock.now().Add(30*day)
	m.platform.mu.Unlock()
	if !good {
		return token.Token{}, &fault.Error{Kind: fault.CredentialsExpired, Op: "platform", Code: "10010", Err: errors.New("refresh token expired")}
	}
	if m.during != nil {
		if err := m.during(ctx); err != nil {
			return token.Token{}, err
		}
	}
	return t, nil
}

func (m *model) keeper() *token.Keeper {
	return token.NewKeeper(m.vault, map[string]token.Refresher{"douyin": m}, &token.KeeperOptions{Now: m.clock.now, Sleep: m.clock.sleep,
		Random: func() float64 { return 0.5 }, Log: slog.New(slog.NewJSONHandler(m.log, nil))})
}

// sweep is one whole run in a process that nothing happens to.
func (m *model) sweep() {
	if _, err := token.NewSweeper(m.keeper(), &token.SweepOptions{Announce: m.said.announce}).Sweep(m.t.Context()); err != nil {
		m.rt.Fatal(err)
	}
}

// rotateKey takes another key; what was sealed before opens, since the old one is kept.
func (m *model) rotateKey() {
	m.keys.turn()
}

const killed = "killed"

// renew is one process that renews; it may die in there.
func (m *model) renew(depth int) {
	refused := int64(0)
	if tok, err := m.vault.Load(m.t.Context(), main); err == nil && rapid.Bool().Draw(m.rt, "refused") {
		refused = tok.Version
	}
	outer := m.during
	defer func() { m.during, m.lose = outer, nil }()
	m.during = func(context.Context) error {
		m.during = nil // the others' answers travel fast, but for those below
		for range rapid.IntRange(0, 3).Draw(m.rt, "meanwhile") {
			m.step(depth + 1)
		}
		switch rapid.IntRange(0, 5).Draw(m.rt, "then") {
		case 0:
			m.lost = true
			m.lose = func(string) sqlite.Loss { return sqlite.LostBefore }
			panic(killed)
		case 1:
			m.lost = true
			return fault.New(fault.Unknown, "platform", "the answer was lost")
		case 2: // the database has its moments
			n := rapid.IntRange(1, 4).Draw(m.rt, "losses")
			m.lose = func(string) sqlite.Loss {
				if n--; n < 0 {
					return sqlite.NotLost
				}
				return sqlite.Loss(rapid.IntRange(int(sqlite.NotLost), int(sqlite.Resent)).Draw(m.rt, "loss"))
			}
		case 3: // the database is gone for good
			m.lost = true
			m.lose = func(string) sqlite.Loss { return sqlite.Refused }
		}
		return nil
	}
	defer func() {
		if p := recover(); p != nil && p != killed {
			panic(p)
		}
	}()
	before := m.log.Len()
	var tok token.Token
	var err error
	ahead := m.clock.now().Add(token.Interval)
	switch rapid.SampledFrom([]string{"refused", "ahead", "rotate", "confirm"}).Draw(m.rt, "why") {
	case "refused":
		tok, err = m.keeper().Renew(m.t.Context(), main, refused)
	case "ahead":
		refused = 0
		tok, err = m.keeper().Ahead(m.t.Context(), main, ahead)
	case "confirm":
		if err = m.keeper().Confirm(m.t.Context(), main); err == nil {
			return
		}
	case "rotate":
		refused = 0
		tok, err = m.keeper().Rotate(m.t.Context(), main, ahead)
	}
	// An answer that was over when it arrived: what it rotated, if anything, was saved, or the error were another.
	useless := err != nil && strings.Contains(err.Error(), "the platform answered without a token")
	switch {
	case err == nil && (tok.Access == "" || tok.Version <= refused):
		m.rt.Fatalf("got %v of version %d, refused was %d", tok, tok.Version, refused)
	case err != nil && fault.KindOf(err) == fault.Unknown && m.lose != nil && !useless && !strings.Contains(m.log.String()[before:], "token_not_saved"):
		m.rt.Fatalf("a token was not saved, and nobody was told: %v", err)
	}
}

func (m *model) login() {
	m.grants++
	tok := m.platform.login(fmt.Sprintf("g%d", m.grants))
	if _, err := m.vault.SaveLogin(m.t.Context(), main, tok); err != nil {
		m.rt.Fatal(err)
	}
	m.grant, m.lost, m.removed = tok.Grant, false, false
}

func (m *model) step(depth int) {
	switch rapid.SampledFrom([]string{"renew", "renew", "renew", "login", "jump", "days", "sweep", "key", "revoke", "hint", "remove", "repeat"}).Draw(m.rt, "step") {
	case "renew":
		if depth < 3 {
			m.renew(depth)
		}
	case "login":
		m.login()
	case "jump":
		m.move(time.Duration(rapid.IntRange(-120, 240).Draw(m.rt, "seconds")) * time.Second)
	case "days":
		m.move(time.Duration(rapid.IntRange(1, 28).Draw(m.rt, "days")) * day)
	case "sweep":
		m.sweep()
	case "key":
		m.rotateKey()
	case "revoke":
		m.lost, m.refresh = true, "secret-revoked"
	case "hint": // true or forged: only the platform's word counts
		if _, err := m.vault.Doubt(m.t.Context(), "douyin", "open-1"); err != nil && m.lose == nil {
			m.rt.Fatal(err)
		}
	case "remove":
		if err := m.vault.Remove(m.t.Context(), main); err != nil {
			m.rt.Fatal(err)
		}
		m.removed = true
	case "repeat": // an old login's save arrives late, once more
		old := token.Token{Grant: fmt.Sprintf("g%d", rapid.IntRange(1, m.grants).Draw(m.rt, "old")), Access: "secret-late", Refresh: "secret-late"}
		if _, err := m.vault.SaveLogin(m.t.Context(), main, old); err != nil && fault.KindOf(err) != fault.Duplicate && !errors.Is(err, token.ErrNoCredential) {
			m.rt.Fatal(err)
		}
	}
}

// check holds whenever nothing is in flight.
func (m *model) check() {
	tok, err := m.vault.Load(m.t.Context(), main)
	if m.removed {
		if !errors.Is(err, token.ErrNoCredential) {
			m.rt.Fatalf("a removed account is back: %v, %v", tok, err)
		}
		return
	}
	switch {
	case err == nil && tok.Grant != m.grant:
		m.rt.Fatalf("got grant %s, the newest login is %s", tok.Grant, m.grant)
	case err == nil && tok.Version < m.version:
		m.rt.Fatalf("version %d after %d", tok.Version, m.version)
	case err == nil && tok.Refresh != m.refresh && !m.lost:
		m.rt.Fatalf("locked out: the stored refresh token is not the one in force, and every save succeeded")
	case err != nil && !m.lost:
		m.rt.Fatalf("dead for no reason: %v", err)
	case err != nil && !strings.Contains(m.log.String(), "account_needs_login"):
		m.rt.Fatalf("dead, and nobody was told: %v", err)
	}
	m.version = max(m.version, tok.Version)
	for grant, n := range m.rotated {
		if n > 5 {
			m.rt.Fatalf("the refresh token of %s was renewed %d times", grant, n)
		}
	}
}

func TestModelAGoodTokenIsNeverLostInSilence(t *testing.T) {
	e := newEngine(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{bench: newBenchOn(t, e), rt: rt, grants: 1, grant: "g1", version: 1, rotated: map[string]int{}, said: &notices{}, keys: &turning{}}
		m.vault = token.NewVault(m.table, token.NewSealer(m.keys, nil), m.clock.now)
		m.rotate = rapid.Bool().Draw(rt, "the platform rotates refresh tokens")
		if err := m.vault.PutApp(t.Context(), "douyin", token.AppKey{ID: "app-1", Secret: "secret-app"}); err != nil {
			rt.Fatal(err)
		}
		m.login()
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			m.step(0)
			m.check()
		}
		// In the end the account works, or somebody was told.
		m.move(2 * time.Hour)
		tok, err := m.keeper().Renew(t.Context(), main, 0)
		if err == nil && !m.works(tok) || err != nil && !errors.Is(err, token.ErrNoCredential) {
			rt.Fatalf("in the end: got %v, %v", tok, err)
		}
		if err == nil && m.removed || err != nil && !m.removed && !strings.Contains(m.log.String(), "account_needs_login") {
			rt.Fatalf("in the end: removed %v, got %v and no alarm", m.removed, err)
		}
		m.sweep()
		if told := slices.ContainsFunc(m.said.all, func(n token.Notice) bool {
			return n.Type == token.NeedsLogin && strings.Contains(n.ID, "#"+m.grant+"#")
		}); err != nil && !m.removed && !told {
			rt.Fatalf("in the end a person is needed, and nobody was told: %v", m.said.all)
		}
		if strings.Contains(m.log.String(), "secret-") {
			rt.Fatalf("a secret in the log: %s", m.log)
		}
	})
}

// turning is a provider whose keys change; all of them open.
type turning struct {
	mu  sync.Mutex
	gen int
}

func (k *turning) turn() { k.mu.Lock(); k.gen++; k.mu.Unlock() }

func (k *turning) Newest(context.Context) (token.DataKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return token.DataKey{ID: fmt.Sprint(k.gen), Key: keyOf(fmt.Sprint(k.gen))}, nil
}

func (k *turning) Find(_ context.Context, id string, _ []byte) ([]byte, error) { return keyOf(id), nil }

func keyOf(id string) []byte { return []byte(fmt.Sprintf("%032s", id)) }
