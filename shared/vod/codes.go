package vod

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// What callers branch on; found with errors.Is. Each comes inside a *fault.Error.
var (
	// ErrNotFound: there is no such video (any more), or job, or setting.
	ErrNotFound = errors.New("VOD knows nothing by this id")
	// ErrNotPlayable: the video's status forbids playing; it may still become playable.
	ErrNotPlayable = errors.New("the video cannot be played in its present status")
)

// Step is a call, by the name of the platform's own operation.
type Step string

// The calls that this package makes.
const (
	StepCreateVideo  Step = "CreateUploadVideo"
	StepRefreshVideo Step = "RefreshUploadVideo"
	StepCreateImage  Step = "CreateUploadImage"
	StepVideoInfo    Step = "GetVideoInfo"
	StepPlayInfo     Step = "GetPlayInfo"
	StepPlayAuth     Step = "GetVideoPlayAuth"
	StepUpdate       Step = "UpdateVideoInfo"
	StepDelete       Step = "DeleteVideo"
	StepSnapshot     Step = "SubmitSnapshotJob"
	StepAudit        Step = "SubmitAIMediaAuditJob"
	StepAuditJob     Step = "GetAIMediaAuditJob"
	StepTranscode    Step = "SubmitTranscodeJobs"
	StepList         Step = "GetVideoList"
	StepSetCallback  Step = "SetMessageCallback"
	StepGetCallback  Step = "GetMessageCallback"
	StepDropCallback Step = "DeleteMessageCallback"
	StepAssumeRole   Step = "AssumeRole"
)

// Steps lists every call. The slice is the caller's.
func Steps() []Step {
	return []Step{StepCreateVideo, StepRefreshVideo, StepCreateImage, StepVideoInfo, StepPlayInfo, StepPlayAuth, StepUpdate, StepDelete, StepSnapshot,
		StepAudit, StepAuditJob, StepTranscode, StepList, StepSetCallback, StepGetCallback, StepDropCallback, StepAssumeRole}
}

// harmless tells whether repeating a step whose outcome is open does no harm. A second create leaves an orphan, a second
// job costs money.
func harmless(s Step) bool {
	return !slices.Contains([]Step{StepCreateVideo, StepCreateImage, StepSnapshot, StepAudit, StepTranscode}, s)
}

// Action is the safe thing to do (design 4.12).
type Action string

// The five actions.
const (
	ActRetry Action = "retry"
	ActWait  Action = "wait until"
	ActLogin Action = "log in again"
	ActEdit  Action = "edit"
	ActNever Action = "never"
)

// Code is one row of the platform's table of errors.
type Code struct {
	Code      string
	Status    int    // that it comes with
	At        []Step // where the reference names it; empty: everywhere
	Meaning   string
	MeaningZH string

	Kind   fault.Kind
	Effect fault.Effect // of the refused call
	Key    bool         // it is the signing key that was refused: whose, decides the kind
	Is     error        // one of this package's sentinels, or nil
	Quota  bool
	Wait   time.Duration // how long to wait at least, if the answer does not say

	Actor  fault.Actor
	Action Action
	Advice string // one sentence for people

	Field, Rule string // of our input, where it is at fault
}

// Codes lists every known code in order of status and name. The slice is the caller's.
func Codes() []Code {
	rows := table()
	slices.SortStableFunc(rows, func(a, b Code) int {
		if a.Status != b.Status {
			return a.Status - b.Status
		}
		return strings.Compare(a.Code, b.Code)
	})
	return rows
}

// lookup takes a code however its capitals are set: the documents are not of one mind (ServiceUnAvailable).
func lookup(code string) (Code, bool) {
	for _, r := range table() {
		if strings.EqualFold(r.Code, code) {
			return r, true
		}
	}
	return Code{}, false
}

// KindAt is the kind at a step: what leaves the effect open is Unknown where a repeat is not harmless.
func (c Code) KindAt(s Step) fault.Kind {
	if c.Kind == fault.Retryable && c.Effect == fault.EffectUnknown && !harmless(s) {
		return fault.Unknown
	}
	return c.Kind
}

// unlisted is a code that the table does not have. Families have names of one form.
func unlisted(code string, status int) Code {
	c := Code{Code: code, Status: status, Meaning: "a code that is not in the table", Kind: fault.Permanent, Actor: fault.ActorOperator, Action: ActNever,
		Advice: "This code is not in the table; ask the platform's support, with the request id."}
	switch {
	case strings.HasPrefix(code, "Throttling"):
		c.Kind, c.Effect, c.Quota, c.Actor, c.Action, c.Advice = fault.Retryable, fault.EffectNone, true, fault.ActorUs, ActWait, waits
	case strings.HasPrefix(code, "InvalidSecurityToken"), strings.HasPrefix(code, "InvalidAccessKeyId"):
		c.Key, c.Effect = true, fault.EffectNone
	case status >= 500:
		c.Kind, c.Actor, c.Action, c.Advice = fault.Retryable, fault.ActorPlatform, ActRetry, goesOn
	}
	return c
}
