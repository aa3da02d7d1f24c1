package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// service is a function service that can host us: the variable by which a process knows that it is there, and the loop
// that serves it. run does not return while the service wants us.
type service struct {
	name     string
	variable string
	run      func(api string, fn Function)
	// refuse tells the service that the function cannot start. Best effort.
	refuse func(api string, err error)
}

// services is in order of precedence. Alibaba Function Compute joins the list with its adapter.
func services() []service {
	return []service{{name: "AWS Lambda", variable: "AWS_LAMBDA_RUNTIME_API", run: runLambda, refuse: refuseLambda}}
}

// Main is the whole of a function's main: it builds the function called name and serves it on the service that this
// process finds itself in. build gives a function that Wrap made. Outside any service it says so and ends with status
// 2; if build fails it tells the service and the log, names only, and ends with status 1.
func Main(name string, build func(ctx context.Context, name string) (Function, error)) {
	var names []string
	for _, s := range services() {
		api := os.Getenv(s.variable)
		if api == "" {
			names = append(names, s.variable+" ("+s.name+")")
			continue
		}
		fn, err := build(context.Background(), name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s cannot start: %s\n", name, Redact(err.Error(), 4*maxMessage))
			s.refuse(api, err)
			os.Exit(1)
		}
		s.run(api, fn)
		return
	}
	fmt.Fprintf(os.Stderr, "%s is a cloud function and runs only inside a function service; not set: %s.\nTo run everything on this machine: go run ./cmd/vodlift local --demo\n", name, strings.Join(names, ", "))
	os.Exit(2)
}

// runLambda serves the Lambda runtime API. Errors are named here once more: this is the last door, and a build that
// forgot Wrap must not lose its names.
func runLambda(_ string, fn Function) {
	lambda.Start(func(ctx context.Context, event json.RawMessage) (out json.RawMessage, err error) {
		defer func() {
			if p := recover(); p != nil {
				out, err = nil, Named(fmt.Errorf("panic: %T", p))
			}
		}()
		if out, err = fn(ctx, event); err != nil {
			return nil, Named(err)
		}
		return out, nil
	})
}

// refuseLambda posts the initialisation error (Runtime API, /runtime/init/error), so that callers see why instead of
// Runtime.ExitError.
func refuseLambda(api string, cause error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	named := Named(cause)
	body, err := json.Marshal(named)
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+api+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Lambda-Runtime-Function-Error-Type", named.Type)
	// The runtime API is link-local: never through a proxy.
	client := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext}}
	resp, err := client.Do(req)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "the service could not be told")
		}
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096))
}
