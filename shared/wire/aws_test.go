package wire

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/config"
	"github.com/vodlift/vodlift/shared/handler"
)

func TestTheRolesCredentialsComeFromTheEnvironmentOrNotAtAll(t *testing.T) {
	env := map[string]string{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET", "AWS_SESSION_TOKEN": "TOKEN", "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000", "AWS_ENDPOINT_URL_S3": ""}
	lookup := func(n string) (string, bool) { v, ok := env[n]; return v, ok }
	c, err := roleOf(lookup).Retrieve(t.Context())
	if err != nil || c.AccessKeyID != "AKID" || c.SecretAccessKey != "SECRET" || c.SessionToken != "TOKEN" {
		t.Errorf("got %s, %v", c.AccessKeyID, err)
	}
	delete(env, "AWS_SECRET_ACCESS_KEY")
	if _, err := roleOf(lookup).Retrieve(t.Context()); err == nil {
		t.Error("credentials without a secret")
	}
	for id, want := range map[string]string{"DynamoDB": "http://127.0.0.1:8000", "S3": "", "SFN": ""} {
		got, ok, err := endpoints(lookup).GetServiceBaseEndpoint(t.Context(), id)
		if err != nil || ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q %v %v", id, got, ok, err)
		}
	}
}

func TestARouteWithoutABucketIsOfTheInbox(t *testing.T) {
	for in, want := range map[string]string{
		`[{"accounts":["douyin/main"]}]`:              `[{"accounts":["douyin/main"],"bucket":"inbox-1"}]`,
		`[{"bucket":"other","accounts":["youku/a"]}]`: `[{"accounts":["youku/a"],"bucket":"other"}]`,
		`[]`:        `[]`,
		`{"not":1}`: `{"not":1}`,
		`[null]`:    `[null]`,
	} {
		if got := string(inInbox(json.RawMessage(in), "inbox-1")); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestLoginsComeBackToTheAPIThatTheOperatorSpokeTo(t *testing.T) {
	req := events.APIGatewayV2HTTPRequest{}
	req.RequestContext.DomainName = "abc.execute-api.eu-central-1.amazonaws.com"
	p := awsPlace(config.Config{}, "eu-central-1")
	signed := handler.WithCaller(t.Context(), req)
	if got := p.Redirect(signed, "douyin"); got != "https://abc.execute-api.eu-central-1.amazonaws.com/oauth/douyin/callback" {
		t.Errorf("redirect %s", got)
	}
	if got := p.Callback(signed, "alivod"); got != "https://abc.execute-api.eu-central-1.amazonaws.com/callbacks/vod" {
		t.Errorf("callback %s", got)
	}
	req.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: map[string]string{"sub": "x"}}}
	for name, ctx := range map[string]context.Context{"the console's own API": handler.WithCaller(t.Context(), req), "no request": t.Context()} {
		if got := p.Redirect(ctx, "douyin") + p.Callback(ctx, "douyin"); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}
