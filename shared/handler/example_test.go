package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

// A function is a typed step behind the edge: what comes in is decoded and checked, and what goes wrong has a name that
// the state machine can match.
func Example() {
	carry := func(_ context.Context, in handler.RangeIn) (map[string]bool, error) {
		if in.Range == 13 {
			return nil, fmt.Errorf("range %d: %w", in.Range, fault.New(fault.Retryable, "douyin.UploadPart", "busy"))
		}
		return map[string]bool{"done": true}, nil
	}
	fn := handler.Wrap("uploadpart", handler.JSON(carry), handler.NewLog(io.Discard, nil), 2*time.Second)

	for _, event := range []string{
		`{"v":1,"upload":"uabcdefghijklmnopqrstuvwxy2","gen":1,"range":7}`,
		`{"v":1,"upload":"uabcdefghijklmnopqrstuvwxy2","gen":1,"range":13}`,
		`{"v":1,"upload":"uabcdefghijklmnopqrstuvwxy2","gen":1,"rnage":7}`,
	} {
		out, err := fn(context.Background(), json.RawMessage(event))
		if err != nil {
			fmt.Println(handler.Named(err).Type, "-", handler.Named(err).Message)
			continue
		}
		fmt.Println(string(out))
	}
	// Output:
	// {"done":true}
	// Retryable - range 13: douyin.UploadPart: Retryable: busy
	// Invalid - handler.Decode: Invalid: this field is not known (field rnage, rule known field)
}
