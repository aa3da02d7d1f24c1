package handler

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// RawRequest is a request whose body is signed as it is, so it may not be touched before it was checked.
type RawRequest struct {
	Body   []byte
	header map[string]string // names in lower case
}

// Header gives a header's value; the name's case does not matter, since gateways differ in what they do to it.
func (r RawRequest) Header(name string) string { return r.header[strings.ToLower(name)] }

// RawResponse is the answer. Body is JSON, or empty for {}.
type RawResponse struct {
	Status int
	Body   []byte
}

// RawFunc answers one raw request. Refusals are responses. An error is a failure of ours: the sender gets 503 without a
// word about it and should come again; the log and the metrics get the error.
type RawFunc func(ctx context.Context, req RawRequest) (RawResponse, error)

// Raw makes an HTTPFunc of fn for an HTTP API, whose routes are exact. A body of more than max bytes is answered with
// 413 before it is decoded.
func Raw(max int, fn RawFunc) HTTPFunc {
	return func(ctx context.Context, req events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		resp, err := serveRaw(ctx, max, fn, req.Headers, req.Body, req.IsBase64Encoded)
		out := jsonResponse(resp.Status, resp.Body)
		if err == nil {
			return out, nil
		}
		b, eerr := encode(out)
		return events.APIGatewayV2HTTPResponse{}, errors.Join(&answered{out: b, err: err}, eerr)
	}
}

// serveRaw is what both gateways share. With an error the response is 503.
func serveRaw(ctx context.Context, max int, fn RawFunc, header map[string]string, body string, encoded bool) (RawResponse, error) {
	b, status := rawBody(body, encoded, max)
	if status != 0 {
		return refused(status), nil
	}
	resp, err := fn(ctx, RawRequest{Body: b, header: lowerKeys(header)})
	if err != nil {
		return refused(http.StatusServiceUnavailable), err
	}
	if len(resp.Body) == 0 {
		resp.Body = []byte("{}")
	}
	return resp, nil
}

func rawBody(body string, encoded bool, max int) ([]byte, int) {
	if !encoded {
		if len(body) > max {
			return nil, http.StatusRequestEntityTooLarge
		}
		return []byte(body), 0
	}
	if base64.StdEncoding.DecodedLen(len(body)) > max+2 {
		return nil, http.StatusRequestEntityTooLarge
	}
	b, err := base64.StdEncoding.DecodeString(body)
	switch {
	case err != nil:
		return nil, http.StatusBadRequest
	case len(b) > max:
		return nil, http.StatusRequestEntityTooLarge
	}
	return b, 0
}

// lowerKeys joins what differs in case only, as gateways join repeated headers: a signature given twice is none.
func lowerKeys(in map[string]string) map[string]string {
	out := make(map[string]string, len(in))
	for k, v := range in {
		k = strings.ToLower(k)
		if was, twice := out[k]; twice {
			v = was + "," + v
		}
		out[k] = v
	}
	return out
}

// refused says nothing but the status: who forges need not learn why.
func refused(status int) RawResponse {
	return RawResponse{Status: status, Body: []byte(`{"message":"` + http.StatusText(status) + `"}`)}
}

// count writes one line that is a metric of 1 (embedded format), with its dimensions.
func count(ctx context.Context, log *slog.Logger, metric string, dimensions ...string) {
	var names []string
	attrs := []slog.Attr{{}, slog.Int(metric, 1)}
	for i := 0; i+1 < len(dimensions); i += 2 {
		names = append(names, dimensions[i])
		attrs = append(attrs, slog.String(dimensions[i], dimensions[i+1]))
	}
	attrs[0] = slog.Any("_aws", map[string]any{
		"Timestamp": time.Now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": Namespace, "Dimensions": [][]string{names}, "Metrics": []map[string]string{{"Name": metric, "Unit": "Count"}},
		}},
	})
	log.LogAttrs(ctx, slog.LevelWarn, metric, attrs...)
}
