package catalogue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// signer makes addresses that tell what was signed.
type signer struct {
	clock *clock
	n     atomic.Int64
}

func (s *signer) SignGet(_ context.Context, key string, life time.Duration) (string, time.Time, error) {
	e := s.clock.now().Add(life)
	return fmt.Sprintf("https://bucket.example.com/%s?sig=%d", key, s.n.Add(1)), e, nil
}

type rig struct {
	*catalogue.Store
	t      table.Table
	clock  *clock
	signer *signer
}

func newRig(t testing.TB) *rig {
	t.Helper()
	c := newClock()
	db, err := sqlite.OpenMemory(&sqlite.Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return over(t, db, c)
}

func over(t testing.TB, db table.Table, c *clock) *rig {
	t.Helper()
	sg := &signer{clock: c}
	s, err := catalogue.New(db, catalogue.Options{Signer: sg, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{Store: s, t: db, clock: c, signer: sg}
}

func (r *rig) load(t testing.TB, doc string) catalogue.Report {
	t.Helper()
	rep, err := r.Import(t.Context(), strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// tracks is a catalogue of n pieces of music.
func tracks(n int, title string) string {
	var b strings.Builder
	b.WriteString(`{"format":1,"music":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"musicId":"m%d","title":%q,"duration":"1","file":"catalogue/m%d.mp3"}`, i, title, i)
	}
	return b.String() + "]}"
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rowsOf counts the rows of a version, and those without an end.
func (r *rig) rowsOf(t testing.TB, version string) (all, endless int) {
	t.Helper()
	rows, _, err := r.t.Query(t.Context(), table.Query{PK: "CAT#" + version})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range rows {
		if all++; it.Expires.IsZero() {
			endless++
		}
	}
	return all, endless
}
