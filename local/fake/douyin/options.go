package douyin

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Generation is which of the two families of publish calls an app may use (ref. A.3).
type Generation string

// Auth is where the access token of a publish call stands (ref. A.3).
type Auth string

// The settings of an app.
const (
	Legacy Generation = "legacy"
	V1     Generation = "v1"
	Query  Auth       = "query"
	Header Auth       = "header"
)

// App is one registered application. Empty Generation and Auth take those of Options.
type App struct {
	ClientKey    string
	ClientSecret string
	Generation   Generation
	Auth         Auth
	RedirectURIs []string            // each https, without query
	Scopes       []string            // abilities granted to the app, "renew_refresh_token" among them
	Needs        map[string][]string // operation -> scopes, any one of which is enough; nil takes the reference's
	QuotaPerDay  int                 // publish calls per China day, 0: no limit (ref. A.6, "call rate")
	QPS          int                 // publish calls per second, 0: no limit
}

// Limits are the figures of ref. A.6 and the lifetimes of ref. A.2. Zero fields take the reference's value.
type Limits struct {
	SingleUpload int64 // 128 MiB legacy, 300 MiB v1
	PartMin      int64 // 5 MiB, but for the last part
	PartMax      int64 // 100 MiB
	Whole        int64 // 4 GiB
	Parts        int   // 1000 (assumed)
	CoverImage   int64 // 100 MiB legacy, 20 MiB v1
	Text         int   // 1000 characters
	PostsPerDay  int   // 75 per user and app
	Duration     time.Duration
	ListCount    int // 20 (assumed)

	CodeLife        time.Duration // 10 min
	AccessLife      time.Duration // 15 d
	RefreshLife     time.Duration // 30 d
	RenewedLife     time.Duration // of a renewed refresh token; RefreshLife (ref. A.2: samples say 86400, trust the field)
	Renewals        int           // 5
	ClientLife      time.Duration // 2 h
	ClientGrace     time.Duration // 5 min
	ClientCalls     int           // 500 in ClientWindow
	ClientWindow    time.Duration // 5 min
	TicketLife      time.Duration // 2 h, of a hand-over's ticket
	ShareLife       time.Duration // 1 h (assumed), of a share id
	UploadLife      time.Duration // 2 h, of an upload_id
	UnusedVideoLife time.Duration // 2 h (assumed), of a video_id that no create used
}

// Readings are the questions that the reference marks unconfirmed, each with the two answers a client must survive. The
// first word named is the default.
type Readings struct {
	RepeatedPart    string // "replace" the earlier bytes, "refuse" (ref. A.5)
	MissingParts    string // "truncate": complete glues what it has, "refuse" a gap (ref. A.5, C)
	SecondComplete  string // "refuse" as parameter error, "same" video_id again (ref. C)
	ReusedVideo     string // "refuse" with 2190007, "duplicate": a second post (ref. A.8, C)
	ShortLastPart   string // "accept", "refuse" (ref. A.6)
	PartContentType string // "check" as for a single upload, "ignore" (ref. A.5)
	PartOrder       string // "any", "ascending": part n only after part n-1 (ref. A.5: a free order is implied)
	PartZero        string // "refuse", "accept" part_number 0 (ref. C)
	ChunkedBody     string // "refuse", "accept" a body without Content-Length, on any call (ref. A.4)
	RenewedToken    string // "dead", "works": the old refresh token until the new one is used (ref. A.2, lost answer)
	TokenInBoth     string // "refuse", "accept" a token in query and header at once (ref. A.3)
	LegacyDelete    string // "refuse", "accept" /video/delete/ from a v1 app (ref. A.3)
	DurationAt      string // "upload", "create": where a video over 15 min is refused (ref. C)
	TextUnit        string // "runes", "utf16": what a character of text is (ref. A.7)
	PinnedPage      string // "longer", "shorter": what pinned posts do to pages of the list, see list (ref. A.8)
	CreateVideoID   string // "public": v1 create also returns data.video_id, unlike the upload's, "none" (ref. A.7)
	ReviewFields    string // "gone", "sent": is_reviewed and video_status in the list (ref. A.8)
	OAuthMessage    string // "error", "none": the message of a failed OAuth call (ref. A.2)
	CoverBytes      string // "check" that a cover is a picture by its bytes, "ignore" (no source)
	EventContent    string // "object", "string": the content of a create_video webhook (ref. A.10)
	ContentTypeCode int    // 2100005: code of "unsupported content type" (ref. A.4)
	DeadUploadCode  int    // parameter error of the generation: code of a dead upload_id (ref. A.5)
	PartCode        int    // parameter error: code of a part's wrong size, number or order (ref. C)
	TextCode        int    // parameter error: code of a text that is too long (ref. C)
	AnchorCode      int    // parameter error: code of two kinds of anchor (ref. C)
	ReusedVideoCode int    // 2190007: code of a second create with a video_id (ref. C, "half")
}

// Options configure a Server. The zero value is one app, v1 with the token in the header, in a temporary folder.
type Options struct {
	Dir        string // state and bytes, synced to disk; empty: a temporary folder, unsynced, that Close removes
	Generation Generation
	Auth       Auth
	Apps       []App // empty: one app with every scope, DefaultKey and DefaultSecret
	Limits     Limits
	Readings   Readings
	Shape      Shape // how answers are written, unless a fault says otherwise

	ConsentAs     string        // open_id that the authorize page consents as; empty: a new user each time
	LoopbackHTTP  bool          // also take http redirect URIs on a loopback host; the platform does not (ref. A.2)
	SensitiveWord string        // a text that holds it is refused with 2111001
	ListLag       time.Duration // how long a new post stays out of the list and data (ref. A.8.3: freshness undocumented)
	DayZone       *time.Location
	KeepBytes     bool // keep finished videos, for OpenAsset; otherwise only their hash

	ControlKey string
	Ring       int // requests remembered
	Now        func() time.Time
	Rand       io.Reader
}

// The default app's key and secret, and its redirect URI.
const (
	DefaultKey      = "awfakedouyin0001"
	DefaultSecret   = "fake-douyin-client-secret"
	DefaultRedirect = "https://vodlift.example/oauth/douyin/callback"
)

// MiB is the unit of ref. A.6.
const MiB = 1 << 20

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// withDefaults fills what is empty and refuses what no platform could be.
func (o Options) withDefaults() (Options, error) {
	setDefault(&o.Generation, V1)
	setDefault(&o.Auth, Header)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.DayZone == nil {
		o.DayZone = time.FixedZone("China", 8*3600) // ref. A.9, 2114007: day boundary assumed China time
	}
	o.Limits = o.Limits.withDefaults()
	if len(o.Apps) == 0 {
		o.Apps = []App{{ClientKey: DefaultKey, ClientSecret: DefaultSecret, RedirectURIs: []string{DefaultRedirect}, Scopes: slices.Concat(AllScopes(), ShareScopes())}}
	} else {
		o.Apps = slices.Clone(o.Apps)
	}
	seen := map[string]bool{}
	for i := range o.Apps {
		a := &o.Apps[i]
		setDefault(&a.Generation, o.Generation)
		setDefault(&a.Auth, o.Auth)
		switch {
		case a.ClientKey == "" || a.ClientSecret == "" || seen[a.ClientKey]:
			return o, fmt.Errorf("fake douyin: app %q: key and secret are required, the key once", a.ClientKey)
		case a.Generation != Legacy && a.Generation != V1:
			return o, fmt.Errorf("fake douyin: app %q: generation %q", a.ClientKey, a.Generation)
		case a.Auth != Query && a.Auth != Header:
			return o, fmt.Errorf("fake douyin: app %q: auth %q", a.ClientKey, a.Auth)
		}
		seen[a.ClientKey] = true
	}
	return o, errors.Join(o.Readings.fill(), o.Limits.validate())
}

// validate refuses figures under which no upload could ever succeed.
func (l Limits) validate() error {
	least := min(l.SingleUpload, l.PartMin, l.PartMax, l.Whole, l.CoverImage, int64(l.Parts), int64(l.Text), int64(l.PostsPerDay),
		int64(l.ListCount), int64(l.Renewals), int64(l.ClientCalls))
	shortest := min(l.Duration, l.CodeLife, l.AccessLife, l.RefreshLife, l.RenewedLife, l.ClientLife, l.ClientGrace, l.ClientWindow,
		l.TicketLife, l.ShareLife, l.UploadLife, l.UnusedVideoLife)
	if least < 0 || shortest < 0 || l.PartMin > l.PartMax || l.PartMax > l.Whole {
		return fmt.Errorf("fake douyin: limits %+v: negative, or part_min > part_max > whole", l)
	}
	return nil
}

func (l Limits) withDefaults() Limits { // SingleUpload and CoverImage depend on the generation: see singleLimit
	setDefault(&l.PartMin, 5*MiB)
	setDefault(&l.PartMax, 100*MiB)
	setDefault(&l.Whole, 4<<30)
	setDefault(&l.Parts, 1000)
	setDefault(&l.Text, 1000)
	setDefault(&l.PostsPerDay, 75)
	setDefault(&l.Duration, 15*time.Minute)
	setDefault(&l.ListCount, 20)
	setDefault(&l.CodeLife, 10*time.Minute)
	setDefault(&l.AccessLife, 15*24*time.Hour)
	setDefault(&l.RefreshLife, 30*24*time.Hour)
	setDefault(&l.RenewedLife, l.RefreshLife)
	setDefault(&l.Renewals, 5)
	setDefault(&l.ClientLife, 2*time.Hour)
	setDefault(&l.ClientGrace, 5*time.Minute)
	setDefault(&l.ClientCalls, 500)
	setDefault(&l.ClientWindow, 5*time.Minute)
	setDefault(&l.TicketLife, 2*time.Hour)
	setDefault(&l.ShareLife, time.Hour)
	setDefault(&l.UploadLife, 2*time.Hour)
	setDefault(&l.UnusedVideoLife, 2*time.Hour)
	return l
}

func (l Limits) singleLimit(g Generation) int64 {
	if l.SingleUpload == 0 && g == Legacy {
		return 128 * MiB
	}
	setDefault(&l.SingleUpload, 300*MiB)
	return l.SingleUpload
}

func (l Limits) coverLimit(g Generation) int64 {
	if l.CoverImage == 0 && g == Legacy {
		return 100 * MiB
	}
	setDefault(&l.CoverImage, 20*MiB)
	return l.CoverImage
}

// fill sets defaults and refuses words that are neither reading.
func (r *Readings) fill() error {
	setDefault(&r.ContentTypeCode, 2100005)
	setDefault(&r.ReusedVideoCode, videoInvalid.code(legacyCall))
	var err error
	for _, w := range []struct {
		name  string
		field *string
		words [2]string
	}{
		{"RepeatedPart", &r.RepeatedPart, [2]string{"replace", "refuse"}},
		{"MissingParts", &r.MissingParts, [2]string{"truncate", "refuse"}},
		{"SecondComplete", &r.SecondComplete, [2]string{"refuse", "same"}},
		{"ReusedVideo", &r.ReusedVideo, [2]string{"refuse", "duplicate"}},
		{"ShortLastPart", &r.ShortLastPart, [2]string{"accept", "refuse"}},
		{"PartContentType", &r.PartContentType, [2]string{"check", "ignore"}},
		{"PartOrder", &r.PartOrder, [2]string{"any", "ascending"}},
		{"PartZero", &r.PartZero, [2]string{"refuse", "accept"}},
		{"ChunkedBody", &r.ChunkedBody, [2]string{"refuse", "accept"}},
		{"RenewedToken", &r.RenewedToken, [2]string{"dead", "works"}},
		{"TokenInBoth", &r.TokenInBoth, [2]string{"refuse", "accept"}},
		{"LegacyDelete", &r.LegacyDelete, [2]string{"refuse", "accept"}},
		{"DurationAt", &r.DurationAt, [2]string{"upload", "create"}},
		{"TextUnit", &r.TextUnit, [2]string{"runes", "utf16"}},
		{"PinnedPage", &r.PinnedPage, [2]string{"longer", "shorter"}},
		{"CreateVideoID", &r.CreateVideoID, [2]string{"public", "none"}},
		{"ReviewFields", &r.ReviewFields, [2]string{"gone", "sent"}},
		{"OAuthMessage", &r.OAuthMessage, [2]string{"error", "none"}},
		{"CoverBytes", &r.CoverBytes, [2]string{"check", "ignore"}},
		{"EventContent", &r.EventContent, [2]string{"object", "string"}},
	} {
		setDefault(w.field, w.words[0])
		if !slices.Contains(w.words[:], *w.field) {
			err = errors.Join(err, fmt.Errorf("fake douyin: reading %s %q: want one of %q", w.name, *w.field, w.words))
		}
	}
	return err
}
