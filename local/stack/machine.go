// Package stack is vodlift on one machine: the deployed functions, state machine, template and S3 client on engines
// inside one process, over a data folder (design 6). State is on disk: kill the process at any moment, start it again,
// and every unfinished upload goes on with its next generation.
//
// It is never deployed. It is the only place that may let a transport reach loopback.
package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	vodlift "github.com/vodlift/vodlift"
	"github.com/vodlift/vodlift/local/lambda"
	"github.com/vodlift/vodlift/local/scheduler"
	"github.com/vodlift/vodlift/local/stepfn"
	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/wire"
	"github.com/vodlift/vodlift/shared/workflow"
	"github.com/vodlift/vodlift/statemachine"
)

// The names under which the engines stand in events and patterns.
const (
	accountID   = "000000000000"
	region      = "us-east-1"
	machineName = "publish"
	machineARN  = "arn:aws:states:" + region + ":" + accountID + ":stateMachine:" + machineName
)

// MachineOptions are what a Machine is made of.
type MachineOptions struct {
	// Engines, but for Starter and Waker, which are the Machine's own.
	Engines wire.Engines
	Inbox   string  // the bucket whose events start things
	Scale   float64 // divides the machine's waits; 0 = 1
	// SweepScale divides the schedules' periods; 0 = 1.
	SweepScale float64
	Lambda     lambda.Options
	Steps      stepfn.Options // OnEnd, Scale and Name are set by the Machine
	// Ended, optional, hears of every execution that ended.
	Ended func(stepfn.Execution)
}

// Machine is everything between an event and a platform: functions, state machine, bus and schedules. It has no bucket
// and no listener.
type Machine struct {
	*wire.App
	Template  *template.Template
	Functions *lambda.Local
	Steps     *stepfn.Engine
	Bus       *scheduler.Scheduler
	log       *slog.Logger
	closing   context.Context
	close     context.CancelFunc
}

// deployed is the template and the state machine that are built in.
type deployed struct {
	template   *template.Template
	definition *stepfn.Machine
}

// readDeployed reads once: nobody changes what was read, and tests start thousands of Machines.
var readDeployed = sync.OnceValues(func() (d deployed, err error) {
	if d.template, err = template.Parse(vodlift.Template()); err != nil {
		return d, err
	}
	d.definition, err = stepfn.Load(statemachine.Definition(), statemachine.Substitutions())
	return d, err
})

// NewMachine wires a Machine. Nothing runs before the first event; Run follows the schedules.
func NewMachine(o MachineOptions) (*Machine, error) {
	d, err := readDeployed()
	if err != nil {
		return nil, fault.Wrap("stack.NewMachine", err)
	}
	m := &Machine{Template: d.template, log: o.Engines.Log}
	m.closing, m.close = context.WithCancel(context.Background())
	o.Engines.Starter, o.Engines.Waker = m, m
	m.App = wire.New(o.Engines)
	if m.Functions, err = lambda.NewLocal(d.template, m.App.Functions, o.Lambda); err != nil {
		return nil, fault.Wrap("stack.NewMachine", err)
	}
	so := o.Steps
	so.Scale, so.Name = o.Scale, machineName
	so.OnEnd = func(ctx context.Context, e stepfn.Execution) {
		m.ended(ctx, e)
		if o.Ended != nil {
			o.Ended(e)
		}
	}
	m.Steps = stepfn.New(d.definition, tasks{m.Functions}, so)
	names := template.Names{
		Refs:       map[string]string{"Inbox": o.Inbox, "PublishStateMachine": machineARN, "AWS::Partition": "aws", "AWS::Region": region, "AWS::AccountId": accountID},
		Attributes: map[string]string{"PublishStateMachine.Arn": machineARN, "Inbox.Arn": "arn:aws:s3:::" + o.Inbox},
	}
	if m.Bus, err = scheduler.New(scheduler.Options{Template: d.template, Invoker: m.Functions, Names: names, Scale: o.SweepScale, Now: o.Engines.Now, Log: o.Engines.Log}); err != nil {
		return nil, fault.Wrap("stack.NewMachine", err)
	}
	return m, nil
}

// tasks gives the state machine the functions, and their errors under the names that a States rule matches.
type tasks struct{ fns *lambda.Local }

func (t tasks) Invoke(ctx context.Context, function string, payload []byte) ([]byte, error) {
	out, err := t.fns.Invoke(ctx, function, payload)
	var fe *lambda.FunctionError
	if errors.As(err, &fe) {
		return nil, &stepfn.TaskError{Name: fe.Name, Cause: fe.Cause}
	}
	return out, err
}

// Start starts an execution of the machine.
func (m *Machine) Start(ctx context.Context, name string, input []byte) error {
	_, err := m.Steps.StartExecution(ctx, name, input)
	switch {
	case errors.Is(err, stepfn.ErrExecutionAlreadyExists):
		return fmt.Errorf("%s: %w", name, workflow.ErrStarted)
	case err != nil:
		return &fault.Error{Kind: fault.Retryable, Op: "stack.Start", Err: err}
	}
	return nil
}

// Wake ends a park.
func (m *Machine) Wake(ctx context.Context, token string) error {
	err := m.Steps.SendTaskSuccess(ctx, token, "{}")
	switch {
	case errors.Is(err, stepfn.ErrTaskDoesNotExist), errors.Is(err, stepfn.ErrTaskTimedOut):
		return workflow.ErrGone
	case err != nil:
		return &fault.Error{Kind: fault.Retryable, Op: "stack.Wake", Err: err}
	}
	return nil
}

// ended puts the event of an execution that did not succeed onto the bus, as Step Functions does, whose rule hands it
// to reconcile. At a shutdown that is the next start's business.
func (m *Machine) ended(ctx context.Context, e stepfn.Execution) {
	if e.Status == stepfn.Succeeded || m.closing.Err() != nil {
		return
	}
	m.log.Warn("execution ended", "execution", e.Name, "status", string(e.Status), "error", e.Error, "cause", e.Cause, "state", e.State)
	detail, err := json.Marshal(map[string]any{"executionArn": e.ARN, "stateMachineArn": machineARN, "name": e.Name, "status": e.Status, "input": string(e.Input)})
	if err == nil {
		err = m.Bus.Put(context.WithoutCancel(ctx), scheduler.Event{Source: "aws.states", DetailType: "Step Functions Execution Status Change", Resources: []string{e.ARN}, Detail: detail})
	}
	if err != nil {
		m.log.Error("the end of an execution was not told", "execution", e.Name, "error", err.Error())
	}
}

// Run follows the schedules until ctx ends.
func (m *Machine) Run(ctx context.Context) { m.Bus.Run(ctx) }

// Close ends executions and functions, as killing the process would, but waits for them.
func (m *Machine) Close(ctx context.Context) error {
	m.close()
	m.Bus.Close()
	return errors.Join(m.Steps.Close(ctx), m.Functions.Close(ctx))
}
