package douyinweb

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/upload"
)

// dump is what matters of a request: method, URL, headers, body. A form is shown field by field.
func dump(s sent) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", s.Method, s.URL)
	fmt.Fprintf(&b, "Content-Length: %d\n", s.ContentLength)
	names := make([]string, 0, len(s.Header))
	for n := range s.Header {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(&b, "%s: %s\n", n, strings.Join(s.Header[n], ", "))
	}
	if s.Close {
		b.WriteString("Connection: close\n")
	}
	b.WriteString("\n")
	if !strings.HasPrefix(s.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return b.String() + s.body + "\n"
	}
	form, err := url.ParseQuery(s.body)
	if err != nil {
		return "no form: " + err.Error()
	}
	names = names[:0]
	for n := range form {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(&b, "%s=%s\n", n, strings.Join(form[n], " AND "))
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "requests", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, path); !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestRequestsEqualTheGoldens(t *testing.T) {
	for _, m := range []struct {
		name  string
		csrf  CSRF
		parts int
		plain bool // nothing but a title
	}{{"one-request", CSRFNone, 1, true}, {"chunks", CSRFCookie, 3, false}, {"secsdk", CSRFSecSDK, 3, false}} {
		t.Run(m.name, func(t *testing.T) {
			c := smallConfig()
			if c.CSRF = m.csrf; m.csrf == CSRFSecSDK {
				c.CreatorURL = "https://creator.douyin.com/"
			}
			w, v, ctx := says(t, nil), testVideo(), t.Context()
			tg := testTarget(t, c, w)
			v.Size = 10 * int64(m.parts)
			if m.plain {
				v.Title, v.Description, v.Tags, v.Fields, v.Private = "遇见就是一种缘分", "", []string{"音乐"}, nil, true
			}
			plan := testPlan(v.Size, m.parts)
			s, err := tg.Init(ctx, v, plan)
			if err != nil {
				t.Fatal(err)
			}
			if want := time.Unix(1795255200, 0); !s.Expires.Equal(want) {
				t.Errorf("the session expires at %v, want the signature's deadline %v", s.Expires, want)
			}
			var rs []upload.Receipt
			for n := m.parts; n >= 1; n-- {
				r, err := tg.UploadPart(ctx, s, testPart(plan, n, "0123456789"))
				if err != nil {
					t.Fatal(err)
				}
				if r.ETag != "a684c7c6" { // crc32("0123456789"), as zlib says
					t.Errorf("CRC32 %s", r.ETag)
				}
				rs = append(rs, r)
			}
			a, err := tg.Complete(ctx, s, rs)
			if err != nil || a.ID != testVID {
				t.Fatalf("%+v, %v", a, err)
			}
			p, err := tg.Publish(ctx, v, s, a)
			if err != nil || p.ID != "7000000000000000001" || !p.At.Equal(testNow) {
				t.Fatalf("%+v, %v", p, err)
			}
			for i, s := range w.sent {
				golden(t, fmt.Sprintf("%s/%02d-%s", m.name, i+1, stepOf(s.Request)), dump(s))
			}
			noSecrets(t, "the session", fmt.Sprintf("%v %+v %#v %s", s, s, s, s))
		})
	}
	t.Run("user", func(t *testing.T) {
		w := says(t, nil)
		r := NewRefresher(Config{}, &http.Client{Transport: w}, &Options{Now: clock})
		if err := r.Alive(t.Context(), testToken(t)); err != nil {
			t.Fatal(err)
		}
		golden(t, "user/01-user", dump(w.sent[0]))
	})
}
