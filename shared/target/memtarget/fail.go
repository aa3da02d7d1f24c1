package memtarget

import (
	"context"
	"errors"

	"github.com/vodlift/vodlift/shared/fault"
)

// Op is a call of the contract.
type Op string

// The calls that can be counted and made to fail.
const (
	Init       Op = "Init"
	UploadPart Op = "UploadPart"
	Complete   Op = "Complete"
	Publish    Op = "Publish"
	Abort      Op = "Abort"
	ListParts  Op = "ListParts"
	Inspect    Op = "Inspect"
	Check      Op = "Check"
	Renew      Op = "Renew"
)

// When a call fails.
type When int

// Before the effect: nothing has happened. After it: it has, and the answer is lost.
const (
	Before When = iota
	After
)

// Call is what a hook is told.
type Call struct {
	N    int // of this call among all calls of the Platform, from 1
	Op   Op
	When When
}

type failure struct {
	op   Op
	when When
	err  error
}

// Fail makes the next call of op fail; more than one wait in a queue. A nil err means: before the effect Retryable with
// EffectNone, after it Unknown.
func (p *Platform) Fail(op Op, when When, err error) {
	if err == nil {
		f := &fault.Error{Kind: fault.Retryable, Op: "memtarget." + string(op), Effect: fault.EffectNone, AssetKept: true, Actor: fault.ActorPlatform, Err: errors.New("made to fail before the effect")}
		if when == After {
			f.Kind, f.Effect, f.AssetKept, f.Err = fault.Unknown, fault.EffectUnknown, false, errors.New("the answer was lost after the effect")
		}
		err = f
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, failure{op, when, err})
}

// Hook is asked before and after the effect of every call; what it returns is the call's error. It may block, or panic
// as a killed function would. nil takes it away.
func (p *Platform) Hook(f func(context.Context, Call) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = f
}

// enter counts a call and lets it fail before its effect.
func (p *Platform) enter(ctx context.Context, op Op) (Call, error) {
	if ctx.Err() != nil {
		return Call{}, &fault.Error{Kind: fault.Unknown, Op: "memtarget." + string(op), Effect: fault.EffectNone, Actor: fault.ActorUs, Err: context.Cause(ctx)}
	}
	p.mu.Lock()
	p.total++
	p.calls[op]++
	c := Call{N: p.total, Op: op}
	p.mu.Unlock()
	return c, p.fails(ctx, c)
}

// leave lets it fail after its effect.
func (p *Platform) leave(ctx context.Context, c Call) error {
	c.When = After
	return p.fails(ctx, c)
}

func (p *Platform) fails(ctx context.Context, c Call) error {
	p.mu.Lock()
	hook := p.hook
	for i, f := range p.faults {
		if f.op == c.Op && f.when == c.When {
			p.faults = append(p.faults[:i:i], p.faults[i+1:]...)
			p.mu.Unlock()
			return f.err
		}
	}
	p.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(ctx, c)
}
