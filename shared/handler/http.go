package handler

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/fault"
)

// MaxBodyBytes bounds the body of a request: a manifest is at most 64 KiB.
const MaxBodyBytes = 128 << 10

// HTTPFunc answers one request of an HTTP API. Refusals are responses. An error is a failure of ours: Multi answers it
// with its status and a text without details, and Wrap logs and counts it.
type HTTPFunc func(ctx context.Context, req events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// Caller is who signed a request, as the gateway found out. Empty fields mean that it did not say.
type Caller struct {
	ARN      string            // of the IAM user or role
	Account  string            // of AWS
	Claims   map[string]string // of a JWT
	SourceIP string
	Domain   string // of the API that the request came to, as the gateway knows it
}

type callerKey struct{}

// CallerFrom gives the caller of the request that ctx belongs to; the zero Caller outside a request.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

func callerOf(req events.APIGatewayV2HTTPRequest) Caller {
	c := Caller{SourceIP: req.RequestContext.HTTP.SourceIP, Domain: req.RequestContext.DomainName}
	if a := req.RequestContext.Authorizer; a != nil {
		if a.IAM != nil {
			c.ARN, c.Account = a.IAM.UserARN, a.IAM.AccountID
		}
		if a.JWT != nil {
			c.Claims = a.JWT.Claims
		}
	}
	return c
}

// HTTPJSON makes an HTTPFunc of fn: a JSON body in (strict, at most MaxBodyBytes), status and a JSON body out. A fault
// becomes {"error":{kind, field, rule, message}} with the status of StatusOf; the text of an error that nobody
// classified stays in the log.
func HTTPJSON[In, Out any](status int, fn func(context.Context, In) (Out, error)) HTTPFunc {
	return func(ctx context.Context, req events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		body, code, err := bodyOf(req)
		if err != nil {
			return errorResponse(err, code), nil
		}
		var in In
		if err := decode(body, &in, MaxBodyBytes, true); err != nil {
			return errorResponse(err, StatusOf(err)), nil
		}
		out, err := fn(context.WithValue(ctx, callerKey{}, callerOf(req)), in)
		if err != nil {
			if fault.KindOf(err) == fault.Unknown {
				// The caller gets no text, so the invocation's own error line must have it.
				return events.APIGatewayV2HTTPResponse{}, err
			}
			return errorResponse(err, StatusOf(err)), nil
		}
		b, err := encode(out)
		if err != nil {
			return events.APIGatewayV2HTTPResponse{}, err
		}
		return jsonResponse(status, b), nil
	}
}

func bodyOf(req events.APIGatewayV2HTTPRequest) ([]byte, int, error) {
	// Header names of payload 2.0 are lower case.
	if t, _, err := mime.ParseMediaType(req.Headers["content-type"]); err != nil || t != "application/json" {
		return nil, http.StatusUnsupportedMediaType, refuse("content-type", "application/json", "the body must be JSON")
	}
	tooLarge := refuse("", "size", fmt.Sprintf("the body may have at most %d bytes", MaxBodyBytes))
	if !req.IsBase64Encoded {
		if len(req.Body) > MaxBodyBytes {
			return nil, http.StatusRequestEntityTooLarge, tooLarge
		}
		return []byte(req.Body), 0, nil
	}
	if base64.StdEncoding.DecodedLen(len(req.Body)) > MaxBodyBytes+2 {
		return nil, http.StatusRequestEntityTooLarge, tooLarge
	}
	b, err := base64.StdEncoding.DecodeString(req.Body)
	if err != nil {
		return nil, http.StatusBadRequest, refuse("", "base64", "the body is not base64")
	}
	return b, 0, nil
}

// StatusOf maps a fault to an HTTP status: what the caller can mend is 4xx, what time can mend is 503, the rest is 500.
func StatusOf(err error) int {
	switch fault.KindOf(err) {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Duplicate, fault.CredentialsExpired: // there already; a person has to log in first
		return http.StatusConflict
	case fault.Permanent:
		return http.StatusUnprocessableEntity
	case fault.Retryable, fault.TokenExpired:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// ErrorBody is the JSON that a refused request gets.
type ErrorBody struct {
	Error struct {
		Kind    string `json:"kind"`
		Field   string `json:"field,omitempty"`
		Rule    string `json:"rule,omitempty"`
		Message string `json:"message"`
	} `json:"error"`
}

func errorResponse(err error, status int) events.APIGatewayV2HTTPResponse {
	var body ErrorBody
	body.Error.Kind = fault.KindOf(err).String()
	body.Error.Message = message(err)
	f := fault.As(err)
	if f != nil {
		body.Error.Field, body.Error.Rule = Redact(f.Field, 128), Redact(f.Rule, 128)
	}
	b, merr := json.Marshal(body)
	if merr != nil { // strings only: cannot happen
		b = []byte(`{"error":{"kind":"Unknown","message":"internal error"}}`)
	}
	resp := jsonResponse(status, b)
	if f != nil && f.After > 0 && status == http.StatusServiceUnavailable {
		resp.Headers["retry-after"] = strconv.Itoa(int((f.After + 999999999) / 1e9))
	}
	return resp
}

func jsonResponse(status int, body []byte) events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{
		StatusCode: status,
		Headers:    map[string]string{"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff"},
		Body:       string(body),
	}
}
