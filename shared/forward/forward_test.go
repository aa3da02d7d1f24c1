package forward

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

const (
	hookURL = "https://hooks.example.com/callbacks/vod"
	longKey = "a forward key of some length"
)

func TestTheForwardersEnvironmentIsCheckedAtOnceWithoutRepeatingAValue(t *testing.T) {
	good := map[string]string{"FORWARD_URL": "https://api.example.com", "FORWARD_KEY": longKey}
	with := func(more ...string) map[string]string {
		env := map[string]string{}
		for k, v := range good {
			env[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return env
	}
	for _, c := range []struct {
		name, fn string
		env      map[string]string
		want     string // "" = good
	}{
		{"ingest", "ingest", good, ""}, {"vodcallback", "vodcallback", good, ""},
		{"two keys of one URL", "vodcallback", with("VOD_CALLBACK_URL", hookURL, "VOD_CALLBACK_KEY", "hunter2", "VOD_CALLBACK_KEY_NEXT", "hunter3"), ""},
		{"another function", "finalize", good, "does not run on Function Compute"},
		{"nothing", "ingest", nil, "missing: FORWARD_URL; missing: FORWARD_KEY"},
		{"plain http", "ingest", with("FORWARD_URL", "http://hunter2.example.com"), "FORWARD_URL"},
		{"a short key", "ingest", with("FORWARD_KEY", "hunter2"), "FORWARD_KEY"},
		{"a key without its URL", "vodcallback", with("VOD_CALLBACK_KEY", "hunter2"), "VOD_CALLBACK_KEY needs VOD_CALLBACK_URL"},
		{"a level that is none", "ingest", with("LOG_LEVEL", "hunter2"), "LOG_LEVEL must be"},
	} {
		fn, err := build(c.fn, func(n string) (string, bool) { v, ok := c.env[n]; return v, ok })
		switch {
		case c.want == "" && (err != nil || fn == nil):
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	env, err := readForwardEnv("vodcallback", func(n string) (string, bool) {
		v, ok := with("VOD_CALLBACK_URL", hookURL, "VOD_CALLBACK_KEY", "a", "VOD_CALLBACK_KEY_NEXT", "b", "DOUYIN_CLIENT_SECRET_NEXT", "c")[n]
		return v, ok
	})
	vod, _ := env.VOD(t.Context())
	dy, _ := env.Douyin(t.Context())
	if err != nil || !slices.Equal(vod, []callback.VODKey{{URL: hookURL, Secret: "a"}, {URL: hookURL, Secret: "b"}}) || !slices.Equal(dy, []string{"c"}) {
		t.Errorf("got %d keys, %d secrets, %v", len(vod), len(dy), err)
	}
}

func TestADeployedForwarderReachesNoLoopback(t *testing.T) {
	if loopbackForward {
		t.Skip("NOT TESTED: this build has the tag vodlift_loopback")
	}
	fn, err := build("ingest", func(n string) (string, bool) {
		v, ok := map[string]string{"FORWARD_URL": "https://127.0.0.1:1", "FORWARD_KEY": longKey}[n]
		return v, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = fn(t.Context(), json.RawMessage(`{"events":[{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"media-in"},"object":{"key":"a.mp4"}}}]}`))
	if n := handler.Named(err); n.Type != "Permanent" {
		t.Errorf("got %s", fmt.Sprint(errors.Unwrap(err), n))
	}
}
