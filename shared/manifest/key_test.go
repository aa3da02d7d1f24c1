package manifest_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
)

func TestAKeyIsDecodedExactlyOnce(t *testing.T) {
	for raw, want := range map[string]string{
		"a/b.mp4": "a/b.mp4", "my+video.mp4": "my video.mp4", "1%2B1.mp4": "1+1.mp4", "100%25.mp4": "100%.mp4", "a%252Fb.mp4": "a%2Fb.mp4",
		"%E6%88%91%E7%9A%84.mp4": "我的.mp4", "%F0%9F%8E%AC.mp4": "🎬.mp4", "plain我.mp4": "plain我.mp4", "a%2fb": "a/b", "a%26b%3Dc": "a&b=c",
	} {
		if got, err := manifest.DecodeKey(raw); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "%", "a%2", "a%zz", "%ff.mp4", "a%00", "a%0Ab", "%7F", "%C2%85", strings.Repeat("a", 1025), strings.Repeat("%41", 1025)} {
		if got, err := manifest.DecodeKey(raw); fault.KindOf(err) != fault.Invalid || fault.As(err).Field != "key" {
			t.Errorf("%.40s: got %q, %v, want Invalid", raw, got, err)
		}
	}
	if _, err := manifest.DecodeKey(strings.Repeat("%41", 1024)); err != nil {
		t.Errorf("1024 bytes: %v", err)
	}
}

func TestEveryKeyIsOneKindOfDrop(t *testing.T) {
	for key, want := range map[string]manifest.Drop{
		"inbox/a.mp4": manifest.DropVideo, "inbox/a": manifest.DropVideo, "a b+c%20.MOV": manifest.DropVideo, "a.publish.json.mp4": manifest.DropVideo, "notes.txt": manifest.DropVideo,
		"a.mp4.publish.json": manifest.DropSidecar, "x/a.publish.json": manifest.DropSidecar,
		"inbox/": manifest.DropFolder, "/": manifest.DropFolder,
		".DS_Store": manifest.DropHidden, "a/._b.mp4": manifest.DropHidden, ".tmp/a.mp4": manifest.DropHidden, "a/../b.mp4": manifest.DropHidden, ".publish.json": manifest.DropHidden, "x/.publish.json": manifest.DropHidden, "Thumbs.db": manifest.DropHidden,
		"cover.JPG": manifest.DropPicture, "a.png": manifest.DropPicture,
		"a.mp4.part": manifest.DropPartial, "a.crdownload": manifest.DropPartial,
		"": manifest.DropRefused, "a\x00": manifest.DropRefused, "\xff": manifest.DropRefused, strings.Repeat("a", 1025): manifest.DropRefused,
	} {
		if got := manifest.DropOf(key); got != want {
			t.Errorf("%.40q: got %s, want %s", key, got, want)
		}
	}
}

func TestAVideoAndItsSidecarFindEachOther(t *testing.T) {
	if got := manifest.SidecarKey("in/a.mp4"); got != "in/a.mp4.publish.json" {
		t.Errorf("got %s", got)
	}
	if v, ok := manifest.VideoKey("in/a.mp4.publish.json"); !ok || v != "in/a.mp4" {
		t.Errorf("got %s, %v", v, ok)
	}
	for _, k := range []string{"", "a.mp4", ".publish.json", "a/.publish.json", "publish.json", "a.PUBLISH.JSON"} {
		if v, ok := manifest.VideoKey(k); ok {
			t.Errorf("%q is a sidecar of %q", k, v)
		}
	}
}

func TestATitleIsMadeOfTheFileName(t *testing.T) {
	for key, want := range map[string]string{
		"in/My_first_video.mp4": "My first video", "我的_视频 01.MOV": "我的 视频 01", "Part 1.5": "Part 1.5", "a.b.mp4": "a.b", "noext": "noext", "in/": "in", "___.mp4": "video", "": "video", "/": "video",
		"a\u202egnp.mp4": "a gnp", "a\x00b.mp4": "a b", "\xff\xfe.mp4": "video", "🎬.webm": "🎬", "a.averylongext": "a.averylongext", "1+1=2 100%.mp4": "1+1=2 100%",
	} {
		if got := manifest.TitleFromKey(key); got != want {
			t.Errorf("%q: got %q, want %q", key, got, want)
		}
	}
	if n := utf8.RuneCountInString(manifest.TitleFromKey(strings.Repeat("题", 1500))); n != manifest.MaxTitle {
		t.Errorf("got %d characters", n)
	}
}

func FuzzDecodeKey(f *testing.F) {
	for _, s := range []string{"a+b%2B.mp4", "%", "%E6%88%91", "a%00", "%252F"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		title := manifest.TitleFromKey(raw)
		if err := (manifest.Manifest{Title: title}).Validate(now()); err != nil || title == "" {
			t.Fatalf("title %q: %v", title, err)
		}
		manifest.DropOf(raw)
		key, err := manifest.DecodeKey(raw)
		if err != nil {
			return
		}
		if manifest.CheckKey(key) != nil {
			t.Fatalf("%q is no key", key)
		}
		if again, err := manifest.DecodeKey(url.QueryEscape(key)); err != nil || again != key {
			t.Fatalf("%q does not come back: %q, %v", key, again, err)
		}
		if v, ok := manifest.VideoKey(manifest.SidecarKey(key)); !strings.HasSuffix(key, "/") && (!ok || v != key) {
			t.Fatalf("the sidecar of %q is for %q", key, v)
		}
	})
}
