package videos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Stage says how far an id has come.
type Stage string

// The stages. There is no way back.
const (
	Issued    Stage = "issued"    // somebody got the right to send its file
	Published Stage = "published" // its owner published it
	Deleted   Stage = "deleted"   // its owner deleted it, or the platform no longer has it
)

// States of review, transcoding and snapshots, in the words of reference c.3. "" = nothing yet.
const (
	OnCensor    = "onCensor"
	Check       = "check" // a person has to look
	OnTranscode = "onTranscode"
	Success     = "success"
	Fail        = "fail"
)

// Who judged, each outweighing those before it: nobody (Review=none) or the AI, a person at the platform, our operator.
const (
	byNobody   = "none"
	byAI       = "ai"
	byAudit    = "audit"
	byOperator = "operator"
)

// Facts are what the owner says of a video.
type Facts struct {
	Title       string  `json:"title,omitempty"`
	Description string  `json:"description,omitempty"`
	Duration    float64 `json:"duration,omitempty"` // seconds
	CoverURL    string  `json:"cover_url,omitempty"`
	Size        int64   `json:"size,omitempty"`
	Tags        string  `json:"tags,omitempty"` // separated by commas
	CateID      int64   `json:"cate_id,omitempty"`
	CateName    string  `json:"cate_name,omitempty"`
}

// File is one playable stream.
type File struct {
	Definition string `json:"definition,omitempty"`
	URL        string `json:"url"`
}

// Job is one job at the platform that a video needs.
type Job struct {
	IDs   []string  `json:"ids,omitempty"`
	Tries int       `json:"tries,omitempty"` // submits whose effect is not known to be none
	Busy  time.Time `json:"busy,omitzero"`   // a submit is under way until then
}

// Video is the record of one id.
type Video struct {
	ID    string `json:"id"`
	Owner string `json:"owner,omitempty"` // a user's id; empty: nobody's (yet)
	Stage Stage  `json:"stage"`
	Demo  bool   `json:"demo,omitempty"` // issued without a user
	// Found: we did not issue the id; a user published it who said that it is his, with a credential of getSts. It is never
	// deleted at the platform: he may have lied.
	Found   bool      `json:"found,omitempty"`
	Created time.Time `json:"created"`
	// From is the key of the address that the bytes are charged to; it is forgotten when they are.
	From string `json:"from,omitempty"`
	Facts
	Number    int64     `json:"number,omitempty"` // the apps' numeric id; set by publish
	Published time.Time `json:"published,omitzero"`
	Listed    bool      `json:"listed,omitempty"` // stands in the recommended list

	// What the platform confirmed.
	Status     string `json:"status,omitempty"`
	Stored     int64  `json:"stored,omitempty"`   // bytes
	Reviewed   int64  `json:"reviewed,omitempty"` // the bytes that were reviewed
	Charged    bool   `json:"charged,omitempty"`
	FirstFrame string `json:"first_frame,omitempty"`
	Files      []File `json:"files,omitempty"`

	Censor   string `json:"censor,omitempty"`
	CensorBy string `json:"censor_by,omitempty"`
	AuditWas string `json:"audit_was,omitempty"` // the platform's AuditStatus when a person was asked
	// Asked is when the review of the present file was asked for; Again, how often a file was replaced after that.
	Asked     time.Time `json:"asked,omitzero"`
	Again     int       `json:"again,omitempty"`
	Transcode string    `json:"transcode,omitempty"`
	Snapshot  string    `json:"snapshot,omitempty"`

	SnapshotJob  Job `json:"snapshot_job,omitzero"`
	AuditJob     Job `json:"audit_job,omitzero"`
	TranscodeJob Job `json:"transcode_job,omitzero"`

	Gone  bool      `json:"gone,omitempty"` // deleted at the platform, too
	Polls int       `json:"polls,omitempty"`
	Due   time.Time `json:"due,omitzero"`
}

// Public says whether everybody may see and play it.
func (v *Video) Public() bool { return v.Stage == Published && v.Censor == Success }

// wantsListing says whether it belongs in the recommended list: it passed review, and there is something to play.
func (v *Video) wantsListing() bool { return v.Public() && v.Transcode == Success }

// MaxID bounds the ids of videos that strangers send (reference c.3: 50 characters).
const MaxID = 64

const shards = 16

func shardOf(id string) string {
	var h uint32 = 2166136261
	for i := 0; i < len(id); i++ {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return fmt.Sprintf("%02d", h%shards)
}

func key(id string) table.Key { return table.Key{PK: "VIDEO#" + id, SK: "META"} }

// stamp is how times stand in sort keys: UTC, fixed width.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// GoodID says whether id can be one of the platform's: letters, digits, - and _.
func GoodID(id string) bool {
	if id == "" || len(id) > MaxID {
		return false
	}
	return strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// stored is a record as it was read.
type stored struct {
	Video
	item table.Item
	over bool // its bytes are more than its owner has left
}

// Get reads one video. table.ErrNotFound in the chain: there is none.
func (s *Store) Get(ctx context.Context, id string) (Video, error) {
	r, err := s.read(ctx, id)
	return r.Video, err
}

func (s *Store) read(ctx context.Context, id string) (stored, error) {
	if !GoodID(id) {
		return stored{}, fault.Wrap("videos.read", fault.Newf(fault.Invalid, "videos.read", "not a video id: %w", table.ErrNotFound))
	}
	var it table.Item
	var err error
	for range 3 {
		if it, err = s.t.Get(ctx, key(id)); err == nil || fault.KindOf(err) != fault.Retryable || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return stored{}, fault.Wrap("videos.read", err)
	}
	r := stored{item: it}
	if err := json.Unmarshal(it.Doc, &r.Video); err != nil {
		return stored{}, fault.Newf(fault.Permanent, "videos.read", "record %s is unreadable: %w", id, err)
	}
	return r, nil
}

// tombLife is how long deleted and never published ids are remembered. After that no id is young enough to be claimed.
const tombLife = 30 * 24 * time.Hour

// write puts r.Video in place of what was read, with ops in the same transaction. When the answer is lost, the record
// tells whether it was done; a conflict is table.ErrConflict. To write again, read again.
func (s *Store) write(ctx context.Context, r *stored, ops []table.Op) error {
	const op = "videos.write"
	it := table.Item{Key: key(r.ID), V: r.item.V}
	doc, err := json.Marshal(r.Video)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if it.Doc, err = keepUnknown(r.item.Doc, doc); err != nil {
		return fault.Wrap(op, err)
	}
	if !r.Due.IsZero() {
		it.Index = map[table.Index]table.Place{table.Due: {PK: "video#" + shardOf(r.ID), SK: stamp(r.Due) + "#" + r.ID}}
	} else if r.Stage != Published {
		it.Expires = s.now().Add(tombLife)
	}
	cond := table.Absent
	if r.item.Version > 0 {
		cond = r.item.Version
	}
	if err := s.send(ctx, &it, cond, ops); err != nil {
		if !unsure(err) {
			return fault.Wrap(op, err)
		}
		have, gerr := s.t.Get(context.WithoutCancel(ctx), it.Key)
		if gerr != nil || string(have.Doc) != string(it.Doc) {
			return fault.Wrap(op, err)
		}
		it = have // ours: the answer was lost
	}
	r.item = it
	return nil
}

// send writes it, with ops in one transaction if there are any, and sets its new version where that is known.
func (s *Store) send(ctx context.Context, it *table.Item, cond int64, ops []table.Op) (err error) {
	if len(ops) == 0 {
		it.Version, err = s.t.Put(ctx, *it, cond)
		return err
	}
	return s.t.Transact(ctx, "", append([]table.Op{{Put: it, If: cond}}, ops...))
}

// unsure says that a write with this error may have been done.
func unsure(err error) bool {
	k := fault.KindOf(err)
	return !errors.Is(err, table.ErrConflict) && k == fault.Unknown && fault.EffectOf(err) != fault.EffectNone
}

// again says whether a compare-and-swap goes round once more.
func again(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	k := fault.KindOf(err)
	return errors.Is(err, table.ErrConflict) || k == fault.Retryable || k == fault.Unknown
}

// attempts bounds a compare-and-swap.
const attempts = 12

func tooBusy(op string, err error) error {
	return &fault.Error{Kind: fault.Retryable, Op: op, After: time.Second, Err: fmt.Errorf("too many writers at once: %w", err)}
}

// backoff waits before try n (from 0): not before the first two, then a random time under 2 ms doubling to 64 ms.
func (s *Store) backoff(ctx context.Context, n int) {
	if n < 2 {
		return
	}
	var b [2]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return
	}
	t := time.NewTimer((time.Millisecond << min(n-1, 6)) * time.Duration(int(b[0])<<8|int(b[1])) >> 16)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// keepUnknown adds to doc the members of old that this program does not know: a newer one wrote them.
func keepUnknown(old, doc json.RawMessage) (json.RawMessage, error) {
	if len(old) == 0 {
		return doc, nil
	}
	var was, is map[string]json.RawMessage
	if err := json.Unmarshal(old, &was); err != nil {
		return nil, fault.Newf(fault.Permanent, "videos.keepUnknown", "stored record: %w", err)
	}
	for _, name := range names(reflect.TypeFor[Video]()) {
		delete(was, name)
	}
	if len(was) == 0 {
		return doc, nil
	}
	if err := json.Unmarshal(doc, &is); err != nil {
		return nil, fault.Newf(fault.Permanent, "videos.keepUnknown", "new record: %w", err)
	}
	for k, v := range was {
		is[k] = v
	}
	return json.Marshal(is)
}

func names(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			out = append(out, names(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}
