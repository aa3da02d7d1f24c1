package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
)

func TestAnUnclassifiedErrorIsUnknownWithUnknownEffect(t *testing.T) {
	for _, err := range []error{nil, io.EOF, fmt.Errorf("x: %w", io.EOF), &fault.Error{}} {
		if k := fault.KindOf(err); k != fault.Unknown {
			t.Errorf("KindOf(%v) = %v, want Unknown", err, k)
		}
		if fault.EffectOf(err) != fault.EffectUnknown {
			t.Errorf("EffectOf(%v) is not unknown", err)
		}
	}
}

func TestWrapKeepsEverythingThatIsKnown(t *testing.T) {
	in := &fault.Error{Kind: fault.TokenExpired, Op: "douyin.Publish", Code: "28001008", LogID: "L1", Effect: fault.EffectNone, AssetKept: true, Err: io.EOF}
	out := fault.Wrap("workflow.Publish", fmt.Errorf("step: %w", in))
	f := fault.As(out)
	if f.Kind != in.Kind || f.Code != in.Code || f.Effect != in.Effect || !f.AssetKept || f.LogID != "L1" {
		t.Errorf("got %+v", f)
	}
	if !errors.Is(out, io.EOF) {
		t.Error("the cause is lost")
	}
	if got, want := out.Error(), "workflow.Publish: step: douyin.Publish: TokenExpired: EOF (code 28001008, log id L1)"; got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if fault.Wrap("x", nil) != nil {
		t.Error("Wrap of nil is not nil")
	}
}

func TestNamesOfKindsGoBothWays(t *testing.T) {
	for _, k := range fault.Kinds() {
		if fault.ParseKind(k.String()) != k {
			t.Errorf("%v does not come back", k)
		}
	}
	if fault.ParseKind("Lambda.Unknown") != fault.Unknown || fault.Kind(99).String() != "Unknown" || fault.Kind(-1).String() != "Unknown" {
		t.Error("what is not a kind must be Unknown")
	}
}
