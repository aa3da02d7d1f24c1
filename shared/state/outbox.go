package state

import (
	"context"
	"encoding/json"
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
}

// announce makes the outbox row of a status that ends an upload, in the transaction that writes that status.
func (l *Ledger) announce(_ context.Context) func(Upload) ([]table.Op, error) {
	return func(u Upload) ([]table.Op, error) {
		name, ok := announced[u.Status]
		if !ok {
			return nil, nil
		}
		d := detail{Upload: u.ID, Publication: u.Publication, Account: u.Account, Status: u.Status, Reason: u.Reason}
		if u.Post != nil {
			d.Post, d.URL = u.Post.ID, u.Post.URL
		}
		if u.Fault != nil && u.Status != upload.Published {
			d.Error = u.Fault.Text
		}
		op, err := l.outgoing(name, d, nil)
		if err != nil {
			return nil, err
		}
		return []table.Op{op}, nil
	}
}

// outgoing makes the operation that puts an event into the outbox. A fixed key makes it at most once.
func (l *Ledger) outgoing(name string, d any, key *string) (table.Op, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return table.Op{}, fault.Wrap("state.outgoing", err)
	}
	id, err := l.newID()
	if err != nil {
		return table.Op{}, err
	}
	now := l.now()
	if key != nil {
		id = *key
	}
	k := table.Key{PK: "OUT#" + shardOf(id), SK: id}
	it, err := cell[Outgoing]{item: table.Item{Key: k}, Value: Outgoing{Type: name, At: now, Detail: body}}.encode()
	if err != nil {
		return table.Op{}, err
	}
	it.Index = map[table.Index]table.Place{table.Due: {PK: "out#" + shardOf(id), SK: stamp(now) + "#" + id}}
	return table.Op{Put: &it, If: table.Absent}, nil
}

// End writes a terminal status by ev with its event for the outside, in one transaction. The upload stays due until
// Settle has cleared up after it.
func (l *Ledger) End(ctx context.Context, id string, gen int, ev upload.Event, reason string, fn func(*Upload) error) (Upload, error) {
	return l.Update(ctx, id, gen, func(u *Upload) error {
		if err := u.To(ev, reason); err != nil {
			return err
		}
		u.Ended, u.Settled, u.Due = l.now(), false, time.Time{}
		if fn == nil {
			return nil
		}
		return fn(u)
	}, l.announce(ctx))
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

// Finished records, once for mark, that every upload of a publication has ended, with its event. It says whether this
// call was the one.
func (l *Ledger) Finished(ctx context.Context, publication, mark string, uploads []Upload) (bool, error) {
	const op = "state.Finished"
	counts := map[upload.Status]int{}
	for _, u := range uploads {
		counts[u.Status]++
	}
	it, err := cell[finished]{item: table.Item{Key: table.Key{PK: "P#" + publication, SK: "END#" + mark}}, Value: finished{At: l.now()}}.encode()
	if err != nil {
		return false, err
	}
	out, err := l.outgoing("publication.finished", map[string]any{"publication": publication, "uploads": counts}, nil)
	if err != nil {
		return false, err
	}
	err = l.t.Transact(ctx, "", []table.Op{{Put: &it, If: table.Absent}, out})
	if isConflict(err) {
		return false, nil
	}
	return err == nil, fault.Wrap(op, err)
}
