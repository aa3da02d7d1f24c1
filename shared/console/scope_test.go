package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// as asks like a user of the pool whom the gateway let in.
func (d *desk) as(t *testing.T, scope, method, path, body string) (int, string) {
	t.Helper()
	req := events.APIGatewayV2HTTPRequest{RawPath: path, Body: body, Headers: map[string]string{"content-type": "application/json"}}
	req.RequestContext.HTTP.Method = method
	req.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
		JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: map[string]string{"scope": scope}},
	}
	res, err := d.Serve(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Body
}

// The gateway lets operators in to every POST that it does not take for an admin's. However a path is written, what it
// leads to here is asked for by its own scope.
func TestNoWritingOfAPathLeadsAnOperatorToAnAdminsVerb(t *testing.T) {
	d := newDesk(t)
	const operator = "openid vodlift/viewer vodlift/operator"
	app := `{"id":"mine","secret":"MINE"}`
	for _, path := range []string{"/api/apps/one", "/api/%61pps/one", "/api/apps/%6fne", "/%61pi/apps/one", "//api/apps/one", "/api//apps/one", "/api/apps/one/", "/api/./apps/one", "/api/x/../apps/one"} {
		if status, body := d.as(t, operator, http.MethodPost, path, app); status == http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/api/accounts", "/api/%61ccounts", "/api/accounts/", "/api/account%73"} {
		if status, body := d.as(t, operator, http.MethodPost, path, `{"account":"one/main","begin":{"redirect":""}}`); status == http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if key, err := d.Vault.App(t.Context(), "one"); err != nil || key.ID != "client-one" {
		t.Errorf("the app is %s, %v", key.ID, err)
	}
	for _, c := range []struct {
		scope, method, path string
		want                int
	}{
		{operator, http.MethodDelete, "/api/secrets", http.StatusForbidden},
		{"vodlift/viewer", http.MethodPost, "/api/pause", http.StatusForbidden},
		{"vodlift/operator", http.MethodGet, "/api/apps", http.StatusForbidden},
		{"", http.MethodGet, "/api/apps", http.StatusForbidden},
		{"vodlift/administrator xvodlift/admin", http.MethodPost, "/api/apps/one", http.StatusForbidden},
		{operator, http.MethodPost, "/api/pause", http.StatusOK},
		{operator, http.MethodGet, "/api/apps", http.StatusOK},
		{operator, http.MethodGet, "/api/none", http.StatusNotFound},
		{"vodlift/admin", http.MethodPost, "/api/apps/one", http.StatusOK},
	} {
		body := app
		if strings.HasSuffix(c.path, "pause") {
			body = `{"scope":"one/main","on":true}`
		}
		if status, got := d.as(t, c.scope, c.method, c.path, body); status != c.want {
			t.Errorf("%q, %s %s: %d %s", c.scope, c.method, c.path, status, got)
		}
	}
}
