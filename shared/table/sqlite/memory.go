package sqlite

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/table"
)

// memory keeps rows in Go maps. It is there for tests: under the race detector SQLite, which is C translated to Go, costs
// some ten times this. Not safe for concurrent use.
type memory struct {
	parts  map[string]*part
	index  map[shelf][]table.Hit // by place, then key
	noted  []note
	tokens map[string]usedToken
	seq    int64    // the highest version that was given to a new item or removed
	undo   []func() // what takes back the open transaction, last first
}

// part is one partition.
type part struct {
	keys  []string // sorted
	items map[string]table.Item
}

// usedToken is what a transaction's token was used for, and when.
type usedToken struct {
	sum  []byte
	made int64
}

func newMemory() *memory {
	return &memory{parts: map[string]*part{}, index: map[shelf][]table.Hit{}, tokens: map[string]usedToken{}}
}

func (m *memory) close() error { return nil }

func (m *memory) tx(fn func() error) error {
	m.undo = m.undo[:0]
	err := fn()
	if err != nil {
		for _, back := range slices.Backward(m.undo) {
			back()
		}
	}
	clear(m.undo) // they hold what they would put back
	return err
}

// own copies what it refers to, as writing it to a file and reading it again would.
func own(it table.Item) table.Item {
	it.Doc = json.RawMessage(bytes.Clone(it.Doc))
	it.N, it.Index = maps.Clone(it.N), maps.Clone(it.Index)
	if len(it.Doc) == 0 {
		it.Doc = nil
	}
	if len(it.N) == 0 {
		it.N = nil
	}
	if len(it.Index) == 0 {
		it.Index = nil
	}
	if e := table.ExpiresUnix(it.Expires); e != 0 {
		it.Expires = time.Unix(e, 0).UTC()
	}
	return it
}

func (m *memory) load(k table.Key) (table.Item, bool, error) {
	p := m.parts[k.PK]
	if p == nil {
		return table.Item{}, false, nil
	}
	it, found := p.items[k.SK]
	return own(it), found, nil
}

// set stores it, or removes it where there is none, and notes how to take that back.
func (m *memory) set(k table.Key, it *table.Item) {
	p := m.parts[k.PK]
	if p == nil {
		p = &part{items: map[string]table.Item{}}
		m.parts[k.PK] = p
	}
	was, had := p.items[k.SK]
	at, _ := slices.BinarySearch(p.keys, k.SK)
	switch {
	case it == nil && had:
		delete(p.items, k.SK)
		p.keys = slices.Delete(p.keys, at, at+1)
	case it != nil:
		p.items[k.SK] = *it
		if !had {
			p.keys = slices.Insert(p.keys, at, k.SK)
		}
	}
	m.undo = append(m.undo, func() {
		if had {
			m.set(k, &was)
		} else {
			m.set(k, nil)
		}
	})
}

func (m *memory) save(old, it table.Item, lag bool) error {
	it = own(it)
	m.set(it.Key, &it)
	m.reindex(it.Key, old.Index, it.Index, lag)
	return nil
}

func (m *memory) remove(old table.Item, lag bool) error {
	m.set(old.Key, nil)
	m.raise(max(m.seq, old.Version))
	m.reindex(old.Key, old.Index, nil, lag)
	return nil
}

func (m *memory) firstVersion() (int64, error) {
	m.raise(m.seq + 1)
	return m.seq, nil
}

func (m *memory) raise(to int64) {
	was := m.seq
	m.seq = to
	m.undo = append(m.undo, func() { m.seq = was })
}

func (m *memory) items(s span, fn func(table.Item) (bool, error)) error {
	p := m.parts[s.pk]
	if p == nil {
		return nil
	}
	from := s.from
	if !s.desc && s.after != "" {
		from = max(from, s.after+"\x00") // the next key there can be
	}
	i, _ := slices.BinarySearch(p.keys, from)
	j := len(p.keys)
	before := func(end string) {
		if end != "" {
			n, _ := slices.BinarySearch(p.keys, end)
			j = min(j, n)
		}
	}
	before(s.end)
	if s.to != "" {
		before(s.to + "\x00")
	}
	if s.desc {
		before(s.after)
	}
	for n := range max(0, j-i) {
		k := p.keys[i+n]
		if s.desc {
			k = p.keys[j-1-n]
		}
		it := p.items[k]
		if !live(it, true, s.now) {
			continue
		}
		if stop, err := fn(own(it)); stop || err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) expired(then int64, limit int) (out []table.Item, err error) {
	for _, p := range m.parts {
		for _, it := range p.items {
			if e := table.ExpiresUnix(it.Expires); e != 0 && e < then && len(out) < limit {
				out = append(out, own(it))
			}
		}
	}
	return out, nil
}

func byPlace(a, b table.Hit) int {
	return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK))
}

// reindex moves the entries of one item, or notes that they will have to be.
func (m *memory) reindex(k table.Key, old, now map[table.Index]table.Place, lag bool) {
	for _, c := range moves(k, old, now) {
		if !lag {
			m.place(c)
			continue
		}
		was := m.noted
		m.noted = append(slices.Clip(m.noted), c)
		m.undo = append(m.undo, func() { m.noted = was })
	}
}

// place makes one change of an index.
func (m *memory) place(c note) {
	all := m.index[c.at]
	at, there := slices.BinarySearchFunc(all, c.hit, byPlace)
	switch {
	case c.present == there:
		return
	case c.present:
		all = slices.Insert(all, at, c.hit)
	default:
		all = slices.Delete(all, at, at+1)
	}
	m.index[c.at] = all
	back := c
	back.present = there
	m.undo = append(m.undo, func() { m.place(back) })
}

func (m *memory) settleIndex(keep int) error {
	was, n := m.noted, max(0, len(m.noted)-max(0, keep))
	for _, c := range was[:n] {
		m.place(c)
	}
	m.noted = was[n:]
	m.undo = append(m.undo, func() { m.noted = was })
	return nil
}

func (m *memory) hits(s hitSpan, fn func(table.Hit) bool) error {
	all := m.index[shelf{s.name, s.pk}]
	i, _ := slices.BinarySearchFunc(all, s.from, func(h table.Hit, from string) int { return cmp.Compare(h.Place, from) })
	if s.paged {
		var found bool
		if i, found = slices.BinarySearchFunc(all, s.after, byPlace); found {
			i++
		}
	}
	for _, h := range all[i:] {
		if s.to != "" && h.Place > s.to || fn(h) {
			return nil
		}
	}
	return nil
}

func (m *memory) used(name []byte, since int64) ([]byte, error) {
	if u, ok := m.tokens[string(name)]; ok && u.made >= since {
		return u.sum, nil
	}
	return nil, nil
}

func (m *memory) remember(name, sum []byte, now int64) error {
	m.token(string(name), &usedToken{bytes.Clone(sum), now})
	return nil
}

func (m *memory) forget(then int64) error {
	for name, u := range m.tokens {
		if u.made < then {
			m.token(name, nil)
		}
	}
	return nil
}

func (m *memory) token(name string, u *usedToken) {
	was, had := m.tokens[name]
	if u == nil {
		delete(m.tokens, name)
	} else {
		m.tokens[name] = *u
	}
	m.undo = append(m.undo, func() {
		if had {
			m.token(name, &was)
		} else {
			m.token(name, nil)
		}
	})
}
