package tos

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/vodlift/vodlift/local/fake/tos/drift"
)

// MiB is the unit of the reference.
const MiB = 1 << 20

// None lifts a limit.
const None = -1

// Limits are sizes. The server's own are unconfirmed; the defaults hold a client to what sources show working (ref. B.1,
// 3b). Zero fields take the default, None lifts one.
type Limits struct {
	PartMin int64 // 2 MiB, but for the last chunk
	PartMax int64 // 5 MiB
	Parts   int   // 10,000
	Whole   int64 // none
}

// Readings are the questions that the reference leaves open, each with the answers a client must survive. The first word
// named is the default.
type Readings struct {
	CRC           string // "chunks" need Content-CRC32 and the whole object may go without as in the seed, "required", "optional"; verified whenever sent
	CRCForm       string // "strict": 8 lower-case hex digits, "loose": as one older client, any case, no padding
	ContentType   string // "check": octet-stream on bytes (a chunk may go without), "ignore"
	Status        string // "ok": refusals are HTTP 200 with success 1, "http": 400, 403 or 404 with the same body
	DeadSign      string // "json", "page": how a refused Authorization is answered (ref. C: body form unconfirmed); a page is HTTP 403
	FirstPart     string // "either" 0 or 1, "one", "zero"
	PostChunk     string // "accept" a chunk by POST, "refuse"
	PartOrder     string // "any", "ascending": a chunk only after the one before it
	RepeatedPart  string // "replace" the earlier bytes, "refuse"
	ShortLastPart string // "accept", "refuse"
	SecondClose   string // "refuse", "same" answer again
	SecondUpload  string // "replace" an object that is already there, "refuse"
	ChunkedBody   string // "refuse" with HTTP 411, "accept" a body without Content-Length
}

// Options configure a Server. The zero value works, in a temporary folder.
type Options struct {
	Dir       string // state and bytes, synced to disk; empty: a temporary folder, unsynced, that Close removes
	Limits    Limits
	Readings  Readings
	Shape     drift.Shape // how answers are written, unless a fault says otherwise
	KeepBytes bool        // keep objects that were Taken; otherwise only their hash

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

func (o Options) withDefaults() (Options, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	setDefault(&o.Limits.PartMin, 2*MiB)
	setDefault(&o.Limits.PartMax, 5*MiB)
	setDefault(&o.Limits.Parts, 10_000)
	setDefault(&o.Limits.Whole, None)
	for _, max := range []*int64{&o.Limits.PartMax, &o.Limits.Whole} {
		if *max == None {
			*max = 1 << 50
		}
	}
	if o.Limits.Parts == None {
		o.Limits.Parts = 1 << 30
	}
	l := o.Limits
	if l.PartMin < None || l.PartMax < 1 || l.Parts < 1 || l.Whole < 1 || l.PartMin > l.PartMax {
		return o, fmt.Errorf("fake tos: limits %+v: negative, or part_min > part_max", l)
	}
	return o, errors.Join(o.Readings.fill(), o.Shape.Validate(Fields()))
}

// fill sets defaults and refuses words that are no reading.
func (r *Readings) fill() error {
	return errors.Join(
		one("CRC", &r.CRC, "chunks", "required", "optional"),
		one("CRCForm", &r.CRCForm, "strict", "loose"),
		one("ContentType", &r.ContentType, "check", "ignore"),
		one("Status", &r.Status, "ok", "http"),
		one("DeadSign", &r.DeadSign, "json", "page"),
		one("FirstPart", &r.FirstPart, "either", "one", "zero"),
		one("PostChunk", &r.PostChunk, "accept", "refuse"),
		one("PartOrder", &r.PartOrder, "any", "ascending"),
		one("RepeatedPart", &r.RepeatedPart, "replace", "refuse"),
		one("ShortLastPart", &r.ShortLastPart, "accept", "refuse"),
		one("SecondClose", &r.SecondClose, "refuse", "same"),
		one("SecondUpload", &r.SecondUpload, "replace", "refuse"),
		one("ChunkedBody", &r.ChunkedBody, "refuse", "accept"),
	)
}

func one(name string, field *string, words ...string) error {
	setDefault(field, words[0])
	if !slices.Contains(words, *field) {
		return fmt.Errorf("fake tos: reading %s %q: want one of %q", name, *field, words)
	}
	return nil
}
