package youku

import (
	"bytes"
	"encoding/json"
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
	date       string
	body       []byte
}

// judge turns a reply into an answer or a classified error, by the parsing order of reference section 2. On commit
// everything that is not a listed refusal leaves the outcome open.
func (q request) judge(r reply, now time.Time) (answer, error) {
	if len(r.body) > maxAnswer {
		return answer{}, q.overHTTP(r, "the answer is too large")
	}
	body, failed := decode(r.body)
	switch {
	case failed != nil:
		return answer{}, q.refused(failed, body, r)
	case body == nil || r.status/100 != 2:
		return answer{}, q.overHTTP(r, q.excerpt(r.body))
	}
	return answer{q: q, body: body, at: now, date: r.date}, nil
}

// excerpt shows what came instead of an answer, unless it could hold a credential.
func (q request) excerpt(b []byte) string {
	t := bytes.TrimSpace(b)
	switch {
	case len(t) == 0:
		return "without a body"
	case t[0] != '<' && (q.step == StepCreate || q.step == StepSTS || q.step == StepRefresh):
		return "not in the platform's form"
	}
	return "not in the platform's form: " + printable(string(t[:min(len(t), 512)]), q.secrets)
}

// refused classifies an answer with a code.
func (q request) refused(e *apiError, body json.RawMessage, r reply) *fault.Error {
	f := &fault.Error{Kind: fault.Permanent, Op: q.op, After: r.retryAfter, Code: strconv.FormatInt(e.code, 10), Actor: fault.ActorOperator,
		Action: "This code is not in the table; ask the platform's support."}
	words := printable(e.words, q.secrets)
	row, listed := lookup(e.code)
	if !listed {
		q.unlisted(f, e, words)
		return f
	}
	f.Kind, f.Effect, f.AssetKept, f.Quota = row.KindAt(q.step), row.EffectAt(q.step), row.AssetKept, row.Quota
	f.Actor, f.Action, f.Field, f.Rule = row.Actor, row.Advice, row.Field, row.Rule
	if f.After == 0 {
		f.After = row.Wait
	}
	f.Err = fmt.Errorf("%s: %s", row.Meaning, words)
	switch {
	case row.Maybe && q.step == StepCommit:
		f.Actor, f.Action = fault.ActorUs, "The video is looked at: an earlier commit may have done it."
	case row.Recreate && q.step == StepSTS:
		f.Kind, f.Err = fault.Permanent, fmt.Errorf("%w: %w", target.ErrSessionLost, f.Err)
	case row.Recreate && q.step == StepCommit:
		f.Kind, f.Err = fault.Retryable, fmt.Errorf("%w: %w", target.ErrAssetSpent, f.Err)
	}
	if q.step == StepCommit && f.Effect == fault.EffectNone && contradicts(body, r.status) {
		f.Kind, f.Effect, f.AssetKept = fault.Unknown, fault.EffectUnknown, false
		f.Err = errors.New("a code, and signs of success or of a failed gateway beside it: " + words)
	}
	return f
}

// unlisted is reference section 8, last line: 1000..1999 and 13001xxxx are permanent, others are tried again. It proves
// nothing on commit and create.
func (q request) unlisted(f *fault.Error, e *apiError, words string) {
	f.Err = fmt.Errorf("unlisted code: %s", words)
	if e.code == 0 {
		f.Code, f.Err = "", fmt.Errorf("an error without a readable code: %s", words)
	}
	switch {
	case q.step == StepCommit:
		f.Kind = fault.Unknown
	case e.code >= 1000 && e.code <= 1999 || e.code/10000 == 13001:
	case harmless(q.step):
		f.Kind = fault.Retryable
	default:
		f.Kind = fault.Unknown
	}
}

// contradicts: an error code proves a refusal only if everything else in the answer agrees.
func contradicts(body json.RawMessage, status int) bool {
	if status >= 500 || status < 200 || status/100 == 3 {
		return true
	}
	var d struct {
		VideoID string `json:"video_id"`
	}
	return body != nil && json.Unmarshal(body, &d) == nil && d.VideoID != ""
}

// overHTTP classifies an answer that has no code of the platform: a gateway's page, cut JSON, another status. None of it
// proves a refusal of a commit.
func (q request) overHTTP(r reply, msg string) *fault.Error {
	f := q.open(fmt.Sprintf("HTTP %d, %s", r.status, msg))
	f.After = r.retryAfter
	if q.step == StepCommit || r.status/100 == 2 {
		return f
	}
	switch s := r.status; {
	case s == http.StatusUnauthorized:
		f.Kind, f.Actor, f.Action = fault.TokenExpired, fault.ActorUs, "The token is refreshed and the call repeated."
	case s == http.StatusTooManyRequests:
		f.Quota, f.Action = true, "It goes on by itself when the platform has time."
	case s == http.StatusRequestTimeout || s == http.StatusTooEarly || s >= 500:
		// as open says
	default:
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorOperator, "Check the target's address."
	}
	return f
}
