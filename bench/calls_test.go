package bench

import (
	"bytes"
	"context"
	"crypto/rand"
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
	"github.com/vodlift/vodlift/shared/table/sqlite"
)

// signer makes addresses at no cost.
type signer struct{}

// SignGet is catalogue.Signer's.
func (signer) SignGet(_ context.Context, key string, life time.Duration) (string, time.Time, error) {
	return "https://bucket.example/" + key, time.Now().Add(life), nil
}

// TestProcessorTimeOfACall makes the apps' calls one after the other over a table in memory and a stand-in for VOD that answers at
// once, and takes the processor time of the whole process for each, the collector's included. Unlike time on the wall it does not
// grow with what else runs on the machine.
func TestProcessorTimeOfACall(t *testing.T) {
	people, rounds := 3, 5
	if *measure {
		people, rounds = 500, 1000
	}
	ctx := t.Context()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	addresses, err := users.NewAddresses(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	store, err := users.New(db, users.Options{Addresses: addresses, Settings: users.Settings{OpenSignup: true, SignupsPerAddress: -1}})
	if err != nil {
		t.Fatal(err)
	}
	quotas, err := users.NewQuotas(db, users.QuotaOptions{Addresses: addresses, Limits: users.Limits{UserUploads: -1, AddressUploads: -1, SystemUploads: -1}})
	if err != nil {
		t.Fatal(err)
	}
	shelf, err := catalogue.New(db, catalogue.Options{Signer: signer{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shelf.Import(ctx, bytes.NewReader(catalogue.Sample())); err != nil {
		t.Fatal(err)
	}
	vod := vodtest.New(time.Now)
	api := appserver.New(appserver.Parts{Table: db, VOD: vod, Roles: vod, Users: store, Quotas: quotas, Catalogue: shelf, Now: time.Now, Rand: rand.Reader,
		Log: slog.New(slog.DiscardHandler), Settings: appserver.Settings{GuestUpload: true, RoleARN: "acs:ram::1:role/app"}})
	var tokens, ready []string
	for range people {
		s, err := store.Random(ctx, "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, s.Token)
	}
	ask := func(i int, path string, v url.Values) error {
		v.Set("token", tokens[i%len(tokens)])
		e := api.Call(ctx, appserver.Request{Method: "POST", Path: path, Body: []byte(v.Encode()), From: "192.0.2.1", Header: map[string]string{"content-type": "application/x-www-form-urlencoded"}})
		if e.Code != "200" {
			return fmt.Errorf("%s: code %s, %s", path, e.Code, *e.Message)
		}
		if path == "/vod/getVideoUploadAuth" {
			ids := vod.IDs()
			ready = append(ready, ids[len(ids)-1])
		}
		return nil
	}
	page := func() url.Values { return url.Values{"pageIndex": {"1"}, "pageSize": {"10"}} }
	var all []float64
	var what []string
	for _, k := range []struct {
		path string
		of   func(i int) url.Values
	}{
		{"/vod/getVideoUploadAuth", func(i int) url.Values { return url.Values{"title": {fmt.Sprint("film ", i)}, "fileName": {"film.mp4"}} }},
		{"/vod/videoPublish", func(i int) url.Values { return url.Values{"videoId": {ready[i]}, "title": {"a film"}} }},
		{"/vod/getPersonalVideoList", func(int) url.Values { return page() }},
		{"/vod/getRecommendVideoList", func(int) url.Values { return page() }},
		{"/music/getRecommendMusic", func(int) url.Values { return url.Values{"pageNo": {"1"}, "pageSize": {"10"}} }},
	} {
		var ms []float64
		for i := range rounds {
			ms = append(ms, timed(t, func() error { return ask(i, k.path, k.of(i)) }).cpu*1000)
		}
		what = append(what, fmt.Sprintf("%s %.2f/%.2f", k.path, Median(ms), Quantile(ms, 0.99)))
		all = append(all, ms...)
	}
	if *measure {
		tell(t, Row{8, fmt.Sprintf("%d calls, one after the other, table in memory, VOD answers at once: processor time of a call: p50 / p99", len(all)), "p99 < 5 ms",
			fmt.Sprintf("%.2f / %.2f ms (%s)", Median(all), Quantile(all, 0.99), strings.Join(what, ", ")), Judge(Quantile(all, 0.99) < 5)})
	}
}
