package handler

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
)

// CallbackKeys are the keys that callbacks are checked with: the one in force and, while they are being exchanged, the
// next. None is an empty list, and an error is that they could not be read. Safe for concurrent use.
type CallbackKeys interface {
	VOD(ctx context.Context) ([]callback.VODKey, error)
	Douyin(ctx context.Context) ([]string, error)
}

// Callbacks is the door for what platforms tell us (design 4.7). All fields are required.
type Callbacks struct {
	Keys CallbackKeys
	// Take is called with what a platform (callback.AliVOD, callback.Douyin) has signed. It returns after the event is
	// durable; then the platform gets its 200. It must bear repeats.
	Take func(ctx context.Context, platform string, body []byte) error
	Now  func() time.Time
	Log  *slog.Logger
}

// Routes are the paths that platforms call: "POST /callbacks/vod", the same under the demo AppServer's path
// "POST /vodcallback/callback", and "POST /callbacks/douyin".
//
// They answer 200 after Take, whatever the type of the event; 403 for a wrong signature or one out of its window, which
// is counted (metric callbacks_refused) and not stored; 503 where no key is configured or Take failed; 413 for more than
// callback.MaxBody bytes.
func (c Callbacks) Routes() map[string]RawFunc {
	return map[string]RawFunc{
		"POST /callbacks/vod":        c.vod,
		"POST /vodcallback/callback": c.vod,
		"POST /callbacks/douyin":     c.douyin,
	}
}

func (c Callbacks) vod(ctx context.Context, req RawRequest) (RawResponse, error) {
	keys, err := c.Keys.VOD(ctx)
	if err != nil {
		return RawResponse{}, err
	}
	if err := callback.VerifyVOD(keys, req.Header(callback.HeaderVODTimestamp), req.Header(callback.HeaderVODSignature), c.Now()); err != nil {
		return c.refuse(ctx, callback.AliVOD, err)
	}
	return c.take(ctx, callback.AliVOD, req.Body)
}

// douyin also answers the check that Douyin makes when our URL is saved there. That comes perhaps before the secret is
// known here, and the reference does not say that it is signed: without a signature it is answered, too, since the
// answer changes nothing and says nothing. With a wrong one it is refused.
func (c Callbacks) douyin(ctx context.Context, req RawRequest) (RawResponse, error) {
	signature := req.Header(callback.HeaderDouyin)
	answer, isCheck := callback.Challenge(req.Body)
	if isCheck && signature == "" {
		return RawResponse{Status: http.StatusOK, Body: answer}, nil
	}
	secrets, err := c.Keys.Douyin(ctx)
	if err != nil {
		return RawResponse{}, err
	}
	if err := callback.VerifyDouyin(secrets, signature, req.Body); err != nil {
		return c.refuse(ctx, callback.Douyin, err)
	}
	if isCheck {
		return RawResponse{Status: http.StatusOK, Body: answer}, nil
	}
	return c.take(ctx, callback.Douyin, req.Body)
}

func (c Callbacks) take(ctx context.Context, platform string, body []byte) (RawResponse, error) {
	if err := c.Take(ctx, platform, body); err != nil {
		return RawResponse{}, err
	}
	return RawResponse{Status: http.StatusOK}, nil
}

func (c Callbacks) refuse(ctx context.Context, from string, err error) (RawResponse, error) {
	return refuseSignature(ctx, c.Log, from, err)
}

// refuseSignature turns what package callback says into an answer and a count.
func refuseSignature(ctx context.Context, log *slog.Logger, from string, err error) (RawResponse, error) {
	reason := "signature"
	switch {
	case errors.Is(err, callback.ErrNoKey):
		f := fault.Wrap("handler.Callbacks", fault.New(fault.CredentialsExpired, from, "no callback key is configured"))
		return RawResponse{}, f
	case errors.Is(err, callback.ErrStale):
		reason = "stale"
	}
	count(ctx, log, "callbacks_refused", "platform", from, "reason", reason)
	return refused(http.StatusForbidden), nil
}
