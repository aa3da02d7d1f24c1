package scheduler_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/vodlift/vodlift/local/scheduler"
	"github.com/vodlift/vodlift/local/template"
)

type printer struct{}

func (printer) Invoke(_ context.Context, function string, payload []byte) ([]byte, error) {
	var ev scheduler.Event
	err := json.Unmarshal(payload, &ev)
	fmt.Println(function, "gets", ev.DetailType, string(ev.Detail))
	return []byte(`{}`), err
}

// An event goes to every function whose rule in template.yaml matches it.
func Example() {
	tpl, err := template.Load("../../template.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := scheduler.New(scheduler.Options{Template: tpl, Invoker: printer{}, Names: template.Names{
		Refs: map[string]string{"Inbox": "inbox", "PublishStateMachine": "arn:aws:states:local:000000000000:stateMachine:publish"},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for _, bucket := range []string{"inbox", "elsewhere"} {
		detail := json.RawMessage(`{"bucket":{"name":"` + bucket + `"},"object":{"key":"douyin/a.mp4"}}`)
		if err := s.Put(context.Background(), scheduler.Event{Source: "aws.s3", DetailType: "Object Created", Detail: detail}); err != nil {
			fmt.Println(err)
		}
	}
	s.Drain()
	// Output:
	// ingest gets Object Created {"bucket":{"name":"inbox"},"object":{"key":"douyin/a.mp4"}}
}
