package oss

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

const (
	algorithmV4 = "OSS4-HMAC-SHA256"
	unsigned    = "UNSIGNED-PAYLOAD"
	timeV4      = "20060102T150405Z"
	scopeEnd    = "aliyun_v4_request"
)

// scope is the Credential of a V4 signature.
type scope struct{ id, day, region string }

func (c scope) String() string { return c.day + "/" + c.region + "/oss/" + scopeEnd }

// headerV4 reads "OSS4-HMAC-SHA256 Credential=...,AdditionalHeaders=...,Signature=..." (ref. d.3).
func (s *Server) headerV4(r *http.Request, at address, q url.Values, header string) (*signed, *failure) {
	f := authFields(strings.TrimPrefix(header, algorithmV4+" "))
	if len(f["Signature"]) != 64 {
		return nil, malformed("")
	}
	// The Go SDK sends no x-oss-date and signs its Date, in the form it has there (ref. d.3).
	date := r.Header.Get("x-oss-date")
	when, err := time.Parse(timeV4, date)
	if date == "" {
		date = r.Header.Get("Date")
		when, err = http.ParseTime(date)
	}
	if err != nil {
		return nil, badDate()
	}
	sc, bad := s.scope(f["Credential"], when)
	if bad != nil {
		return nil, bad
	}
	if bad := s.clock(when); bad != nil {
		return nil, bad
	}
	payload := r.Header.Get("x-oss-content-sha256")
	if payload != unsigned && (payload != "" || s.o.Readings.PayloadHash == "required") {
		return nil, fail("InvalidArgument", "The x-oss-content-sha256 header must be "+unsigned+".")
	}
	more := additional(f["AdditionalHeaders"])
	return &signed{id: sc.id, token: r.Header.Get("x-oss-security-token"), signature: f["Signature"], canonical: func(secret string) []attempt {
		return []attempt{attemptV4(r, at, q, sc, date, more, secret)}
	}}, nil
}

// queryV4 reads the x-oss-* parameters of a signed URL.
func (s *Server) queryV4(r *http.Request, at address, q url.Values) (*signed, *failure) {
	if q.Get("x-oss-signature-version") != algorithmV4 {
		return nil, fail("InvalidArgument", "Invalid x-oss-signature-version.")
	}
	for _, name := range []string{"x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-signature"} {
		if q.Get(name) == "" {
			return nil, fail("InvalidArgument", "Query-string authentication requires "+name+".")
		}
	}
	when, err := time.Parse(timeV4, q.Get("x-oss-date"))
	if err != nil {
		return nil, badDate()
	}
	sc, bad := s.scope(q.Get("x-oss-credential"), when)
	if bad != nil {
		return nil, bad
	}
	life, err := strconv.ParseInt(q.Get("x-oss-expires"), 10, 32)
	if err != nil || life < 1 || time.Duration(life)*time.Second > s.o.Limits.Presign {
		return nil, fail("InvalidArgument", "Invalid x-oss-expires.")
	}
	if when.Sub(s.o.Now()) > s.o.Limits.Skew {
		return nil, s.clock(when)
	}
	if bad := s.expired(when.Add(time.Duration(life) * time.Second)); bad != nil {
		return nil, bad
	}
	rest := maps.Clone(q)
	delete(rest, "x-oss-signature")
	more := additional(q.Get("x-oss-additional-headers"))
	return &signed{id: sc.id, token: q.Get("x-oss-security-token"), signature: q.Get("x-oss-signature"), canonical: func(secret string) []attempt {
		return []attempt{attemptV4(r, at, rest, sc, q.Get("x-oss-date"), more, secret)}
	}}, nil
}

// scope checks a Credential: the vendor's pages name a code for each wrong piece.
func (s *Server) scope(text string, when time.Time) (scope, *failure) {
	p := strings.Split(text, "/")
	bad := func(what, ec string) (scope, *failure) {
		f := fail("InvalidArgument", "Invalid "+what+" in Authorization header.")
		f.ec = ec
		return scope{}, f
	}
	switch {
	case len(p) != 5 || p[0] == "" || p[4] != scopeEnd:
		return bad("credential", "0002-00000213")
	case p[3] != "oss":
		return bad("signing product", "0002-00000227")
	case p[2] != s.o.Region && s.o.Readings.SigningRegion == "check":
		return bad("signing region", "0002-00000226")
	case p[1] != when.UTC().Format("20060102"):
		return bad("signing date", "")
	}
	return scope{id: p[0], day: p[1], region: p[2]}, nil
}

// authFields splits "a=b, c=d".
func authFields(text string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		out[name] = value
	}
	return out
}

func additional(text string) []string {
	if text == "" {
		return nil
	}
	names := strings.Split(strings.ToLower(text), ";")
	slices.Sort(names)
	return slices.Compact(names)
}

func attemptV4(r *http.Request, at address, q url.Values, sc scope, date string, more []string, secret string) attempt {
	canonical := canonicalV4(r.Method, at.bucket, at.key, q, r.Header, r.Host, more)
	sum := sha256.Sum256([]byte(canonical))
	text := algorithmV4 + "\n" + date + "\n" + sc.String() + "\n" + hex.EncodeToString(sum[:])
	key := []byte("aliyun_v4" + secret)
	for _, step := range []string{sc.day, sc.region, "oss", scopeEnd} {
		key = mac(key, step)
	}
	return attempt{text, hex.EncodeToString(mac(key, text))}
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	io.WriteString(h, text) //nolint:errcheck // a hash never fails
	return h.Sum(nil)
}

// canonicalV4 is step 1 of ref. d.3.
func canonicalV4(method, bucket, key string, q url.Values, h http.Header, host string, more []string) string {
	path := "/"
	if bucket != "" {
		path += escape(bucket) + "/" + escape(key)
	}
	var params []string
	for name, values := range q {
		for _, v := range values {
			p := rpc.Escape(name)
			if v != "" {
				p += "=" + rpc.Escape(v)
			}
			params = append(params, p)
		}
	}
	// Sorted by name, then value: "=" would otherwise sort after some characters of a longer name.
	slices.SortFunc(params, func(a, b string) int {
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		if c := strings.Compare(an, bn); c != 0 {
			return c
		}
		return strings.Compare(av, bv)
	})
	payload := h.Get("x-oss-content-sha256")
	if payload == "" {
		payload = unsigned
	}
	headers := canonicalHeaders(h, append([]string{"content-type", "content-md5"}, more...), host)
	return strings.Join([]string{method, path, strings.Join(params, "&"), headers, strings.Join(more, ";"), payload}, "\n")
}

// escape is RFC 3986 with / kept.
func escape(text string) string { return strings.ReplaceAll(rpc.Escape(text), "%2F", "/") }
