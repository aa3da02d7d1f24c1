package token

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// Kinds of sealed records, the first part of their associated data.
const (
	kindToken = "token"
	kindApp   = "app"
)

// tokenKey is where the credential of an account is.
func tokenKey(a upload.Account) table.Key {
	return table.Key{PK: "A#" + a.Target() + "#" + a.Name(), SK: "TOKEN"}
}

func leaseKey(a upload.Account) table.Key { return table.Key{PK: tokenKey(a).PK, SK: "LEASE"} }

func appKey(platform string) table.Key { return table.Key{PK: "APP#" + platform, SK: "KEY"} }

// State of a token record.
const (
	stateLive    = "live"
	stateDead    = "dead"    // only a new login brings the account back
	stateRemoved = "removed" // by a person; nothing secret is left
)

// document is what a token or app record holds in the clear. Box is the truth; Expires and RefreshBy repeat what a sweep
// needs without opening it.
type document struct {
	Version   int64     `json:"version"` // our own, in the associated data; grows with every write
	State     string    `json:"state"`
	Reason    string    `json:"reason,omitempty"` // why dead; no secret
	Grant     string    `json:"grant,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
	RefreshBy time.Time `json:"refresh_by,omitzero"`
	Renewals  int       `json:"renewals,omitempty"`
	Saved     time.Time `json:"saved,omitzero"`
	Past      []string  `json:"past,omitempty"` // grants that were replaced, newest last: a late repeat of one must not win
	Box       []byte    `json:"box,omitempty"`
	book
}

// book is what the sweep and people need without opening the box. It changes without a new Version: the box stays as it is.
type book struct {
	Subject  string    `json:"subject,omitempty"`
	Scopes   []string  `json:"scopes,omitempty"`
	Obtained time.Time `json:"obtained,omitzero"`
	From     time.Time `json:"refresh_from,omitzero"` // when the refresh token was received
	CanRenew bool      `json:"can_renew,omitempty"`   // there is a refresh token
	Used     string    `json:"renewals_end,omitempty"`
	Last     time.Time `json:"last,omitzero"` // when the platform last gave something
	Result   string    `json:"result,omitempty"`
	Fails    int       `json:"fails,omitempty"`       // tries ahead of time that failed since
	Retry    time.Time `json:"retry,omitzero"`        // no try ahead of time before
	Looked   time.Time `json:"looked,omitzero"`       // the last look of the sweep, or write
	Warned   []int     `json:"warned_days,omitempty"` // days ahead that were announced
	Told     bool      `json:"told,omitempty"`        // that a person is needed was announced
	Doubt    time.Time `json:"doubt,omitzero"`        // somebody hinted that the grant is gone; the sweep asks the platform
}

var documentFields = []string{"version", "state", "reason", "grant", "expires", "refresh_by", "renewals", "saved", "past", "box",
	"subject", "scopes", "obtained", "refresh_from", "can_renew", "renewals_end", "last", "result", "fails", "retry", "looked", "warned_days", "told", "doubt"}

// record is a document with its item.
type record struct {
	document
	item  table.Item // as read; its Version is what a write is conditional on
	found bool
	token Token // opened; only of a live record
}

// maxPast bounds how many replaced grants are remembered.
const maxPast = 16

// past gives the replaced grants once next is in force.
func (r record) past(next string) []string {
	if r.Grant == "" || r.Grant == next {
		return r.Past
	}
	p := append(slices.Clone(r.Past), r.Grant)
	return p[max(0, len(p)-maxPast):]
}

// readRecord gets a record; an absent one is no error.
func readRecord(ctx context.Context, t table.Table, k table.Key) (record, error) {
	it, err := t.Get(ctx, k)
	if errors.Is(err, table.ErrNotFound) {
		return record{item: table.Item{Key: k}}, nil
	}
	if err != nil {
		return record{}, err
	}
	r := record{item: it, found: true}
	if err := json.Unmarshal(it.Doc, &r.document); err != nil {
		return record{}, fault.Newf(fault.Permanent, "token.read", "the record %s is not readable: %w", k.PK, err)
	}
	return r, nil
}

// writeRecord puts d in r's place, if r is still what the table has. Fields that a newer program wrote are kept, but not
// those of a removed account: who knows what they say of a person.
func writeRecord(ctx context.Context, t table.Table, r record, d document) (record, error) {
	known, err := json.Marshal(d)
	if err != nil {
		return record{}, fault.Wrap("token.write", err)
	}
	all := map[string]json.RawMessage{}
	if len(r.item.Doc) > 0 && d.State != stateRemoved {
		if err := json.Unmarshal(r.item.Doc, &all); err != nil {
			return record{}, fault.Newf(fault.Permanent, "token.write", "the record %s is not readable: %w", r.item.PK, err)
		}
	}
	maps.DeleteFunc(all, func(f string, _ json.RawMessage) bool { return slices.Contains(documentFields, f) })
	if err := json.Unmarshal(known, &all); err != nil {
		return record{}, fault.Wrap("token.write", err)
	}
	it := r.item
	it.Index = d.places(it.Key)
	if it.Doc, err = json.Marshal(all); err != nil {
		return record{}, fault.Wrap("token.write", err)
	}
	v, err := t.Put(ctx, it, r.item.Version) // 0 = table.Absent, where nothing was found
	if err != nil {
		return record{}, err
	}
	it.Version = v
	return record{document: d, item: it, found: true}, nil
}
