package bucket_test

import (
	"slices"
	"testing"

	"github.com/vodlift/vodlift/shared/source/s3source"
)

func TestTheListerWalksEveryKeyOnceInPages(t *testing.T) {
	g := open(t, options(t.TempDir(), nil))
	c := client(t, g)
	var want []string
	for _, k := range nastyKeys {
		put(t, c, k, []byte("x"+k), nil)
		want = append(want, k)
	}
	slices.Sort(want)
	l := s3source.NewLister(c)
	var got []string
	for after := ""; ; {
		objects, next, err := l.List(t.Context(), "inbox", after, 3)
		if err != nil || len(objects) > 3 {
			t.Fatalf("after %q: %d objects, %v", after, len(objects), err)
		}
		for _, o := range objects {
			got = append(got, o.Key)
			if o.ETag == "" || o.Size != int64(len("x"+o.Key)) || o.Bucket != "inbox" {
				t.Errorf("%+v", o)
			}
		}
		if after = next; next == "" {
			break
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
