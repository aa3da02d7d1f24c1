package wire

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/workflow"
)

func randomOr(r io.Reader) io.Reader {
	if r == nil {
		return rand.Reader
	}
	return r
}

// steps are the machine's functions, by their folders.
func steps(w *workflow.Workflow) map[string]handler.Function {
	return map[string]handler.Function{
		"initupload": handler.JSON(func(ctx context.Context, in handler.StepIn) (workflow.Opened, error) {
			return w.Open(ctx, workflow.Step(in))
		}),
		"uploadpart": handler.JSON(func(ctx context.Context, in handler.RangeIn) (workflow.RangeResult, error) {
			return w.Carry(ctx, workflow.RangeStep{Step: workflow.Step(in.StepIn), Range: in.Range})
		}),
		"finalize": handler.JSON(finalize(w)),
		"park": handler.JSON(func(ctx context.Context, in handler.ParkIn) (struct{}, error) {
			return w.Park(ctx, workflow.ParkStep{Step: workflow.Step(in.StepIn), Token: string(in.Token), For: in.For})
		}),
	}
}

// drops is what takes videos in.
func drops(k *core) map[string]handler.Function {
	return map[string]handler.Function{"ingest": ingest(k.w, newCallbackParts(k.e, k.vault)).Function()}
}

// hub are the functions that serve uploads and the apps' videos alike.
func hub(k *core, a *apps) map[string]handler.Function {
	return map[string]handler.Function{
		"vodcallback": vodcallback(both{k.w, a}, newCallbackParts(k.e, k.vault)),
		"appserver":   a.function(),
		"reconcile":   reconcile(k.w, a).Function(),
	}
}

// desk are the functions that operators and account owners meet; refreshtoken serves the machine as well.
func desk(k *core, c *console.Console) map[string]handler.Function {
	return map[string]handler.Function{
		"refreshtoken": refreshtoken(k.w, k.keeper, c),
		"console":      consoleRoutes(c).Function(),
	}
}

// consoleRoutes: one for the operators who sign with IAM, and those of the pool's users, each with its scope
// (template.yaml).
func consoleRoutes(c *console.Console) handler.Multi {
	m := handler.Multi{HTTP: map[string]handler.HTTPFunc{}}
	for _, r := range []string{"ANY /api/{proxy+}", "GET /api/{proxy+}", "POST /api/{proxy+}", "POST /api/apps/{platform}", "POST /api/accounts", "DELETE /api/{proxy+}"} {
		m.HTTP[r] = c.Serve
	}
	return m
}

// ingest takes S3's events from the bus, and requests of the publication API.
func ingest(w *workflow.Workflow, p callbackParts) handler.Multi {
	return handler.Multi{
		HTTP: map[string]handler.HTTPFunc{
			"POST /publications":                 handler.HTTPJSON(202, w.Submit),
			"POST " + callback.PathObjectCreated: forwardedDrop(w, p),
		},
		Events: map[string]handler.Function{
			"Object Created": handler.AWSEvent(func(ctx context.Context, e handler.EventBridge[handler.ObjectCreated]) (workflow.Ingested, error) {
				d := e.Detail
				return w.Ingest(ctx, source.Object{Bucket: d.Bucket.Name, Key: d.Object.Key, ETag: d.Object.ETag, Size: d.Object.Size, VersionID: d.Object.VersionID})
			}),
		},
	}
}

func finalize(w *workflow.Workflow) func(context.Context, handler.FinalizeIn) (workflow.Result, error) {
	steps := map[string]func(context.Context, workflow.Step) (workflow.Result, error){
		"complete": w.Complete, "publish": w.Publish, "inspect": w.Look, "check": w.Check, "settle": w.Settle,
	}
	return func(ctx context.Context, in handler.FinalizeIn) (workflow.Result, error) {
		step, ok := steps[in.Step]
		if !ok {
			return workflow.Result{}, fault.InvalidField("wire.finalize", "step", "a known step", "no such step")
		}
		return step(ctx, workflow.Step(in.StepIn))
	}
}

// reconcile takes the schedule's job, and the machine's executions that ended other than by success.
func reconcile(w *workflow.Workflow, a *apps) handler.Multi {
	return handler.Multi{
		Events: map[string]handler.Function{
			"Step Functions Execution Status Change": handler.AWSEvent(func(ctx context.Context, e handler.EventBridge[handler.ExecutionStatus]) (struct{}, error) {
				return struct{}{}, w.Ended(ctx, e.Detail.Name, e.Detail.Status)
			}),
		},
		Direct: handler.JSON(func(ctx context.Context, in handler.JobIn) (json.RawMessage, error) {
			var r any
			var err error
			switch in.Job {
			case "due":
				r, err = w.Due(ctx)
				err = errors.Join(err, a.work(ctx)) // one does not keep the other
			case "books":
				r, err = w.Books(ctx)
			default:
				err = fault.InvalidField("wire.reconcile", "job", "due or books", "no such job")
			}
			if err != nil {
				return nil, err
			}
			return json.Marshal(r)
		}),
	}
}

// Douyin's refresh tokens can be renewed themselves; the sweep finds that out by this interface.
var _ token.RefreshRenewer = (*douyin.Refresher)(nil)

// refreshtoken takes the machine's step, the schedule's job, and the browser that comes back from a platform's page. The
// first two are ours and strict; the word job tells them apart.
func refreshtoken(w *workflow.Workflow, k *token.Keeper, c *console.Console) handler.Function {
	step := handler.JSON(func(ctx context.Context, in handler.StepIn) (workflow.Result, error) {
		return w.Renew(ctx, workflow.Step(in))
	})
	sweep := handler.JSON(func(ctx context.Context, in handler.JobIn) (token.SweepReport, error) {
		if in.Job != "sweep" {
			return token.SweepReport{}, fault.InvalidField("wire.refreshtoken", "job", "sweep", "no such job")
		}
		report, err := token.NewSweeper(k, &token.SweepOptions{Announce: w.AnnounceAccount, Scheduled: w.ScheduledAfter}).Sweep(ctx)
		w.Log.InfoContext(ctx, "the accounts were swept", "report", report)
		return report, err
	})
	ours := func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		var form struct {
			Job *json.RawMessage `json:"job"`
		}
		if json.Unmarshal(event, &form) == nil && form.Job != nil {
			return sweep(ctx, event)
		}
		return step(ctx, event)
	}
	return handler.Multi{HTTP: map[string]handler.HTTPFunc{"GET /oauth/{platform}/callback": c.LoginPage}, Direct: ours}.Function()
}
