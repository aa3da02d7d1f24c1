package douyinweb

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The hosts of reference B.1.
const (
	mediaHost   = "media.douyin.com"
	creatorHost = "creator.douyin.com"
	videoHost   = "vas-lf-x.snssdk.com"
)

// CookieHosts is the exact list of hosts that may see the account's cookies.
func CookieHosts() []string { return []string{mediaHost, creatorHost} }

// Hosts is the allow-list for shared/transport. Which storage host serves an upload the platform says; it must be
// tos-<name>.snssdk.com.
func Hosts() []string { return append(CookieHosts(), videoHost, "*.snssdk.com") }

// siteURL accepts https:// and one of hosts, and any loopback address (which only a transport of local/ can reach). No
// user, path, query or fragment.
func siteURL(s string, hosts ...string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return false
	}
	if loopback(u) {
		return u.Scheme == "http" || u.Scheme == "https"
	}
	return u.Scheme == "https" && slices.Contains(hosts, u.Host)
}

func loopback(u *url.URL) bool {
	host := u.Hostname()
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// mayCookie tells whether a URL's host may see cookies: one of CookieHosts over https, or the configured site itself
// where that is on this machine.
func (c Config) mayCookie(u *url.URL) bool {
	if u.Scheme == "https" && slices.Contains(CookieHosts(), u.Host) {
		return true
	}
	own, err := url.Parse(c.CreatorURL)
	return err == nil && loopback(own) && u.Scheme == own.Scheme && u.Host == own.Host
}

// cookieHost is the name that cookies are chosen by: a site on this machine stands for the real one.
func (c Config) cookieHost() string {
	u, err := url.Parse(c.CreatorURL)
	if err != nil || loopback(u) {
		return mediaHost
	}
	return u.Hostname()
}

var (
	storageHost = regexp.MustCompile(`^tos-[a-z0-9-]{1,40}\.snssdk\.com$`)
	objectName  = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$`)
)

// storageURL is where an object's bytes go.
func (c Config) storageURL(host, oid string) string {
	if c.StorageURL != "" {
		return c.StorageURL + "/" + oid
	}
	return "https://" + host + "/" + oid
}

// storageOK: the host that an answer names must match a strict pattern before anything is sent there.
func (c Config) storageOK(host string) bool {
	if c.StorageURL != "" { // on this machine: the address is ours, the answer only has to name a host
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = host
		}
		return name != "" && !strings.ContainsAny(name, "/?#@ ")
	}
	return storageHost.MatchString(host)
}
