package handler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/retry"
)

// Forwarder sends what a function on Function Compute got to our HTTP API. Safe for concurrent use.
type Forwarder struct {
	base  string
	key   string
	http  *http.Client
	now   func() time.Time
	retry retry.Policy
}

// NewForwarder makes a Forwarder to the API at base: an https address with nothing behind its path. key has at least
// callback.MinForwardKey characters. now defaults to time.Now. An error names the rule, never the value.
func NewForwarder(base, key string, client *http.Client, now func() time.Time, p retry.Policy) (*Forwarder, error) {
	const op = "handler.NewForwarder"
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return nil, fault.InvalidField(op, "FORWARD_URL", "an https address without user, query and fragment", "it is not")
	}
	if len(key) < callback.MinForwardKey {
		return nil, fault.InvalidField(op, "FORWARD_KEY", fmt.Sprintf("at least %d characters", callback.MinForwardKey), "it is shorter")
	}
	if now == nil {
		now = time.Now
	}
	return &Forwarder{base: strings.TrimRight(base, "/"), key: key, http: client, now: now, retry: p}, nil
}

// Send forwards body to one of callback's forward paths, trying again as the policy allows. It returns nil when the API
// has it: newly, or already from an attempt whose answer was lost (409). What the API refuses for good is Permanent: a
// wrong key, as a rule. Everything else is Retryable, since the API bears repeats.
func (f *Forwarder) Send(ctx context.Context, path string, body []byte) error {
	return retry.Do(ctx, f.retry, func(ctx context.Context) error { return f.once(ctx, path, body) })
}

func (f *Forwarder) once(ctx context.Context, path string, body []byte) error {
	const op = "handler.Forward"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.base+path, bytes.NewReader(body))
	if err != nil {
		return fault.New(fault.Invalid, op, "the address cannot be requested")
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range callback.ForwardHeaders(f.key, path, body, f.now()) {
		req.Header.Set(name, value)
	}
	resp, err := f.http.Do(req)
	if err != nil {
		kind := fault.Retryable
		var r interface{ Refused() bool } // by the rules of our own transport: always the same
		if errors.As(err, &r) && r.Refused() {
			kind = fault.Permanent
		}
		return &fault.Error{Kind: kind, Op: op, Err: err}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be kept; the text is of no use
	switch s := resp.StatusCode; {
	case s == http.StatusOK, s == http.StatusConflict:
		return nil
	case s >= 500, s == http.StatusTooManyRequests, s == http.StatusRequestTimeout:
		return fault.Newf(fault.Retryable, op, "the API answered %d", s)
	default:
		return fault.Newf(fault.Permanent, op, "the API answered %d", s)
	}
}
