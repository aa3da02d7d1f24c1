package transport

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// guard lets through what the rules allow, and takes away what would make net/http send a request twice.
type guard struct {
	next  http.RoundTripper
	rules rules
}

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.admit(r); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, refuse(err)
	}
	if r.Method != "" && r.Method != http.MethodGet && r.Method != http.MethodHead && r.GetBody != nil {
		r = r.Clone(r.Context())
		r.GetBody = nil
	}
	return g.next.RoundTrip(r)
}

func (g *guard) admit(r *http.Request) error {
	if err := r.Context().Err(); err != nil {
		return context.Cause(r.Context())
	}
	if err := g.rules.check(r.URL); err != nil {
		return err
	}
	if r.Host != "" && r.Host != r.URL.Host {
		return fmt.Errorf("%w: the Host header differs from the URL", ErrHost)
	}
	for _, h := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} {
		if _, ok := r.Header[h]; ok && r.Method != "" && r.Method != http.MethodGet && r.Method != http.MethodHead {
			return ErrReplayHeader
		}
	}
	return nil
}

// CloseIdleConnections passes it on.
func (g *guard) CloseIdleConnections() { closeIdle(g.next) }

func closeIdle(rt http.RoundTripper) {
	if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// rules is the allow-list, taken apart.
type rules struct {
	hosts    []pattern
	loopback bool
}

type pattern struct {
	name   string // lower case; without the "*." of a wildcard
	port   string
	suffix bool
}

func newRules(hosts []string, loopback bool) rules {
	r := rules{loopback: loopback}
	for _, h := range hosts {
		p := pattern{name: strings.ToLower(h), port: "443"}
		if name, port, err := net.SplitHostPort(p.name); err == nil {
			p.name, p.port = name, port
		}
		p.name, p.suffix = strings.CutPrefix(p.name, "*.")
		// A pattern for everything, or with a star elsewhere, allows nothing.
		if p.name == "" || strings.ContainsAny(p.name, "*/@? ") || p.suffix && !strings.Contains(p.name, ".") {
			continue
		}
		r.hosts = append(r.hosts, p)
	}
	return r
}

// check judges a URL by what stands in it; the address is judged when it is dialled.
func (r rules) check(u *url.URL) error {
	if u == nil || u.Host == "" || u.Opaque != "" {
		return fmt.Errorf("%w: the URL names no host", ErrHost)
	}
	if u.User != nil {
		return fmt.Errorf("%w: the URL holds a user name", ErrHost)
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if r.loopback && isLoopbackName(host) && (u.Scheme == "http" || u.Scheme == "https") {
		return nil
	}
	if u.Scheme != "https" {
		return fmt.Errorf("%w: only https", ErrHost)
	}
	if port == "" {
		port = "443"
	}
	for _, p := range r.hosts {
		if p.port == port && (!p.suffix && host == p.name || p.suffix && strings.HasSuffix(host, "."+p.name) && !strings.HasPrefix(host, ".")) {
			return nil
		}
	}
	return fmt.Errorf("%w: %.64q", ErrHost, host)
}

func isLoopbackName(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// control judges the very address that is about to be dialled, after resolution, so that a name cannot be pointed at
// an inner address between the check and the connection.
func control(loopback bool) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !strings.HasPrefix(network, "tcp") {
			return fmt.Errorf("%w: not an address and port", ErrHost)
		}
		a := ap.Addr().Unmap()
		if a.IsLoopback() && loopback {
			return nil
		}
		if !isPublic(a) {
			return fmt.Errorf("%w: it resolves to a private or special address", ErrHost)
		}
		return nil
	}
}

// Special address blocks that netip has no method for (IANA special-purpose registries).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carriers' NAT, and the metadata service of Alibaba Cloud (100.100.100.200)
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
}

// global6 is where public IPv6 addresses come from; tunnels inside it can hide an IPv4 address.
var (
	global6 = netip.MustParsePrefix("2000::/3")
	tunnels = []netip.Prefix{netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32")}
)

func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a.Zone() != "" {
		return false
	}
	blocks := special
	if a.Is6() {
		if !global6.Contains(a) {
			return false
		}
		blocks = tunnels
	}
	for _, p := range blocks {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
