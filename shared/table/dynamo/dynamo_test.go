package dynamo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// wire answers every request with what it was told, and keeps the requests.
type wire struct {
	answers []func(*http.Request) (*http.Response, error)
	asked   []map[string]any
	targets []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	w.asked, w.targets = append(w.asked, m), append(w.targets, r.Header.Get("X-Amz-Target"))
	if len(w.asked) > len(w.answers) {
		return nil, errors.New("a request too many")
	}
	return w.answers[len(w.asked)-1](r)
}

func says(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"REQ1"}},
			Body:   io.NopCloser(strings.NewReader(body))}, nil
	}
}

func fails(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func refusal(status int, code string) func(*http.Request) (*http.Response, error) {
	return says(status, `{"__type":"com.amazonaws.dynamodb.v20120810#`+code+`","message":"m"}`)
}

func cancelled(reasons ...string) func(*http.Request) (*http.Response, error) {
	return says(400, `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"m","CancellationReasons":[`+strings.Join(reasons, ",")+`]}`)
}

const none = `{"Code":"None"}`

func newDB(w *wire) *DB {
	client := NewClient(aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRETKEY", "SESSIONTOKEN"),
		HTTPClient: &http.Client{Transport: w}}, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String("http://127.0.0.1:9") })
	return New(client, "t", &Options{Now: func() time.Time { return time.Unix(1_000_000, 0) }, Rand: bytes.NewReader(bytes.Repeat([]byte{7}, 1024))})
}

var ourKey = table.Key{PK: "U#1", SK: "META"}

func TestFailuresHaveTheKindOfTheirCause(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	reset := &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
	for _, c := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		write  fault.Kind
		read   fault.Kind
	}{
		{"throughput", refusal(400, "ProvisionedThroughputExceededException"), fault.Retryable, fault.Retryable},
		{"throttled", refusal(400, "ThrottlingException"), fault.Retryable, fault.Retryable},
		{"request limit", refusal(400, "RequestLimitExceeded"), fault.Retryable, fault.Retryable},
		{"conflict with a transaction", refusal(400, "TransactionConflictException"), fault.Retryable, fault.Retryable},
		{"internal error", refusal(500, "InternalServerError"), fault.Unknown, fault.Retryable},
		{"unavailable", refusal(503, "ServiceUnavailable"), fault.Unknown, fault.Retryable},
		{"gateway without a body", says(502, ""), fault.Unknown, fault.Retryable},
		{"unreadable answer", says(200, "<html>"), fault.Unknown, fault.Retryable},
		{"bad request", refusal(400, "ValidationException"), fault.Invalid, fault.Invalid},
		{"no table", refusal(400, "ResourceNotFoundException"), fault.Permanent, fault.Permanent},
		{"no right", refusal(400, "AccessDeniedException"), fault.Permanent, fault.Permanent},
		{"a 400 nobody knows", refusal(400, "SomethingNewException"), fault.Permanent, fault.Permanent},
		{"not connected", fails(dial), fault.Retryable, fault.Retryable},
		{"unknown host", fails(&net.DNSError{Err: "no such host", Name: "x"}), fault.Retryable, fault.Retryable},
		{"cut after it was sent", fails(reset), fault.Unknown, fault.Retryable},
		{"cut answer", fails(io.ErrUnexpectedEOF), fault.Unknown, fault.Retryable},
		{"time-out", fails(context.DeadlineExceeded), fault.Unknown, fault.Retryable},
	} {
		w := &wire{answers: []func(*http.Request) (*http.Response, error){c.answer, c.answer, c.answer, c.answer, c.answer}}
		db := newDB(w)
		calls := map[string]error{}
		_, calls["put"] = db.Put(t.Context(), table.Item{Key: ourKey}, table.Absent)
		_, calls["add"] = db.Add(t.Context(), table.Add{Key: ourKey, Field: "n", N: 1})
		calls["delete"] = db.Delete(t.Context(), ourKey, table.AnyVersion)
		calls["transact"] = db.Transact(t.Context(), "", []table.Op{{Check: &ourKey}})
		for name, err := range calls {
			if fault.As(err) == nil || fault.KindOf(err) != c.write {
				t.Errorf("%s, %s: got %v, want %v", c.name, name, err, c.write)
			}
			if got := fault.EffectOf(err) == fault.EffectNone; got != (c.write != fault.Unknown) {
				t.Errorf("%s, %s: effect none is %v", c.name, name, got)
			}
		}
		_, err := db.Get(t.Context(), ourKey)
		if fault.As(err) == nil || fault.KindOf(err) != c.read {
			t.Errorf("%s, get: got %v, want %v", c.name, err, c.read)
		}
		for _, secret := range []string{"SECRETKEY", "SESSIONTOKEN", "Signature"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error holds %s", c.name, secret)
			}
		}
		if len(w.asked) != 5 {
			t.Errorf("%s: %d requests for 5 calls; the client repeats by itself", c.name, len(w.asked))
		}
	}
}

func TestCancelledTransactionsHaveTheKindOfTheirReason(t *testing.T) {
	item := func(attrs string) string { return `{"Code":"ConditionalCheckFailed","Item":{` + attrs + `}}` }
	const refused = `{"Code":"ConditionalCheckFailed"}`
	ops := []table.Op{{Put: &table.Item{Key: ourKey}}, {Add: &table.Add{Key: table.Key{PK: "POOL#1", SK: "-"}, Field: "free", N: -1}}}
	for _, c := range []struct {
		name     string
		reasons  []string
		kind     fault.Kind
		sentinel error
	}{
		{"put refused", []string{item(`"ver":{"N":"3"},"v":{"N":"1"}`), none}, fault.Duplicate, table.ErrConflict},
		{"add refused", []string{none, refused}, fault.Duplicate, table.ErrFloor},
		{"both refused: the first counts", []string{refused, refused}, fault.Duplicate, table.ErrConflict},
		{"newer layout", []string{item(`"v":{"N":"2"}`), none}, fault.Invalid, table.ErrTooNew},
		{"counter too great", []string{none, item(`"v":{"N":"1"},"n_free":{"N":"9223372036854775807"}`)}, fault.Invalid, table.ErrLimit},
		{"other transaction", []string{none, `{"Code":"TransactionConflict"}`}, fault.Retryable, nil},
		{"throttled", []string{`{"Code":"ThrottlingError"}`, none}, fault.Retryable, nil},
		{"throughput", []string{`{"Code":"ProvisionedThroughputExceeded"}`, none}, fault.Retryable, nil},
		{"invalid", []string{none, `{"Code":"ValidationError"}`}, fault.Invalid, nil},
		{"refused beside a conflict: the refusal counts", []string{`{"Code":"TransactionConflict"}`, refused}, fault.Duplicate, table.ErrFloor},
		{"no reasons", nil, fault.Retryable, nil},
	} {
		db := newDB(&wire{answers: []func(*http.Request) (*http.Response, error){cancelled(c.reasons...)}})
		err := db.Transact(t.Context(), "", ops)
		if fault.As(err) == nil || fault.KindOf(err) != c.kind || c.sentinel != nil && !errors.Is(err, c.sentinel) {
			t.Errorf("%s: got %v, want %v: %v", c.name, err, c.kind, c.sentinel)
		}
	}
}

func TestARepeatIsKnownEvenIfOnlyItsOtherConditionsAreReported(t *testing.T) {
	ops := []table.Op{{Put: &table.Item{Key: ourKey}}}
	first := &wire{answers: []func(*http.Request) (*http.Response, error){says(200, `{}`)}}
	if err := newDB(first).Transact(t.Context(), "t", ops); err != nil {
		t.Fatal(err)
	}
	items, _ := first.asked[0]["TransactItems"].([]any)
	record, err := json.Marshal(items[0].(map[string]any)["Put"].(map[string]any)["Item"])
	if err != nil {
		t.Fatal(err)
	}
	again := &wire{answers: []func(*http.Request) (*http.Response, error){cancelled(none, `{"Code":"ConditionalCheckFailed"}`), says(200, `{"Item":`+string(record)+`}`)}}
	if err := newDB(again).Transact(t.Context(), "t", ops); err != nil {
		t.Errorf("got %v, want the success of the first call", err)
	}
	if len(again.targets) != 2 || !strings.HasSuffix(again.targets[1], ".GetItem") {
		t.Errorf("asked %v, want the record to be read", again.targets)
	}
	lost := &wire{answers: []func(*http.Request) (*http.Response, error){cancelled(none, `{"Code":"ConditionalCheckFailed"}`), fails(io.ErrUnexpectedEOF)}}
	if err := newDB(lost).Transact(t.Context(), "t", ops); fault.KindOf(err) != fault.Unknown {
		t.Errorf("the record could not be read: got %v, want Unknown", err)
	}
}

func TestNothingExpiredIsCountedOn(t *testing.T) {
	expired := `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"m","Item":{"pk":{"S":"U#1"},"sk":{"S":"META"},"v":{"N":"1"},"n_n":{"N":"9"},"expires":{"N":"1000000"}}}`
	w := &wire{answers: []func(*http.Request) (*http.Response, error){says(400, expired), says(200, `{}`), says(200, `{"Attributes":{"n_n":{"N":"1"}}}`)}}
	if n, err := newDB(w).Add(t.Context(), table.Add{Key: ourKey, Field: "n", N: 1}); err != nil || n != 1 {
		t.Errorf("got %d, %v, want 1", n, err)
	}
	w = &wire{}
	for range maxPurges {
		w.answers = append(w.answers, says(400, expired), says(200, `{}`))
	}
	if _, err := newDB(w).Add(t.Context(), table.Add{Key: ourKey, Field: "n", N: 1}); fault.KindOf(err) != fault.Retryable {
		t.Errorf("got %v, want Retryable when expired items keep coming back", err)
	}
}

func TestEveryReadIsStronglyConsistentButTheIndex(t *testing.T) {
	w := &wire{answers: []func(*http.Request) (*http.Response, error){says(200, `{}`), says(200, `{}`), says(200, `{}`)}}
	db := newDB(w)
	_, _ = db.Get(t.Context(), ourKey)
	_, _, _ = db.Query(t.Context(), table.Query{PK: "U#1"})
	_, _, _ = db.QueryIndex(t.Context(), table.IndexQuery{Index: table.Due, PK: "x"})
	for i, want := range []any{true, true, nil} {
		if got := w.asked[i]["ConsistentRead"]; got != want {
			t.Errorf("%s: ConsistentRead is %v, want %v", w.targets[i], got, want)
		}
	}
}

func TestItemsGoRound(t *testing.T) {
	it := table.Item{Key: ourKey, V: 1, Version: 1 << 60, WriteID: "w", Doc: []byte(`{ "a" : 1e400 }`), N: map[string]int64{"": 0, "due_pk": -1, "pk": 1 << 61},
		Index: map[table.Index]table.Place{table.Acct: {PK: "a", SK: "b"}}, Expires: time.Unix(5, 0).UTC()}
	got, err := decode(encode(it))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(it)
	b, _ := json.Marshal(got)
	if !bytes.Equal(a, b) {
		t.Errorf("got %s, want %s", b, a)
	}
	for name, bad := range map[string]attrs{"no version": {attrLayout: num(1)}, "layout is text": {attrLayout: str("1")}, "counter is text": {attrLayout: num(1), attrVersion: num(1), counter + "x": str("y")}} {
		if _, err := decode(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
