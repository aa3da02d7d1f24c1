package bucket

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/versity/versitygw/backend/meta"
	"pgregory.net/rapid"
)

// world is a bucket folder as the storage uses it: the working directory is the one above.
func world(t *testing.T) (*metadata, string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.Mkdir("inbox", 0o700); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	m, err := newMetadata(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m, dir
}

func newFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp("inbox", ".new-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func stage(t *testing.T, m *metadata, f *os.File, attrs map[string]string) {
	t.Helper()
	for k, v := range attrs {
		if err := m.StoreAttribute(f, "inbox", "v.mp4", k, []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
}

func publish(t *testing.T, f *os.File) {
	t.Helper()
	if err := os.Rename(f.Name(), filepath.Join("inbox", "v.mp4")); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, m *metadata, when, attr, value string) {
	t.Helper()
	got, err := m.RetrieveAttribute(nil, "inbox", "v.mp4", attr)
	if value == "" && errors.Is(err, meta.ErrNoSuchKey) {
		return
	}
	if err != nil || string(got) != value {
		t.Errorf("%s: %s = %q, %v; want %q", when, attr, got, err, value)
	}
}

func TestAttributesChangeWithTheFileAndNotBefore(t *testing.T) {
	m, dir := world(t)
	old := newFile(t)
	stage(t, m, old, map[string]string{"etag": "old", "metadata": "of the old"})
	want(t, m, "before the first object", "etag", "")
	publish(t, old)
	want(t, m, "the old object", "etag", "old")

	next := newFile(t)
	stage(t, m, next, map[string]string{"etag": "new"})
	want(t, m, "while the new one is written", "etag", "old")
	want(t, m, "while the new one is written", "metadata", "of the old")
	after, err := newMetadata(dir) // the process was killed here
	if err != nil {
		t.Fatal(err)
	}
	want(t, after, "after a kill", "etag", "old")
	publish(t, next)
	for _, settle := range []bool{false, true} {
		if settle {
			if err := after.settle("inbox", "v.mp4"); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "inbox", "v.mp4", "meta", "etag")); err != nil {
				t.Errorf("settled attributes are not at the ordinary place: %v", err)
			}
		}
		want(t, after, "the new object", "etag", "new")
		want(t, after, "the new object", "metadata", "")
		if names, err := after.ListAttributes("inbox", "v.mp4"); err != nil || len(names) != 1 {
			t.Errorf("settled=%t: attributes %q, %v", settle, names, err)
		}
	}
}

func TestWhatAFailedWriteStagedIsDropped(t *testing.T) {
	m, dir := world(t)
	old := newFile(t)
	stage(t, m, old, map[string]string{"etag": "old"})
	publish(t, old)
	failed := newFile(t)
	stage(t, m, failed, map[string]string{"etag": "failed"})
	next := newFile(t)
	stage(t, m, next, map[string]string{"etag": "next"})
	want(t, m, "before the third", "etag", "old")
	publish(t, next)
	want(t, m, "the third", "etag", "next")
	if err := m.settle("inbox", "v.mp4"); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "inbox", "v.mp4", stagedPrefix+"*")); err != nil || len(left) != 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	if err := os.Remove(filepath.Join("inbox", "v.mp4")); err != nil {
		t.Fatal(err)
	}
	if err := m.DeleteAttributes("inbox", "v.mp4"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "inbox", "v.mp4")); !os.IsNotExist(err) {
		t.Errorf("a deleted object left something: %v", err)
	}
}

func TestSpellingIsOneToOneAndNeverTheStoresOwnName(t *testing.T) {
	component := rapid.OneOf(rapid.SampledFrom([]string{"meta", "meta~", "meta~~", "metadata", "a", ""}), rapid.String())
	key := rapid.Custom(func(t *rapid.T) string {
		k := component.Draw(t, "first")
		for range rapid.IntRange(0, 3).Draw(t, "more") {
			k += "/" + component.Draw(t, "next")
		}
		return k
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		if (a == b) != (spell(a) == spell(b)) {
			t.Fatalf("%q and %q are spelt %q and %q", a, b, spell(a), spell(b))
		}
		for part := range strings.SplitSeq(spell(a), "/") {
			if part == attributesDir {
				t.Fatalf("%q is spelt %q", a, spell(a))
			}
		}
	})
}
