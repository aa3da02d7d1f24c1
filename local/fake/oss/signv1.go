package oss

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the platform's choice
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// headerV1 reads "OSS <id>:<signature>" (ref. d.2).
func (s *Server) headerV1(r *http.Request, at address, q url.Values, header string) (*signed, *failure) {
	id, sig, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(header, "OSS ")), ":")
	if !ok || id == "" || sig == "" {
		return nil, malformed("0002-00000061")
	}
	// A client that cannot set Date (a browser) sends x-oss-date and signs that on the date line; one that sends both may
	// have signed either.
	var dates []string
	for _, d := range []string{r.Header.Get("x-oss-date"), r.Header.Get("Date")} {
		if d != "" {
			dates = append(dates, d)
		}
	}
	if len(dates) == 0 {
		return nil, badDate()
	}
	at1, err := http.ParseTime(dates[0])
	if err != nil {
		return nil, badDate()
	}
	if f := s.clock(at1); f != nil {
		return nil, f
	}
	return &signed{id: id, token: r.Header.Get("x-oss-security-token"), signature: sig, canonical: func(secret string) []attempt {
		return attemptsV1(r, at, q, secret, dates...)
	}}, nil
}

// queryV1 reads OSSAccessKeyId, Expires, Signature and security-token (ref. d.2).
func (s *Server) queryV1(r *http.Request, at address, q url.Values) (*signed, *failure) {
	for _, name := range []string{"OSSAccessKeyId", "Signature", "Expires"} {
		if q.Get(name) == "" {
			return nil, fail("AccessDenied", "Query-string authentication requires the Signature, Expires and OSSAccessKeyId parameters.")
		}
	}
	unix, err := strconv.ParseInt(q.Get("Expires"), 10, 64)
	if err != nil || unix < 0 {
		return nil, fail("AccessDenied", "Invalid date (should be seconds since epoch): "+q.Get("Expires"))
	}
	if f := s.expired(time.Unix(unix, 0)); f != nil {
		return nil, f
	}
	token := q.Get("security-token")
	if token == "" {
		token = r.Header.Get("x-oss-security-token")
	}
	return &signed{id: q.Get("OSSAccessKeyId"), token: token, signature: q.Get("Signature"), canonical: func(secret string) []attempt {
		return attemptsV1(r, at, q, secret, q.Get("Expires"))
	}}, nil
}

func attemptsV1(r *http.Request, at address, q url.Values, secret string, dates ...string) []attempt {
	var out []attempt
	for _, date := range dates {
		text := textV1(r.Method, r.Header, date, resourceV1(at.bucket, at.key, q))
		h := hmac.New(sha1.New, []byte(secret))
		io.WriteString(h, text) //nolint:errcheck // a hash never fails
		out = append(out, attempt{text, base64.StdEncoding.EncodeToString(h.Sum(nil))})
	}
	return out
}

// textV1 is what a V1 signature covers.
func textV1(method string, h http.Header, date, resource string) string {
	return method + "\n" + h.Get("Content-Md5") + "\n" + h.Get("Content-Type") + "\n" + date + "\n" + canonicalHeaders(h, nil, "") + resource
}

// resourceV1 is /bucket/key unencoded and the sorted sub-resources of the signed list, values unencoded.
func resourceV1(bucket, key string, q url.Values) string {
	var subs []string
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !signedInV1(name) {
			continue
		}
		if v := q.Get(name); v != "" {
			name += "=" + v
		}
		subs = append(subs, name)
	}
	text := "/"
	if bucket != "" {
		text += bucket + "/" + key
	}
	if len(subs) > 0 {
		text += "?" + strings.Join(subs, "&")
	}
	return text
}

// canonicalHeaders are every x-oss-* header and those named in more, lower case, sorted, one line each. The host is not
// among a Go request's headers, so it comes by itself.
func canonicalHeaders(h http.Header, more []string, host string) string {
	lines := map[string]string{}
	for name, values := range h {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-oss-") || slices.Contains(more, name) {
			lines[name] = strings.TrimSpace(strings.Join(values, ","))
		}
	}
	if slices.Contains(more, "host") {
		lines["host"] = host
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		b.WriteString(name + ":" + lines[name] + "\n")
	}
	return b.String()
}

// signedInV1 is the list of sub-resources that a V1 signature covers (ref. d.2; the whole list is the vendor SDK's).
func signedInV1(name string) bool {
	return slices.Contains(strings.Fields(`acl append asyncFetch bucketInfo callback callback-var cloudboxes cname comp continuation-token
		cors delete encryption endTime img inventory inventoryId lifecycle live location logging metaQuery objectMeta partNumber
		policy position qos qosInfo referer regionList replication replicationLocation replicationProgress requestPayment
		resourceGroup responseHeader response-cache-control response-content-disposition response-content-encoding
		response-content-language response-content-type response-expires restore rtc security-token sequential startTime stat
		status style styleName symlink tagging transferAcceleration udf udfApplication udfApplicationLog udfId udfImage
		udfImageDesc udfName uploadId uploads versionId versioning versions vod website withHashContext worm wormExtend wormId
		x-oss-ac-forward-allow x-oss-ac-source-ip x-oss-ac-subnet-mask x-oss-ac-vpc-id x-oss-async-process x-oss-enable-md5
		x-oss-enable-sha1 x-oss-enable-sha256 x-oss-hash-ctx x-oss-md5-ctx x-oss-process x-oss-request-payer x-oss-traffic-limit`), name)
}
