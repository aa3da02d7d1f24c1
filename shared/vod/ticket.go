package vod

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
)

// TicketLife is how long a ticket is good for where it does not say so (reference a.4).
const TicketLife = 3000 * time.Second

const (
	maxTicket = 64 << 10
	maxLife   = 7 * 24 * time.Hour // parts are removed after that
	maxKey    = 1023
)

// Place is an opened Ticket: where one file goes, and the credential for it. It prints where only.
type Place struct {
	Endpoint   string // "https://oss-cn-shanghai.aliyuncs.com"
	Region     string // "cn-shanghai"; may be empty
	Bucket     string
	Key        string
	Credential oss.Credential
	Expires    time.Time // of the credential
}

var (
	endpointForm = regexp.MustCompile(`^oss-[a-z0-9][a-z0-9-]{0,62}\.aliyuncs\.com$`)
	bucketForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
)

// DecodeTicket opens a ticket that was received at now (reference a.4). The platform's word on the place is checked: an
// endpoint must be one of OSS's, by https; endpoint, if it is not empty, stands in its place (for local/ and for tests).
// The end is ExpireUTCTime; where that is missing, or over already although seconds are said to be left (our clock is
// wrong), Expiration from now; else TicketLife from now. A ticket that cannot be is Permanent, and never quoted.
func DecodeTicket(t Ticket, now time.Time, endpoint string) (Place, error) {
	bad := func(msg string) (Place, error) {
		return Place{}, &fault.Error{Kind: fault.Permanent, Op: "vod.DecodeTicket", Actor: fault.ActorOperator, Action: "Ask the platform's support: its upload address cannot be used.", Err: errors.New(msg)}
	}
	var a struct{ Endpoint, Bucket, FileName text }
	if !decode64(t.Address, &a) {
		return bad("the upload address cannot be read")
	}
	var c struct {
		SecurityToken, AccessKeyID, AccessKeySecret text
		ExpireUTCTime, Region                       text
		Expiration                                  *number
	}
	if !decode64(t.Auth, &c) {
		return bad("the upload credential cannot be read")
	}
	p := Place{Endpoint: endpoint, Bucket: string(a.Bucket), Key: string(a.FileName),
		Credential: oss.Credential{ID: string(c.AccessKeyID), Secret: string(c.AccessKeySecret), Token: string(c.SecurityToken)}}
	if endpoint == "" {
		u, err := url.Parse(string(a.Endpoint))
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || !endpointForm.MatchString(u.Host) || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return bad("the upload address names an endpoint that is none of OSS's")
		}
		p.Endpoint, p.Region = "https://"+u.Host, oss.RegionOf(u.Host)
	}
	if p.Region == "" && regionForm.MatchString(string(c.Region)) && len(c.Region) <= 64 {
		p.Region = string(c.Region)
	}
	switch {
	case !bucketForm.MatchString(p.Bucket):
		return bad("the upload address names a bucket that OSS cannot have")
	case !keyOK(p.Key):
		return bad("the upload address names an object that OSS cannot have")
	case p.Credential.ID == "" || p.Credential.Secret == "" || p.Credential.Token == "" || !plainASCII(p.Credential):
		return bad("the upload credential is not whole")
	}
	p.Expires = ends(c.ExpireUTCTime, c.Expiration, now)
	return p, nil
}

// ends is when a credential that was received at now ends.
func ends(utc text, seconds *number, now time.Time) time.Time {
	left := time.Duration(0)
	if seconds != nil && *seconds > 0 {
		left = time.Duration(min(float64(*seconds), maxLife.Seconds()) * float64(time.Second))
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(utc)))
	switch {
	case err == nil && at.Year() > 2000 && (at.After(now) || left == 0):
		if most := now.Add(maxLife); at.After(most) {
			return most
		}
		return at.UTC()
	case left > 0:
		return now.Add(left)
	}
	return now.Add(TicketLife)
}

// decode64 opens standard base64 of a JSON object; line breaks and missing padding are forgiven.
func decode64(s string, into any) bool {
	if s == "" || len(s) > maxTicket {
		return false
	}
	s = strings.TrimRight(strings.NewReplacer("\r", "", "\n", "").Replace(strings.TrimSpace(s)), "=")
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return false
	}
	b = bytes.TrimSpace(b)
	return len(b) > 0 && b[0] == '{' && json.Unmarshal(b, into) == nil
}

func keyOK(k string) bool {
	return k != "" && len(k) <= maxKey && k[0] != '/' && k[0] != '\\' && utf8.ValidString(k) && strings.IndexFunc(k, unicode.IsControl) < 0
}

// plainASCII: a credential goes into headers.
func plainASCII(c oss.Credential) bool {
	return strings.IndexFunc(c.ID+c.Secret+c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
