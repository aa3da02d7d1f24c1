// Package table is the only door to a database (design 3.2). It knows keys, versions, counters and indexes; it does
// not know what is stored.
//
// Two engines stand behind it, table/dynamo and table/sqlite, and both pass tabletest. Every read but QueryIndex is
// strongly consistent. Errors are *fault.Error: ErrConflict and ErrFloor are Duplicate, ErrNotFound is Invalid,
// ErrTooNew, ErrMalformed, ErrTokenReused and limits are Invalid, a busy or throttled database is Retryable, an answer to
// a write that was lost is Unknown (to a read: Retryable, since reading again is harmless).
package table

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Limits that both engines enforce (design 3.2).
const (
	MaxItemBytes   = 64 << 10
	MaxKeyBytes    = 512
	MaxPageBytes   = 1 << 20
	MaxTransactOps = 25
	// Major is the newest item layout that this program reads; a greater one is refused with ErrTooNew.
	Major = 1
)

// Versions with a meaning of their own in conditions.
const (
	Absent     int64 = 0  // the item must not exist (or be expired)
	AnyVersion int64 = -1 // no condition
)

var (
	// ErrNotFound: there is no such item (or it is expired).
	ErrNotFound = errors.New("no such item")
	// ErrConflict: a condition failed; another writer was first. The item was left as it is.
	ErrConflict = errors.New("the item was changed by another writer")
	// ErrFloor: an Add would take the field below its floor; nothing was changed.
	ErrFloor = errors.New("the counter would fall below its floor")
	// ErrTooNew: the item was written by a newer major version of the program.
	ErrTooNew = errors.New("the item was written by a newer version of vodlift")
	// ErrLimit: a key, an item or a transaction is over its limit.
	ErrLimit = errors.New("over a limit of the table")
	// ErrPageToken: a page token is not of this query.
	ErrPageToken = errors.New("the page token is not of this query")
)

// Key names an item.
type Key struct{ PK, SK string }

// Index names one of the sparse, keys-only indexes.
type Index string

// The indexes (design 3.2).
const (
	Due  Index = "DUE"
	List Index = "LIST"
	Acct Index = "ACCT"
)

// Place is where an item stands in an index: a partition and a sort value, both non-empty.
type Place struct{ PK, SK string }

// Item is one record. Doc is a JSON object that the engine stores unread; N holds counters that Add changes in place.
// A Put writes Doc and N whole.
type Item struct {
	Key
	V       int              // item layout; 0 is written as Major
	Version int64            // set by reads: changes with every write, Add included, and never comes back. A write on version n makes n+1
	WriteID string           // set by the engine: the id of the last write
	Doc     json.RawMessage  // a JSON object, or empty
	N       map[string]int64 // counters; absent = 0
	Index   map[Index]Place  // sparse: only the indexes named here
	Expires time.Time        // zero = never; rounded up to a whole second; from then on absent, deleted later. Leases never use it
}

// Op is one operation of a transaction: exactly one of the fields Put, Delete, Check, Add is set.
type Op struct {
	Put    *Item
	Delete *Key
	Check  *Key
	Add    *Add
	If     int64 // version condition of Put, Delete, Check: Absent, AnyVersion, or the version that was read
}

// Add changes one counter atomically. A missing item or field counts as 0; the item is created by it.
type Add struct {
	Key   Key
	Field string
	N     int64
	Floor int64 // the sum must not be below it; use NoFloor for none
}

// NoFloor lets an Add go anywhere.
const NoFloor int64 = -1 << 62

// Query asks for the items of one partition, by sort key, ascending unless Desc.
type Query struct {
	PK     string
	Prefix string // of SK; or
	From   string // SK >= From, if not empty
	To     string // SK <= To, if not empty
	Desc   bool
	Limit  int    // 0 = as many as fit into a page of MaxPageBytes
	Page   string // token of the page before
}

// IndexQuery asks one partition of an index, by its sort value, ascending.
type IndexQuery struct {
	Index    Index
	PK       string
	From, To string // inclusive; empty = open
	Limit    int    // 0 = 100
	Page     string
}

// Hit is one answer of an index: keys only. The index may lag: Get the item and look again before acting on it.
type Hit struct {
	Key
	Place string // the sort value that the index holds
}

// Table is the contract. Implementations are safe for concurrent use, never sleep and never retry, except that a
// write whose condition failed is compared with the item by write id: if the item is the one this very call wrote
// (an earlier answer was lost inside the client), the write succeeded.
type Table interface {
	// Get reads one item, strongly consistent.
	Get(ctx context.Context, k Key) (Item, error)
	// Query reads a page of one partition, strongly consistent, by the bytes of the sort keys. A page is full while
	// something follows; next is empty exactly at the end. One item of a newer layout fails the page with ErrTooNew.
	Query(ctx context.Context, q Query) (items []Item, next string, err error)
	// Put writes it if the stored version is ifVersion, and gives the new version (> 0, never reused for that key
	// while the item exists).
	Put(ctx context.Context, it Item, ifVersion int64) (version int64, err error)
	// Add changes one counter atomically and gives its new value. Not idempotent: a lost answer is Unknown.
	Add(ctx context.Context, a Add) (int64, error)
	// Delete removes the item if its version is ifVersion. An item that is absent already is no error, whatever
	// ifVersion says.
	Delete(ctx context.Context, k Key, ifVersion int64) error
	// Transact does all of ops or none. token makes a repeat of the same call (for ten minutes) a success without a
	// second effect; the same token with other ops is ErrTokenReused (so ops must not hold the time of the call). A call
	// that failed does not use its token up. Empty token = a fresh one. One key at most once. After a Put on version n
	// the item has n+1; the version of a new item is only known by reading it.
	Transact(ctx context.Context, token string, ops []Op) error
	// QueryIndex reads a page of keys; eventually consistent, expired items may still show, and an item that moves
	// while pages are read may be told twice or not at all. The order of equal places is the engine's.
	QueryIndex(ctx context.Context, q IndexQuery) (hits []Hit, next string, err error)
}
