package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/vodtest"
	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/vod"
)

// signer makes addresses at no cost.
type signer struct{}

// SignGet is catalogue.Signer's.
func (signer) SignGet(_ context.Context, key string, life time.Duration) (string, time.Time, error) {
	return "https://bucket.example/" + key, time.Now().Add(life), nil
}

// desk is the apps' API over a table in memory, with a stand-in for VOD that answers at once.
type desk struct {
	api      *appserver.API
	platform *vodtest.Platform
	tokens   []string           // of guests
	last     appserver.Envelope // of the last call
}

func newDesk(t *testing.T, people int) *desk {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlite.OpenMemory(nil)
	must(err)
	t.Cleanup(func() { db.Close() })
	addresses, err := users.NewAddresses(bytes.Repeat([]byte("k"), 32))
	must(err)
	store, err := users.New(db, users.Options{Addresses: addresses, Settings: users.Settings{OpenSignup: true, SignupsPerAddress: -1}})
	must(err)
	quotas, err := users.NewQuotas(db, users.QuotaOptions{Addresses: addresses, Limits: users.Limits{UserUploads: -1, AddressUploads: -1, SystemUploads: -1}})
	must(err)
	shelf, err := catalogue.New(db, catalogue.Options{Signer: signer{}})
	must(err)
	_, err = shelf.Import(t.Context(), bytes.NewReader(catalogue.Sample()))
	must(err)
	d := &desk{platform: vodtest.New(time.Now)}
	d.api = appserver.New(appserver.Parts{Table: db, VOD: d.platform, Roles: d.platform, Users: store, Quotas: quotas, Catalogue: shelf, Now: time.Now,
		Rand: rand.Reader, Log: slog.New(slog.DiscardHandler), Settings: appserver.Settings{GuestUpload: true, RoleARN: "acs:ram::1:role/app"}})
	for range people {
		s, err := store.Random(t.Context(), "192.0.2.1")
		must(err)
		d.tokens = append(d.tokens, s.Token)
	}
	return d
}

// ask makes call i, by one of the guests in turn.
func (d *desk) ask(ctx context.Context, i int, path string, v url.Values) error {
	v.Set("token", d.tokens[i%len(d.tokens)])
	d.last = d.api.Call(ctx, appserver.Request{Method: "POST", Path: path, Body: []byte(v.Encode()), From: "192.0.2.1",
		Header: map[string]string{"content-type": "application/x-www-form-urlencoded"}})
	if d.last.Code != "200" {
		return fmt.Errorf("%s: code %s, %s", path, d.last.Code, *d.last.Message)
	}
	return nil
}

// TestProcessorTimeOfACall makes the apps' calls one after the other and takes the processor time of the whole process for
// each, the collector's included. Unlike time on the wall it does not grow with what else runs on the machine.
func TestProcessorTimeOfACall(t *testing.T) {
	beside(t)
	people, rounds := 3, 5
	if *measure {
		people, rounds = 500, 1000
	}
	d := newDesk(t, people)
	page := func(int) url.Values { return url.Values{"pageIndex": {"1"}, "pageSize": {"10"}} }
	var ready, what []string
	var all []float64
	for _, k := range []struct {
		path  string
		of    func(i int) url.Values
		after func(i int) // not timed
	}{
		{"/vod/getVideoUploadAuth", func(i int) url.Values { return url.Values{"title": {fmt.Sprint("film ", i)}, "fileName": {"film.mp4"}} },
			func(int) { ready = append(ready, d.uploaded(t)) }},
		{"/vod/videoPublish", func(i int) url.Values { return url.Values{"videoId": {ready[i]}, "title": {"a film"}} },
			func(i int) { d.reviewed(t, ready[i]) }},
		{"/vod/getPersonalVideoList", page, func(int) {}},
		{"/vod/getRecommendVideoList", page, func(int) {}},
		{"/music/getRecommendMusic", func(int) url.Values { return url.Values{"pageNo": {"1"}, "pageSize": {"10"}} }, func(int) {}},
	} {
		var ms []float64
		for i := range rounds {
			ms = append(ms, timed(t, func() error { return d.ask(t.Context(), i, k.path, k.of(i)) }).cpu*1000)
			k.after(i)
		}
		what = append(what, fmt.Sprintf("%s %.2f/%.2f", k.path, Median(ms), Quantile(ms, 0.99)))
		all = append(all, ms...)
	}
	if *measure {
		tell(t, Row{8, fmt.Sprintf("%d calls, one after the other, table in memory, VOD answers at once: processor time of a call: p50 / p99", len(all)), "p99 < 5 ms",
			fmt.Sprintf("%.2f / %.2f ms (%s)", Median(all), Quantile(all, 0.99), strings.Join(what, ", ")), Judge(Quantile(all, 0.99) < 5)})
	}
}

// uploaded sends the file of the upload that was issued last.
func (d *desk) uploaded(t *testing.T) string {
	t.Helper()
	var got struct{ Data struct{ VideoID string } }
	b, err := json.Marshal(d.last)
	if err == nil {
		err = json.Unmarshal(b, &got)
	}
	if err != nil || got.Data.VideoID == "" {
		t.Fatalf("no id in %s: %v", b, err)
	}
	d.platform.Upload(got.Data.VideoID, 1000)
	return got.Data.VideoID
}

// reviewed has a video pass its review, so that the recommended list shows it.
func (d *desk) reviewed(t *testing.T, id string) {
	t.Helper()
	d.platform.Judge(id, "success", "pass")
	d.platform.Stream(id, vod.Stream{URL: "https://play.example/" + id + ".mp4", Status: "Normal"})
	if err := d.api.Callback(t.Context(), callback.Event{Platform: callback.AliVOD, Type: "AIMediaAuditComplete", Remotes: []string{id}}); err != nil {
		t.Fatal(err)
	}
}
