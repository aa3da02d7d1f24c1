package source_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
)

func TestDecodeMetadata(t *testing.T) {
	got := source.DecodeMetadata(map[string]string{
		"Title": "=?UTF-8?Q?caf=C3=A9?=", "X-Amz-Meta-To": "a,b", "raw": "标题", "bad": "a\xffb", "broken": "=?UTF-8?B?!?=", "empty": "",
	})
	want := map[string]string{"title": "café", "to": "a,b", "raw": "标题", "bad": "a\uFFFDb", "broken": "=?UTF-8?B?!?=", "empty": ""}
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if source.DecodeMetadata(nil) == nil {
		t.Error("no metadata is an empty map, not nil")
	}
}

func FuzzDecodeMetadata(f *testing.F) {
	for _, s := range []string{"", "plain", "=?UTF-8?B?5L2g5aW9?=", "=?utf-8?q?=ff?=", "=?x?q?a?=", "=?", "a\xff", "=?iso-8859-1?q?=e9?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		got := source.DecodeMetadata(map[string]string{"k": v})["k"]
		if strings.ToValidUTF8(got, "") != got {
			t.Errorf("%q gives %q, which is no UTF-8", v, got)
		}
	})
}

func TestPlainETag(t *testing.T) {
	for in, want := range map[string]string{`"abc"`: "abc", "abc": "abc", `"abc-12"`: "abc-12", "": "", `""`: "", `W/"abc"`: "abc"} {
		if got := source.PlainETag(in); got != want {
			t.Errorf("PlainETag(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestExactlyStopsAtItsSize(t *testing.T) {
	r := source.Exactly(t.Context(), io.NopCloser(strings.NewReader("0123456789")), 4, "test", nil)
	b, err := io.ReadAll(r)
	if string(b) != "0123" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestExactlyRemembersItsFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := source.Exactly(ctx, io.NopCloser(strings.NewReader("01")), 4, "test", nil)
	for range 2 {
		_, err := io.ReadAll(r)
		if fault.KindOf(err) != fault.Retryable || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
		cancel()
	}
}
