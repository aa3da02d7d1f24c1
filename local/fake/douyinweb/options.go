package douyinweb

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/tos/drift"
)

// Storage is what the platform needs of the object storage behind it; *tos.Server is one. Implementations are safe for
// concurrent use and never call back into the Server. Their state must outlive a process as the Server's does.
type Storage interface {
	// Sign makes the authorization for one object (tos_sign), good until the deadline.
	Sign(object string, deadline time.Time) string

	// Stat describes a complete object; ok is false where there is none, or only chunks of one.
	Stat(object string) (b fake.Blob, ok bool)

	// Open opens the bytes of a complete object; the caller closes them.
	Open(object string) (interface {
		io.ReaderAt
		io.ReadCloser
	}, error)

	// Taken says that the platform has taken the object over.
	Taken(object string) error
}

// Limits are figures and lifetimes. Zero fields take the default.
type Limits struct {
	Text        int           // 1000 characters (assumed, as ref. A.6: part B names none)
	Title       int           // 30 characters, of item_title (ref. B.1)
	SessionLife time.Duration // 60 d, of the login cookies (no source)
	AuthLife    time.Duration // 5 h, of auth (ref. B.1: 17,688 s of a recorded one were left)
	SignLife    time.Duration // 86,400 s, of tos_sign (ref. B.1)
	CSRFLife    time.Duration // 86,370 s, of a token from anchor/search (ref. B.1)
}

// Readings are the questions that the reference leaves open, each with the answers a client must survive. The first word
// named is the default.
type Readings struct {
	CSRF          string // "cookie": header csrf_token repeats the cookie, "secsdk": X-Secsdk-Csrf-Token from anchor/search, "either", "none" asked for
	BadCSRF       string // "forbidden" HTTP 403, "code"
	DeadCookie    string // "code" status_code 8, "noauth" 0 without auth in step 1, "page" a login page with HTTP 200, "redirect" to one
	DeadCreate    string // "forbidden" HTTP 403, "empty" body with HTTP 200, "code", "page", "redirect": the same in step 5 (ref. B.1: 403 or empty)
	EdgeNodes     string // "one" set when use_edge_node=1 asks for it, "empty", "two"
	ParamsMethod  string // "get", "both": the TikTok sibling sends POST in step 2
	FileSize      string // "ignored", "checked": a file_size sent in step 2 must be what arrived
	GatewayStatus string // "ok": refusals are HTTP 200 with another code than 2000, "http": 400, 401, 404 with the same body
	ExtraParam    string // "required" as query of its own in step 4, "ignored" (one client wraps it and reports success)
	SecondConfirm string // "same" answer (assumed harmless), "refuse"
	Poster        string // "either" the poster's oid of step 4 or the video's, "poster", "video"
	Fields        string // "seed": every field of the seed is sent, empty or not, "lenient": only video_id and text
	TextUnit      string // "utf16", "runes": what a character of text is
	TextExtra     string // "check" offsets against the text, "ignore"
	ThirdText     string // "check": the text without its topics, spaces aside, "ignore"
	ReusedVideo   string // "duplicate": a second post, "refuse" (ref. B.1: create is not idempotent either)
	CreateAnswer  string // "item_id", "aweme": aweme.aweme_id, "both"
}

// Options configure a Server. Storage is required.
type Options struct {
	Storage     Storage
	StorageHost string // tos_host: host, or host:port, without scheme; empty: the host that the request came to
	Dir         string // state, synced to disk; empty: a temporary folder, unsynced, that Close removes
	Limits      Limits
	Readings    Readings
	Shape       drift.Shape // how answers are written, unless a fault says otherwise

	CookieDomain  string        // .douyin.com: of the cookies that AddAccount gives
	SensitiveWord string        // a text that holds it is refused
	ListLag       time.Duration // how long a new post stays out of the lists

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
	if o.Storage == nil {
		return o, errors.New("fake douyinweb: storage is required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	setDefault(&o.CookieDomain, ".douyin.com")
	l := &o.Limits
	setDefault(&l.Text, 1000)
	setDefault(&l.Title, 30)
	setDefault(&l.SessionLife, 60*24*time.Hour)
	setDefault(&l.AuthLife, 5*time.Hour)
	setDefault(&l.SignLife, 86400*time.Second)
	setDefault(&l.CSRFLife, 86370*time.Second)
	if min(l.Text, l.Title) < 0 || min(l.SessionLife, l.AuthLife, l.SignLife, l.CSRFLife) < 0 {
		return o, fmt.Errorf("fake douyinweb: limits %+v: negative", *l)
	}
	return o, errors.Join(o.Readings.fill(), o.Shape.Validate(Fields()))
}

// fill sets defaults and refuses words that are no reading.
func (r *Readings) fill() error {
	return errors.Join(
		one("CSRF", &r.CSRF, "cookie", "secsdk", "either", "none"),
		one("BadCSRF", &r.BadCSRF, "forbidden", "code"),
		one("DeadCookie", &r.DeadCookie, "code", "noauth", "page", "redirect"),
		one("DeadCreate", &r.DeadCreate, "forbidden", "empty", "code", "page", "redirect"),
		one("EdgeNodes", &r.EdgeNodes, "one", "empty", "two"),
		one("ParamsMethod", &r.ParamsMethod, "get", "both"),
		one("FileSize", &r.FileSize, "ignored", "checked"),
		one("GatewayStatus", &r.GatewayStatus, "ok", "http"),
		one("ExtraParam", &r.ExtraParam, "required", "ignored"),
		one("SecondConfirm", &r.SecondConfirm, "same", "refuse"),
		one("Poster", &r.Poster, "either", "poster", "video"),
		one("Fields", &r.Fields, "seed", "lenient"),
		one("TextUnit", &r.TextUnit, "utf16", "runes"),
		one("TextExtra", &r.TextExtra, "check", "ignore"),
		one("ThirdText", &r.ThirdText, "check", "ignore"),
		one("ReusedVideo", &r.ReusedVideo, "duplicate", "refuse"),
		one("CreateAnswer", &r.CreateAnswer, "item_id", "aweme", "both"),
	)
}

func one(name string, field *string, words ...string) error {
	setDefault(field, words[0])
	if !slices.Contains(words, *field) {
		return fmt.Errorf("fake douyinweb: reading %s %q: want one of %q", name, *field, words)
	}
	return nil
}
