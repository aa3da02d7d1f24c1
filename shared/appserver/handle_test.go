package appserver_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/users"
)

// The samples for local invocation, as the gateway sends them: HTTP says 200 whatever the envelope says.
func TestSampleEvents(t *testing.T) {
	r := newRig(t)
	for name, code := range map[string]string{"music": "200", "publish-without-token": "403", "login": "401", "upload-auth": "403"} {
		b, err := os.ReadFile("../../events/appserver/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var req events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(b, &req); err != nil {
			t.Fatal(err)
		}
		resp, err := r.api.Handle(t.Context(), req)
		if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Headers["content-type"], "application/json") {
			t.Fatalf("%s: %d, %v", name, resp.StatusCode, err)
		}
		var a answer
		if err := json.Unmarshal([]byte(resp.Body), &a); err != nil || a.Code != code {
			t.Errorf("%s: %s", name, resp.Body)
		}
	}
}

func request(method, path string) events.APIGatewayV2HTTPRequest {
	var req events.APIGatewayV2HTTPRequest
	req.Version, req.RawPath, req.RequestContext.HTTP.Method, req.RequestContext.HTTP.SourceIP = "2.0", path, method, "192.0.2.1"
	return req
}

func TestOddRequestsOfAGateway(t *testing.T) {
	r := newRig(t, func(s *appserver.Settings, _ *users.Settings) { s.AllowOrigin = "*" })
	me := r.person("myself")
	withParameters := request("GET", "/vod/getPersonalVideoList")
	withParameters.QueryStringParameters = map[string]string{"token": me.token, "pageIndex": "1", "pageSize": "5"}
	withHeader := request("GET", "/vod/getSts")
	withHeader.Headers = map[string]string{"Authorization": "Bearer " + me.token}
	notBase64 := request("POST", "/user/login")
	notBase64.Body, notBase64.IsBase64Encoded = "%%%", true
	long := request("POST", "/user/login")
	long.Body, long.IsBase64Encoded = strings.Repeat("QUFB", 1<<20), true
	for name, c := range map[string]struct {
		req  events.APIGatewayV2HTTPRequest
		code string
	}{
		"a gateway without raw queries": {withParameters, "200"}, "a header in capitals": {withHeader, "200"},
		"a body that is not base64": {notBase64, "300"}, "a long body": {long, "300"}, "nothing at all": {events.APIGatewayV2HTTPRequest{}, "404"},
	} {
		resp, err := r.api.Handle(t.Context(), c.req)
		var a answer
		if err != nil || resp.StatusCode != 200 || json.Unmarshal([]byte(resp.Body), &a) != nil || a.Code != c.code {
			t.Errorf("%s: %d %s %v", name, resp.StatusCode, resp.Body, err)
		}
		if resp.Headers["access-control-allow-origin"] != "*" {
			t.Errorf("%s: no CORS header", name)
		}
	}
	if resp, err := r.api.Handle(t.Context(), request("OPTIONS", "/vod/getSts")); err != nil || resp.StatusCode != 204 {
		t.Errorf("a preflight: %d, %v", resp.StatusCode, err)
	}
}

// What breaks inside is an envelope, too.
func TestAPanicIsAnEnvelope(t *testing.T) {
	r := newRig(t)
	api := appserver.New(appserver.Parts{Users: r.users, Quotas: nothing{}, Now: r.clock.Now, Rand: zeros{}, Log: discard()})
	a := envelope(t, api.Call(t.Context(), appserver.Request{Method: "GET", Path: "/resource/getMv"}))
	if a.Code != "500" {
		t.Error(a.raw)
	}
}
