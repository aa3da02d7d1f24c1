package state

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// Handed says that a person publishes the upload by hand. The link is in a sealed record of its own.
type Handed struct {
	Shares  []string      `json:"shares"` // ids that the platform's callback names, the newest last; each link works until it expires
	Expires time.Time     `json:"expires"`
	Told    []upload.Post `json:"told,omitempty"` // posts that callbacks named by one of these ids
}

// maxShares bounds how many share ids an upload remembers; what comes by an older one still finds it, by its claim.
const maxShares = 20

// HandedText begins Upload.Reason of an upload that a person publishes by hand: HELD(hand-over).
const HandedText = "hand-over"

// InHand says that the upload waits for a person who publishes it by hand.
func (u *Upload) InHand() bool {
	return u.Status == upload.Held && u.Reason == HandedText && u.Handed != nil && u.Post == nil
}

// Share notes a further hand-over.
func (u *Upload) Share(h target.Handed) {
	var in Handed
	if u.Handed != nil {
		in = *u.Handed
	}
	in.Shares = append(slices.Clone(in.Shares), clip(h.ShareID, maxPostID))
	in.Shares, in.Expires = in.Shares[max(0, len(in.Shares)-maxShares):], latest(in.Expires, h.Expires)
	u.Handed = &in
}

// TellHanded keeps the posts that a callback named beside share, the hand-over's id.
func (u *Upload) TellHanded(ids []string, share string, at time.Time) {
	in := *u.Handed
	in.Told = toldPosts(in.Told, ids, share, at)
	u.Handed = &in
}

func linkKey(id string) table.Key { return table.Key{PK: "U#" + id, SK: "LINK"} }

// handedLink is the sealed content of a link's record.
type handedLink struct {
	Link    string    `json:"link"`
	ShareID string    `json:"share_id"`
	Expires time.Time `json:"expires"`
}

// PutLink seals and stores an upload's hand-over, over an older one.
func (l *Ledger) PutLink(ctx context.Context, id string, h target.Handed) error {
	const op = "state.PutLink"
	plain, err := json.Marshal(handedLink{h.Link, h.ShareID, h.Expires})
	if err != nil {
		return fault.Wrap(op, err)
	}
	var last error
	for try := range attempts {
		l.backoff(ctx, try)
		c, err := open[sealed](ctx, l.t, linkKey(id))
		if isAbsent(err) {
			c = cell[sealed]{item: table.Item{Key: linkKey(id)}}
		} else if err != nil {
			return fault.Wrap(op, err)
		}
		c.Value.Serial++
		c.Value.Expires = h.Expires
		if c.Value.Box, err = l.cipher.Seal(ctx, plain, associated("link", c.item.Key, c.Value.Serial)); err != nil {
			return fault.Wrap(op, err)
		}
		if last = l.putSealed(ctx, &c); last == nil {
			return nil
		}
		if !again(last) || ctx.Err() != nil {
			return fault.Wrap(op, last)
		}
	}
	return tooBusy(op, last)
}

// Link opens an upload's newest hand-over; the zero value if it has none.
func (l *Ledger) Link(ctx context.Context, id string) (target.Handed, error) {
	const op = "state.Link"
	c, err := open[sealed](ctx, l.t, linkKey(id))
	if isAbsent(err) {
		return target.Handed{}, nil
	}
	if err != nil {
		return target.Handed{}, fault.Wrap(op, err)
	}
	plain, err := l.cipher.Open(ctx, c.Value.Box, associated("link", c.item.Key, c.Value.Serial))
	if err != nil {
		return target.Handed{}, fault.Wrap(op, err)
	}
	var h handedLink
	if json.Unmarshal(plain, &h) != nil {
		return target.Handed{}, fault.New(fault.Invalid, op, "the sealed link is unreadable")
	}
	return target.Handed{Link: h.Link, ShareID: h.ShareID, Expires: h.Expires}, nil
}
