package dynamo

import (
	"context"
	"errors"
	"net"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/vodlift/vodlift/shared/fault"
)

// verdict is what an error code of DynamoDB means.
type verdict struct {
	kind   fault.Kind
	effect fault.Effect
	quota  bool
	actor  fault.Actor
	action string
}

// codes holds what the API reference says of each code that our requests can meet; what is not here is judged by its
// HTTP status. Codes of 400 were refused before any effect.
func codes(code string) (v verdict, ok bool) {
	switch code {
	case "ProvisionedThroughputExceededException", "ThrottlingException", "Throttling", "RequestLimitExceeded", "ThrottlingError",
		"ProvisionedThroughputExceeded":
		return verdict{kind: fault.Retryable, effect: fault.EffectNone, quota: true, actor: fault.ActorUs}, true
	case "TransactionConflictException", "TransactionConflict", "ReplicatedWriteConflictException":
		return verdict{kind: fault.Retryable, effect: fault.EffectNone, actor: fault.ActorUs}, true
	case "TransactionInProgressException":
		// The same request is still being worked on, and may yet take effect.
		return verdict{kind: fault.Unknown, effect: fault.EffectUnknown, actor: fault.ActorUs}, true
	case "ValidationException", "ValidationError", "SerializationException", "ItemCollectionSizeLimitExceeded",
		"ItemCollectionSizeLimitExceededException", "IdempotentParameterMismatchException", "DuplicateItem":
		return verdict{kind: fault.Invalid, effect: fault.EffectNone, actor: fault.ActorUs}, true
	case "ResourceNotFoundException":
		return verdict{kind: fault.Permanent, effect: fault.EffectNone, actor: fault.ActorOperator, action: "check the name and region of the table"}, true
	case "AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
		"IncompleteSignatureException", "InvalidSignatureException", "ExpiredTokenException", "InvalidClientTokenId":
		return verdict{kind: fault.Permanent, effect: fault.EffectNone, actor: fault.ActorOperator, action: "check the role of the function and its clock"}, true
	}
	return verdict{}, false
}

// classify gives err a kind. A read may always be repeated; a write whose answer is missing is Unknown.
func classify(op string, err error, write bool) error {
	if err == nil || fault.As(err) != nil {
		return err
	}
	e := &fault.Error{Kind: fault.Unknown, Op: op, Effect: fault.EffectUnknown, Err: err}
	if !write {
		e.Kind, e.Effect = fault.Retryable, fault.EffectNone
	}
	var re *awshttp.ResponseError
	status := 0
	if errors.As(err, &re) {
		e.LogID, status = re.ServiceRequestID(), re.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		e.Code = api.ErrorCode()
		if v, ok := codes(e.Code); ok {
			e.Kind, e.Effect, e.Quota, e.Actor, e.Action = v.kind, v.effect, v.quota, v.actor, v.action
			return e
		}
		if status >= 400 && status < 500 {
			e.Kind, e.Effect, e.Actor = fault.Permanent, fault.EffectNone, fault.ActorOperator
		}
		return e
	}
	if neverSent(err) {
		e.Kind, e.Effect = fault.Retryable, fault.EffectNone
	}
	return e
}

// neverSent tells errors that came before the first byte of a request.
func neverSent(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var dns *net.DNSError
	var nop *net.OpError
	return errors.As(err, &dns) || errors.As(err, &nop) && nop.Op == "dial"
}
