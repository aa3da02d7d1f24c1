package tabletest

import (
	"fmt"
	"testing"

	"github.com/vodlift/vodlift/shared/table"
)

// RunBenchmarks measures what the ledger does all day.
func RunBenchmarks(b *testing.B, newHarness NewHarness) {
	k := table.Key{PK: "U#1", SK: "META"}
	it := table.Item{Key: k, Doc: doc(map[string]string{"status": "UPLOADING"}), Index: due("up#1", "2026")}
	for _, c := range []struct {
		name string
		do   func(b *testing.B, t table.Table, i int) error
	}{
		{"Put", func(b *testing.B, t table.Table, i int) error {
			_, err := t.Put(b.Context(), it, table.AnyVersion)
			return err
		}},
		{"Get", func(b *testing.B, t table.Table, i int) error { _, err := t.Get(b.Context(), k); return err }},
		{"Add", func(b *testing.B, t table.Table, i int) error {
			_, err := t.Add(b.Context(), table.Add{Key: table.Key{PK: "POOL#1", SK: "-"}, Field: "n", N: 1})
			return err
		}},
		{"Transact3", func(b *testing.B, t table.Table, i int) error {
			return t.Transact(b.Context(), "", []table.Op{
				{Put: &it, If: table.AnyVersion},
				{Put: ptr(item("OUT#1", fmt.Sprint(i))), If: table.Absent},
				{Add: &table.Add{Key: table.Key{PK: "POOL#1", SK: "-"}, Field: "n", N: 1}},
			})
		}},
		{"Query16", func(b *testing.B, t table.Table, i int) error {
			_, _, err := t.Query(b.Context(), table.Query{PK: "U#16"})
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			t := newHarness(b).New(Client{})
			for i := range 16 {
				if _, err := t.Put(b.Context(), item("U#16", fmt.Sprint(i)), table.AnyVersion); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := t.Put(b.Context(), it, table.AnyVersion); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := c.do(b, t, i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
