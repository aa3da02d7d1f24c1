package s3source

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
)

var errNoETag = errors.New("the object has no ETag yet")

// rule is what one error code of S3 means for a read (S3 API reference, "Error responses").
type rule struct {
	kind   fault.Kind
	cause  error // put into the chain
	actor  fault.Actor
	action string
}

const (
	fixAccess = "check the role's rights on the bucket and its key, and that the region is right"
	wait      = "nothing: it is tried again"
)

// rules by code; where S3 sends no code (answers to HEAD have no body) byStatus decides.
func rules(code string) (rule, bool) {
	switch code {
	case "NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound":
		return rule{fault.Invalid, source.ErrNotFound, fault.ActorOwner, "put the video into the bucket again"}, true
	case "PreconditionFailed":
		return rule{fault.Invalid, source.ErrChanged, fault.ActorOwner, "nothing: the new object is a publication of its own"}, true
	case "InvalidObjectState":
		return rule{fault.Invalid, nil, fault.ActorOwner, "restore the object from the archive, then drop it again"}, true
	case "InvalidRange", "InvalidArgument", "KeyTooLongError", "InvalidBucketName":
		return rule{fault.Invalid, nil, fault.ActorUs, "report it: the request was wrong"}, true
	case "ExpiredToken", "RequestExpired", "TokenRefreshRequired",
		"SlowDown", "Throttling", "ThrottlingException", "KMS.ThrottlingException", "RequestLimitExceeded", "InternalError",
		"ServiceUnavailable", "RequestTimeout", "OperationAborted":
		return rule{fault.Retryable, nil, fault.ActorUs, wait}, true
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "PermanentRedirect",
		"AuthorizationHeaderMalformed", "KMS.DisabledException", "KMS.NotFoundException", "KMS.AccessDeniedException":
		return rule{fault.Permanent, nil, fault.ActorOperator, fixAccess}, true
	}
	return rule{}, false
}

func byStatus(status int) rule {
	switch {
	case status == http.StatusNotFound:
		r, _ := rules("NoSuchKey")
		return r
	case status == http.StatusMethodNotAllowed: // the version asked for is a delete marker
		r, _ := rules("NoSuchVersion")
		return r
	case status == http.StatusPreconditionFailed:
		r, _ := rules("PreconditionFailed")
		return r
	case status == http.StatusRequestedRangeNotSatisfiable:
		r, _ := rules("InvalidRange")
		return r
	case status == http.StatusBadRequest || // HEAD has no code, and expired temporary keys are a 400
		status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		r, _ := rules("SlowDown")
		return r
	}
	return rule{fault.Permanent, nil, fault.ActorOperator, fixAccess}
}

// classify turns an error of the SDK into a *fault.Error. Reading changes nothing, so that whatever may be better the
// next time is Retryable, broken connections and unreadable answers included. The end of ctx is Unknown.
func classify(ctx context.Context, op string, err error) error {
	if cause := ctx.Err(); cause != nil {
		return source.Ended(op, cause)
	}
	if errors.Is(err, context.Canceled) {
		return source.Ended(op, err)
	}
	e := &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Actor: fault.ActorUs, Action: wait, Err: err}
	var api smithy.APIError
	var resp *smithyhttp.ResponseError
	hasCode, hasStatus := errors.As(err, &api), errors.As(err, &resp)
	if hasCode {
		e.Code = api.ErrorCode()
	}
	if hasStatus {
		e.LogID, e.After = logID(resp), retryAfter(resp)
		if e.Code == "" || e.Code == "UnknownError" {
			e.Code = "HTTP " + strconv.Itoa(resp.HTTPStatusCode())
		}
	}
	r, known := rules(e.Code)
	switch {
	case known:
	case hasStatus && resp.HTTPStatusCode() >= http.StatusMultipleChoices:
		r = byStatus(resp.HTTPStatusCode())
	default:
		return e // no answer, or one that could not be read
	}
	e.Kind, e.Actor, e.Action = r.kind, r.actor, r.action
	if r.cause != nil {
		e.Err = r.cause
	}
	return e
}

func logID(r *smithyhttp.ResponseError) string {
	if r.Response == nil || r.Response.Response == nil {
		return ""
	}
	return r.Response.Header.Get("X-Amz-Request-Id")
}

func retryAfter(r *smithyhttp.ResponseError) time.Duration {
	if r.Response == nil || r.Response.Response == nil {
		return 0
	}
	s, err := strconv.Atoi(r.Response.Header.Get("Retry-After"))
	if err != nil || s < 0 || s > 3600 {
		return 0
	}
	return time.Duration(s) * time.Second
}
