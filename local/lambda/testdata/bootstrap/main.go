// Command bootstrap is a function as small as one can be; the event says what it does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

func main() {
	handler.Main("f", func(context.Context, string) (handler.Function, error) {
		if os.Getenv("TABLE_NAME") == "" {
			return nil, fault.New(fault.Invalid, "config.Load", "missing: TABLE_NAME")
		}
		calls := 0
		return func(ctx context.Context, in json.RawMessage) (json.RawMessage, error) {
			calls++
			fmt.Println("call", calls)
			switch string(in) {
			case "\"fail\"":
				return nil, fmt.Errorf("wrapped: %w", fault.New(fault.Permanent, "x", "closed"))
			case "\"die\"":
				os.Exit(3)
			case "\"hang\"":
				time.Sleep(time.Hour)
			case "\"home\"":
				return json.Marshal(os.Getenv("HOME") + os.Getenv("AWS_LAMBDA_FUNCTION_NAME"))
			}
			return json.Marshal(calls)
		}, nil
	})
}
