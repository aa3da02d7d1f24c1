// Package upload holds the nouns that everything else speaks of (design 1), the plan of parts and ranges, and the rules
// by which an upload's status changes. It is pure: no I/O, no clock, no platform.
package upload

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Source is the object in the bucket that is to be published.
type Source struct {
	Bucket    string `json:"bucket"`
	Key       string `json:"key"`
	ETag      string `json:"etag"`
	Size      int64  `json:"size"`
	VersionID string `json:"version_id,omitempty"` // only pins reads; no part of the identity
}

// PublicationID names the publication of a source: the same drop twice, or in another version, has the same id.
func PublicationID(s Source) string {
	return "p" + hashID(s.Bucket, s.Key, strings.Trim(s.ETag, `"`), strconv.FormatInt(s.Size, 10))
}

// ObjectID names a bucket and key whatever is in it; a sidecar finds its video by it.
func ObjectID(bucket, key string) string { return "o" + hashID(bucket, key) }

// ID names the upload of a publication to an account. Only another `again` label makes a second upload of the same.
func ID(publication string, a Account, again string) string {
	return "u" + hashID(publication, string(a), again)
}

// ExecutionName is the name of the execution that works on generation gen of an upload.
func ExecutionName(upload string, gen int) string { return upload + "-" + strconv.Itoa(gen) }

// hashID joins the parts by length, so that no two lists give the same text, and keeps 130 bits.
func hashID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil))[:26])
}

// Account is "target/name": whose name something is published under.
type Account string

// NewAccount joins a target and a name.
func NewAccount(target, name string) Account { return Account(target + "/" + name) }

// ParseAccount checks the form target/name: lower-case letters and digits; inside the name also - _ and dots.
func ParseAccount(s string) (Account, error) {
	t, n, ok := strings.Cut(s, "/")
	if !ok || !wordOK(t, "") || !wordOK(n, "-_.") || len(s) > 128 {
		return "", fmt.Errorf("account %q: want target/name, for example douyin/main (a-z, 0-9, inside the name also - _ .)", clip(s, 64))
	}
	return Account(s), nil
}

func wordOK(s, extra string) bool {
	if s == "" || strings.ContainsAny(s[:1], extra) || strings.ContainsAny(s[len(s)-1:], extra) {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(extra, r) {
			return false
		}
	}
	return true
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

// Target is the platform's word: douyin, douyinweb, youku, alivod.
func (a Account) Target() string { t, _, _ := strings.Cut(string(a), "/"); return t }

// Name is the account's name at that target.
func (a Account) Name() string { _, n, _ := strings.Cut(string(a), "/"); return n }

// Video is what a target is told of one upload: the source's facts and the manifest's fields for this target, as of
// the revision in force.
type Video struct {
	Upload      string          `json:"upload"`
	Publication string          `json:"publication"`
	Account     Account         `json:"account"`
	Size        int64           `json:"size"`
	FileName    string          `json:"file_name"` // last element of the key, for platforms that want one
	ContentType string          `json:"content_type"`
	Title       string          `json:"title"`
	Description string          `json:"description,omitempty"`
	Tags        []string        `json:"tags,omitempty"`
	Private     bool            `json:"private,omitempty"`
	Duration    time.Duration   `json:"duration,omitempty"` // 0 = not known
	CRC64       string          `json:"crc64,omitempty"`    // CRC-64/ECMA of the content as 16 hex digits, once known
	MD5         string          `json:"md5,omitempty"`      // 32 lower-case hex, taken before Init; "" where nobody asked (target.Digester)
	Fields      json.RawMessage `json:"fields,omitempty"`   // the manifest's object for this target

	// Cover is the wish for a cover; nil leaves it to the platform.
	Cover *Cover `json:"cover,omitempty"`

	// What the media header says, as far as it was read; empty and 0 = not known, and nothing is refused for it.
	Container  string  `json:"container,omitempty"`    // mp4, mov, webm, ...
	Codec      string  `json:"codec,omitempty"`        // of the picture: avc1, hvc1, ...
	Width      int     `json:"width,omitempty"`        // as shown: a turned phone video is upright
	Height     int     `json:"height,omitempty"`       //
	FrameRate  float64 `json:"frame_rate,omitempty"`   // pictures a second
	IndexAtEnd bool    `json:"index_at_end,omitempty"` // an MP4 whose index (moov) stands behind the pictures
	Unchecked  string  `json:"unchecked,omitempty"`    // why the header gave no verdict; "" = it was read, or nobody looked
}

// Cover is what is to be shown before a video plays: a moment of it, or a picture; exactly one is set.
type Cover struct {
	At      *float64 `json:"at,omitempty"` // seconds from the start
	Picture *Picture `json:"picture,omitempty"`
}

// Picture is a picture object in the source's bucket. All but Key are unknown (empty, 0) where nobody has looked at the
// object yet, as in a dry run; then nothing is refused for them.
type Picture struct {
	Key         string `json:"key"`
	Size        int64  `json:"size,omitempty"`
	ContentType string `json:"content_type,omitempty"` // by its bytes, whatever it is called (media.ProbePicture)
	Width       int    `json:"width,omitempty"`
	Height      int    `json:"height,omitempty"`
	// Ref names these very bytes: PictureRef. Equal Ref, equal picture.
	Ref string `json:"ref,omitempty"`
	// Link is an address from which the platform may fetch the picture, where it wants one. It is signed, hence a secret,
	// and another one each time, hence no part of any identity; it is never marshalled.
	Link string `json:"-"`
}

// PictureRef names the bytes of a cover object. A change of the object changes its ETag.
func PictureRef(bucket, key, etag string, size int64) string {
	return "c" + hashID(bucket, key, strings.Trim(etag, `"`), strconv.FormatInt(size, 10))
}

// String hides the link.
func (p Picture) String() string {
	return fmt.Sprintf("picture(%s, %d bytes, %s)", p.Key, p.Size, p.ContentType)
}

// Format hides the same from every verb of fmt.
func (p Picture) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// GoString hides the same.
func (p Picture) GoString() string { return p.String() }

// LogValue hides the same.
func (p Picture) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Part is a numbered byte range that the platform receives in one request. Numbers start at 1.
type Part struct {
	Number int   `json:"n"`
	Offset int64 `json:"o"`
	Size   int64 `json:"s"`
}

// Receipt is what the platform returned for a part, with our own CRC64 of the bytes that were sent.
type Receipt struct {
	Part  int    `json:"p"`
	Size  int64  `json:"s"`
	CRC64 uint64 `json:"c,string"`
	ETag  string `json:"e,omitempty"` // the platform's, if it has one
	// Asset is set where one request carries everything and its answer names the asset.
	Asset string `json:"a,omitempty"`
	// Unsummed marks a part known only from the platform's list: its CRC64 has to be taken from the source again.
	Unsummed bool `json:"u,omitempty"`
}

// Session is the platform's own open upload. Plain data: any process may continue it. It holds secrets and is sealed
// at rest.
type Session struct {
	ID      string          `json:"id"` // the platform's id of it; may be a secret-like handle, never logged
	Opened  time.Time       `json:"opened"`
	Expires time.Time       `json:"expires"` // zero = not known
	Private json.RawMessage `json:"private,omitempty"`
	// Cover is the Ref of the picture that the platform has for this session; "" = none. The adapter sets it.
	Cover string `json:"cover,omitempty"`
}

// String hides the session's id and private fields.
func (s Session) String() string {
	return "session(opened " + s.Opened.UTC().Format(time.RFC3339) + ", expires " + s.Expires.UTC().Format(time.RFC3339) + ")"
}

// Format hides the same from every verb of fmt; %d or %x would else print the fields.
func (s Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// GoString hides the same.
func (s Session) GoString() string { return s.String() }

// LogValue hides the same.
func (s Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Asset is the finished remote file, before it is public.
type Asset struct {
	ID      string          `json:"id"`
	Expires time.Time       `json:"expires"`           // zero = not known
	Private json.RawMessage `json:"private,omitempty"` // nothing secret
}

// Post is the public work.
type Post struct {
	ID  string    `json:"id"`
	URL string    `json:"url,omitempty"`
	At  time.Time `json:"at"` // when the platform says it was made, else when we learnt of it
}

// Limits is what a platform accepts (its adapter's pure Limits function).
type Limits struct {
	MaxSize     int64 `json:"max_size"`      // of a whole video, bytes; 0 = unlimited
	OneRequest  int64 `json:"one_request"`   // up to this size one request carries everything; 0 = never
	MinPart     int64 `json:"min_part"`      // every part but the last
	MinLastPart int64 `json:"min_last_part"` // the last part; at least 1
	MaxPart     int64 `json:"max_part"`
	WantPart    int64 `json:"want_part"` // the size to aim at
	MaxParts    int   `json:"max_parts"`
	InOrder     bool  `json:"in_order"`  // parts must arrive in order: one range, one part in flight
	InFlight    int   `json:"in_flight"` // parts in flight inside one range, 1 to 8

	// SessionLife is how long an open session of several parts lives, AssetLife how long a finished file waits for its
	// Publish; 0 = long enough for anything. Plan refuses what cannot arrive in time; a scheduled upload begins so late
	// that both suffice.
	SessionLife time.Duration `json:"session_life,omitempty"`
	AssetLife   time.Duration `json:"asset_life,omitempty"`
}
