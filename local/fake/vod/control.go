package vod

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/vodlift/vodlift/local/fake"
)

// serveControl answers this fake's own control calls and leaves the rest to the panel. It checks the key; Host and Origin
// are the listener's business.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, fake.Prefix)
	if name != "vod" && name != "scripts" && name != "callbacks" && !strings.HasPrefix(name, "callbacks/") {
		s.panel.ServeHTTP(w, r)
		return
	}
	if s.o.ControlKey != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get(fake.KeyHeader)), []byte(s.o.ControlKey)) != 1 {
		writeJSON(w, http.StatusForbidden, map[string]string{"error": "the header " + fake.KeyHeader + " is missing or wrong"})
		return
	}
	v, err := s.control(r, r.Method+" "+name)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errNoCall) {
			status = http.StatusNotFound
		}
		writeJSON(w, status, map[string]string{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, v)
}

var errNoCall = errors.New("no such control call")

func (s *Server) control(r *http.Request, call string) (any, error) {
	switch call {
	case "GET vod":
		return map[string]any{"videos": s.Videos(), "counts": s.Counts()}, nil
	case "GET callbacks":
		since, err := strconv.ParseInt("0"+r.URL.Query().Get("since"), 10, 64)
		if err != nil {
			return nil, errors.New("since: want a number")
		}
		return map[string]any{"callbacks": s.Callbacks(since), "waiting": s.waiting(), "rules": s.mistreatments()}, nil
	case "POST callbacks/rules":
		var m Mistreatment
		if err := decode(r, &m); err != nil {
			return nil, err
		}
		return map[string]bool{"ok": true}, s.Mistreat(m)
	case "DELETE callbacks/rules":
		s.TreatWell()
		return map[string]bool{"ok": true}, nil
	case "POST callbacks/release":
		n, err := s.Release(r.Context(), r.URL.Query().Get("order"))
		return map[string]int{"released": n}, err
	case "POST callbacks/forge":
		var f Forgery
		if err := decode(r, &f); err != nil {
			return nil, err
		}
		statuses, err := s.Forge(r.Context(), f)
		return map[string]any{"statuses": statuses}, err
	case "POST callbacks/replay":
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil {
			return nil, errors.New("n: want a number")
		}
		statuses, err := s.Replay(r.Context(), n)
		return map[string]any{"statuses": statuses}, err
	case "POST scripts":
		var sc Script
		if err := decode(r, &sc); err != nil {
			return nil, err
		}
		return map[string]bool{"ok": true}, s.SetScript(sc)
	}
	return nil, errNoCall
}

// waiting is a callback that is neither answered nor given up, without its body.
type waiting struct {
	Event   string `json:"event"`
	Media   string `json:"media"`
	Attempt int    `json:"attempt"`
	Held    bool   `json:"held,omitempty"`
}

func (s *Server) waiting() []waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []waiting{}
	for _, m := range s.st.Outbox {
		out = append(out, waiting{m.Event, m.Media, m.Attempt, m.Held})
	}
	return out
}

func (s *Server) mistreatments() []Mistreatment {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Mistreatment{}
	for _, r := range s.rules {
		out = append(out, r.Mistreatment)
	}
	return out
}

func decode(r *http.Request, v any) error {
	if ct, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); ct != "application/json" {
		return errors.New("want Content-Type application/json")
	}
	d := json.NewDecoder(io.LimitReader(r.Body, 1<<16))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(v) //nolint:errcheck // a client that left changes nothing here
}
