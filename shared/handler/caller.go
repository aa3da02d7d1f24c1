package handler

import (
	"context"

	"github.com/aws/aws-lambda-go/events"
)

// WithCaller gives a context in which CallerFrom knows who signed req; for HTTPFuncs that HTTPJSON did not make.
func WithCaller(ctx context.Context, req events.APIGatewayV2HTTPRequest) context.Context {
	return context.WithValue(ctx, callerKey{}, callerOf(req))
}
