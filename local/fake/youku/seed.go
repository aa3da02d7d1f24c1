package youku

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// Grant is what a user's consent gave an app: secrets, so it prints only names and ends.
type Grant struct {
	ClientID       string
	Account        string
	AccessToken    string
	AccessExpires  time.Time
	RefreshToken   string
	RefreshExpires time.Time // zero: no end
}

// String names the grant without its tokens.
func (g Grant) String() string {
	return fmt.Sprintf("youku grant %s of %s, access until %s", g.Account, g.ClientID, g.AccessExpires.Format(time.RFC3339))
}

// GoString keeps the tokens out of %#v too.
func (g Grant) GoString() string { return g.String() }

// LogValue keeps the tokens out of logs.
func (g Grant) LogValue() slog.Value { return slog.StringValue(g.String()) }

func (a *account) toGrant() Grant {
	return Grant{a.ClientID, a.Name, a.Access[0].Value, a.Access[0].Expires, a.Refresh.Value, a.Refresh.Expires}
}

// AddAccount makes a user who has granted the first app everything, as one does by hand in the platform's console
// (ref. 1). An account that the folder already knows is returned as it stands: the platform remembers, whoever seeds it
// again.
func (s *Server) AddAccount(name string) (Grant, error) {
	return s.AddAccountTo(s.o.Apps[0].ClientID, name)
}

// AddAccountTo is AddAccount for any app. An account belongs to one app.
func (s *Server) AddAccountTo(clientID, name string) (Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.app(clientID); !known || name == "" {
		return Grant{}, fmt.Errorf("fake youku: no app %q, or no name", clientID)
	}
	if old := s.st.Accounts[name]; old != nil {
		if old.ClientID != clientID {
			return Grant{}, fmt.Errorf("fake youku: %s belongs to app %s", name, old.ClientID)
		}
		return old.toGrant(), nil
	}
	a := &account{Name: name, ClientID: clientID, Refresh: s.newRefresh(s.o.Now())}
	s.newAccess(a, s.o.Now())
	s.st.Accounts[name] = a
	return a.toGrant(), s.save()
}

// change applies f to an account and makes it durable.
func (s *Server) change(name string, f func(*account)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.st.Accounts[name]
	if a == nil {
		return fmt.Errorf("fake youku: no account %q", name)
	}
	f(a)
	return s.save()
}

// Grant returns the account's tokens as they stand now.
func (s *Server) Grant(name string) (Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.st.Accounts[name]; a != nil {
		return a.toGrant(), nil
	}
	return Grant{}, fmt.Errorf("fake youku: no account %q", name)
}

// ExpireAccess ends the access token's life: 1009. The refresh token still works.
func (s *Server) ExpireAccess(name string) error {
	return s.change(name, func(a *account) { a.Access[0].Expires = s.o.Now() })
}

// ExpireRefresh ends the refresh token's life: 130011207.
func (s *Server) ExpireRefresh(name string) error {
	return s.change(name, func(a *account) { a.Refresh.Expires = s.o.Now() })
}

// Revoke withdraws the user's grant: 1008 and 130011207 from now on.
func (s *Server) Revoke(name string) error {
	return s.change(name, func(a *account) { a.Revoked = true })
}

// Rotate replaces the access token behind the client's back: the old one is invalid (1008), not expired.
func (s *Server) Rotate(name string) error {
	return s.change(name, func(a *account) { a.Access = nil; s.newAccess(a, s.o.Now()) })
}

// Login is the user's authorising again by hand, after Revoke for one: a new pair of tokens.
func (s *Server) Login(name string) (Grant, error) {
	var g Grant
	err := s.change(name, func(a *account) {
		a.Revoked, a.Former, a.Refresh = false, tokenLife{}, s.newRefresh(s.o.Now())
		s.newAccess(a, s.o.Now())
		g = a.toGrant()
	})
	return g, err
}

// SetOutcome says in which state the videos end that the account creates from now on. Empty is Normal.
func (s *Server) SetOutcome(name string, end State) error {
	return s.change(name, func(a *account) { a.Outcome = end })
}

// SetState puts a committed video into a state at once and for good; empty lets time decide again.
func (s *Server) SetState(videoID string, now State) error {
	return s.changeVideo(videoID, func(u *upload) { u.Forced = now })
}

// Delete removes a committed video, as its user may on the site: videos/show does not know it any more.
func (s *Server) Delete(videoID string) error {
	return s.changeVideo(videoID, func(u *upload) { u.Deleted = true })
}

func (s *Server) changeVideo(videoID string, f func(*upload)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.st.byVideo[videoID]
	if u == nil || u.Status != committed {
		return fmt.Errorf("fake youku: no committed video %q", videoID)
	}
	f(u)
	return s.save()
}

// spoilToken is the panel's hook for Fault.Token. A call that names no account we know spoils nothing.
func (s *Server) spoilToken(_, name, what string, _ *http.Request) error {
	switch {
	case name == "":
		return nil
	case what == fake.TokenExpire:
		return s.ExpireAccess(name)
	case what == fake.TokenRevoke:
		return s.Revoke(name)
	}
	return s.Rotate(name)
}

// Video is one upload, whatever became of it. It holds no secret.
type Video struct {
	ID             string            `json:"id"`
	Account        string            `json:"account"`
	Bucket         string            `json:"bucket,omitempty"`
	Object         string            `json:"object,omitempty"`
	Status         string            `json:"status"`                    // open, committed, cancelled, spent
	State          State             `json:"state,omitempty"`           // once committed
	Declared       Object            `json:"declared"`                  // by create
	Stored         Object            `json:"stored,omitzero"`           // as found at commit
	Fields         map[string]string `json:"fields"`                    // of create, without secrets
	PasswordSHA256 string            `json:"password_sha256,omitempty"` // of the watch_password
	Created        time.Time         `json:"created"`
	Committed      time.Time         `json:"committed,omitzero"`
	Deleted        bool              `json:"deleted,omitempty"`
}

// Videos lists all uploads, oldest first. The caller owns the list.
func (s *Server) Videos() []Video {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Video, 0, len(s.st.Uploads))
	for _, u := range s.st.Uploads {
		out = append(out, s.video(u))
	}
	return out
}

func (s *Server) video(u *upload) Video {
	v := Video{ID: u.VideoID, Account: u.Account, Bucket: u.Bucket, Object: u.Object, Status: string(u.Status),
		Declared: Object{Size: u.Size, MD5: u.MD5}, Stored: u.Stored, Fields: map[string]string{}, PasswordSHA256: u.Password,
		Created: u.Created, Committed: u.Committed, Deleted: u.Deleted}
	for k, f := range u.Fields {
		v.Fields[k] = f
	}
	if u.Status == committed {
		v.State = s.stateOf(u, s.o.Now())
	}
	return v
}

// effectFields is what Post.Fields holds: the video's state and MD5 beside the fields of create.
type effectFields struct {
	State  State             `json:"state"`
	MD5    string            `json:"md5,omitempty"`
	Object string            `json:"object,omitempty"`
	Create map[string]string `json:"create"`
}

// Effects is a snapshot of what was published: one post, of one asset, for each committed upload, in the order of the
// creates. Post.Fields has the state and the MD5.
func (s *Server) Effects() fake.Effects {
	e := fake.Effects{Posts: []fake.Post{}, Assets: []fake.Asset{}}
	for _, v := range s.Videos() {
		if v.Status != string(committed) {
			continue
		}
		fields, err := json.Marshal(effectFields{v.State, v.Stored.MD5, v.Object, v.Fields})
		if err != nil {
			panic(err) // strings always marshal
		}
		e.Posts = append(e.Posts, fake.Post{ID: v.ID, Account: v.Account, Asset: v.ID, Title: v.Fields["title"], Size: v.Stored.Size,
			SHA256: v.Stored.SHA256, Time: v.Committed, Deleted: v.Deleted, Fields: fields})
		e.Assets = append(e.Assets, fake.Asset{ID: v.ID, Account: v.Account, Title: v.Fields["title"], Size: v.Stored.Size,
			SHA256: v.Stored.SHA256, Time: v.Committed, Posts: 1})
	}
	return e
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
