package dynamo_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/table/dynamo"
	"github.com/vodlift/vodlift/shared/table/dynamo/dynamotest"
	"github.com/vodlift/vodlift/shared/table/tabletest"
)

// lossy is a wire on which the next request can be made to get lost.
type lossy struct {
	http.RoundTripper
	mu   sync.Mutex
	next tabletest.Loss
}

func (l *lossy) arrange(x tabletest.Loss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = x
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	loss := l.next
	l.next = 0
	l.mu.Unlock()
	if loss == 0 {
		return l.RoundTripper.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body.Close()
	send := func() (*http.Response, error) {
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		return l.RoundTripper.RoundTrip(again)
	}
	switch loss {
	case tabletest.Refused:
		return answer(http.StatusBadRequest, "ProvisionedThroughputExceededException"), nil
	case tabletest.LostBefore:
		return nil, io.ErrUnexpectedEOF
	}
	resp, err := send()
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	resp.Body.Close()
	if loss == tabletest.LostAfter {
		return nil, io.ErrUnexpectedEOF
	}
	return send()
}

// answer is an error in the form that DynamoDB gives it.
func answer(status int, code string) *http.Response {
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"REQ1"}},
		Body:   io.NopCloser(strings.NewReader(`{"__type":"com.amazonaws.dynamodb.v20120810#` + code + `","message":"made by a test"}`))}
}

func harness(t testing.TB) tabletest.Harness {
	plain := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(plain.CloseIdleConnections)
	wire := &lossy{RoundTripper: plain}
	open := dynamotest.NewTable(t, wire)
	clock := tabletest.NewClock(time.Date(2026, 11, 3, 10, 0, 0, 500, time.UTC))
	return tabletest.Harness{
		New: func(c tabletest.Client) table.Table {
			return open(&dynamo.Options{Now: clock.Now, Major: c.Major})
		},
		Now: clock.Now, Advance: clock.Advance, Lose: wire.arrange,
	}
}

func TestContract(t *testing.T) {
	dynamotest.Endpoint(t)
	tabletest.Run(t, harness)
}

func BenchmarkContract(b *testing.B) {
	dynamotest.Endpoint(b)
	tabletest.RunBenchmarks(b, harness)
}
