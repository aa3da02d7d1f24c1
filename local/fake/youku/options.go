package youku

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// App is one registered application.
type App struct {
	ClientID     string
	ClientSecret string // checked only with the reading ClientSecret "required"
	CallsPerHour int    // 1,000, 50,000 or 200,000 by level (ref. 1); 0 takes the highest
	NoRefresh    bool   // the app may not use grant_type refresh_token: 130011205
}

// Limits are the figures of ref. 4.1 and the lifetimes of ref. 3 to 5. Zero fields take the reference's value.
type Limits struct {
	Title       int   // 60 characters, that is code points
	Tags        int   // 10
	TagMin      int   // 2 characters
	TagMax      int   // 12 (ref. 4.2; the parameter table says 20)
	Description int   // 200 (ref. 4.2; the parameter table says 2000)
	Password    int   // 32
	FileSize    int64 // 0: none; the browser sample refuses more than 4,294,967,296 (ref. 4.2)
	OpenUploads int   // of one account, more are 120010210; 0: none (no number is known)

	CredentialLife time.Duration // 1 h (ref. 5)
	UploadLife     time.Duration // 24 h, of an upload_token (ref. 5, assumed)
	AccessLife     time.Duration // 1 h (ref. 3; the FAQ speaks of a month)
	RefreshLife    time.Duration // 0: without end (ref. 3: unconfirmed)
}

// Pace is how long a committed video stays in each state (ref. 7, 10).
type Pace struct {
	Hidden   time.Duration // videos/show says 120020001 for so long after commit; 0: never
	Encoding time.Duration // 30 s
	Review   time.Duration // 60 s
}

// Options configure a Server. Storage is required; the rest has defaults: one app, a temporary folder.
type Options struct {
	Storage  Storage
	Dir      string // state, synced to disk; empty: a temporary folder, unsynced, that Close removes
	Apps     []App  // empty: one app, DefaultClientID
	Limits   Limits
	Pace     Pace
	Readings Readings
	Shape    Shape // how calls are answered, unless a fault says otherwise

	Endpoint      string // host without scheme that create answers; the sample's (ref. 4.3)
	Bucket        string // yk-source-upload
	BannedWord    string // a text that holds it is refused with 120010104, 120010123 or 120010141
	ForbiddenWord string // a text that holds it is refused with 120010105, 120010106 or 120010108

	ControlKey string
	Ring       int // requests remembered
	Now        func() time.Time
	Rand       io.Reader
}

// What is used where Options say nothing.
const (
	DefaultClientID = "fake0youku0client"
	DefaultSecret   = "fake-youku-client-secret"
	DefaultEndpoint = "oss-cn-shanghai.aliyuncs.com"
	DefaultBucket   = "yk-source-upload"
)

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// withDefaults fills what is empty and refuses what no platform could be.
func (o Options) withDefaults() (Options, error) {
	if o.Storage == nil {
		return o, errors.New("fake youku: storage is required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	setDefault(&o.Endpoint, DefaultEndpoint)
	setDefault(&o.Bucket, DefaultBucket)
	setDefault(&o.Pace.Encoding, 30*time.Second)
	setDefault(&o.Pace.Review, time.Minute)
	o.Limits = o.Limits.withDefaults()
	if len(o.Apps) == 0 {
		o.Apps = []App{{ClientID: DefaultClientID, ClientSecret: DefaultSecret}}
	}
	o.Apps = slices.Clone(o.Apps)
	seen := map[string]bool{}
	for i := range o.Apps {
		a := &o.Apps[i]
		if a.ClientID == "" || seen[a.ClientID] || a.CallsPerHour < 0 {
			return o, fmt.Errorf("fake youku: app %q: an id is required, and once; calls per hour from 0", a.ClientID)
		}
		setDefault(&a.CallsPerHour, 200_000)
		seen[a.ClientID] = true
	}
	return o, errors.Join(o.Limits.validate(), o.Pace.validate(), o.Readings.fill(), o.Shape.validate())
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.Title, 60)
	setDefault(&l.Tags, 10)
	setDefault(&l.TagMin, 2)
	setDefault(&l.TagMax, 12)
	setDefault(&l.Description, 200)
	setDefault(&l.Password, 32)
	setDefault(&l.CredentialLife, time.Hour)
	setDefault(&l.UploadLife, 24*time.Hour)
	setDefault(&l.AccessLife, time.Hour)
	return l
}

// validate refuses figures under which no upload could ever succeed.
func (l Limits) validate() error {
	least := min(int64(l.Title), int64(l.Tags), int64(l.TagMin), int64(l.Description), int64(l.Password), l.FileSize, int64(l.OpenUploads))
	shortest := min(l.CredentialLife, l.UploadLife, l.AccessLife, l.RefreshLife)
	if least < 0 || shortest < 0 || l.TagMin > l.TagMax {
		return fmt.Errorf("fake youku: limits %+v: negative, or tag_min > tag_max", l)
	}
	return nil
}

func (p Pace) validate() error {
	if min(p.Hidden, p.Encoding, p.Review) < 0 {
		return fmt.Errorf("fake youku: pace %+v: negative", p)
	}
	return nil
}
