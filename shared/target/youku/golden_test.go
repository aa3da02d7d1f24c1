package youku

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

// dump is what matters of a request: method, URL, headers, body.
func dump(s sent) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\nContent-Length: %d\n", s.Method, s.URL, s.ContentLength)
	names := make([]string, 0, len(s.Header))
	for n := range s.Header {
		if n != "Content-Length" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(&b, "%s: %s\n", n, strings.Join(s.Header[n], ", "))
	}
	if s.Close {
		b.WriteString("Connection: close\n")
	}
	b.WriteString("\n" + strings.ReplaceAll(s.body, "&", "\n&") + "\n")
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

// platform answers every call of this package, and OSS's.
func platform() *wire {
	return &wire{answer: func(s sent) (*http.Response, error) {
		q := s.URL.Query()
		switch {
		case s.URL.Path == pathCreate:
			return respond(201, created), nil
		case s.URL.Path == pathSTS:
			return respond(200, strings.ReplaceAll(created, "T11:00", "T12:00")), nil
		case s.URL.Path == pathShow:
			return respond(200, `{"id":"XMjg1MTcyNDQ0","state":"normal","link":"http://v.youku.com/v_show/id_XMjg1MTcyNDQ0.html"}`), nil
		case strings.HasSuffix(s.URL.Path, ".json"):
			return respond(200, `{"video_id":"XMjg1MTcyNDQ0","access_token":"a","refresh_token":"r","expires_in":"3600"}`), nil
		case q.Has("uploads"):
			return respond(200, `<InitiateMultipartUploadResult><UploadId>UPID1</UploadId></InitiateMultipartUploadResult>`), nil
		case s.Method == http.MethodPost:
			return respond(200, `<CompleteMultipartUploadResult><Key>k</Key><ETag>"E"</ETag></CompleteMultipartUploadResult>`), nil
		case s.Method == http.MethodGet:
			return respond(200, `<ListPartsResult><UploadId>UPID1</UploadId><Part><PartNumber>1</PartNumber><ETag>"E"</ETag><Size>10</Size></Part></ListPartsResult>`), nil
		case s.Method == http.MethodDelete:
			return respond(204, ""), nil
		}
		return respond(200, "", "ETag", `"E"`), nil
	}}
}

func TestRequestsEqualTheGoldens(t *testing.T) {
	w := platform()
	tg, v, ctx := testTarget(Config{OneRequest: 10, MinPart: 1, WantPart: 10}, w), testVideo(), t.Context()
	seen := 0
	since := func(name string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var b strings.Builder
		for _, s := range w.sent[seen:] {
			if s.GetBody != nil {
				t.Errorf("%s could be replayed", name)
			}
			b.WriteString(dump(s) + "\n")
		}
		seen = len(w.sent)
		golden(t, name, b.String())
	}
	plan := testPlan(30, 3)
	s, err := tg.Init(ctx, v, plan)
	since("create-and-initiate", err)
	_, err = tg.UploadPart(ctx, s, testPart(plan, 2, "0123456789"))
	since("part", err)
	rs, err := tg.ListParts(ctx, s)
	since("list-parts", err)
	if len(rs) != 1 || !rs[0].Unsummed || rs[0].Part != 1 || rs[0].Size != 10 || rs[0].ETag != "E" {
		t.Errorf("%+v", rs)
	}
	s, err = tg.Renew(ctx, s)
	since("get-sts-inf", err)
	a, err := tg.Complete(ctx, s, []upload.Receipt{{Part: 3, Size: 10, ETag: "C"}, {Part: 1, Size: 10, ETag: "A"}, {Part: 2, Size: 10, ETag: "B"}})
	since("complete", err)
	p, err := tg.Publish(ctx, v, s, a)
	since("commit", err)
	if p.ID != "XMjg1MTcyNDQ0" || p.URL != "http://v.youku.com/v_show/id_XMjg1MTcyNDQ0.html" || !p.At.Equal(testNow) {
		t.Errorf("%+v", p)
	}
	_, err = tg.Inspect(ctx, target.Attempt{Video: v, Asset: a, At: testNow})
	since("show", err)
	since("abort-and-cancel", tg.Abort(ctx, s))

	v.Fields = []byte(`{"title":"另一个标题","tags":["one","two"],"category":"Tech","thumbnail":"https://img.example/a.jpg","copyright_type":"reproduced","public_type":"password","watch_password_name":"family","description":"Another","deshake":1}`)
	v.Size, v.FileName = 10, "in/some/Holiday Film.MOV"
	one := testPlan(10, 1)
	s, err = tg.Init(ctx, v, one)
	since("create-every-field", err)
	_, err = tg.UploadPart(ctx, s, testPart(one, 1, "0123456789"))
	since("put", err)
	v.Fields = []byte(`{"public_type":"friend","deshake":0,"copyright_type":"original"}`)
	_, err = tg.Init(ctx, v, one)
	since("create-friend", err)

	r := NewRefresher(Config{}, &http.Client{Transport: w}, &Options{Now: clock})
	old, _ := testCred(ctx)
	app := token.AppKey{ID: "client1", Secret: testApp}
	_, err = r.Refresh(ctx, app, old)
	since("refresh", err)
	_, err = NewRefresher(Config{SendSecret: true}, &http.Client{Transport: w}, &Options{Now: clock}).Refresh(ctx, app, old)
	since("refresh-with-secret", err)
}
