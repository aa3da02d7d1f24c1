package catalogue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

func TestTheSampleIsImportedAndServed(t *testing.T) {
	r := newRig(t)
	rep := r.load(t, string(catalogue.Sample()))
	want := catalogue.Counts{Music: 3, PasterGroups: 2, Pasters: 4, FrontPasters: 2, TextGroups: 1, TextPasters: 2, MVs: 1, Fonts: 2}
	if rep.Counts != want || rep.Version == "" || rep.Unchanged || rep.Note != "" {
		t.Fatalf("got %+v", rep)
	}
	if cur, err := r.Current(t.Context()); err != nil || cur.Version != rep.Version || cur.Counts != want {
		t.Errorf("got %+v, %v", cur, err)
	}
	ctx := t.Context()
	groups, err := r.Pasters(ctx)
	if err != nil || len(groups) != 2 || groups[0].ID != 1 || groups[0].Icon != "https://bucket.example.com/catalogue/sample/paster/shapes.png?sig=1" ||
		groups[0].CreateTime != "2026-11-22 12:00:00.0" || groups[1].CreateTime != "2026-11-22 12:00:00.0" || groups[0].Preview != "" {
		t.Errorf("got %+v, %v", groups, err)
	}
	if texts, err := r.TextPasters(ctx); err != nil || len(texts) != 1 {
		t.Errorf("got %+v, %v", texts, err)
	}
	if front, err := r.FrontPasters(ctx); err != nil || len(front) != 2 {
		t.Errorf("got %+v, %v", front, err)
	}
	if mvs, err := r.MVs(ctx); err != nil || len(mvs) != 1 || len(mvs[0].AspectList) != 3 || !strings.HasPrefix(mvs[0].AspectList[2].Download, "https://") {
		t.Errorf("got %+v, %v", mvs, err)
	}
	if fonts, err := r.Fonts(ctx); err != nil || len(fonts) != 2 || fonts[0].ID != 402 {
		t.Errorf("fonts are not by sort, greatest first: %+v, %v", fonts, err)
	}
	if f, err := r.Font(ctx, "401"); err != nil || f.Name != "Sample Sans" {
		t.Errorf("got %+v, %v", f, err)
	}
	for kind, ids := range map[int]string{1: "[11 12]", 2: "[11 13]"} {
		list, err := r.PasterList(ctx, "1", kind)
		var got []int64
		for _, e := range list {
			got = append(got, e.ID)
		}
		if err != nil || fmt.Sprint(got) != ids {
			t.Errorf("kind %d: got %v, %v, want %s", kind, got, err, ids)
		}
	}
	if list, err := r.TextPasterList(ctx, "201"); err != nil || len(list) != 2 || list[0].FontID != 401 {
		t.Errorf("got %+v, %v", list, err)
	}
}

func TestEveryAnswerHasTheKeysAndTypesOfTheSeedsExample(t *testing.T) {
	b, err := os.ReadFile("testdata/examples.json") // keys and types of each example in the reference's seed, one entry of every list
	var examples map[string]any
	if err == nil {
		err = json.Unmarshal(b, &examples)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.load(t, string(catalogue.Sample()))
	ctx := t.Context()
	must := func(v any, err error) any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	music := func() any {
		list, total, err := r.Music(ctx, 1, 50)
		return must(map[string]any{"musicList": list, "total": fmt.Sprint(total)}, err) // the envelope's side makes total a string
	}
	for call, got := range map[string]any{
		"/music/getRecommendMusic": music(), "/music/getPlayPath": must(r.PlayPath(ctx, "sample-sine")), "/resource/getPasterInfo": must(r.Pasters(ctx)),
		"/resource/getPasterList": must(r.PasterList(ctx, "1", 1)), "/resource/getFrontPasterList": must(r.FrontPasters(ctx)), "/resource/getTextPaster": must(r.TextPasters(ctx)),
		"/resource/getTextPasterList": must(r.TextPasterList(ctx, "201")), "/resource/getMv": must(r.MVs(ctx)), "/resource/getFont": must(r.Font(ctx, "401")),
	} {
		var ours any
		if err := json.Unmarshal([]byte(asJSON(t, got)), &ours); err != nil {
			t.Fatal(err)
		}
		if g, w := shape(ours), shape(examples[call]); g != w {
			t.Errorf("%s:\ngot  %s\nwant %s", call, g, w)
		}
	}
}

// shape writes a JSON value as its keys and types; of a list, its first entry.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		keys := map[string]string{}
		for k, e := range v {
			keys[k] = shape(e)
		}
		return fmt.Sprint(keys)
	case []any:
		return "[" + shape(v[0]) + "]"
	}
	return reflect.TypeOf(v).String()
}

func TestMusicIsPaged(t *testing.T) {
	r := newRig(t)
	r.load(t, tracks(120, "t"))
	cases := []struct {
		page, size  int
		first, last string
		n           int
	}{{1, 50, "m0", "m49", 50}, {3, 50, "m100", "m119", 20}, {4, 50, "", "", 0}, {50, 50, "", "", 0}, {1, 1, "m0", "m0", 1}, {50, 1, "m49", "m49", 1}, {13, 10, "", "", 0}}
	for _, tc := range cases {
		list, total, err := r.Music(t.Context(), tc.page, tc.size)
		if err != nil || total != 120 || len(list) != tc.n || list == nil || tc.n > 0 && (list[0].MusicID != tc.first || list[tc.n-1].MusicID != tc.last) {
			t.Errorf("%d of %d: got %d of %d, %v", tc.page, tc.size, len(list), total, err)
		}
	}
	for _, bad := range [][2]int{{0, 1}, {51, 1}, {1, 0}, {1, 51}, {-1, 1}, {1 << 40, 50}} {
		if _, _, err := r.Music(t.Context(), bad[0], bad[1]); fault.KindOf(err) != fault.Invalid || fault.As(err).Field == "" {
			t.Errorf("%v: got %v", bad, err)
		}
	}
}

func TestWithoutAnImportTheCatalogueIsEmptyNotBroken(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	list, total, err := r.Music(ctx, 1, 50)
	p, err2 := r.Pasters(ctx)
	if err != nil || err2 != nil || total != 0 || asJSON(t, list) != "[]" || asJSON(t, p) != "[]" {
		t.Errorf("got %v, %v, %v, %v", list, err, p, err2)
	}
	_, e1 := r.PlayPath(ctx, "x")
	_, e2 := r.PasterList(ctx, "1", 1)
	_, e3 := r.TextPasterList(ctx, "1")
	_, e4 := r.Font(ctx, "1")
	for _, err := range []error{e1, e2, e3, e4} {
		if !errors.Is(err, catalogue.ErrNotFound) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("got %v", err)
		}
	}
}

func TestIDsThatAreNoneAreNotFound(t *testing.T) {
	r := newRig(t)
	r.load(t, string(catalogue.Sample()))
	for _, id := range []string{"", "0", "-1", "1.0", "0x1", "99999999999999999999", "1 OR 1=1", "\x00", "999"} {
		_, e1 := r.Font(t.Context(), id)
		_, e2 := r.PasterList(t.Context(), id, 1)
		if !errors.Is(e1, catalogue.ErrNotFound) || !errors.Is(e2, catalogue.ErrNotFound) {
			t.Errorf("%q: got %v, %v", id, e1, e2)
		}
	}
	for _, kind := range []int{0, 3, -1} {
		if _, err := r.PasterList(t.Context(), "1", kind); fault.As(err) == nil || fault.As(err).Field != "type" {
			t.Errorf("kind %d: got %v", kind, err)
		}
	}
}

func TestPlayPathsAreSignedForAShortTimeAndGivenAgainWhileHalfOfItIsLeft(t *testing.T) {
	r := newRig(t)
	r.load(t, tracks(1, "t"))
	get := func() catalogue.PlayPath {
		t.Helper()
		p, err := r.PlayPath(t.Context(), "m0")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := get()
	if want := fmt.Sprint(r.clock.now().Add(time.Hour).Unix()); first.ExpireTime != want || first.PlayPath != "https://bucket.example.com/catalogue/m0.mp3?sig=1" {
		t.Errorf("got %+v", asJSON(t, first))
	}
	r.clock.advance(30*time.Minute - time.Second)
	if get() != first {
		t.Error("it was signed again early")
	}
	r.clock.advance(time.Second)
	if get() == first {
		t.Error("it was not signed again")
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", first, first, first), "sig=") {
		t.Error("a play path prints its signature")
	}
}

func TestAnImportReplacesAllAndTheOldVersionEnds(t *testing.T) {
	r := newRig(t)
	other := over(t, r.t, r.clock) // another process
	a := r.load(t, tracks(300, "old"))
	if _, n, err := other.Music(t.Context(), 1, 1); n != 300 || err != nil {
		t.Fatal(n, err)
	}
	if same := r.load(t, tracks(300, "old")); !same.Unchanged || same.Version != a.Version {
		t.Errorf("the same file again: %+v", same)
	}
	b := r.load(t, tracks(2, "new"))
	if list, n, err := other.Music(t.Context(), 1, 50); n != 2 || err != nil || list[0].Title != "new" {
		t.Errorf("the other process sees %d, %v", n, err)
	}
	if all, endless := r.rowsOf(t, a.Version); all == 0 || endless != 0 {
		t.Errorf("old version: %d rows, %d of them endless", all, endless)
	}
	if all, endless := r.rowsOf(t, b.Version); all != 1 || endless != 1 {
		t.Errorf("new version: %d rows, %d of them endless", all, endless)
	}
	r.clock.advance(25 * time.Hour)
	if all, _ := r.rowsOf(t, a.Version); all != 0 {
		t.Errorf("%d rows of the old version are still there", all)
	}
}

// flaky fails one write.
type flaky struct {
	table.Table
	mu   sync.Mutex
	left int
}

var errDead = errors.New("the process died")

func (f *flaky) Put(ctx context.Context, it table.Item, v int64) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		return 0, fault.Newf(fault.Permanent, "flaky", "%w", errDead)
	}
	return f.Table.Put(ctx, it, v)
}

func (f *flaky) Transact(ctx context.Context, tok string, ops []table.Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		return fault.Newf(fault.Permanent, "flaky", "%w", errDead)
	}
	return f.Table.Transact(ctx, tok, ops)
}

func TestAnImportThatDiesAnywhereLeavesTheOldCatalogueWhole(t *testing.T) {
	r := newRig(t)
	r.load(t, tracks(3, "old"))
	died, done := 0, false
	for n := 0; !done; n++ {
		f := &flaky{Table: r.t, left: n}
		_, err := over(t, f, r.clock).Import(t.Context(), strings.NewReader(tracks(450, "new")))
		list, total, e := r.Music(t.Context(), 1, 1)
		if e != nil {
			t.Fatal(e)
		}
		switch {
		case err == nil:
			done = true
			if total != 450 || list[0].Title != "new" {
				t.Errorf("after the import: %d", total)
			}
		case !errors.Is(err, errDead) || total != 3 || list[0].Title != "old":
			t.Fatalf("death at write %d: got %v, %d entries", n, err, total)
		default:
			died++
		}
	}
	if died < 4 {
		t.Errorf("only %d places to die were found", died)
	}
	// What the dead left behind is found by an import later.
	r.clock.advance(2 * time.Hour)
	rep := r.load(t, tracks(1, "last"))
	marks, _, err := r.t.Query(t.Context(), table.Query{PK: "CAT", Prefix: "VER#"})
	if err != nil || len(marks) != 1 || marks[0].SK != "VER#"+rep.Version || rep.Note != "" {
		t.Errorf("%d versions are left, %v, %q", len(marks), err, rep.Note)
	}
}

func TestOfImportsAtOnceOneWinsAndReadersSeeWholeCatalogues(t *testing.T) {
	r := newRig(t)
	r.load(t, tracks(10, "t10"))
	var wg, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		o := over(t, r.t, r.clock)
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				list, n, err := o.Music(context.WithoutCancel(t.Context()), 1, 50)
				if err != nil {
					t.Error(err)
					return
				}
				for _, m := range list {
					if m.Title != fmt.Sprintf("t%d", n) {
						t.Errorf("%s among %d", m.Title, n)
						return
					}
				}
			}
		})
	}
	var mu sync.Mutex
	won := 0
	for i := range 6 {
		o := over(t, r.t, r.clock)
		wg.Go(func() {
			_, err := o.Import(context.WithoutCancel(t.Context()), strings.NewReader(tracks(20+i, fmt.Sprintf("t%d", 20+i))))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, catalogue.ErrOvertaken) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	if won == 0 {
		t.Error("nobody won")
	}
}

func TestLostAnswersDoNotBreakAnImport(t *testing.T) {
	for _, loss := range []sqlite.Loss{sqlite.LostAfter, sqlite.LostBefore, sqlite.Refused, sqlite.Resent} {
		c, n := newClock(), 0
		db, err := sqlite.OpenMemory(&sqlite.Options{Now: c.now, Lose: func(string) sqlite.Loss {
			if n++; n%3 == 0 {
				return loss
			}
			return sqlite.NotLost
		}})
		if err != nil {
			t.Fatal(err)
		}
		r := over(t, db, c)
		for i := 1; i < 4; i++ {
			r.load(t, tracks(i*100, "t"))
			if _, total, err := r.Music(t.Context(), 1, 1); err != nil || total != i*100 {
				t.Errorf("loss %d: got %d, %v", loss, total, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTheLargestEntriesFitIntoRows(t *testing.T) {
	r := newRig(t)
	ref := "https://img.example.com/?" + strings.Repeat("&", 970)
	var b bytes.Buffer
	b.WriteString(`{"format":1,"mvs":[`)
	for i := range 40 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"name":"n","icon":"%s","previewPic":"%s","previewMp4":"%s","aspectList":[`, i+1, ref, ref, ref)
		for a := range 9 {
			if a > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"aspect":%d,"download":"%s"}`, a+1, ref)
		}
		b.WriteString("]}")
	}
	b.WriteString("]}")
	r.load(t, b.String())
	if mvs, err := r.MVs(t.Context()); err != nil || len(mvs) != 40 || mvs[39].AspectList[8].Download != ref {
		t.Errorf("got %d, %v", len(mvs), err)
	}
}
