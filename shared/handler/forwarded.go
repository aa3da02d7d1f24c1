package handler

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
)

// Marks remember which forwarded requests were handled. Safe for concurrent use and shared by all processes.
type Marks interface {
	// Seen tells whether key is marked.
	Seen(ctx context.Context, key string) (bool, error)
	// Once marks key until then; first is false if it was marked already.
	Once(ctx context.Context, key string, until time.Time) (first bool, err error)
}

// Forwards is the door for what our own functions on Function Compute forward (design 2). All fields are required.
type Forwards struct {
	// Keys gives the forward keys in force; none is an empty list.
	Keys  func(ctx context.Context) ([]string, error)
	Marks Marks
	Now   func() time.Time
	Log   *slog.Logger
}

// markFor is how long a handled request is known; longer than its signature is good, so that no replay finds it
// forgotten, and longer than a platform repeats itself.
const markFor = 24 * time.Hour

// Serve makes a RawFunc for one of callback's forward paths. take returns after its work is durable, and must bear
// repeats. A request that was handled already is answered with 409, and take is not called again; one whose take failed
// is not marked, gets 503, and may come again; an Invalid one gets 400, since it would be no better then. Wrong
// signatures are answered as those of callbacks.
func (f Forwards) Serve(path string, take func(ctx context.Context, body []byte) error) RawFunc {
	return func(ctx context.Context, req RawRequest) (RawResponse, error) {
		keys, err := f.Keys(ctx)
		if err != nil {
			return RawResponse{}, err
		}
		id := req.Header(callback.HeaderForwardID)
		err = callback.VerifyForward(keys, req.Header(callback.HeaderForwardTimestamp), req.Header(callback.HeaderForwardSignature), id, path, req.Body, f.Now())
		if err != nil {
			return refuseSignature(ctx, f.Log, "forwarded", err)
		}
		if seen, err := f.Marks.Seen(ctx, id); err != nil {
			return RawResponse{}, fault.Wrap("handler.Forwards", err)
		} else if seen {
			return refused(http.StatusConflict), nil
		}
		if err := take(ctx, req.Body); fault.KindOf(err) == fault.Invalid && err != nil {
			f.Log.ErrorContext(ctx, "a forwarded request is invalid", "path", path, "error", Redact(err.Error(), maxMessage))
			return refused(http.StatusBadRequest), nil
		} else if err != nil {
			return RawResponse{}, err
		}
		// Only now: a mark before the work would lose what fails between the two.
		if _, err := f.Marks.Once(ctx, id, f.Now().Add(markFor)); err != nil {
			return RawResponse{}, fault.Wrap("handler.Forwards", err)
		}
		return RawResponse{Status: http.StatusOK}, nil
	}
}
