package stepfn_test

import (
	"context"
	"fmt"

	"github.com/vodlift/vodlift/local/stepfn"
)

// A definition is loaded once; its placeholders name functions of whatever Invoker runs them.
func Example() {
	def := `{"StartAt":"Greet","States":{"Greet":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",
		"Parameters":{"FunctionName":"${Greeter}","Payload":{"who.$":"$.who"}},
		"ResultSelector":{"said.$":"$.Payload"},"ResultPath":"$.step","End":true}}}`
	m, err := stepfn.Load([]byte(def), map[string]string{"Greeter": "hello"})
	if err != nil {
		fmt.Println(err)
		return
	}
	hello := functions{"hello": func(p map[string]any) (any, error) { return fmt.Sprint("hello ", p["who"]), nil }}
	e := stepfn.New(m, hello, stepfn.Options{})
	ctx := context.Background()
	if _, err := e.StartExecution(ctx, "first", []byte(`{"who":"world"}`)); err != nil {
		fmt.Println(err)
	}
	x, err := e.Wait(ctx, "first")
	fmt.Println(x.Status, string(x.Output), x.Events, "events", x.Transitions, "transition", err)
	fmt.Println(e.Close(ctx))
	// Output:
	// SUCCEEDED {"step":{"said":"hello world"},"who":"world"} 7 events 1 transition <nil>
	// <nil>
}
