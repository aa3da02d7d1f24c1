package handler_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

type postIn struct {
	Bucket   string          `json:"bucket"`
	Manifest json.RawMessage `json:"manifest"`
	Key      string          `json:"key"`
}

// edge is a function with every trigger, whose log goes to the buffer.
func edge(serve func(context.Context, postIn) (string, error)) (handler.Function, *bytes.Buffer) {
	var buf bytes.Buffer
	m := handler.Multi{
		HTTP: map[string]handler.HTTPFunc{"POST /publications": handler.HTTPJSON(202, serve)},
		Events: map[string]handler.Function{"Object Created": handler.AWSEvent(func(_ context.Context, e handler.EventBridge[handler.ObjectCreated]) (string, error) {
			return "event " + e.Detail.Object.Key, nil
		})},
		Direct: handler.JSON(func(_ context.Context, j handler.JobIn) (string, error) { return "job " + j.Job, nil }),
	}
	return handler.Wrap("ingest", m.Function(), handler.NewLog(&buf, nil), 0), &buf
}

func request(t *testing.T, change func(*events.APIGatewayV2HTTPRequest)) json.RawMessage {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(eventsDir, "ingest/post-publications.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	change(&r)
	if b, err = json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOneFunctionServesEveryTriggerItHas(t *testing.T) {
	fn, _ := edge(func(ctx context.Context, in postIn) (string, error) {
		return handler.CallerFrom(ctx).ARN + " " + handler.CallerFrom(ctx).SourceIP + " " + in.Key, nil
	})
	for _, c := range []struct{ file, want string }{
		{"ingest/object-created-unicode.json", `"event douyin/第一 100%+ready%20🎬.mp4"`},
		{"reconcile/due.json", `"job due"`},
	} {
		b, err := os.ReadFile(filepath.Join(eventsDir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := fn(t.Context(), b); err != nil || string(out) != c.want {
			t.Errorf("%s: got %s, %v", c.file, out, err)
		}
	}
	out, err := fn(t.Context(), request(t, func(*events.APIGatewayV2HTTPRequest) {}))
	var resp events.APIGatewayV2HTTPResponse
	if err != nil || json.Unmarshal(out, &resp) != nil || resp.StatusCode != 202 || resp.Body != `"arn:aws:iam::111122223333:user/editor 192.0.2.1 douyin/first light.mp4"` {
		t.Errorf("got %s, %v", out, err)
	}
	for _, bad := range []string{`{"detail-type":"Object Deleted","source":"aws.s3"}`, `[]`, `{"requestContext":{"http":{}},"version":"1.0"}`} {
		if _, err := fn(t.Context(), json.RawMessage(bad)); handler.Named(err).Type != "Invalid" {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	if _, err := (handler.Multi{}).Function()(t.Context(), json.RawMessage(`{}`)); fault.KindOf(err) != fault.Invalid || err == nil {
		t.Errorf("no trigger fits: got %v", err)
	}
}

func TestRefusedRequestsGetStatusKindFieldRule(t *testing.T) {
	type req = events.APIGatewayV2HTTPRequest
	for _, c := range []struct {
		name                string
		change              func(*req)
		fail                error
		status              int
		kind, field, inText string
	}{
		{"not JSON by its type", func(r *req) { r.Headers["content-type"] = "text/plain" }, nil, 415, "Invalid", "content-type", ""},
		{"too large", func(r *req) { r.Body = strings.Repeat(" ", handler.MaxBodyBytes+1) }, nil, 413, "Invalid", "", "bytes"},
		{"too large in base64", func(r *req) {
			r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString(make([]byte, handler.MaxBodyBytes+9)), true
		}, nil, 413, "Invalid", "", "bytes"},
		{"broken base64", func(r *req) { r.Body, r.IsBase64Encoded = "*", true }, nil, 400, "Invalid", "", "base64"},
		{"broken JSON", func(r *req) { r.Body = "{" }, nil, 400, "Invalid", "", "ends too early"},
		{"an unknown field", func(r *req) { r.Body = `{"kye":1}` }, nil, 400, "Invalid", "kye", "not known"},
		{"no such route", func(r *req) { r.RouteKey = "GET /x" }, nil, 404, "Invalid", "", "no such route"},
		{"invalid", nil, fault.InvalidField("manifest", "title", "at most 30", "too long"), 400, "Invalid", "title", "too long"},
		{"there already", nil, fault.New(fault.Duplicate, "state", "there"), 409, "Duplicate", "", "there"},
		{"a person must log in", nil, fault.New(fault.CredentialsExpired, "token", "gone"), 409, "CredentialsExpired", "", "gone"},
		{"refused for good", nil, fault.New(fault.Permanent, "x", "closed"), 422, "Permanent", "", "closed"},
		{"busy", nil, &fault.Error{Kind: fault.Retryable, Op: "table", After: 1500 * time.Millisecond, Err: errors.New("busy")}, 503, "Retryable", "", "busy"},
		{"unclassified", nil, errors.New("dial 10.0.0.8"), 500, "Unknown", "", "nobody classified"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fn, log := edge(func(context.Context, postIn) (string, error) { return "", c.fail })
			if c.change == nil {
				c.change = func(*req) {}
			}
			out, err := fn(t.Context(), request(t, c.change))
			if err != nil {
				t.Fatal(err)
			}
			var resp events.APIGatewayV2HTTPResponse
			var body handler.ErrorBody
			if json.Unmarshal(out, &resp) != nil || json.Unmarshal([]byte(resp.Body), &body) != nil {
				t.Fatalf("got %s", out)
			}
			e := body.Error
			if resp.StatusCode != c.status || e.Kind != c.kind || e.Field != c.field || !strings.Contains(e.Message, c.inText) || e.Message == "" {
				t.Errorf("got %d %+v", resp.StatusCode, e)
			}
			if strings.Contains(resp.Body, "10.0.0.8") {
				t.Error("an internal text reached the caller")
			}
			if c.status == 500 && !strings.Contains(log.String(), "10.0.0.8") {
				t.Errorf("the log does not say what happened: %s", log)
			}
			if c.status == 503 && resp.Headers["retry-after"] != "2" {
				t.Errorf("retry-after %q, want 2", resp.Headers["retry-after"])
			}
		})
	}
}

func TestABase64BodyIsDecoded(t *testing.T) {
	fn, _ := edge(func(_ context.Context, in postIn) (string, error) { return in.Key, nil })
	out, err := fn(t.Context(), request(t, func(r *events.APIGatewayV2HTTPRequest) {
		r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(`{"key":"k"}`)), true
	}))
	if err != nil || !strings.Contains(string(out), `\"k\"`) {
		t.Errorf("got %s, %v", out, err)
	}
}
