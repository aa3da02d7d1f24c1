package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/vodlift/vodlift/local/lambda"
	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

// A caller sees what it would see on AWS: the answer's JSON, or the error's name and the JSON of its cause.
func Example() {
	tpl, err := template.Load("../../template.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	park := func(context.Context, json.RawMessage) (json.RawMessage, error) {
		return nil, fault.New(fault.Permanent, "workflow.Park", "closed")
	}
	l, err := lambda.NewLocal(tpl, map[string]handler.Function{"park": handler.Wrap("park", park, handler.NewLog(io.Discard, nil), 0)}, lambda.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = l.Invoke(context.Background(), "park", []byte(`{}`))
	var f *lambda.FunctionError
	if errors.As(err, &f) {
		fmt.Println(f.Name, f.Cause)
	}
	fmt.Println(l.Close(context.Background()))
	// Output:
	// Permanent {"errorMessage":"workflow.Park: Permanent: closed","errorType":"Permanent"}
	// <nil>
}
