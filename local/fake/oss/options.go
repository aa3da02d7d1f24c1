package oss

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

// KiB, MiB and GiB are the units of ref. d.1.
const (
	KiB = 1 << 10
	MiB = 1 << 20
	GiB = 1 << 30
)

// Bucket is one bucket. Buckets with objects on disk come back by themselves, private.
type Bucket struct {
	Name       string
	PublicRead bool       // anyone may get and head objects
	CORS       []CORSRule // pages of other origins that may use it; none: no page may
}

// Limits are the figures of ref. d.1. Zero fields take the reference's value.
type Limits struct {
	PutMax   int64 // 5 GiB
	PartMin  int64 // 100 KiB, but for the last part
	PartMax  int64 // 5 GiB
	Parts    int   // 10,000
	Object   int64 // 48.8 TiB
	Key      int   // 1023 bytes
	Meta     int   // 8 KiB of x-oss-meta-*
	ListPage int   // 1000

	Skew    time.Duration // 15 min: how far the client's clock may differ
	Presign time.Duration // 7 days: longest life of a V4 URL
}

// Readings are the questions that the reference leaves open, each with the answers a client must survive. The first word
// named is the default.
type Readings struct {
	MissingToken    string // "unknown": a temporary key without its token is InvalidAccessKeyId, "invalid": InvalidSecurityToken
	StrayToken      string // "mismatch": a token beside a permanent key is AccessKeyIdAndSecurityTokenNotMatch, "invalid": InvalidSecurityToken
	PartETag        string // "exact" as answered, "fold": upper and lower case alike at complete
	PayloadHash     string // "required": V4 wants x-oss-content-sha256 UNSIGNED-PAYLOAD, "lenient": missing is taken as that
	SecondLevel     string // "refuse": /bucket/key on an endpoint's own name is SecondLevelDomainForbidden, "accept"
	RequestCRC      string // "check" x-oss-hash-crc64ecma of a request (InvalidCRC64), "ignore"
	ChunkedPart     string // "accept" a part without Content-Length, "refuse" it with MissingContentLength
	EmptyPart       string // "accept" a part of 0 bytes, "refuse" it with EntityTooSmall
	ObjectETag      string // "parts": MD5 of the MD5s, then -<parts> (ref. d.1 "commonly"), "opaque": no dash, no MD5
	CompleteAgain   string // "gone": a second complete is NoSuchUpload (ref. d.1), "same": the same answer while the object stands
	ShortRange      string // "whole": an end beyond the object gives all of it with 200 unless range-behavior is standard, "clamp"
	ListCRC         string // "none", "sent": HashCrc64ecma in each part of a list (ref. d.1 does not name it)
	SigningRegion   string // "check": a V4 scope of another region is InvalidArgument, "ignore"
	ExpiredPresign  string // code of a URL that ran out: AccessDenied
	DisabledKeyCode string // code of a disabled key: UserDisable, or InvalidAccessKeyId
	MetaCode        string // code of too much x-oss-meta: InvalidArgument
	EmptyPartsCode  string // code of a complete without parts: MalformedXML, or InvalidArgument
}

// Options configure a Server. Credentials is required.
type Options struct {
	Dir         string // state and bytes, synced to disk; empty: a temporary folder, unsynced, that Close removes
	Credentials ram.Credentials
	Region      string            // cn-shanghai
	Endpoints   []string          // host names under which buckets live; default: the region's public and internal names
	CNAMEs      map[string]string // host name (without port) -> bucket
	Buckets     []Bucket
	Limits      Limits
	Readings    Readings
	Created     func(Info) // called when an object is durable, before the answer; must not call back into the server's writing

	ControlKey string
	Ring       int // requests remembered
	Now        func() time.Time
	Rand       io.Reader
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// withDefaults fills what is empty and refuses what no platform could be.
func (o Options) withDefaults() (Options, error) {
	if o.Credentials == nil {
		return o, errors.New("fake oss: Credentials is required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	setDefault(&o.Region, "cn-shanghai")
	if o.Endpoints == nil {
		o.Endpoints = []string{"oss-" + o.Region + ".aliyuncs.com", "oss-" + o.Region + "-internal.aliyuncs.com", "localhost"}
	}
	o.CNAMEs, o.Buckets = maps.Clone(o.CNAMEs), slices.Clone(o.Buckets)
	for _, b := range o.Buckets {
		if !validBucket(b.Name) {
			return o, fmt.Errorf("fake oss: bucket name %q", b.Name)
		}
	}
	o.Limits.fill()
	return o, errors.Join(o.Readings.fill(), o.Limits.validate())
}

func (l *Limits) fill() {
	setDefault(&l.PutMax, 5*GiB)
	setDefault(&l.PartMin, 100*KiB)
	setDefault(&l.PartMax, 5*GiB)
	setDefault(&l.Parts, 10_000)
	setDefault(&l.Object, 48*1024*GiB+4*1024*GiB/5) // 48.8 TiB
	setDefault(&l.Key, 1023)
	setDefault(&l.Meta, 8*KiB)
	setDefault(&l.ListPage, 1000)
	setDefault(&l.Skew, 15*time.Minute)
	setDefault(&l.Presign, 7*24*time.Hour)
}

func (l Limits) validate() error {
	if min(l.PutMax, l.PartMin, l.PartMax, l.Object, int64(l.Parts), int64(l.Key), int64(l.Meta), int64(l.ListPage), int64(l.Skew), int64(l.Presign)) < 0 ||
		l.PartMin > l.PartMax || l.PartMax > l.Object {
		return fmt.Errorf("fake oss: limits %+v: negative, or part_min > part_max > object", l)
	}
	return nil
}

// fill sets defaults and refuses words that are no reading, and codes that are none.
func (r *Readings) fill() error {
	var err error
	for _, w := range []struct {
		name  string
		field *string
		words []string
	}{
		{"MissingToken", &r.MissingToken, []string{"unknown", "invalid"}},
		{"StrayToken", &r.StrayToken, []string{"mismatch", "invalid"}},
		{"PartETag", &r.PartETag, []string{"exact", "fold"}},
		{"PayloadHash", &r.PayloadHash, []string{"required", "lenient"}},
		{"SecondLevel", &r.SecondLevel, []string{"refuse", "accept"}},
		{"RequestCRC", &r.RequestCRC, []string{"check", "ignore"}},
		{"ChunkedPart", &r.ChunkedPart, []string{"accept", "refuse"}},
		{"EmptyPart", &r.EmptyPart, []string{"accept", "refuse"}},
		{"ObjectETag", &r.ObjectETag, []string{"parts", "opaque"}},
		{"CompleteAgain", &r.CompleteAgain, []string{"gone", "same"}},
		{"ShortRange", &r.ShortRange, []string{"whole", "clamp"}},
		{"ListCRC", &r.ListCRC, []string{"none", "sent"}},
		{"SigningRegion", &r.SigningRegion, []string{"check", "ignore"}},
		{"ExpiredPresign", &r.ExpiredPresign, append([]string{"AccessDenied"}, ErrorCodes()...)},
		{"DisabledKeyCode", &r.DisabledKeyCode, append([]string{"UserDisable"}, ErrorCodes()...)},
		{"MetaCode", &r.MetaCode, append([]string{"InvalidArgument"}, ErrorCodes()...)},
		{"EmptyPartsCode", &r.EmptyPartsCode, append([]string{"MalformedXML"}, ErrorCodes()...)},
	} {
		setDefault(w.field, w.words[0])
		if !slices.Contains(w.words, *w.field) {
			err = errors.Join(err, fmt.Errorf("fake oss: reading %s %q: want one of %q", w.name, *w.field, w.words))
		}
	}
	return err
}

// validBucket is ref. d.1: 3..63 of [a-z0-9-], no dash at either end.
func validBucket(name string) bool {
	return len(name) >= 3 && len(name) <= 63 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" &&
		name[0] != '-' && name[len(name)-1] != '-'
}
