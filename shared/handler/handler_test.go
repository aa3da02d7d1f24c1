package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

const anUpload = "uabcdefghijklmnopqrstuvwxy2"

func lines(t *testing.T, b *bytes.Buffer) []map[string]any {
	t.Helper()
	var out []map[string]any
	for l := range strings.Lines(b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatalf("%v in %s", err, l)
		}
		out = append(out, m)
	}
	return out
}

func TestEveryLineOfAnInvocationSaysWhatItIsAbout(t *testing.T) {
	var buf bytes.Buffer
	log := handler.NewLog(&buf, nil)
	fn := handler.Wrap("uploadpart", func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		log.InfoContext(ctx, "hello")
		return json.RawMessage(`{}`), nil
	}, log, 0)
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r-7"})
	event := fmt.Sprintf(`{"v":1,"upload":%q,"gen":3,"range":7,"step":"settle","token":"secret-task-token"}`, anUpload)
	if _, err := fn(ctx, json.RawMessage(event)); err != nil {
		t.Fatal(err)
	}
	got := lines(t, &buf)
	if len(got) != 2 || got[0]["message"] != "hello" {
		t.Fatalf("got %v", got)
	}
	for _, l := range got {
		if l["function"] != "uploadpart" || l["upload"] != anUpload || l["gen"] != 3.0 || l["range"] != 7.0 || l["step"] != "settle" || l["request_id"] != "r-7" || l["timestamp"] == nil {
			t.Errorf("fields are missing in %v", l)
		}
	}
	if strings.Contains(buf.String(), "secret-task-token") {
		t.Error("the task token is in the log")
	}
}

func TestTheLastLineIsAMetricInEmbeddedFormat(t *testing.T) {
	var buf bytes.Buffer
	fn := handler.Wrap("finalize", func(context.Context, json.RawMessage) (json.RawMessage, error) {
		return nil, &fault.Error{Kind: fault.Permanent, Op: "douyin.Publish", Code: "28003017", LogID: "L9", Err: errors.New("banned")}
	}, handler.NewLog(&buf, nil), 0)
	if _, err := fn(t.Context(), json.RawMessage(`{}`)); err == nil {
		t.Fatal("no error")
	}
	l := lines(t, &buf)[0]
	aws, _ := l["_aws"].(map[string]any)
	directive, _ := json.Marshal(aws["CloudWatchMetrics"])
	want := `[{"Dimensions":[["function"],["function","kind"]],"Metrics":[{"Name":"duration","Unit":"Milliseconds"},{"Name":"faults","Unit":"Count"}],"Namespace":"vodlift"}]`
	if string(directive) != want || aws["Timestamp"] == nil {
		t.Errorf("got  %s\nwant %s", directive, want)
	}
	if l["faults"] != 1.0 || l["kind"] != "Permanent" || l["level"] != "ERROR" || l["code"] != "28003017" || l["log_id"] != "L9" || l["duration"] == nil {
		t.Errorf("got %v", l)
	}
}

func TestTheContextEndsAMarginBeforeTheDeadline(t *testing.T) {
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	var got time.Time
	fn := handler.Wrap("x", func(ctx context.Context, _ json.RawMessage) (json.RawMessage, error) {
		got, _ = ctx.Deadline()
		return json.RawMessage(`1`), nil
	}, handler.NewLog(new(bytes.Buffer), nil), 10*time.Second)
	if _, err := fn(ctx, nil); err != nil || !got.Equal(deadline.Add(-10*time.Second)) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestWithLessThanTheMarginLeftNothingIsBegun(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Minute))
	defer cancel()
	fn := handler.Wrap("x", func(context.Context, json.RawMessage) (json.RawMessage, error) {
		t.Error("it was begun")
		return nil, nil
	}, handler.NewLog(new(bytes.Buffer), nil), 2*time.Minute)
	if _, err := fn(ctx, nil); handler.Named(err).Type != "Retryable" {
		t.Errorf("got %v", err)
	}
}

func TestAPanicIsUnknownAndItsStackIsInTheLogOnly(t *testing.T) {
	var buf bytes.Buffer
	fn := handler.Wrap("x", func(context.Context, json.RawMessage) (json.RawMessage, error) {
		panic("access_token=hunter2hunter2")
	}, handler.NewLog(&buf, nil), 0)
	_, err := fn(t.Context(), nil)
	if n := handler.Named(err); n.Type != "Unknown" || strings.Contains(n.Message, "goroutine") {
		t.Errorf("got %+v", n)
	}
	if !strings.Contains(buf.String(), "handler_test.go") || strings.Contains(buf.String(), "hunter2") {
		t.Errorf("log: %s", &buf)
	}
}

func TestAnUnclassifiedErrorKeepsItsTextToTheLog(t *testing.T) {
	err := fmt.Errorf("step: %w", &url.Error{Op: "Put", URL: "https://oss.example/v?Signature=abc", Err: errors.New("reset by 10.0.0.8")})
	if n := handler.Named(err); n.Type != "Unknown" || strings.Contains(n.Message, "10.0.0.8") || strings.Contains(n.Message, "abc") {
		t.Errorf("got %+v", n)
	}
	if n := handler.Named(context.DeadlineExceeded); n.Message != "the invocation's time was up" {
		t.Errorf("got %+v", n)
	}
	if n := handler.Named(nil); n.Type != "Unknown" {
		t.Errorf("got %+v", n)
	}
}

func TestRedactRemovesWhatLooksSecret(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a query", `Put "https://h/p?sig=1&x=2": EOF`, `Put "https://h/p?...": EOF`},
		{"a fragment", "see https://h/p#token=1", "see https://h/p?..."},
		{"user info", "http://u:p@h/x", "http://...@h/x"},
		{"a bearer token", "Authorization: Bearer abcdefgh12345", "Authorization: ... ..."},
		{"a name and value", "access_token=abc&open_id=1", "access_token=...&open_id=1"},
		{"JSON", `{"refresh_token":"abc","n":1}`, `{"refresh_token":"...","n":1}`},
		{"a header", "X-Amz-Security-Token: abc", "X-Amz-Security-Token: ..."},
		{"a kind is no secret", "TokenExpired: refused", "TokenExpired: refused"},
		{"control and bidi characters", "a\x00b\u202Ec\n", "a.b.c."},
		{"invalid UTF-8", "a\xffb", "a\uFFFDb"},
	} {
		if got := handler.Redact(c.in, 200); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if got := handler.Redact(strings.Repeat("é", 50), 10); got != "ééééé..." {
		t.Errorf("a cut: got %q", got)
	}
}
