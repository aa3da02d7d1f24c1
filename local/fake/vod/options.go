package vod

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

// Keys finds access keys and issues upload credentials; *ram.Store is one. The object storage must honour what it issues.
type Keys interface {
	ram.Credentials
	Issue(owner string, life time.Duration, policies ...ram.Policy) (ram.Credential, error)
}

// Objects is what the platform sees of its object storage. Implementations are safe for concurrent use and never call
// back into the Server.
type Objects interface {
	// Stat describes a complete object; ok is false where there is none, or only parts of one. It is quick.
	Stat(bucket, key string) (o Object, ok bool)
}

// ObjectsFunc is Objects by a function.
type ObjectsFunc func(bucket, key string) (Object, bool)

// Stat calls f.
func (f ObjectsFunc) Stat(bucket, key string) (Object, bool) { return f(bucket, key) }

// Object is a stored object. A newer Modified is a new file.
type Object struct {
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256"` // for the effects only
	CRC64    uint64    `json:"crc64"`
	Modified time.Time `json:"modified"`
}

// Media is what the platform finds out about a file.
type Media struct {
	Duration      float64 // seconds
	Width, Height int64
	Fps           float64
}

// Stream is one output of a template group.
type Stream struct {
	Definition string `json:"definition"` // FD LD SD HD OD 2K 4K AUTO
	Format     string `json:"format"`     // mp4, m3u8
	Width      int64  `json:"width"`
	Height     int64  `json:"height"`
	Bitrate    int64  `json:"bitrate"` // kbit/s
}

// TemplateGroup is one transcoding template group. One without streams does not transcode.
type TemplateGroup struct {
	ID      string
	Streams []Stream
}

// NoTranscode is the group that transcodes nothing.
const NoTranscode = "VOD_NO_TRANSCODE"

// Limits are the figures of ref. a.3 and a.4. Zero fields take the reference's value.
type Limits struct {
	Title       int // 128 bytes (the reference says to enforce bytes)
	Description int // 1,024 bytes
	Tags        int // 16
	Tag         int // 32
	Extend      int // 512 bytes of UserData.Extend
	DeleteIDs   int // 20
	ListMax     int // 5,000: only the first so many are listed
	PageMax     int // 100
	AuthKey     int // 32

	CredentialLife time.Duration // 3,000 s, as stated; the sample says 3,600 (ref. a.4)
	CredentialKept time.Duration // a refresh sooner after the issue answers the same credential; half its life
	Skew           time.Duration // 15 min (unconfirmed; ref. a.2)
}

// Quotas are calls per second by kind (ref. a.3). Zero fields take the reference's value; -1 is none.
type Quotas struct {
	Upload, Play, Query, Config, Other int // 100, 300, 100, 10, 30
	Address                            int // 300 from one address
}

// Pace is how long a video and a job stay in each state. Zero fields take the value named; -1 is at once.
type Pace struct {
	Analysis  time.Duration // 1 s: UploadSucc, until Transcoding or without transcoding Normal
	Transcode time.Duration // 5 s
	Snapshot  time.Duration // 2 s
	Audit     time.Duration // 3 s
	Abandon   time.Duration // an upload that never came becomes UploadFail; never
}

// Delivery is the retry policy of callbacks (ref. b). Zero fields take the platform's value.
type Delivery struct {
	Attempts int           // 3 in all; one page of the vendor may be read as 4
	Interval time.Duration // 1 s
	Timeout  time.Duration // 5 s
	Parallel int           // 16 at once
}

// Options configure a Server. Keys, Objects and OSSEndpoint are required; everything else has a default.
type Options struct {
	Keys        Keys
	Objects     Objects
	OSSEndpoint string // with scheme: what UploadAddress names, http://127.0.0.1:port of the fake OSS
	Dir         string // state, synced to disk; empty: in memory only

	Account  string   // the account's number: 1234567890123456
	Region   string   // cn-shanghai
	Bucket   string   // DefaultBucket; it must exist in the object storage
	Storages []string // StorageLocations beside Bucket and <Bucket>.oss-<Region>.aliyuncs.com
	Apps     []string // AppIds beside DefaultApp
	Domain   string   // of play and picture URLs: vod.fake.example

	Groups       []TemplateGroup  // beside NoTranscode; none: DefaultGroup with a mp4 and a m3u8 stream
	DefaultGroup string           // used without TemplateGroupId: the first of Groups
	Review       string           // before a video is Normal: "" none, "ai" an AI review decides, "manual" only CreateAudit does
	Categories   map[int64]string // names of CateIds; others have none
	Probe        func(Object) Media

	Limits   Limits
	Quotas   Quotas
	Pace     Pace
	Delivery Delivery
	Readings Readings
	Codes    map[string]string // other names for codes, by the name used here

	Transport  http.RoundTripper // carries callbacks; nil: one that connects to this machine only
	Tick       time.Duration     // how often what is due is looked for: 50 ms
	ControlKey string
	Ring       int // requests and callbacks remembered
	Now        func() time.Time
	Rand       io.Reader
}

// What is used where Options say nothing.
const (
	DefaultBucket = "outin-fakevod0000000000000000000"
	DefaultGroup  = "fake-ld-sd"
	DefaultApp    = "app-1000000" // ref. a.3
)

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// withDefaults fills what is empty and refuses what no platform could be.
func (o Options) withDefaults() (Options, error) {
	switch u, err := url.Parse(o.OSSEndpoint); {
	case o.Keys == nil || o.Objects == nil:
		return o, errors.New("fake vod: Keys and Objects are required")
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return o, fmt.Errorf("fake vod: OSSEndpoint %q: want http(s)://host", o.OSSEndpoint)
	case !slices.Contains([]string{"", "ai", "manual"}, o.Review):
		return o, fmt.Errorf(`fake vod: review %q: want "", "ai" or "manual"`, o.Review)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Probe == nil {
		o.Probe = nominal
	}
	setDefault(&o.Account, "1234567890123456")
	setDefault(&o.Region, "cn-shanghai")
	setDefault(&o.Bucket, DefaultBucket)
	setDefault(&o.Domain, "vod.fake.example")
	setDefault(&o.Tick, 50*time.Millisecond)
	setDefault(&o.Ring, 2000)
	o.Storages = append([]string{o.Bucket + ".oss-" + o.Region + ".aliyuncs.com", o.Bucket}, o.Storages...)
	o.Apps = append([]string{DefaultApp}, o.Apps...)
	if len(o.Groups) == 0 {
		o.Groups = []TemplateGroup{{DefaultGroup, []Stream{{"LD", "mp4", 640, 360, 400}, {"SD", "m3u8", 848, 480, 800}}}}
	}
	setDefault(&o.DefaultGroup, o.Groups[0].ID)
	o.Groups = append([]TemplateGroup{{ID: NoTranscode}}, o.Groups...)
	if _, ok := o.group(o.DefaultGroup); !ok {
		return o, fmt.Errorf("fake vod: no template group %q", o.DefaultGroup)
	}
	o.Limits.fill()
	o.Quotas.fill()
	o.Pace.fill()
	setDefault(&o.Delivery.Attempts, 3)
	setDefault(&o.Delivery.Interval, time.Second)
	setDefault(&o.Delivery.Timeout, 5*time.Second)
	setDefault(&o.Delivery.Parallel, 16)
	return o, errors.Join(o.Readings.fill(), o.validate())
}

func (o Options) group(id string) (TemplateGroup, bool) {
	i := slices.IndexFunc(o.Groups, func(g TemplateGroup) bool { return g.ID == id })
	if i < 0 {
		return TemplateGroup{}, false
	}
	return o.Groups[i], true
}

func (l *Limits) fill() {
	setDefault(&l.Title, 128)
	setDefault(&l.Description, 1024)
	setDefault(&l.Tags, 16)
	setDefault(&l.Tag, 32)
	setDefault(&l.Extend, 512)
	setDefault(&l.DeleteIDs, 20)
	setDefault(&l.ListMax, 5000)
	setDefault(&l.PageMax, 100)
	setDefault(&l.AuthKey, 32)
	setDefault(&l.CredentialLife, 3000*time.Second)
	setDefault(&l.CredentialKept, l.CredentialLife/2)
	setDefault(&l.Skew, 15*time.Minute)
}

func (q *Quotas) fill() {
	setDefault(&q.Upload, 100)
	setDefault(&q.Play, 300)
	setDefault(&q.Query, 100)
	setDefault(&q.Config, 10)
	setDefault(&q.Other, 30)
	setDefault(&q.Address, 300)
}

func (p *Pace) fill() {
	setDefault(&p.Analysis, time.Second)
	setDefault(&p.Transcode, 5*time.Second)
	setDefault(&p.Snapshot, 2*time.Second)
	setDefault(&p.Audit, 3*time.Second)
}

// validate refuses figures under which nothing could ever succeed.
func (o Options) validate() error {
	l, d := o.Limits, o.Delivery
	if min(l.Title, l.Description, l.Tags, l.Tag, l.Extend, l.DeleteIDs, l.ListMax, l.PageMax, l.AuthKey, d.Attempts, d.Parallel, o.Ring) < 1 ||
		min(l.CredentialLife, l.Skew, d.Interval, d.Timeout, o.Tick) <= 0 || l.CredentialKept < 0 || o.Pace.Abandon < 0 {
		return fmt.Errorf("fake vod: limits %+v, delivery %+v, tick %v: want more than 0", l, d, o.Tick)
	}
	return nil
}

// nominal stands in for looking into the file: 1 Mbit/s of a small picture.
func nominal(o Object) Media {
	return Media{Duration: float64(max(o.Size*8/1000, 1)) / 1000, Width: 1280, Height: 720, Fps: 25}
}
