package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/local/gateway"
	"github.com/vodlift/vodlift/local/template"
)

func TestThePublicGatewayServesTheOpenRoutesAndNoOthers(t *testing.T) {
	routes := []template.Route{
		{Function: "ingest", Method: "POST", Path: "/publications", Auth: "AWS_IAM"},
		{Function: "vodcallback", Method: "POST", Path: "/callbacks/vod", Auth: "NONE"},
	}
	ask := func(base, path string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+base+path, strings.NewReader("anything"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host, req.Header["Origin"] = "media.example", []string{"https://elsewhere.example"}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	rec := &recorder{out: `{"statusCode":200}`}
	public := serve(t, gateway.Options{Routes: routes, Invoker: rec, Public: true})
	if status := ask(public, "/callbacks/vod"); status != 200 || rec.function != "vodcallback" || rec.event.Body != "anything" || rec.event.RequestContext.Authorizer != nil {
		t.Errorf("open route: %d, %s got %+v", status, rec.function, rec.event)
	}
	rec.function = ""
	if status := ask(public, "/publications"); status != 404 || rec.function != "" {
		t.Errorf("an operators' route: %d, reached %q", status, rec.function)
	}
	operators := serve(t, gateway.Options{Routes: routes, Invoker: rec})
	if status := ask(operators, "/callbacks/vod"); status == 200 || rec.function != "" {
		t.Errorf("an open route beside the operators' ones: %d, reached %q", status, rec.function)
	}
}
