package appserver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/vodtest"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/table/tabletest"
	"github.com/vodlift/vodlift/shared/vod"
)

const password = "correct horse battery"

// rig is the API over an in-memory table, the real users, and a stand-in for VOD.
type rig struct {
	t     testing.TB
	api   *appserver.API
	p     *vodtest.Platform
	users *users.Store
	clock *tabletest.Clock
	log   *logText
}

// logText is a log that a test reads.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRig(t testing.TB, change ...func(*appserver.Settings, *users.Settings)) *rig {
	t.Helper()
	clock := tabletest.NewClock(time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC))
	db, err := sqlite.OpenMemory(&sqlite.Options{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	set := appserver.Settings{DemoEndpoints: true, RoleARN: "acs:ram::1:role/app"}
	uset := users.Settings{OpenSignup: true}
	for _, fn := range change {
		fn(&set, &uset)
	}
	addr, err := users.NewAddresses(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	store, err := users.New(db, users.Options{Addresses: addr, Now: clock.Now, Hasher: users.NewArgon2(users.Params{Memory: 8, Time: 1, Threads: 1}, rand.Reader), Settings: uset})
	if err != nil {
		t.Fatal(err)
	}
	quotas, err := users.NewQuotas(db, users.QuotaOptions{Addresses: addr, Now: clock.Now, Limits: users.Limits{UserUploads: -1, AddressUploads: -1}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, p: vodtest.New(clock.Now), users: store, clock: clock, log: &logText{}}
	t.Cleanup(func() {
		if b := r.p.Breaches(); len(b) > 0 {
			t.Errorf("the platform's rules were broken: %q", b)
		}
	})
	r.api = appserver.New(appserver.Parts{Table: db, VOD: r.p, Roles: r.p, Users: store, Quotas: quotas, Catalogue: newShelf(t), Now: clock.Now,
		Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(r.log, nil)), Settings: set})
	return r
}

// answer is an envelope as a client reads it.
type answer struct {
	Result    string          `json:"result"`
	RequestID string          `json:"requestId"`
	Message   *string         `json:"message"`
	Code      string          `json:"code"`
	Data      json.RawMessage `json:"data"`
	raw       string
}

func (a answer) text() string {
	if a.Message == nil {
		return ""
	}
	return *a.Message
}

// field gives one text of the data.
func (a answer) field(name string) string {
	var m map[string]any
	_ = json.Unmarshal(a.Data, &m)
	s, _ := m[name].(string)
	return s
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// send makes a request: by GET in the query, by POST as a form.
func (r *rig) send(method, path string, v url.Values) answer {
	r.t.Helper()
	req := appserver.Request{Method: method, Path: path, Header: map[string]string{}, From: "192.0.2.1"}
	if method == "GET" {
		req.Query = v.Encode()
	} else {
		req.Header["content-type"] = "application/x-www-form-urlencoded"
		req.Body = []byte(v.Encode())
	}
	return r.call(req)
}

func (r *rig) call(req appserver.Request) answer {
	r.t.Helper()
	return envelope(r.t, r.api.Call(r.t.Context(), req))
}

// envelope reads an answer as a client does, and checks what holds for every one.
func envelope(t testing.TB, e appserver.Envelope) answer {
	t.Helper()
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{raw: string(b)}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	if (a.Result == "true") != (a.Code == "200") || a.Result != "true" && a.Result != "false" || len(a.RequestID) != 36 {
		t.Errorf("not an envelope: %s", b)
	}
	if a.Result == "false" && (a.text() == "" || string(a.Data) != "null") {
		t.Errorf("a refusal without a message, or with data: %s", b)
	}
	return a
}

// person is a user who is logged in.
type person struct{ id, token, name string }

func (r *rig) person(name string) person {
	r.t.Helper()
	ctx := context.Background()
	if _, err := r.users.Register(ctx, name, password, "192.0.2.1"); err != nil {
		r.t.Fatal(err)
	}
	s, err := r.users.Login(ctx, name, password, "192.0.2.1")
	if err != nil {
		r.t.Fatal(err)
	}
	return person{id: s.User.ID, token: s.Token, name: name}
}

func (r *rig) guest() person {
	r.t.Helper()
	s, err := r.users.Random(context.Background(), "192.0.2.1")
	if err != nil {
		r.t.Fatal(err)
	}
	return person{id: s.User.ID, token: s.Token}
}

// issued gets an id by the API; empty p: from /demo.
func (r *rig) issued(p person) string {
	r.t.Helper()
	path := "/vod/getVideoUploadAuth"
	if p.token == "" {
		path = "/demo/getVideoUploadAuth"
	}
	a := r.send("GET", path, values("token", p.token, "title", "secret title of "+p.id, "fileName", "a.MP4"))
	if a.Code != "200" {
		r.t.Fatal(a.raw)
	}
	return a.field("videoId")
}

// uploaded is issued, with its file at the platform.
func (r *rig) uploaded(p person) string {
	id := r.issued(p)
	r.p.Upload(id, 1000)
	return id
}

func (r *rig) published(p person) string {
	r.t.Helper()
	id := r.uploaded(p)
	if a := r.send("POST", "/vod/videoPublish", values("token", p.token, "videoId", id, "title", "secret title of "+p.id)); a.Code != "200" {
		r.t.Fatal(a.raw)
	}
	return id
}

// public is published, and through its review.
func (r *rig) public(p person) string {
	r.t.Helper()
	id := r.published(p)
	r.p.Judge(id, "success", "pass")
	r.p.Stream(id, vod.Stream{URL: "https://play.example/" + id + ".mp4", Status: "Normal"})
	if err := r.api.Callback(r.t.Context(), callback.Event{Platform: callback.AliVOD, Type: "AIMediaAuditComplete", Remotes: []string{id}}); err != nil {
		r.t.Fatal(err)
	}
	return id
}

// example is one file of testdata/examples.
type example struct {
	Call    string `json:"call"`
	Request struct {
		Method     string            `json:"method"`
		Path       string            `json:"path"`
		Parameters map[string]string `json:"parameters"`
	} `json:"request"`
	Mended   []string        `json:"mended"`
	Response json.RawMessage `json:"response"`
}

func examples(t testing.TB) map[string]example {
	t.Helper()
	files, err := filepath.Glob("testdata/examples/*.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]example{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var e example
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out[e.Call] = e
	}
	return out
}

// nothing are quotas that nobody asks.
type nothing struct{ appserver.Quotas }

// Charge is needed to be named.
func (nothing) Charge(context.Context, string, string, int, int64) error { return nil }

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
