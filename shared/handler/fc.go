package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aliyun/fc-runtime-go-sdk/fc"
	fcmessages "github.com/aliyun/fc-runtime-go-sdk/fc/messages"

	"github.com/vodlift/vodlift/shared/fault"
)

// runFC serves Function Compute's runtime API (managed runtime go1; reference alibaba-vod-and-oss e.2). Each invocation
// has a goroutine of its own. The SDK's Handler interface is of no use here: it is called by reflection, which wants a
// function, and its bytes would be answered as base64; json.RawMessage goes out as it is.
func runFC(_ string, fn Function) {
	fc.Start(func(ctx context.Context, event []byte) (out json.RawMessage, err error) {
		defer func() {
			if p := recover(); p != nil {
				out, err = nil, namedFC(fmt.Errorf("panic: %T", p))
			}
		}()
		if out, err = fn(ctx, event); err != nil {
			return nil, namedFC(err)
		}
		return out, nil
	})
}

// namedFC is Named in the type whose value this SDK leaves as it is.
func namedFC(err error) fcmessages.InvokeResponse_Error {
	n := Named(err)
	return fcmessages.InvokeResponse_Error{Type: n.Type, Message: n.Message}
}

// FCHTTPRequest is what an HTTP trigger of Function Compute 3.0 gives to a function of a managed runtime ("Use an HTTP
// trigger to invoke a function", request struct, version v1). Header names come as they were sent.
type FCHTTPRequest struct {
	Version         string            `json:"version"`
	RawPath         string            `json:"rawPath"` // percent-encoded
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	Headers         map[string]string `json:"headers"`
	RequestContext  struct {
		HTTP struct {
			Method   string `json:"method"`
			Path     string `json:"path"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
		RequestID string `json:"requestId"`
	} `json:"requestContext"`
}

// FCHTTPResponse is its answer; without statusCode the service would send the whole as a text.
type FCHTTPResponse struct {
	StatusCode      int               `json:"statusCode"`
	Headers         map[string]string `json:"headers"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	Body            string            `json:"body"`
}

// FCHTTP makes a Function of routes ("POST /callbacks/vod") for an HTTP trigger of Function Compute. Method and path
// must be exactly a route's, the path as it was sent: an escaped one is another path. A body of more than max bytes is
// answered with 413 before it is decoded, an unknown route with 404. An event of another form is Invalid.
func FCHTTP(max int, routes map[string]RawFunc) Function {
	return func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		if len(event) > maxInvokeBytes {
			return nil, refuse("", "size", fmt.Sprintf("%d bytes, at most %d", len(event), maxInvokeBytes))
		}
		var req FCHTTPRequest
		if err := json.Unmarshal(event, &req); err != nil || req.Version != "v1" || req.RequestContext.HTTP.Method == "" {
			return nil, fault.InvalidField("handler.FCHTTP", "", "request of an HTTP trigger", "the event is not a request of an HTTP trigger, version v1")
		}
		fn := routes[req.RequestContext.HTTP.Method+" "+req.RawPath]
		resp, err := refused(404), error(nil)
		if fn != nil {
			resp, err = serveRaw(ctx, max, fn, req.Headers, req.Body, req.IsBase64Encoded)
		}
		out, eerr := encode(FCHTTPResponse{
			StatusCode: resp.Status, Body: string(resp.Body),
			Headers: map[string]string{"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff"},
		})
		if err != nil {
			return nil, errors.Join(&answered{out: out, err: err}, eerr)
		}
		return out, eerr
	}
}
