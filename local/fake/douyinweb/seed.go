package douyinweb

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/vodlift/vodlift/local/fake"
)

// PostByHand adds a post that the user made on the site: it is in the lists, and no effect of ours.
func (s *Server) PostByHand(uid, text string) (itemID string, err error) {
	err = s.change(uid, func(a *account) {
		p := &post{Seq: s.seq(), ItemID: s.digits(19), UID: uid, Text: text, Created: s.o.Now()}
		s.st.Posts = append(s.st.Posts, p)
		itemID = p.ItemID
	})
	return itemID, err
}

// Effects is a snapshot of what was made, oldest first: every create is a post, every confirmed video an asset. A post's
// Fields are the form that made it.
func (s *Server) Effects() fake.Effects {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := fake.Effects{Posts: []fake.Post{}, Assets: []fake.Asset{}}
	titles := map[string]string{}
	for _, p := range s.st.Posts {
		sl := s.st.Slots[p.VID]
		if sl == nil { // made by hand
			continue
		}
		e.Posts = append(e.Posts, fake.Post{ID: p.ItemID, Account: p.UID, Asset: p.VID, Title: p.Text, Size: sl.Size,
			SHA256: sl.SHA256, Time: p.Created, Fields: p.Fields})
		titles[p.VID] = p.Text
	}
	for _, sl := range s.st.Slots {
		if sl.OID != "" {
			e.Assets = append(e.Assets, fake.Asset{ID: sl.VID, Account: sl.UID, Title: titles[sl.VID], Size: sl.Size,
				SHA256: sl.SHA256, Time: sl.Confirmed, Posts: sl.Posts})
		}
	}
	slices.SortFunc(e.Assets, func(a, b fake.Asset) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	return e
}

// Object names the stored object behind a confirmed video, for Storage.Open; empty where there is none.
func (s *Server) Object(vid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.st.Slots[vid]; sl != nil {
		return sl.OID
	}
	return ""
}

// Poster tells which frame a confirmed video has as its cover: the poster's oid, poster_ss and is_exact_poster of the last
// confirm; an empty oid where there is none.
func (s *Server) Poster(vid string) (oid string, second float64, exact bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.st.Slots[vid]; sl != nil {
		return sl.Poster, sl.PosterSS, sl.Exact
	}
	return "", 0, false
}

// Inject arms a fault; see fake.Fault. Op is one of Ops, Shape a drift.Shape. On a call of the site a Token expires the
// login, revokes it, or replaces its cookies; on a call of the gateway every word ends the upload credential.
func (s *Server) Inject(f fake.Fault) error { return s.panel.Inject(f) }

// ClearFaults disarms all faults.
func (s *Server) ClearFaults() { s.panel.ClearFaults() }

// Faults lists the faults still armed.
func (s *Server) Faults() []fake.Fault { return s.panel.Faults() }

// Requests lists the logged requests after number n.
func (s *Server) Requests(n int64) []fake.Request { return s.panel.Requests(n) }

// Counters sums up requests per operation.
func (s *Server) Counters() map[string]fake.Counter { return s.panel.Counters() }

// spoil is the panel's hook for Fault.Token. A call that names no account we know spoils nothing.
func (s *Server) spoil(_, uid, what string, r *http.Request) error {
	switch {
	case uid == "":
		return nil
	case isGateway(r.URL.Path):
		return s.EndCredentials(uid)
	case what == fake.TokenExpire:
		return s.Expire(uid)
	case what == fake.TokenRevoke:
		return s.Logout(uid)
	}
	_, err := s.Login(uid)
	return err
}
