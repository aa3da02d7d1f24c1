package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/transport"
)

type told bool

func (told) Error() string          { return "told" }
func (t told) NothingWritten() bool { return bool(t) }

func TestNeverSentIsSaidOnlyWhereItIsCertain(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"the client knows that nothing left":                         {fmt.Errorf("x: %w", told(true)), true},
		"the client knows that something left, though a dial failed": {errors.Join(told(false), &net.OpError{Op: "dial", Err: errors.New("x")}), false},
		"no connection was made":                                     {&url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}, true},
		"a connection broke while reading":                           {&net.OpError{Op: "read", Err: errors.New("reset")}, false},
		"a connection broke while writing":                           {&net.OpError{Op: "write", Err: errors.New("reset")}, false},
		"a time-out":                                                 {context.DeadlineExceeded, false},
		"no error":                                                   {nil, false},
	} {
		if got := transport.NeverSent(c.err); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRetryAfterIsReadInBothFormsAndBounded(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "-5": 0, "soon": 0, "9999999": 24 * time.Hour, "1e3": 0,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := transport.RetryAfter(http.Header{"Retry-After": {in}}, now); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
