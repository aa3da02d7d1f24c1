package state

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// announced maps a status to the event that tells the outside of it (design 5).
var announced = map[upload.Status]string{
	upload.Published:  "upload.published",
	upload.Held:       "upload.held",
	upload.Failed:     "upload.failed",
	upload.Cancelled:  "upload.cancelled",
	upload.NeedsLogin: "account.needs_login",
}

// detail is what an outgoing event says of an upload; no secret is in it.
type detail struct {
	Upload      string         `json:"upload"`
	Publication string         `json:"publication"`
	Account     upload.Account `json:"account"`
	Status      upload.Status  `json:"status"`
	Reason      string         `json:"reason,omitempty"`
	Post        string         `json:"post,omitempty"`
	URL         string         `json:"url,omitempty"`
	Error       string         `json:"error,omitempty"`
	Extra       string         `json:"extra,omitempty"` // a second post of the same upload
}

func detailOf(u *Upload) detail {
	d := detail{Upload: u.ID, Publication: u.Publication, Account: u.Account, Status: u.Status, Reason: u.Reason}
	if u.Post != nil {
		d.Post, d.URL = u.Post.ID, u.Post.URL
	}
	if u.Fault != nil && u.Status != upload.Published {
		d.Error = u.Fault.Text
	}
	return d
}

// announce makes the outbox row of a status that ends an upload, in the transaction that writes that status. A step that
// runs twice finds the status written and says it once.
func (l *Ledger) announce(u *Upload, was upload.Status) ([]table.Op, error) {
	name, ok := announced[u.Status]
	if !ok || u.Status == was {
		return nil, nil
	}
	return l.outgoing(name, detailOf(u))
}

// announceExtra tells of a post too many: somebody has to delete one.
func (l *Ledger) announceExtra(u *Upload, p upload.Post) ([]table.Op, error) {
	d := detailOf(u)
	d.Extra = p.ID
	return l.outgoing("post.extra", d)
}

// outgoing makes the operation that puts an event into the outbox.
func (l *Ledger) outgoing(name string, d any) ([]table.Op, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return nil, fault.Wrap("state.outgoing", err)
	}
	id, err := l.newID()
	if err != nil {
		return nil, err
	}
	now := l.now()
	k := table.Key{PK: "OUT#" + shardOf(id), SK: id}
	it, err := cell[Outgoing]{item: table.Item{Key: k}, Value: Outgoing{Type: name, At: now, Detail: body}}.encode()
	if err != nil {
		return nil, err
	}
	it.Index = map[table.Index]table.Place{table.Due: {PK: "out#" + shardOf(id), SK: stamp(now) + "#" + id}}
	return []table.Op{{Put: &it, If: table.Absent}}, nil
}

// End writes a terminal status by ev with its event for the outside, in one transaction. The upload stays due until
// Settle has cleared up after it. A failure while an intent is open is HELD: nobody knows that nothing was published
// (design 4.4). A status that is there already is kept, and not announced again.
func (l *Ledger) End(ctx context.Context, id string, gen int, ev upload.Event, reason string, fn func(*Upload) error) (Upload, error) {
	var was upload.Status
	return l.Update(ctx, id, gen, func(u *Upload) error {
		was = u.Status
		what := ev
		if what == upload.EvFailed && u.OpenIntent() {
			what = upload.EvHeld
		}
		if err := u.To(what, reason); err != nil {
			return err
		}
		if u.Status != was {
			u.Ended, u.Due = l.now(), time.Time{}
			u.Settled = u.Settled && was.Terminal() // then Update sees to it that somebody clears up once more
		}
		if fn == nil {
			return nil
		}
		return fn(u)
	}, func(u Upload) ([]table.Op, error) { return l.announce(&u, was) })
}

// Outgoing reads one event of the outbox; ok is false when it was delivered already.
func (l *Ledger) Outgoing(ctx context.Context, id string) (o Outgoing, ok bool, err error) {
	c, err := open[Outgoing](ctx, l.t, table.Key{PK: "OUT#" + shardOf(id), SK: id})
	if isAbsent(err) {
		return Outgoing{}, false, nil
	}
	return c.Value, err == nil, fault.Wrap("state.Outgoing", err)
}

// Delivered removes an event from the outbox.
func (l *Ledger) Delivered(ctx context.Context, id string) error {
	return fault.Wrap("state.Delivered", l.t.Delete(ctx, table.Key{PK: "OUT#" + shardOf(id), SK: id}, table.AnyVersion))
}

// finished marks that "all uploads of this publication are finished" was said, once per revision and set of
// generations.
type finished struct {
	At time.Time `json:"at"`
}

// maxMark is how long a mark may stand in a key; one of many uploads is longer and stands there by its digest.
const maxMark = 128

// Finished records, once for mark, that every upload of a publication has ended, with its event. It says whether this
// call was the one.
func (l *Ledger) Finished(ctx context.Context, publication, mark string, uploads []Upload) (bool, error) {
	const op = "state.Finished"
	counts := map[upload.Status]int{}
	for _, u := range uploads {
		counts[u.Status]++
	}
	if len(mark) > maxMark {
		mark = fmt.Sprintf("sha256#%x", sha256.Sum256([]byte(mark)))
	}
	it, err := cell[finished]{item: table.Item{Key: table.Key{PK: "P#" + publication, SK: "END#" + mark}}, Value: finished{At: l.now()}}.encode()
	if err != nil {
		return false, err
	}
	out, err := l.outgoing("publication.finished", map[string]any{"publication": publication, "uploads": counts})
	if err != nil {
		return false, err
	}
	err = l.t.Transact(ctx, "", append(out, table.Op{Put: &it, If: table.Absent}))
	if isConflict(err) {
		return false, nil
	}
	return err == nil, fault.Wrap(op, err)
}

// Announce puts an event of no upload into the outbox, once for id: a repeat changes nothing.
func (l *Ledger) Announce(ctx context.Context, name, id string, d any) error {
	const op = "state.Announce"
	sum := sha256.Sum256([]byte(name + "\x00" + id))
	it, err := cell[finished]{item: table.Item{Key: table.Key{PK: fmt.Sprintf("SAID#%x", sum[:16]), SK: "-"}, Expires: l.now().AddDate(1, 0, 0)}, Value: finished{At: l.now()}}.encode()
	if err != nil {
		return fault.Wrap(op, err)
	}
	out, err := l.outgoing(name, d)
	if err != nil {
		return fault.Wrap(op, err)
	}
	err = l.t.Transact(ctx, "", append(out, table.Op{Put: &it, If: table.Absent}))
	if isConflict(err) {
		return nil
	}
	return fault.Wrap(op, err)
}
