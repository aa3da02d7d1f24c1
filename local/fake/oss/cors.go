package oss

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// CORSRule is one rule of a bucket's cross-origin configuration, as PutBucketCors takes it. Without a rule no page of
// another origin can use the bucket.
type CORSRule struct {
	Origins []string // scheme://host[:port]; each may have one *
	Methods []string // GET, PUT, POST, DELETE, HEAD
	Headers []string // of requests, in any case; each may have one *
	Expose  []string // of answers, that pages may read; no *
	MaxAge  int      // seconds that a browser may remember a preflight; 0: not said
}

// crossOrigin is what a request says of itself as one of a page.
type crossOrigin struct {
	origin, method string
	headers        []string
	preflight      bool
}

func crossOriginOf(r *http.Request) crossOrigin {
	c := crossOrigin{origin: r.Header.Get("Origin"), method: r.Method, preflight: r.Method == http.MethodOptions}
	if !c.preflight {
		return c
	}
	c.method = r.Header.Get("Access-Control-Request-Method")
	for _, h := range strings.Split(r.Header.Get("Access-Control-Request-Headers"), ",") {
		if h = strings.TrimSpace(h); h != "" {
			c.headers = append(c.headers, h)
		}
	}
	return c
}

// fits: a rule holds when origin, method and every header are in it; the first that holds decides.
func (c crossOrigin) fits(r CORSRule) bool {
	return anyGlob(r.Origins, c.origin) && slices.Contains(r.Methods, c.method) &&
		!slices.ContainsFunc(c.headers, func(h string) bool { return !anyGlob(r.Headers, h) })
}

func anyGlob(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return glob(strings.ToLower(p), strings.ToLower(s)) })
}

// glob knows one * at most, as the platform does.
func glob(pattern, s string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}

// ruleFor finds the rule of the bucket that a request of a page falls under; nil: none, or it is not of a page.
func (s *Server) ruleFor(r *http.Request) *CORSRule {
	c := crossOriginOf(r)
	if c.origin == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[s.locate(r).bucket]
	if b == nil {
		return nil
	}
	for i := range b.cors {
		if c.fits(b.cors[i]) {
			return &b.cors[i]
		}
	}
	return nil
}

// allow adds to an answer, refusals included, what lets a page of another origin read it.
func (s *Server) allow(r *http.Request, h http.Header) {
	rule := s.ruleFor(r)
	if rule == nil {
		return
	}
	c := crossOriginOf(r)
	origin := c.origin
	if slices.Contains(rule.Origins, "*") {
		origin = "*"
	} else {
		h.Set("Vary", "Origin")
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Methods", strings.Join(rule.Methods, ", "))
	if len(rule.Expose) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(rule.Expose, ", "))
	}
	if c.preflight && len(c.headers) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.ToLower(strings.Join(c.headers, ", ")))
	}
	if rule.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(rule.MaxAge))
	}
}

// preflight answers OPTIONS, which nobody signs.
func (s *Server) preflight(r *http.Request, at address) result {
	switch {
	case at.fail != nil:
		return refused(at.fail)
	case !s.hasRules(at.bucket):
		return refused(fail("AccessForbidden", "CORSResponse: CORS is not enabled for this bucket."))
	case s.ruleFor(r) == nil:
		return refused(fail("AccessForbidden", "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."))
	}
	return result{status: http.StatusOK}
}

func (s *Server) hasRules(bucket string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucket]
	return b != nil && len(b.cors) > 0
}
