package douyin

import (
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// Step is a call, as the table of codes names it.
type Step string

// The calls that this package makes.
const (
	StepInit     Step = "init"
	StepUpload   Step = "upload" // the video in one request
	StepPart     Step = "part"
	StepComplete Step = "complete"
	StepCover    Step = "cover"  // a cover picture
	StepCreate   Step = "create" // Publish: the one that is never repeated blindly
	StepList     Step = "list"
	StepData     Step = "data"
	StepRefresh  Step = "refresh"
	StepRenew    Step = "renew"
	StepClient   Step = "client" // the app's own token, for the two below
	StepTicket   Step = "ticket" // of a hand-over
	StepShareID  Step = "share"  // of a hand-over
)

// Class is the reference's letter for who reacts (A.9).
type Class string

// The six classes.
const (
	ClassRetry     Class = "R" // retry with backoff; on create: look first
	ClassToken     Class = "T" // refresh the token, then once more
	ClassAuthorize Class = "A" // the user has to authorize again
	ClassRequest   Class = "P" // permanent for this request
	ClassQuota     Class = "Q" // wait
	ClassApp       Class = "X" // the app is misconfigured: stop the whole target
)

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
	Code      int64
	Steps     []Step // where it can come; elsewhere it counts as an unlisted code
	Class     Class
	Meaning   string
	MeaningZH string

	Kind   fault.Kind
	Effect fault.Effect // EffectNone only where the refusal is proven; it matters on create

	AssetKept   bool // on create: refused at the door, the video_id is still good
	AssetSpent  bool // on create: the video_id itself is the cause: target.ErrAssetSpent
	SessionLost bool // on part and complete: target.ErrSessionLost
	Capability  bool // at whatever publishes: target.ErrCapability
	Quota       bool
	Wait        time.Duration // how long a quota lasts at least, if the answer does not say
	WaitDay     bool          // until the next midnight in China

	Actor  fault.Actor
	Action Action
	Advice string // one sentence for people

	Field, Rule string // of our input, where it is at fault
}

// Codes lists every known code in order of number. The slice is the caller's.
func Codes() []Code {
	rows := table()
	slices.SortFunc(rows, func(a, b Code) int { return int(a.Code - b.Code) })
	return rows
}

// lookup finds the row of a code at a step.
func lookup(code int64, s Step) (Code, bool) {
	for _, r := range table() {
		if r.Code == code {
			return r, slices.Contains(r.Steps, s)
		}
	}
	return Code{}, false
}

// KindAt is the kind at a step: a code that asks to try again leaves the outcome open where a repeat is not harmless.
func (c Code) KindAt(s Step) fault.Kind {
	if c.Class == ClassRetry && !harmless(s) {
		return fault.Unknown
	}
	return c.Kind
}

// harmless tells whether repeating a step whose outcome is open does no harm: an orphan session or video_id ends by
// itself, and a part replaces itself.
func harmless(s Step) bool {
	switch s {
	case StepInit, StepUpload, StepPart, StepCover, StepList, StepData, StepClient, StepTicket, StepShareID:
		return true
	}
	return false
}
