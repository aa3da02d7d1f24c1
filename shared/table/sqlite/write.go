package sqlite

import (
	"context"
	"crypto/sha256"
	"maps"

	"github.com/vodlift/vodlift/shared/table"
)

const (
	sweepEvery = 256  // writes of a client between two sweeps
	sweepAge   = 3600 // seconds that an expired item stays, so that a clock that is set back finds it
)

// step is one operation that was found possible: what it will do, what it costs, what it answers.
type step struct {
	apply  func() error // nil: nothing to do
	units  float64
	answer int64 // the version of a Put, the value of an Add
}

// at is what one call carries through its operations.
type at struct {
	r     rows
	op    string
	now   int64
	wid   string
	major int
	lag   bool
}

func (d *DB) at(r rows, op, wid string) at {
	return at{r: r, op: op, now: d.o.Now().Unix(), wid: wid, major: d.o.Major, lag: d.o.IndexLag != nil}
}

// find loads the item that an operation is about and refuses one of a newer layout.
func (a at) find(k table.Key) (it table.Item, there, found bool, err error) {
	it, found, err = a.r.load(k)
	if err != nil {
		return it, false, false, err
	}
	there = live(it, found, a.now)
	if there && it.V > a.major {
		return it, there, found, table.TooNew(a.op, k)
	}
	return it, there, found, nil
}

func holds(ifVersion int64, there bool, version int64) bool {
	switch ifVersion {
	case table.AnyVersion:
		return true
	case table.Absent:
		return !there
	}
	return there && version == ifVersion
}

func (a at) put(it table.Item, ifVersion int64) (step, error) {
	old, there, found, err := a.find(it.Key)
	if err != nil {
		return step{}, err
	}
	if there && old.WriteID == a.wid {
		return step{answer: old.Version}, nil // this very call wrote it already
	}
	if !holds(ifVersion, there, old.Version) {
		return step{}, table.Conflict(a.op, it.Key)
	}
	it.Version, it.WriteID = old.Version+1, a.wid
	if !found {
		if it.Version, err = a.r.firstVersion(); err != nil {
			return step{}, err
		}
	}
	if it.V == 0 {
		it.V = table.Major
	}
	return step{
		apply:  func() error { return a.r.save(old, it, a.lag) },
		units:  table.WriteUnits(max(table.ItemBytes(it), sizeOf(old, found))) + indexUnits(old, it),
		answer: it.Version,
	}, nil
}

func (a at) add(op table.Add) (step, error) {
	old, there, found, err := a.find(op.Key)
	if err != nil {
		return step{}, err
	}
	if there && old.WriteID == a.wid {
		return step{answer: old.N[op.Field]}, nil // this very call added already
	}
	it := table.Item{Key: op.Key, V: table.Major}
	if there {
		it = old
		it.N = maps.Clone(old.N)
	}
	lo, hi := table.AddRange(op)
	switch was := it.N[op.Field]; {
	case was < lo:
		return step{}, table.BelowFloor(a.op, op.Key)
	case was > hi:
		return step{}, table.OverCount(a.op, op.Key)
	}
	if it.N == nil {
		it.N = map[string]int64{}
	}
	it.N[op.Field] += op.N
	it.Version, it.WriteID = old.Version+1, a.wid
	if !found {
		if it.Version, err = a.r.firstVersion(); err != nil {
			return step{}, err
		}
	}
	return step{
		apply:  func() error { return a.r.save(old, it, a.lag) },
		units:  table.WriteUnits(max(table.ItemBytes(it), sizeOf(old, found))) + indexUnits(old, it),
		answer: it.N[op.Field],
	}, nil
}

func (a at) delete(k table.Key, ifVersion int64) (step, error) {
	old, there, found, err := a.find(k)
	if err != nil {
		return step{}, err
	}
	if there && !holds(ifVersion, there, old.Version) {
		return step{}, table.Conflict(a.op, k)
	}
	s := step{units: table.WriteUnits(sizeOf(old, found)) + indexUnits(old, table.Item{})}
	if found {
		s.apply = func() error { return a.r.remove(old, a.lag) }
	}
	return s, nil
}

func (a at) check(k table.Key, ifVersion int64) (step, error) {
	old, there, found, err := a.find(k)
	if err != nil {
		return step{}, err
	}
	if !holds(ifVersion, there, old.Version) {
		return step{}, table.Conflict(a.op, k)
	}
	return step{units: table.WriteUnits(sizeOf(old, found))}, nil
}

func (a at) one(o table.Op) (step, error) {
	switch {
	case o.Put != nil:
		return a.put(*o.Put, o.If)
	case o.Delete != nil:
		return a.delete(*o.Delete, o.If)
	case o.Check != nil:
		return a.check(*o.Check, o.If)
	}
	return a.add(*o.Add)
}

func sizeOf(it table.Item, found bool) int {
	if !found {
		return 0
	}
	return table.ItemBytes(it)
}

// indexUnits prices index entries: one unit for each that is written, one for each that is removed.
func indexUnits(old, it table.Item) (n float64) {
	for name, p := range it.Index {
		if old.Index[name] != p {
			n++
		}
	}
	for name, p := range old.Index {
		if it.Index[name] != p {
			n++
		}
	}
	return n
}

// single runs one operation as a write of its own.
func (d *DB) single(ctx context.Context, op string, o table.Op) (answer int64, err error) {
	wid, err := d.writeID(op)
	if err != nil {
		return 0, err
	}
	var s step
	err = d.write(ctx, op, func(r rows, _ Loss) (err error) {
		if s, err = d.at(r, op, wid).one(o); err != nil || s.apply == nil {
			return err
		}
		return s.apply()
	})
	d.count(true, max(1, s.units))
	if err != nil {
		return 0, err
	}
	return s.answer, nil
}

// Put implements table.Table.
func (d *DB) Put(ctx context.Context, it table.Item, ifVersion int64) (int64, error) {
	const op = "sqlite.Put"
	if err := table.CheckIf(op, ifVersion); err != nil {
		return 0, err
	}
	if err := table.CheckItem(op, it, d.o.Major); err != nil {
		return 0, err
	}
	return d.single(ctx, op, table.Op{Put: &it, If: ifVersion})
}

// Add implements table.Table.
func (d *DB) Add(ctx context.Context, a table.Add) (int64, error) {
	const op = "sqlite.Add"
	if err := table.CheckAdd(op, a); err != nil {
		return 0, err
	}
	return d.single(ctx, op, table.Op{Add: &a})
}

// Delete implements table.Table.
func (d *DB) Delete(ctx context.Context, k table.Key, ifVersion int64) error {
	const op = "sqlite.Delete"
	if err := table.CheckIf(op, ifVersion); err != nil {
		return err
	}
	if err := table.CheckKey(op, k); err != nil {
		return err
	}
	_, err := d.single(ctx, op, table.Op{Delete: &k, If: ifVersion})
	return err
}

// Transact implements table.Table. Operations are judged in order; the first that fails gives the error.
func (d *DB) Transact(ctx context.Context, token string, ops []table.Op) error {
	const op = "sqlite.Transact"
	if err := table.CheckOps(op, token, ops, d.o.Major); err != nil {
		return err
	}
	wid, err := d.writeID(op)
	if err != nil {
		return err
	}
	sum := table.Fingerprint(ops)
	var units float64
	err = d.write(ctx, op, func(r rows, l Loss) error {
		t := token
		if t == "" && l == Resent {
			t = wid
		}
		var err error
		units, err = d.at(r, op, wid).all(t, sum[:], ops)
		return err
	})
	d.count(true, max(units, 2*float64(len(ops))))
	return err
}

// all judges every operation, then does them all.
func (a at) all(token string, sum []byte, ops []table.Op) (units float64, err error) {
	name := sha256.Sum256([]byte(token))
	if token != "" {
		used, err := a.used(name[:], sum)
		if used || err != nil {
			return 0, err
		}
	}
	steps := make([]step, len(ops))
	for i, o := range ops {
		if steps[i], err = a.one(o); err != nil {
			return 0, err
		}
		units += 2 * steps[i].units
	}
	for _, s := range steps {
		if s.apply == nil {
			continue
		}
		if err := s.apply(); err != nil {
			return units, err
		}
	}
	if token == "" {
		return units, nil
	}
	return units, a.r.remember(name[:], sum, a.now)
}

func (a at) used(name, sum []byte) (bool, error) {
	before, err := a.r.used(name, a.now-int64(table.TokenLife.Seconds()))
	if err != nil || before == nil {
		return false, err
	}
	if string(before) != string(sum) {
		return false, table.TokenReused(a.op)
	}
	return true, nil
}

// sweep removes some of what expired long ago. Its failure costs nothing: the next one comes.
func (d *DB) sweep(ctx context.Context) {
	const op = "sqlite.sweep"
	_ = d.s.write(ctx, op, func(r rows) error {
		a := d.at(r, op, "")
		gone, err := r.expired(a.now-sweepAge, 64)
		if err != nil {
			return err
		}
		for _, it := range gone {
			if err := r.remove(it, a.lag); err != nil {
				return err
			}
		}
		return r.forget(a.now - sweepAge)
	})
}
