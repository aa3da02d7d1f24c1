package table

import (
	"crypto/sha256"
	"encoding/json"

	"github.com/vodlift/vodlift/shared/fault"
)

// What both engines say in the same words, so that callers cannot tell them apart.

// NotFound is the error of a Get that found nothing, or something expired.
func NotFound(op string, k Key) error { return about(op, k, fault.Invalid, ErrNotFound) }

// Conflict is the error of a failed version condition on k.
func Conflict(op string, k Key) error { return about(op, k, fault.Duplicate, ErrConflict) }

// BelowFloor is the error of an Add that would fall below its floor.
func BelowFloor(op string, k Key) error { return about(op, k, fault.Duplicate, ErrFloor) }

// OverCount is the error of an Add that would rise over MaxCount-1.
func OverCount(op string, k Key) error { return about(op, k, fault.Invalid, ErrLimit) }

// TooNew is the error of a read or write that meets an item of a newer layout.
func TooNew(op string, k Key) error { return about(op, k, fault.Invalid, ErrTooNew) }

// TokenReused is the error of a token that came with other operations before.
func TokenReused(op string) error {
	return bad(op, "token", "one token, one transaction", ErrTokenReused)
}

func about(op string, k Key, kind fault.Kind, sentinel error) error {
	e := fault.Newf(kind, op, "%s %s: %w", k.PK, k.SK, sentinel)
	e.Effect = fault.EffectNone
	return e
}

// Fingerprint names a list of operations: equal lists give equal values in every process. What an engine sets by
// itself (Version, WriteID) does not count, nor does If where it has no meaning.
func Fingerprint(ops []Op) [sha256.Size]byte {
	type put struct {
		Key     Key
		V       int
		Doc     string
		N       map[string]int64
		Index   map[Index]Place
		Expires int64
	}
	type one struct {
		Put    *put
		Delete *Key
		Check  *Key
		Add    *Add
		If     int64
	}
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, o := range ops {
		c := one{Delete: o.Delete, Check: o.Check, Add: o.Add, If: o.If}
		if p := o.Put; p != nil {
			c.Put = &put{Key: p.Key, V: p.V, Doc: string(p.Doc), N: p.N, Index: p.Index, Expires: ExpiresUnix(p.Expires)}
		}
		if o.Add != nil {
			c.If = 0
		}
		// Nothing in c can fail to be encoded, and a hash takes every write.
		_ = enc.Encode(c)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Stats counts what a table was asked and what DynamoDB would bill for it (on demand: read units of 4 KB, half of it
// for index reads; write units of 1 KB, doubled in transactions, plus one for each index entry that is written or
// removed).
type Stats struct {
	Reads, Writes         int64 // calls
	ReadUnits, WriteUnits float64
}

// ReadUnits is the price of a strongly consistent read of so many bytes.
func ReadUnits(bytes int) float64 { return float64(max(1, (bytes+4095)/4096)) }

// WriteUnits is the price of writing an item of so many bytes.
func WriteUnits(bytes int) float64 { return float64(max(1, (bytes+1023)/1024)) }
