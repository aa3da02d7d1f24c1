package state

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// How long callbacks are remembered. A repeat that comes later still is taken for a new hint, and hints change nothing by
// themselves.
const (
	keepSeen      = 90 * 24 * time.Hour
	keepUnmatched = 30 * 24 * time.Hour
)

// Heard is a callback as the ledger keeps it: verified and parsed, and still only a hint (design 4.7).
type Heard struct {
	Platform string          `json:"platform"`
	Type     string          `json:"type"`
	Status   string          `json:"status,omitempty"`
	Key      string          `json:"key"` // tells repeats
	Remotes  []string        `json:"remotes,omitempty"`
	Job      string          `json:"job,omitempty"`
	Extend   string          `json:"extend,omitempty"`
	At       time.Time       `json:"at,omitzero"` // the platform's time of the event
	Final    bool            `json:"final,omitempty"`
	Came     time.Time       `json:"came"`
	Upload   string          `json:"upload,omitempty"` // whose it is; empty = nobody's that we know
	Body     json.RawMessage `json:"body,omitempty"`   // as received; of an upload's event it stands in the upload's RAW record
}

// Told is the most that a platform's events have said of an upload. Events may be repeated and overtake one another, so
// this is the top of a lattice: what is final stands over what is not, else the later event over the earlier. No order of
// deliveries makes it another.
type Told struct {
	Type   string    `json:"type"`
	Status string    `json:"status,omitempty"`
	Final  bool      `json:"final,omitempty"`
	At     time.Time `json:"at,omitzero"`
	Key    string    `json:"key"`
}

// over says that t stands strictly over o, by finality and time.
func (t Told) over(o Told) bool {
	if t.Final != o.Final {
		return t.Final
	}
	return t.At.After(o.At)
}

// Tell notes what an event says, and whether it may be news: it is not where something final, or later, was said before.
func (u *Upload) Tell(h Heard) (news bool) {
	t := Told{Type: clip(h.Type, maxWord), Status: clip(h.Status, maxWord), Final: h.Final, At: h.At, Key: clip(h.Key, maxWord)}
	switch have := u.Told; {
	case have == nil, t.over(*have):
		u.Told = &t
		return true
	case have.over(t):
		return false
	case t.Key > have.Key: // equal in rank: any rule will do that knows no order of arrival
		u.Told = &t
	}
	return true
}

// idKey makes a key of a prefix and an id from outside; one that no key can hold stands there by its digest.
func idKey(prefix, id string) table.Key {
	if id == "" || len(id) > maxPostID || !utf8.ValidString(id) {
		id = fmt.Sprintf("sha256#%x", sha256.Sum256([]byte(id)))
	}
	return table.Key{PK: prefix + id, SK: "-"}
}

func remoteKey(target, id string) table.Key { return idKey("R#"+target+"#", id) }

// callbackKey is that of a callback's record. The key is hex; what is not is kept by its digest, since a list parts the
// key's pieces by slashes.
func callbackKey(platform, key string) table.Key {
	if strings.ContainsAny(key, "/#") {
		key = fmt.Sprintf("sha256-%x", sha256.Sum256([]byte(key)))
	}
	return idKey("CB#"+platform+"#", key)
}

// LinkRemote notes that the platform speaks of an upload by this id. The first one to say so has it, for ever; holder is
// whose it is.
func (l *Ledger) LinkRemote(ctx context.Context, target, remote, id string) (holder string, err error) {
	const op = "state.LinkRemote"
	k := remoteKey(target, remote)
	it, err := cell[claim]{item: table.Item{Key: k}, Value: claim{Upload: id, At: l.now()}}.encode()
	if err != nil {
		return "", err
	}
	if _, err = l.create(ctx, it); err == nil {
		return id, nil
	}
	if !isConflict(err) {
		return "", fault.Wrap(op, err)
	}
	c, err := open[claim](ctx, l.t, k)
	return c.Value.Upload, fault.Wrap(op, err)
}

// RemoteOwner tells which upload a platform means by an id; "" if none that we know.
func (l *Ledger) RemoteOwner(ctx context.Context, target, remote string) (string, error) {
	c, err := open[claim](ctx, l.t, remoteKey(target, remote))
	if isAbsent(err) {
		return "", nil
	}
	return c.Value.Upload, fault.Wrap("state.RemoteOwner", err)
}

// errSeen ends a RecordCallback of what was recorded before.
var errSeen = errors.New("this callback was recorded before")

// HeardBefore says whether a callback of that key is on record.
func (l *Ledger) HeardBefore(ctx context.Context, platform, key string) (bool, error) {
	_, err := get(ctx, l.t, callbackKey(platform, key))
	if isAbsent(err) {
		return false, nil
	}
	return err == nil, fault.Wrap("state.HeardBefore", err)
}

// RecordCallback writes down a callback that belongs to upload id, once: its key, its body and a line beside the upload's
// timeline, and fn's change of the upload, all in one transaction. first is false for a repeat, which changes nothing.
func (l *Ledger) RecordCallback(ctx context.Context, id string, h Heard, text string, fn func(*Upload) error) (u Upload, first bool, err error) {
	first = true
	u, err = l.Update(ctx, id, AnyGen, func(u *Upload) error {
		if seen, err := l.HeardBefore(ctx, h.Platform, h.Key); err != nil {
			return err
		} else if seen {
			return errSeen
		}
		return fn(u)
	}, func(u Upload) ([]table.Op, error) { return l.heardOps(&u, h, text) })
	if errors.Is(err, errSeen) {
		u, err = l.Upload(ctx, id)
		return u, false, err
	}
	return u, err == nil && first, err
}

func (l *Ledger) heardOps(u *Upload, h Heard, text string) ([]table.Op, error) {
	n, err := l.newID()
	if err != nil {
		return nil, err
	}
	h.Came, h.Upload = l.now(), u.ID
	body := h.Body
	h.Body = nil
	mark, err := l.seenItem(h, keepSeen)
	if err != nil {
		return nil, err
	}
	line, err := cell[Event]{item: table.Item{Key: table.Key{PK: "U#" + u.ID, SK: "EV#" + n}},
		Value: Event{At: h.Came, Gen: u.Gen, Step: "callback", Text: clip(text, maxText)}}.encode()
	if err != nil {
		return nil, err
	}
	h.Body = body
	raw, err := cell[Heard]{item: table.Item{Key: table.Key{PK: "U#" + u.ID, SK: "RAW#" + n}}, Value: h}.encode()
	if err != nil {
		return nil, err
	}
	return []table.Op{{Put: &mark, If: table.Absent}, {Put: &line, If: table.Absent}, {Put: &raw, If: table.Absent}}, nil
}

// seenItem is the record of a callback's key.
func (l *Ledger) seenItem(h Heard, keep time.Duration) (table.Item, error) {
	it, err := cell[Heard]{item: table.Item{Key: callbackKey(h.Platform, h.Key)}, Value: h}.encode()
	it.Expires = h.Came.Add(keep)
	return it, err
}

// RecordUnmatched writes down a callback that belongs to no upload that we know, or to one that has had too many, once.
// It is listed for a month. first is false for a repeat.
func (l *Ledger) RecordUnmatched(ctx context.Context, h Heard) (first bool, err error) {
	h.Came = l.now()
	it, err := l.seenItem(h, keepUnmatched)
	if err != nil {
		return false, err
	}
	id := strings.TrimPrefix(it.PK, "CB#")
	it.Index = map[table.Index]table.Place{table.List: listPlace("C", strings.ReplaceAll(id, "#", "/"), h.Came)}
	_, err = l.create(ctx, it)
	if isConflict(err) {
		return false, nil
	}
	return err == nil, fault.Wrap("state.RecordUnmatched", err)
}

// Unmatched lists the callbacks of the days from since that belong to no upload, oldest first, the newest limit of them.
func (l *Ledger) Unmatched(ctx context.Context, since time.Time, limit int) ([]Heard, error) {
	ids, err := l.listed(ctx, "C", since, limit)
	if err != nil {
		return nil, err
	}
	var out []Heard
	for _, id := range ids {
		c, err := open[Heard](ctx, l.t, table.Key{PK: "CB#" + strings.ReplaceAll(id, "/", "#"), SK: "-"})
		if isAbsent(err) {
			continue // its time is over
		}
		if err != nil {
			return out, fault.Wrap("state.Unmatched", err)
		}
		out = append(out, c.Value)
	}
	return out, nil
}

// Raw reads the callbacks of an upload as they were received, oldest first, at most limit (0 = a page).
func (l *Ledger) Raw(ctx context.Context, id string, limit int) ([]Heard, error) {
	items, _, err := l.t.Query(ctx, table.Query{PK: "U#" + id, Prefix: "RAW#", Limit: limit})
	if err != nil {
		return nil, fault.Wrap("state.Raw", err)
	}
	var out []Heard
	for _, it := range items {
		c, err := decode[Heard](it)
		if err != nil {
			return out, err
		}
		out = append(out, c.Value)
	}
	return out, nil
}

// maxToldPosts bounds what an intent keeps of posts that callbacks named.
const maxToldPosts = 5

// TellPosts keeps the posts that a callback named for this intent's hand-over: all of ids but session, the hand-over's own
// id. They are candidates for looks and people, no more.
func (in *Intent) TellPosts(ids []string, session string, at time.Time) {
	in.Told = toldPosts(in.Told, ids, session, at)
}

// toldPosts adds posts to a bounded list.
func toldPosts(have []upload.Post, ids []string, session string, at time.Time) []upload.Post {
	told := slices.Clone(have) // a transaction that is tried again starts from the record
	for _, id := range ids {
		same := func(p upload.Post) bool { return p.ID == id }
		if id != "" && id != session && short(id, maxPostID) && len(told) < maxToldPosts && !slices.ContainsFunc(told, same) {
			told = append(told, upload.Post{ID: id, At: at})
		}
	}
	return told
}
