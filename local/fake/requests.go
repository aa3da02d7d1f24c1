package fake

import (
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Request is one logged request. Query values that are secrets are replaced by "***".
type Request struct {
	N       int64     `json:"n"`
	Time    time.Time `json:"time"`
	Method  string    `json:"method"`
	Path    string    `json:"path"`
	Op      string    `json:"op"`
	Query   string    `json:"query"`
	Account string    `json:"account,omitempty"`
	Bytes   int64     `json:"bytes"`            // Content-Length, -1 when there was none
	Status  int       `json:"status,omitempty"` // 0: not answered (yet), or cut
	Code    int       `json:"code,omitempty"`   // the platform's own code
	Fault   bool      `json:"fault,omitempty"`  // an injected fault struck
	Cut     bool      `json:"cut,omitempty"`
}

// Counter sums up one operation since the start.
type Counter struct {
	Requests    int64 `json:"requests"`
	InFlight    int64 `json:"in_flight"`
	MaxInFlight int64 `json:"max_in_flight"`
}

// ring keeps the newest requests. Safe for concurrent use.
type ring struct {
	mu       sync.Mutex
	size     int
	next     int64
	entries  []Request // at most size, oldest first
	counters map[string]Counter
}

func (g *ring) begin(r Request) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	r.N = g.next
	g.entries = append(g.entries, r)
	if over := len(g.entries) - g.size; over > 0 {
		g.entries = append([]Request(nil), g.entries[over:]...)
	}
	c := g.counters[r.Op]
	c.Requests++
	c.InFlight++
	c.MaxInFlight = max(c.MaxInFlight, c.InFlight)
	g.counters[r.Op] = c
	return r.N
}

// end fills in the outcome; an entry that fell out of the ring only counts.
func (g *ring) end(n int64, op string, status, code int, fault, cut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.counters[op]
	c.InFlight--
	g.counters[op] = c
	if len(g.entries) == 0 || n < g.entries[0].N {
		return
	}
	e := &g.entries[n-g.entries[0].N]
	e.Status, e.Code, e.Fault, e.Cut = status, code, fault, cut
}

func (g *ring) since(n int64) ([]Request, map[string]Counter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]Request, 0, len(g.entries))
	for _, e := range g.entries {
		if e.N > n {
			out = append(out, e)
		}
	}
	return out, maps.Clone(g.counters)
}

func redactedQuery(r *http.Request, secret []string) string {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "(malformed)" // it may hide a secret anywhere
	}
	for _, key := range secret {
		if _, ok := q[key]; ok {
			q[key] = []string{"***"}
		}
	}
	return q.Encode()
}
