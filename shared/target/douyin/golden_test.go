package douyin

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// dump is what matters of a request: method, path with query, headers, body.
func dump(s sent) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", s.Method, s.URL.RequestURI())
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
	b.WriteString("\n" + strings.ReplaceAll(s.body, "\r\n", "\n") + "\n")
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
	const answer = `{"data":{"error_code":0,"description":"","upload_id":"` + testUpload + `","item_id":"@i","video":{"video_id":"v0200f","width":720,"height":1280},"list":[],"has_more":false,"cursor":0},"extra":{"error_code":0}}`
	small := Config{OneRequest: 10, MinPart: 1, WantPart: 10}
	for _, m := range []struct {
		name string
		gen  Generation
		auth Auth
	}{{"legacy-query", Legacy, Query}, {"legacy-header", Legacy, Header}, {"v1-header", V1, Header}} {
		t.Run(m.name, func(t *testing.T) {
			c := small
			c.Generation, c.Auth = m.gen, m.auth
			w := says(200, answer)
			tg := testTarget(c, w)
			v, ctx := testVideo(), t.Context()
			v.Fields = []byte(`{"at_users":["o1"],"cover_tsp":1.5,"poi_id":"p","poi_name":"<place> & more"}`)
			if m.gen == V1 {
				v.Private = true
			}
			last := func(name string, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if w.sent[len(w.sent)-1].GetBody != nil {
					t.Errorf("%s could be replayed", name)
				}
				golden(t, m.name+"/"+name, dump(w.sent[len(w.sent)-1]))
			}
			plan := testPlan(30, 3)
			s, err := tg.Init(ctx, v, plan)
			last("init", err)
			_, err = tg.UploadPart(ctx, s, testPart(plan, 2, "0123456789"))
			last("part", err)
			a, err := tg.Complete(ctx, s, []upload.Receipt{{Part: 3, Size: 10}, {Part: 1, Size: 10}, {Part: 2, Size: 10}})
			last("complete", err)
			p, err := tg.Publish(ctx, v, s, a)
			last("create", err)
			_, err = tg.Inspect(ctx, target.Attempt{Video: v, At: testNow})
			last("list", err)
			_, err = tg.Check(ctx, v, p)
			last("data", err)

			one := testPlan(10, 1)
			v.Size = 10
			before := len(w.sent)
			s, err = tg.Init(ctx, v, one)
			if err != nil || len(w.sent) != before {
				t.Fatalf("Init of one request sent something, or %v", err)
			}
			r, err := tg.UploadPart(ctx, s, testPart(one, 1, "0123456789"))
			last("upload", err)
			before = len(w.sent)
			a, err = tg.Complete(ctx, s, []upload.Receipt{r})
			if err != nil || a.ID != "v0200f" || len(w.sent) != before {
				t.Errorf("Complete of one request: %+v, %v", a, err)
			}
		})
	}
	t.Run("oauth", func(t *testing.T) {
		w := says(200, `{"data":{"access_token":"a","refresh_token":"r","expires_in":"86400","error_code":0},"message":"success"}`)
		r := NewRefresher(Config{}, &http.Client{Transport: w}, &Options{Now: clock})
		old, _ := testCred(t.Context())
		app := token.AppKey{ID: "key", Secret: "SECRET"}
		if _, err := r.Refresh(t.Context(), app, old); err != nil {
			t.Fatal(err)
		}
		golden(t, "oauth/refresh", dump(w.sent[0]))
		if _, err := r.Renew(t.Context(), app, old); err != nil {
			t.Fatal(err)
		}
		golden(t, "oauth/renew", dump(w.sent[1]))
	})
}
