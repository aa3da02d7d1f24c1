package vod

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the platform's choice
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// uploadAddress and uploadAuth have their members in the order of the seed's samples (ref. a.4).
type uploadAddress struct {
	Endpoint, Bucket, FileName string
}

type uploadAuth struct {
	SecurityToken   string
	AccessKeyID     string `json:"AccessKeyId"`
	AccessKeySecret string
	Expiration      string // seconds left
	ExpireUTCTime   string
	Region          string
}

// encode is standard base64 of compact JSON (ref. a.4).
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // only strings and numbers
	}
	return base64.StdEncoding.EncodeToString(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// tickets writes UploadAddress and UploadAuth for an upload, with the credential it has or, when that is old or dead, a
// new one. Called with s.mu held.
func (s *Server) tickets(u *upload, owner string, now time.Time) (address, auth string, err *rpc.Error) {
	if !s.reusable(u.Cred, now) {
		// One credential serves one file (ref. a.4): it may write that, and no more.
		key, issueErr := s.o.Keys.Issue(owner, s.o.Limits.CredentialLife, ram.ObjectPolicy(u.Bucket, u.Key, ram.UploadActions()...))
		if issueErr != nil {
			return "", "", fail("InternalError")
		}
		u.Cred = credential{key.AccessKeyID, key.Secret, key.Token, now, key.Expires}
		u.seen, s.dirty = false, true
	}
	c := u.Cred
	left := int64(c.Expires.Sub(now) / time.Second)
	return encode(uploadAddress{s.o.OSSEndpoint, u.Bucket, u.Key}),
		encode(uploadAuth{c.Token, c.ID, c.Secret, strconv.FormatInt(left, 10), stamp(c.Expires), s.o.Region}), nil
}

// reusable: a refresh soon after the issue answers the same credential (ref. a.4), unless it died meanwhile.
func (s *Server) reusable(c credential, now time.Time) bool {
	key, known := s.o.Keys.Lookup(c.ID)
	return c.ID != "" && s.o.Readings.Refresh == "cached" && now.Sub(c.Issued) < s.o.Limits.CredentialKept &&
		known && key.Token == c.Token && key.Live(now)
}

// playURL is a link of the content network. Without signature it would be refused there; no such network runs here.
func (s *Server) playURL(key string, now time.Time, life time.Duration) string {
	return fmt.Sprintf("http://%s/%s?auth_key=%d-%x-0-%x", s.o.Domain, key, now.Add(life).Unix(), s.bytes(8), s.bytes(16))
}

// ossURL is a signed link to the file in the object storage, by OSS's signature V1 (ref. d.2, URL form).
func (s *Server) ossURL(bucket, key string, now time.Time, life time.Duration) (string, *rpc.Error) {
	c, err := s.o.Keys.Issue("vod/play", life, ram.ObjectPolicy(bucket, key, "oss:GetObject"))
	if err != nil {
		return "", fail("InternalError")
	}
	end := strconv.FormatInt(now.Add(life).Unix(), 10)
	h := hmac.New(sha1.New, []byte(c.Secret))
	fmt.Fprintf(h, "GET\n\n\n%s\n/%s/%s?security-token=%s", end, bucket, key, c.Token)
	q := url.Values{"Expires": {end}, "OSSAccessKeyId": {c.AccessKeyID}, "security-token": {c.Token},
		"Signature": {base64.StdEncoding.EncodeToString(h.Sum(nil))}}
	return s.fileURL(bucket, key) + "?" + q.Encode(), nil
}

// fileURL is a file's unsigned address: path style on an address of this machine, host style elsewhere.
func (s *Server) fileURL(bucket, key string) string {
	scheme, host, _ := strings.Cut(s.o.OSSEndpoint, "://")
	u := url.URL{Scheme: scheme, Host: bucket + "." + host, Path: "/" + key}
	if local(host) {
		u.Host, u.Path = host, "/"+bucket+"/"+key
	}
	return u.String()
}

// spoilKey is the panel's hook for Fault.Token: the key that the request names dies.
func (s *Server) spoilKey(_, _, what string, r *http.Request) error {
	sp, ok := s.o.Keys.(ram.Spoiler)
	if !ok {
		return fmt.Errorf("fake vod: these keys cannot be spoilt")
	}
	id := r.URL.Query().Get("AccessKeyId")
	if _, known := s.o.Keys.Lookup(id); !known {
		return nil
	}
	switch what {
	case fake.TokenExpire:
		return sp.Expire(id)
	case fake.TokenRevoke:
		return sp.Remove(id)
	}
	return sp.Rotate(id)
}
