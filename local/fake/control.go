package fake

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Prefix is where the control calls of every fake live. No platform has paths there.
const Prefix = "/_fake/"

// KeyHeader carries the control key.
const KeyHeader = "X-Vodlift-Key"

// ServeHTTP answers the control calls. It checks the key; Host and Origin are the listener's business.
func (p *Panel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.o.Key != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get(KeyHeader)), []byte(p.o.Key)) != 1 {
		writeJSON(w, http.StatusForbidden, problem{"the header " + KeyHeader + " is missing or wrong"})
		return
	}
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, Prefix) {
	case "GET effects":
		writeJSON(w, http.StatusOK, p.h.Effects())
	case "GET requests":
		p.serveRequests(w, r)
	case "GET faults":
		writeJSON(w, http.StatusOK, map[string]any{"faults": p.faults.list()})
	case "POST faults":
		f, err := decodeFault(r)
		if err == nil {
			err = p.Inject(f)
		}
		if err != nil {
			writeJSON(w, http.StatusBadRequest, problem{err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"faults": p.faults.list()})
	case "DELETE faults":
		p.faults.clear()
		writeJSON(w, http.StatusOK, map[string]any{"faults": p.faults.list()})
	default:
		writeJSON(w, http.StatusNotFound, problem{"no such control call: " + r.Method + " " + r.URL.Path})
	}
}

type problem struct {
	Error string `json:"error"`
}

func (p *Panel) serveRequests(w http.ResponseWriter, r *http.Request) {
	since := int64(0)
	if v := r.URL.Query().Get("since"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, problem{"since: want a number"})
			return
		}
		since = n
	}
	rs, counters := p.ring.since(since)
	writeJSON(w, http.StatusOK, map[string]any{"requests": rs, "counters": counters})
}

func decodeFault(r *http.Request) (Fault, error) {
	var f Fault
	if ct, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); ct != "application/json" {
		return f, errors.New("fault: want Content-Type application/json")
	}
	d := json.NewDecoder(io.LimitReader(r.Body, 1<<16))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, errors.New("fault: " + err.Error())
	}
	if _, err := d.Token(); err != io.EOF {
		return f, errors.New("fault: more than one JSON value")
	}
	return f, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(v) //nolint:errcheck // a client that left changes nothing here
}
