package openapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	vodlift "github.com/vodlift/vodlift"
	"github.com/vodlift/vodlift/local/gateway"
	"github.com/vodlift/vodlift/local/template"
)

type broken struct{}

// Invoke implements gateway.Invoker.
func (broken) Invoke(context.Context, string, []byte) ([]byte, error) {
	return nil, errors.New("the function died")
}

// What the gateway answers by itself, before or in place of a function, is in the document, too.
func TestTheGatewaysOwnAnswersAreDescribed(t *testing.T) {
	d := load(t, nil)
	deployed, err := template.Parse(vodlift.Template())
	if err != nil {
		t.Fatal(err)
	}
	for _, public := range []bool{false, true} {
		gw, err := gateway.New(gateway.Options{Routes: deployed.Routes, Invoker: broken{}, Key: "key-of-this-test-only", Public: public})
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(gw)
		defer web.Close()
		for _, c := range []struct {
			public       bool
			method, path string
			body         string
			key          string
			status       int
		}{
			{true, "GET", "/vod/getSts", "", "", 500},
			{true, "POST", "/user/login", strings.Repeat("a", gateway.MaxBody+1), "", 413},
			{false, "POST", "/publications", "{}", "", 403},
			{false, "POST", "/publications", "{}", "key-of-this-test-only", 500},
			{false, "GET", "/api/info", "", "", 500},
			{false, "POST", "/api/pause", "{}", "another key altogether", 403},
		} {
			if c.public != public {
				continue
			}
			req, err := http.NewRequestWithContext(t.Context(), c.method, web.URL+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set(gateway.KeyHeader, c.key)
			res, err := web.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			o, _ := d.find(c.method, c.path)
			if res.StatusCode != c.status {
				t.Errorf("%s: %d %s, want %d", o.key(), res.StatusCode, body, c.status)
			}
			if err := d.judge(t, o, res.StatusCode, body); err != nil {
				t.Error(err)
			}
		}
	}
}
