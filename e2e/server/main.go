// Command server runs the AppServer behind the gateway, the fake VOD and its fake object storage on loopback, with a page
// that uploads to them, for a browser that is not ours. It prints one line of JSON that says where they are, and ends when
// its standard input does. It is for e2e/run.sh only.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"

	vodlift "github.com/vodlift/vodlift"
	fakeoss "github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	fakevod "github.com/vodlift/vodlift/local/fake/vod"
	"github.com/vodlift/vodlift/local/gateway"
	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/vod"
)

// The cloud account that the fakes know.
const (
	keyID, keySecret = "LTAIe2e", "e2e-secret"
	callbackKey      = "Callback1Key"
)

// place is what the driver has to know.
type place struct {
	Page    string `json:"page"`    // of the client
	Other   string `json:"other"`   // the same page on an origin that is not allowed
	API     string `json:"api"`     // the AppServer
	Control string `json:"control"` // of this program: what happened
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: server FOLDER, with index.html, page.js and ali-oss.js in it")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(folder string) error {
	page := httptest.NewServer(http.FileServer(http.Dir(folder)))
	defer page.Close()
	if _, err := os.Stat(filepath.Join(folder, "ali-oss.js")); err != nil {
		return err
	}
	w := &world{}
	defer w.close()
	if err := w.platform(page.URL); err != nil {
		return err
	}
	if err := w.appServer(page.URL); err != nil {
		return err
	}
	control := httptest.NewServer(w.control())
	defer control.Close()
	p := place{Page: page.URL, Other: strings.Replace(page.URL, "127.0.0.1", "localhost", 1), API: w.web.URL, Control: control.URL}
	if err := json.NewEncoder(os.Stdout).Encode(p); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// world is the fakes and the AppServer.
type world struct {
	keys   *ram.Store
	store  *fakeoss.Server
	vod    *fakevod.Server
	vodAt  string
	api    *appserver.API
	web    *httptest.Server
	hookAt string       // where VOD calls back, as it is set up there
	ahead  atomic.Int64 // of the users' clock, nanoseconds
	ends   []func()

	mu     sync.Mutex
	events []event
}

// event is a callback of VOD that came with a good signature.
type event struct {
	Type, ID string
	Size     int64
}

func (w *world) close() {
	for i := len(w.ends) - 1; i >= 0; i-- {
		w.ends[i]()
	}
}

func (w *world) serve(h http.Handler) string {
	s := httptest.NewServer(h)
	w.ends = append(w.ends, s.Close)
	return s.URL
}

// platform starts VOD and its storage, whose bucket lets pages of origin use it, as the vendor's buckets are set up for
// its web SDK.
func (w *world) platform(origin string) (err error) {
	if w.keys, err = ram.NewStore(ram.StoreOptions{}); err != nil {
		return err
	}
	if _, err = w.keys.AddKey("studio", keyID, keySecret); err != nil {
		return err
	}
	seen := func(i fakeoss.Info) fakevod.Object {
		return fakevod.Object{Size: i.Size, SHA256: i.SHA256, CRC64: i.CRC64, Modified: i.Modified}
	}
	rule := fakeoss.CORSRule{Origins: []string{origin}, Methods: []string{"GET", "PUT", "POST", "DELETE", "HEAD"}, Headers: []string{"*"}, Expose: []string{"ETag", "x-oss-request-id", "x-oss-hash-crc64ecma"}, MaxAge: 5}
	w.store, err = fakeoss.New(fakeoss.Options{Credentials: w.keys, Buckets: []fakeoss.Bucket{{Name: fakevod.DefaultBucket, CORS: []fakeoss.CORSRule{rule}}},
		Created: func(i fakeoss.Info) { w.vod.ObjectStored(i.Bucket, i.Key, seen(i)) }})
	if err != nil {
		return err
	}
	w.ends = append(w.ends, func() { w.store.Close() })
	// By name: the vendor's client puts the bucket in front of it, and browsers know *.localhost to be this machine.
	endpoint := strings.Replace(w.serve(w.store), "127.0.0.1", "localhost", 1)
	w.vod, err = fakevod.New(fakevod.Options{Keys: w.keys, OSSEndpoint: endpoint, Tick: 10 * time.Millisecond,
		Pace:     fakevod.Pace{Analysis: 10 * time.Millisecond, Transcode: 10 * time.Millisecond, Snapshot: 10 * time.Millisecond, Audit: 10 * time.Millisecond},
		Delivery: fakevod.Delivery{Interval: 50 * time.Millisecond},
		Objects:  fakevod.ObjectsFunc(func(b, k string) (fakevod.Object, bool) { i, ok := w.store.Stat(b, k); return seen(i), ok })})
	if err != nil {
		return err
	}
	w.ends = append(w.ends, func() { w.vod.Close() })
	w.vodAt = w.serve(w.vod)
	return nil
}

// Now is the users' clock: the driver may put it ahead, to see a token end.
func (w *world) Now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// SignGet implements catalogue.Signer.
func (w *world) SignGet(_ context.Context, key string, life time.Duration) (string, time.Time, error) {
	return "https://media.example.com/" + key, time.Now().Add(life), nil
}

func (w *world) appServer(origin string) error {
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		return err
	}
	w.ends = append(w.ends, func() { db.Close() })
	addresses, err := users.NewAddresses(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		return err
	}
	people, err := users.New(db, users.Options{Addresses: addresses, Now: w.Now, Settings: users.Settings{OpenSignup: true}})
	if err != nil {
		return err
	}
	quotas, err := users.NewQuotas(db, users.QuotaOptions{Addresses: addresses})
	if err != nil {
		return err
	}
	shown, err := catalogue.New(db, catalogue.Options{Signer: w})
	if err != nil {
		return err
	}
	client := vod.New(vod.Config{BaseURL: w.vodAt, STSBaseURL: w.vodAt}, oss.Fixed(oss.Credential{ID: keyID, Secret: keySecret}), &http.Client{}, nil)
	logs := slog.New(slog.NewTextHandler(os.Stderr, nil))
	w.api = appserver.New(appserver.Parts{Table: db, VOD: client, Roles: client, Users: people, Quotas: quotas, Catalogue: shown, Now: time.Now, Rand: rand.Reader, Log: logs,
		Settings: appserver.Settings{AllowOrigin: origin, Videos: videos.Settings{TemplateGroup: fakevod.DefaultGroup}}})
	deployed, err := template.Parse(vodlift.Template())
	if err != nil {
		return err
	}
	gw, err := gateway.New(gateway.Options{Routes: deployed.Routes, Invoker: w, Public: true, Log: logs})
	if err != nil {
		return err
	}
	w.web = httptest.NewServer(gw)
	w.ends = append(w.ends, w.web.Close)
	w.hookAt = w.serve(http.HandlerFunc(w.hook))
	return w.vod.SetCallback(fakevod.MessageCallback{URL: w.hookAt, AuthKey: callbackKey})
}

// Invoke implements gateway.Invoker: the routes of the apps, and no other.
func (w *world) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	if function != "appserver" {
		return nil, errors.New("only the AppServer runs here")
	}
	var req events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(payload, &req); err != nil {
		return nil, err
	}
	res, err := w.api.Handle(ctx, req)
	if err != nil {
		return nil, err
	}
	return json.Marshal(res)
}

// hook takes what VOD says, if it is VOD that says it.
func (w *world) hook(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, callback.MaxBody))
	if err == nil {
		key := callback.VODKey{URL: w.hookAt, Secret: callbackKey}
		err = callback.VerifyVOD([]callback.VODKey{key}, r.Header.Get(callback.HeaderVODTimestamp), r.Header.Get(callback.HeaderVODSignature), time.Now())
	}
	if err != nil {
		rw.WriteHeader(http.StatusForbidden)
		return
	}
	e := callback.ParseVOD(body)
	var seen struct{ Size int64 }
	_ = json.Unmarshal(body, &seen) // of events that have it as a number
	w.mu.Lock()
	w.events = append(w.events, event{Type: e.Type, ID: strings.Join(e.Remotes, " "), Size: seen.Size})
	w.mu.Unlock()
	if err := w.api.Callback(r.Context(), e); err != nil { // VOD tells it again
		rw.WriteHeader(http.StatusServiceUnavailable)
	}
}

// control tells the driver what happened, and makes happen what a page cannot.
func (w *world) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /object", func(rw http.ResponseWriter, r *http.Request) {
		i, ok := w.store.Stat(r.URL.Query().Get("bucket"), r.URL.Query().Get("key"))
		answer(rw, map[string]any{"found": ok, "size": i.Size, "sha256": i.SHA256, "parts": i.Parts, "type": i.ContentType})
	})
	mux.HandleFunc("GET /events", func(rw http.ResponseWriter, _ *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		answer(rw, w.events)
	})
	mux.HandleFunc("GET /requests", func(rw http.ResponseWriter, _ *http.Request) { answer(rw, w.store.Requests(0)) })
	mux.HandleFunc("POST /expire", func(rw http.ResponseWriter, r *http.Request) {
		answer(rw, w.keys.Expire(r.URL.Query().Get("id")) == nil)
	})
	mux.HandleFunc("POST /ahead", func(rw http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.URL.Query().Get("by"))
		w.ahead.Store(int64(d))
		answer(rw, err == nil)
	})
	return mux
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) //nolint:errcheck // a driver that left needs no answer
}
