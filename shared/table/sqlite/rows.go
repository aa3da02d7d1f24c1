package sqlite

import "github.com/vodlift/vodlift/shared/table"

// rows is what one goroutine at a time holds of a database. What a call means (conditions, versions, prices, batches,
// what a lost answer does) is decided above it, once; below are SQL (conn) and Go maps (memory), which only store. It is
// wide because each method is one statement. Changes belong inside tx.
type rows interface {
	// tx makes the changes of fn all or nothing.
	tx(fn func() error) error
	// load finds an item; found is true for an expired one too. The item is the caller's own.
	load(k table.Key) (it table.Item, found bool, err error)
	// save writes it whole and moves its index entries from where old had them.
	save(old, it table.Item, lag bool) error
	// remove deletes old and remembers its version, so that no later item of that key begins at or below it.
	remove(old table.Item, lag bool) error
	// firstVersion gives the version of a new item: above all that were removed.
	firstVersion() (int64, error)
	// items gives the items of s in order until fn says stop.
	items(s span, fn func(table.Item) (stop bool, err error)) error
	// expired gives some of the items that expired before then.
	expired(then int64, limit int) ([]table.Item, error)
	// hits gives the entries of an index in order until fn says stop.
	hits(s hitSpan, fn func(table.Hit) (stop bool)) error
	// settleIndex makes all noted changes but the last keep; see Options.IndexLag.
	settleIndex(keep int) error
	// used gives what was remembered for a transaction's token at since or later; nil for nothing.
	used(name []byte, since int64) (sum []byte, err error)
	remember(name, sum []byte, now int64) error
	// forget drops the tokens that were made before then.
	forget(then int64) error
	close() error
}

var _, _ rows = (*conn)(nil), (*memory)(nil)

// span is a part of a partition: the sort keys from From to To, both included, or to before End.
type span struct {
	pk, from, to string
	end          string // excluded; in place of to
	after        string // begin behind it, in the order that is asked for
	desc         bool
	now          int64 // what is expired by then is left out
}

func spanOf(q table.Query, after string, now int64) span {
	s := span{pk: q.PK, from: q.From, to: q.To, after: after, desc: q.Desc, now: now}
	if q.Prefix != "" {
		end := []byte(q.Prefix)
		end[len(end)-1]++ // UTF-8 has no 0xff, so this is the first key after all with the prefix
		s.from, s.to, s.end = q.Prefix, "", string(end)
	}
	return s
}

// hitSpan is a part of an index: the sort values from From to To, both included, or behind After.
type hitSpan struct {
	name         table.Index
	pk, from, to string
	after        table.Hit
	paged        bool // after counts, from does not
}
