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

// Builder builds the function called name.
type Builder func(ctx context.Context, name string) (Function, error)

// service is a function service that can host us: the variable by which a process knows that it is there, and the loop
// that serves it. run does not return while the service wants us.
type service struct {
	name     string
	variable string
	build    Builder
	run      func(api string, fn Function)
	// refuse tells the service that the function cannot start. Best effort.
	refuse func(api string, err error)
}

// services is in order of precedence.
func services(onLambda Builder, onFC []Builder) []service {
	all := []service{{name: "AWS Lambda", variable: "AWS_LAMBDA_RUNTIME_API", build: onLambda, run: runLambda, refuse: refuseLambda}}
	for _, b := range onFC {
		// Function Compute has no address for a failed start; it reports the exit and shows the log.
		all = append(all, service{name: "Alibaba Function Compute", variable: "FC_RUNTIME_API", build: b, run: runFC, refuse: func(string, error) {}})
	}
	return all
}

// Main is the whole of a function's main: it builds the function called name and serves it on the service that this
// process finds itself in. On Function Compute, if it runs there at all, it is another function of the same name: one
// that holds no key of ours and forwards; onFC builds it. A Builder gives a function that Wrap made. Outside any service
// Main says so and ends with status 2; if the function cannot be built it tells the service and the log, names only, and
// ends with status 1.
func Main(name string, onLambda Builder, onFC ...Builder) {
	var names []string
	for _, s := range services(onLambda, onFC) {
		api := os.Getenv(s.variable)
		if api == "" {
			names = append(names, s.variable+" ("+s.name+")")
			continue
		}
		fn, err := s.build(context.Background(), name)
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
