package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
)

// More limits, next to those of design 3.2. They keep both engines inside what DynamoDB stores exactly.
const (
	// MaxCounters and MaxFieldBytes bound the counters of one item. Add is not measured against MaxItemBytes.
	MaxCounters   = 64
	MaxFieldBytes = 64
	// MaxCount is the greatest absolute value of a counter, of an Add and of a floor.
	MaxCount int64 = 1 << 62
	// ReservedPrefix begins the partition keys that an engine may use for itself.
	ReservedPrefix = "__vodlift#"
	// TokenLife is how long a repeat of Transact with the same token has no second effect.
	TokenLife = 10 * time.Minute

	itemOverhead = 100 // what is counted for names, version and write id, whatever their length
)

// ErrMalformed: a key, item, operation or query breaks a rule other than a limit. Nothing was changed.
var ErrMalformed = errors.New("malformed for the table")

// ErrTokenReused: the token of a transaction was used before with other operations. Nothing was changed.
var ErrTokenReused = errors.New("the token was used for another transaction")

func bad(op, field, rule string, sentinel error) error {
	e := fault.InvalidField(op, field, rule, "")
	e.Err, e.Actor = sentinel, fault.ActorUs
	return e
}

func checkString(op, field, s string, limit int) error {
	switch {
	case s == "":
		return bad(op, field, "must not be empty", ErrMalformed)
	case len(s) > limit:
		return bad(op, field, fmt.Sprintf("at most %d bytes, has %d", limit, len(s)), ErrLimit)
	case !utf8.ValidString(s):
		return bad(op, field, "must be UTF-8", ErrMalformed)
	}
	return nil
}

// CheckKey says whether k can be stored: both halves 1 to MaxKeyBytes bytes of UTF-8, not in the engine's own range.
func CheckKey(op string, k Key) error {
	if err := checkString(op, "pk", k.PK, MaxKeyBytes); err != nil {
		return err
	}
	if strings.HasPrefix(k.PK, ReservedPrefix) {
		return bad(op, "pk", "must not begin with "+ReservedPrefix, ErrMalformed)
	}
	return checkString(op, "sk", k.SK, MaxKeyBytes)
}

// CheckIf says whether v is a condition: Absent, AnyVersion or a version.
func CheckIf(op string, v int64) error {
	if v < AnyVersion {
		return bad(op, "if", "must be Absent, AnyVersion or a version that was read", ErrMalformed)
	}
	return nil
}

// CheckItem says whether a program of that major version can write it: its key, size, layout, Doc, counters, places.
func CheckItem(op string, it Item, major int) error {
	if err := CheckKey(op, it.Key); err != nil {
		return err
	}
	if it.V < 0 || it.V > major {
		return bad(op, "v", fmt.Sprintf("this program writes at most %d", major), ErrTooNew)
	}
	if len(it.Doc) > 0 && (!json.Valid(it.Doc) || bytes.TrimLeft(it.Doc, " \t\r\n")[0] != '{' || !utf8.Valid(it.Doc)) {
		return bad(op, "doc", "must be a JSON object in UTF-8", ErrMalformed)
	}
	if err := checkCounters(op, it.N); err != nil {
		return err
	}
	for name, p := range it.Index {
		if name != Due && name != List && name != Acct {
			return bad(op, "index", "must be DUE, LIST or ACCT", ErrMalformed)
		}
		if err := checkString(op, "index.pk", p.PK, MaxKeyBytes); err != nil {
			return err
		}
		if err := checkString(op, "index.sk", p.SK, MaxKeyBytes); err != nil {
			return err
		}
	}
	if n := ItemBytes(it); n > MaxItemBytes {
		return bad(op, "item", fmt.Sprintf("at most %d bytes, has %d", MaxItemBytes, n), ErrLimit)
	}
	return nil
}

func checkCounters(op string, n map[string]int64) error {
	if len(n) > MaxCounters {
		return bad(op, "n", fmt.Sprintf("at most %d counters, has %d", MaxCounters, len(n)), ErrLimit)
	}
	for f, v := range n {
		if err := checkString(op, "n", f, MaxFieldBytes); err != nil {
			return err
		}
		if v < -MaxCount || v > MaxCount-1 {
			return bad(op, "n."+f, "must be from -2^62 to 2^62-1", ErrLimit)
		}
	}
	return nil
}

// CheckAdd says whether a can be done at all. The sum must lie from a.Floor to MaxCount-1; see AddRange.
func CheckAdd(op string, a Add) error {
	if err := CheckKey(op, a.Key); err != nil {
		return err
	}
	if err := checkString(op, "field", a.Field, MaxFieldBytes); err != nil {
		return err
	}
	if a.N < -MaxCount || a.N > MaxCount {
		return bad(op, "n", "must be from -2^62 to 2^62", ErrLimit)
	}
	if a.Floor < NoFloor || a.Floor > MaxCount {
		return bad(op, "floor", "must be from NoFloor to 2^62", ErrLimit)
	}
	return nil
}

// AddRange gives the values that the counter may have before a: below lo the sum would be under its floor, above hi
// over the greatest count. It cannot overflow once CheckAdd passed.
func AddRange(a Add) (lo, hi int64) { return a.Floor - a.N, MaxCount - 1 - a.N }

// OpKey gives the key of the one field of o that is set; false if none or several are.
func OpKey(o Op) (k Key, ok bool) {
	set := 0
	if o.Put != nil {
		k, set = o.Put.Key, set+1
	}
	if o.Delete != nil {
		k, set = *o.Delete, set+1
	}
	if o.Check != nil {
		k, set = *o.Check, set+1
	}
	if o.Add != nil {
		k, set = o.Add.Key, set+1
	}
	return k, set == 1
}

// CheckOps says whether a transaction can be sent: 1 to MaxTransactOps operations, each valid, each key once.
func CheckOps(op, token string, ops []Op, major int) error {
	if len(ops) == 0 {
		return bad(op, "ops", "at least one", ErrMalformed)
	}
	if len(ops) > MaxTransactOps {
		return bad(op, "ops", fmt.Sprintf("at most %d, has %d", MaxTransactOps, len(ops)), ErrLimit)
	}
	if token != "" {
		if err := checkString(op, "token", token, MaxKeyBytes); err != nil {
			return err
		}
	}
	seen := make(map[Key]bool, len(ops))
	for _, o := range ops {
		k, ok := OpKey(o)
		if !ok {
			return bad(op, "ops", "each has exactly one of Put, Delete, Check, Add", ErrMalformed)
		}
		if seen[k] {
			return bad(op, "ops", "each key at most once", ErrMalformed)
		}
		seen[k] = true
		if err := checkOp(op, o, k, major); err != nil {
			return err
		}
	}
	return nil
}

func checkOp(op string, o Op, k Key, major int) error {
	if o.Add != nil {
		return CheckAdd(op, *o.Add)
	}
	if err := CheckIf(op, o.If); err != nil {
		return err
	}
	if o.Put != nil {
		return CheckItem(op, *o.Put, major)
	}
	return CheckKey(op, k)
}

// CheckQuery says whether q can be asked. Prefix excludes From and To; From over To is an empty answer, no error.
func CheckQuery(op string, q Query) error {
	if err := checkString(op, "pk", q.PK, MaxKeyBytes); err != nil {
		return err
	}
	if q.Prefix != "" && (q.From != "" || q.To != "") {
		return bad(op, "prefix", "excludes from and to", ErrMalformed)
	}
	return checkBounds(op, q.Limit, q.Prefix, q.From, q.To)
}

// CheckIndexQuery says whether q can be asked.
func CheckIndexQuery(op string, q IndexQuery) error {
	if q.Index != Due && q.Index != List && q.Index != Acct {
		return bad(op, "index", "must be DUE, LIST or ACCT", ErrMalformed)
	}
	if err := checkString(op, "pk", q.PK, MaxKeyBytes); err != nil {
		return err
	}
	return checkBounds(op, q.Limit, q.From, q.To)
}

func checkBounds(op string, limit int, bounds ...string) error {
	if limit < 0 {
		return bad(op, "limit", "must not be negative", ErrMalformed)
	}
	for _, b := range bounds {
		if b == "" {
			continue
		}
		if err := checkString(op, "range", b, MaxKeyBytes); err != nil {
			return err
		}
	}
	return nil
}

// ItemBytes is the size of it that MaxItemBytes bounds and that pages count: keys, Doc, places, counters at 8 bytes
// each, and a fixed overhead. Both engines count with it, so that they agree to the byte.
func ItemBytes(it Item) int {
	n := itemOverhead + len(it.PK) + len(it.SK) + len(it.Doc)
	for f := range it.N {
		n += len(f) + 8
	}
	for name, p := range it.Index {
		n += len(name) + len(p.PK) + len(p.SK)
	}
	return n
}

// ExpiresUnix gives the whole second at which an item is gone, rounded up, or 0 for never. An item is there while
// now.Unix() < ExpiresUnix: DynamoDB counts expiry in whole seconds, so both engines do.
func ExpiresUnix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	if s == 0 {
		s = -1 // 1970 itself is as gone as the second before; 0 means never
	}
	return s
}
