package douyin

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// Grant is what a user's consent gave an app: secrets, so it prints only ids and ends.
type Grant struct {
	ClientKey      string
	OpenID         string
	Scopes         []string
	AccessToken    string
	AccessExpires  time.Time
	RefreshToken   string
	RefreshExpires time.Time
}

// String names the grant without its tokens.
func (g Grant) String() string {
	return fmt.Sprintf("douyin grant %s of %s, access until %s, refresh until %s", g.OpenID, g.ClientKey,
		g.AccessExpires.Format(time.RFC3339), g.RefreshExpires.Format(time.RFC3339))
}

// GoString keeps the tokens out of %#v too.
func (g Grant) GoString() string { return g.String() }

// LogValue keeps the tokens out of logs.
func (g Grant) LogValue() slog.Value { return slog.StringValue(g.String()) }

func (a *account) toGrant() Grant {
	return Grant{a.ClientKey, a.OpenID, slices.Clone(a.Scopes), a.Access.Value, a.Access.Expires, a.Refresh.Value, a.Refresh.Expires}
}

// AddAccount makes a user who has granted scopes (nil: all the app holds) to the first app. An account that the folder
// already knows is returned as it stands: the platform remembers, whoever seeds it again.
func (s *Server) AddAccount(openID string, scopes []string) (Grant, error) {
	return s.AddAccountTo(s.o.Apps[0].ClientKey, openID, scopes)
}

// AddAccountTo is AddAccount for any app. An open_id belongs to one app.
func (s *Server) AddAccountTo(clientKey, openID string, scopes []string) (Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, found := s.app(clientKey)
	if !found || openID == "" {
		return Grant{}, fmt.Errorf("fake douyin: no app %q, or no open_id", clientKey)
	}
	if old := s.st.Accounts[openID]; old != nil {
		if old.ClientKey != clientKey {
			return Grant{}, fmt.Errorf("fake douyin: %s belongs to app %s", openID, old.ClientKey)
		}
		return old.toGrant(), nil
	}
	if scopes == nil {
		scopes = app.Scopes
	}
	return s.grant(clientKey, openID, scopes).toGrant(), s.save()
}

// change applies f to an account and makes it durable.
func (s *Server) change(openID string, f func(*account)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.st.Accounts[openID]
	if a == nil {
		return fmt.Errorf("fake douyin: no account %q", openID)
	}
	f(a)
	return s.save()
}

// Grant returns the account's tokens as they stand now.
func (s *Server) Grant(openID string) (Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.st.Accounts[openID]; a != nil {
		return a.toGrant(), nil
	}
	return Grant{}, fmt.Errorf("fake douyin: no account %q", openID)
}

// ExpireAccess ends the access token's life; the refresh token still works.
func (s *Server) ExpireAccess(openID string) error {
	return s.change(openID, func(a *account) { a.Access.Expires = s.o.Now() })
}

// ExpireRefresh ends the refresh token's life.
func (s *Server) ExpireRefresh(openID string) error {
	return s.change(openID, func(a *account) { a.Refresh.Expires = s.o.Now() })
}

// Revoke withdraws the user's grant: both tokens die at once.
func (s *Server) Revoke(openID string) error {
	return s.change(openID, func(a *account) { a.Revoked = true })
}

// Rotate replaces the access token behind the client's back; the old one is invalid, not expired.
func (s *Server) Rotate(openID string) error {
	return s.change(openID, func(a *account) { a.Access.Value = s.token("act.") })
}

// SetAccount puts a user into a lasting condition, or OK.
func (s *Server) SetAccount(openID string, c Condition) error {
	return s.change(openID, func(a *account) { a.Condition = c })
}

// SetApp puts an app into a lasting condition, or OK.
func (s *Server) SetApp(clientKey string, c Condition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, found := s.app(clientKey); !found {
		return fmt.Errorf("fake douyin: no app %q", clientKey)
	}
	s.st.Apps[clientKey] = c
	return s.save()
}

// PostByHand adds a post that the user made in their own app: it is in the list, and no effect of ours.
func (s *Server) PostByHand(openID, title string) (itemID string, err error) {
	err = s.change(openID, func(a *account) {
		p := &post{Seq: s.seq(), ItemID: s.itemID(), PublicID: s.publicID(), ClientKey: a.ClientKey, OpenID: openID,
			Text: title, Created: s.o.Now(), ByHand: true}
		s.st.Posts = append(s.st.Posts, p)
		itemID = p.ItemID
	})
	return itemID, err
}

// Pin puts a post on top of its user's list, as users do in the app.
func (s *Server) Pin(itemID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.st.Posts {
		if p.ItemID == itemID {
			p.Pinned = true
			return s.save()
		}
	}
	return fmt.Errorf("fake douyin: no such post")
}

// Effects is a snapshot of what was made through the API, oldest first.
func (s *Server) Effects() fake.Effects {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := fake.Effects{Posts: []fake.Post{}, Assets: []fake.Asset{}}
	titles := map[string]string{}
	for _, p := range s.st.Posts {
		if v := s.st.Videos[p.VideoID]; v != nil && !p.ByHand {
			e.Posts = append(e.Posts, fake.Post{ID: p.ItemID, Account: p.OpenID, Asset: v.ID, Title: p.Text, Size: v.Size,
				SHA256: v.SHA256, Time: p.Created, Deleted: p.Deleted, Fields: p.Fields})
			titles[v.ID] = p.Text
		}
	}
	for _, v := range s.st.Videos {
		title := titles[v.ID]
		if title == "" {
			title = v.Name
		}
		e.Assets = append(e.Assets, fake.Asset{ID: v.ID, Account: v.OpenID, Title: title, Size: v.Size, SHA256: v.SHA256,
			Time: v.Created, Parts: v.Parts, Posts: v.Posts})
	}
	slices.SortFunc(e.Assets, func(a, b fake.Asset) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return e
}

// OpenAsset opens the bytes of a finished video; only with Options.KeepBytes. The caller closes it.
func (s *Server) OpenAsset(videoID string) (io.ReadCloser, error) {
	s.mu.Lock()
	v := s.st.Videos[videoID]
	s.mu.Unlock()
	if v == nil || !s.o.KeepBytes {
		return nil, errors.New("fake douyin: no such asset, or bytes are not kept")
	}
	return os.Open(s.path("assets", v.ID))
}

// Inject arms a fault; see fake.Fault. Op is one of Ops.
func (s *Server) Inject(f fake.Fault) error { return s.panel.Inject(f) }

// ClearFaults disarms all faults.
func (s *Server) ClearFaults() { s.panel.ClearFaults() }

// Faults lists the faults still armed.
func (s *Server) Faults() []fake.Fault { return s.panel.Faults() }

// Requests lists the logged requests after number n.
func (s *Server) Requests(n int64) []fake.Request { return s.panel.Requests(n) }

// Counters sums up requests per operation.
func (s *Server) Counters() map[string]fake.Counter { return s.panel.Counters() }

// spoilToken is the panel's hook for Fault.Token. A call that names no account we know spoils nothing.
func (s *Server) spoilToken(_, openID, what string, r *http.Request) error {
	s.mu.Lock()
	if openID == "" {
		openID = s.oauthAccount(r)
	}
	known := s.st.Accounts[openID] != nil
	s.mu.Unlock()
	switch {
	case !known:
		return nil
	case what == fake.TokenExpire:
		return s.ExpireAccess(openID)
	case what == fake.TokenRevoke:
		return s.Revoke(openID)
	}
	return s.Rotate(openID)
}

// oauthAccount is whom an OAuth call is about, by its code or its refresh token, which after the effect of a renewal is
// the former one. Called with s.mu held.
func (s *Server) oauthAccount(r *http.Request) string {
	if !isType(r, "application/x-www-form-urlencoded") || r.ParseForm() != nil {
		return ""
	}
	if code := s.st.Codes[r.PostForm.Get("code")]; code != nil {
		return code.OpenID
	}
	value := r.PostForm.Get("refresh_token")
	for _, a := range s.st.Accounts {
		if value != "" && (a.Refresh.Value == value || a.Former.Value == value) {
			return a.OpenID
		}
	}
	return ""
}
