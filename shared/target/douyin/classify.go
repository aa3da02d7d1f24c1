package douyin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
)

// reply is an HTTP answer, read.
type reply struct {
	status     int
	retryAfter time.Duration
	logID      string
	body       []byte
}

// judge turns a reply into an answer or a classified error. Success is HTTP 200 and no code but 0 (reference A.1). On
// create everything that is not a listed refusal leaves the outcome open: a post may exist.
func (q request) judge(ctx context.Context, r reply, now time.Time) (answer, error) {
	if len(r.body) > maxAnswer {
		return answer{}, q.overHTTP(r, "the answer is too large")
	}
	env, err := decodeEnvelope(r.body)
	if env.logID == "" {
		env.logID = printable(r.logID, nil)
	}
	switch {
	case err != nil:
		return answer{}, q.overHTTP(r, "the answer is not in the platform's form")
	case !env.ok():
		return answer{}, q.refused(env, r, now)
	case r.status != http.StatusOK:
		f := q.overHTTP(r, "no success")
		f.LogID = printable(env.logID, q.secrets)
		return answer{}, f
	}
	return answer{q: q, env: env}, nil
}

// refused classifies an answer with a code.
func (q request) refused(env envelope, r reply, now time.Time) *fault.Error {
	code, row, listed := q.pick(env)
	f := &fault.Error{Kind: fault.Permanent, Op: q.op, After: r.retryAfter, Code: strconv.FormatInt(code, 10), LogID: printable(env.logID, q.secrets),
		Actor: fault.ActorOperator, Action: "This code is not in the table; give it and the log id to the platform's support."}
	words := printable(env.words, q.secrets)
	if env.sub != 0 && env.sub != code {
		words += fmt.Sprintf(" (sub code %d)", env.sub)
	}
	if !listed {
		if q.step == StepCreate {
			f.Kind = fault.Unknown // not provably refused
		}
		f.Err = fmt.Errorf("unlisted code: %s", words)
		return f
	}
	f.Kind, f.Effect, f.AssetKept, f.Quota = row.KindAt(q.step), row.Effect, row.AssetKept, row.Quota
	f.Actor, f.Action, f.Field, f.Rule = row.Actor, row.Advice, row.Field, row.Rule
	if f.After == 0 {
		f.After = row.wait(now)
	}
	f.Err = fmt.Errorf("%s: %s", row.Meaning, words)
	if q.step == StepCover && f.Kind == fault.Invalid { // whatever it says, the picture is all that was sent
		f.Field, f.Rule, f.Actor, f.Action = "cover.key", "a picture that the platform takes", fault.ActorOwner, "Use another picture, or a moment of the video (cover.at)."
	}
	switch {
	case row.Capability && publishing(q.step):
		f.Err = fmt.Errorf("%w: %w", target.ErrCapability, f.Err)
		f.Action = q.apply()
	case row.SessionLost && (q.step == StepPart || q.step == StepComplete):
		f.Err = fmt.Errorf("%w (or %w)", target.ErrSessionLost, f.Err)
		f.Actor, f.Action = fault.ActorUs, "A new session is opened and the file sent again; if that is refused too, compare the part with the reference."
	case row.AssetSpent && q.step == StepCreate:
		f.Err = fmt.Errorf("%w: %w", target.ErrAssetSpent, f.Err)
	}
	if f.Effect == fault.EffectNone && q.contradicts(env, r) {
		f.Kind, f.Effect, f.AssetKept = fault.Unknown, fault.EffectUnknown, false
		f.Err = errors.New("a code, and signs of success or of a failed gateway beside it: " + words)
	}
	return f
}

// apply says which ability is wanting, and where it is asked for (reference A, "Availability").
func (q request) apply() string {
	ability := q.scope
	switch q.step {
	case StepTicket:
		ability = "open.get.ticket (发布内容至抖音: 获取 openTicket)"
	case StepShareID:
		ability = "aweme.share and h5.share (发布内容至抖音: H5 场景)"
	}
	if ability == "" {
		ability = "the ability that is wanting"
	}
	return "Apply for " + ability + " in the Douyin console, under the app's abilities (能力管理), then retry; where the account allows a hand-over, its owner can publish by hand."
}

// pick chooses the code that decides: the first listed one for this step.
func (q request) pick(env envelope) (int64, Code, bool) {
	codes := env.codes
	if len(codes) == 0 {
		codes = []int64{env.sub}
	}
	for _, c := range codes {
		if row, ok := lookup(c, q.step); ok {
			return c, row, true
		}
	}
	return codes[0], Code{}, false
}

// contradicts is asked where a repeat does harm: an error code proves a refusal only if everything else in the answer
// agrees.
func (q request) contradicts(env envelope, r reply) bool {
	if harmless(q.step) {
		return false
	}
	if r.status >= 500 || r.status < 200 || r.status >= 300 && r.status < 400 {
		return true
	}
	for _, c := range env.codes {
		if row, ok := lookup(c, q.step); !ok || row.Effect != fault.EffectNone {
			return true
		}
	}
	if q.step == StepCreate {
		var d struct {
			ItemID string `json:"item_id"`
		}
		answer{env: env}.data(&d)
		return d.ItemID != ""
	}
	return false
}

// wait is how long a quota lasts, as far as the table knows. The day's end in China is unconfirmed.
func (c Code) wait(now time.Time) time.Duration {
	if !c.WaitDay {
		return c.Wait
	}
	there := now.In(china())
	midnight := time.Date(there.Year(), there.Month(), there.Day()+1, 0, 0, 0, 0, there.Location())
	return midnight.Sub(now)
}

// overHTTP classifies an answer that has no code of the platform: a gateway's page, cut JSON, another status. None of it
// proves a refusal: on create and complete the outcome stays open.
func (q request) overHTTP(r reply, msg string) *fault.Error {
	f := q.open(fmt.Sprintf("HTTP %d, %s", r.status, msg))
	f.After, f.LogID = r.retryAfter, printable(r.logID, nil)
	if q.step == StepCreate || r.status == http.StatusOK {
		return f
	}
	switch s := r.status; {
	case s == http.StatusUnauthorized:
		f.Kind, f.Actor, f.Action = fault.TokenExpired, fault.ActorUs, "The token is refreshed and the call repeated."
	case s == http.StatusTooManyRequests:
		f.Quota, f.Action = true, "It goes on by itself when the platform has time."
		if harmless(q.step) {
			f.Kind = fault.Retryable
		}
	case s == http.StatusRequestTimeout || s == http.StatusTooEarly || s >= 500:
		// as open says
	case s == http.StatusRequestEntityTooLarge:
		f.Kind, f.Field, f.Rule, f.Actor, f.Action = fault.Invalid, "source.size", "what the platform takes at once", fault.ActorOperator, "Lower the part size of this target."
	case s >= 300:
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorOperator, "Check the target's address and generation."
	}
	return f
}
