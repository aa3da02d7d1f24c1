package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/fault"
)

// Multi is a function with several triggers. It looks at the form of the event, which each service fixes, and hands it
// on whole; an event that fits none is Invalid.
type Multi struct {
	// HTTP serves requests of an HTTP API (payload format 2.0), by route key: "POST /publications".
	HTTP map[string]HTTPFunc
	// Events serves events of the bus, by detail-type: "Object Created". A scheduled event without an input of its own
	// is "Scheduled Event".
	Events map[string]Function
	// Direct serves everything else: the machine's payloads, schedules with a constant input.
	Direct Function
}

// Function is the dispatcher.
func (m Multi) Function() Function {
	return func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		var form struct {
			Version        string `json:"version"`
			RouteKey       string `json:"routeKey"`
			DetailType     string `json:"detail-type"`
			Source         string `json:"source"`
			RequestContext *struct {
				HTTP *json.RawMessage `json:"http"`
			} `json:"requestContext"`
		}
		// A request has a body of its own inside, so its bound is the service's (6 MB) and not MaxEventBytes.
		if len(event) > maxInvokeBytes {
			return nil, refuse("", "size", fmt.Sprintf("%d bytes, at most %d", len(event), maxInvokeBytes))
		}
		if err := json.Unmarshal(event, &form); err != nil {
			return nil, refuse("", "JSON", "the event is not a JSON object")
		}
		switch {
		case form.RequestContext != nil && form.RequestContext.HTTP != nil && m.HTTP != nil:
			return m.serveHTTP(ctx, event)
		case form.DetailType != "" && form.Source != "" && m.Events != nil:
			if fn := m.Events[form.DetailType]; fn != nil {
				return fn(ctx, event)
			}
			return nil, refuse("detail-type", "known event", fmt.Sprintf("no one waits for %q", Redact(form.DetailType, 64)))
		case m.Direct != nil:
			return m.Direct(ctx, event)
		}
		return nil, fault.InvalidField("handler.Multi", "", "known event", "the event has none of the forms that this function serves")
	}
}

// maxInvokeBytes is the service's bound of a synchronous request.
const maxInvokeBytes = 6 << 20

func (m Multi) serveHTTP(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
	var req events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &req); err != nil {
		return nil, refuse("", "payload 2.0", "the event is not a request of an HTTP API")
	}
	if req.Version != "2.0" {
		return nil, refuse("version", "payload 2.0", fmt.Sprintf("got payload format %q", Redact(req.Version, 8)))
	}
	fn := m.HTTP[req.RouteKey]
	if fn == nil {
		return encode(errorResponse(fault.InvalidField("handler.Multi", "", "known route", "no such route"), 404))
	}
	resp, err := fn(ctx, req)
	if a := (*answered)(nil); errors.As(err, &a) {
		return nil, err // Raw has its answer already
	}
	if err != nil {
		out, eerr := encode(errorResponse(err, StatusOf(err)))
		return nil, errors.Join(&answered{out: out, err: err}, eerr)
	}
	return encode(resp)
}

// answered is an error whose caller nevertheless gets an answer: a request that failed for a reason of ours. Wrap logs
// and counts the error, and returns the answer.
type answered struct {
	out json.RawMessage
	err error
}

func (a *answered) Error() string { return a.err.Error() }
func (a *answered) Unwrap() error { return a.err }

// EventBridge is the envelope of an event of the bus around a detail that we know.
type EventBridge[Detail any] struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     Detail   `json:"detail"`
}

// ObjectCreated is the detail of S3's "Object Created" event. The key is as it is: unlike in S3's own notifications
// EventBridge carries it without URL encoding (S3 User Guide, "EventBridge event message structure").
type ObjectCreated struct {
	Version string `json:"version"`
	Bucket  struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key       string `json:"key"`
		Size      int64  `json:"size"`
		ETag      string `json:"etag"`
		VersionID string `json:"version-id,omitempty"`
		Sequencer string `json:"sequencer"`
	} `json:"object"`
	RequestID string `json:"request-id"`
	Requester string `json:"requester"`
	SourceIP  string `json:"source-ip-address,omitempty"`
	Reason    string `json:"reason"`
}

// ExecutionStatus is the detail of "Step Functions Execution Status Change". Input is exactly what we started with;
// the members that we do not name hold no fact that the ledger lacks.
type ExecutionStatus struct {
	ExecutionARN    string `json:"executionArn"`
	StateMachineARN string `json:"stateMachineArn"`
	Name            string `json:"name"`
	Status          string `json:"status"`
	Input           string `json:"input"`
}
