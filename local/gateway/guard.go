package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// KeyHeader carries the random key of the data folder.
const KeyHeader = "X-Vodlift-Key"

// Guard is what stands before every handler of the stack but the bucket (design 6): a page in the owner's browser can
// send requests to loopback, so the Host must be ours (against rebinding), a foreign Origin is refused, and a write
// needs JSON, which no form can send, and the key, which no page can know. The zero value refuses every write.
type Guard struct {
	Key     string
	MaxBody int64 // 0 = MaxBody
	Bare    bool  // Host and Origin only
	Open    bool  // the size only: the handler lets in by itself
}

// Wrap puts the guard before next.
func (g Guard) Wrap(next http.Handler) http.Handler {
	if g.MaxBody <= 0 {
		g.MaxBody = MaxBody
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, why := g.check(r); status != 0 {
			writeMessage(w, status, why)
			return
		}
		if !g.Bare {
			r.Body = http.MaxBytesReader(w, r.Body, g.MaxBody)
		}
		next.ServeHTTP(w, r)
	})
}

func (g Guard) check(r *http.Request) (status int, why string) {
	if g.Open {
		return 0, ""
	}
	if !ownHost(r) {
		return http.StatusMisdirectedRequest, "the Host of the request is not this machine"
	}
	if !ownOrigin(r) {
		return http.StatusForbidden, "the request comes from another site"
	}
	if g.Bare || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return 0, ""
	}
	if !g.keyFits(r.Header.Get(KeyHeader)) {
		return http.StatusForbidden, "writes need the key of the data folder in " + KeyHeader
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return http.StatusUnsupportedMediaType, "writes need Content-Type: application/json"
	}
	if r.ContentLength > g.MaxBody {
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the body may have at most %d bytes", g.MaxBody)
	}
	return 0, ""
}

// keyFits compares in constant time, whatever the lengths.
func (g Guard) keyFits(got string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(g.Key))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && g.Key != ""
}

// ownHost: 127.0.0.1, localhost or [::1] with the port that the request came in by.
func ownHost(r *http.Request) bool {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil || !loopbackName(host) {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	_, own, err := net.SplitHostPort(local.String())
	return err == nil && own == port
}

// ownOrigin: no Origin (not a page), or one of our own.
func ownOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "http" && u.Host == r.Host
}

func loopbackName(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// Listen listens on a loopback address ("127.0.0.1:8080", port 0 for any) and refuses every other.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if a, err := netip.ParseAddr(host); err != nil || !a.IsLoopback() {
		return nil, fmt.Errorf("gateway: %q is not a loopback address; this machine's stack is never open to others", host)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	return l, nil
}

// Serve serves h on l until ctx ends, then lets requests finish for a moment. The error is nil when ctx ended it.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("gateway: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}
