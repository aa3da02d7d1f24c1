package youku

import (
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// Step is a call, as the table of codes and the goldens name it.
type Step string

// The calls that this package makes to Youku.
const (
	StepCreate  Step = "create"
	StepSTS     Step = "get_sts_inf"
	StepCommit  Step = "commit" // Publish: the one that is never repeated blindly
	StepCancel  Step = "cancel"
	StepShow    Step = "show"
	StepRefresh Step = "refresh"
)

// Class is the reference's word for who reacts (section 8).
type Class string

// The ten classes; sts belongs to OSS's own errors (shared/oss).
const (
	ClassRetry     Class = "retry"
	ClassRefresh   Class = "refresh"
	ClassRelogin   Class = "relogin"
	ClassConfig    Class = "config"
	ClassUser      Class = "user"
	ClassRecreate  Class = "recreate"
	ClassDuplicate Class = "duplicate"
	ClassPermanent Class = "permanent"
	ClassLegacy    Class = "legacy"
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
	Spellings []int64 // other numbers under which the documents print the same
	Class     Class
	Meaning   string
	MeaningZH string

	Kind   fault.Kind
	Effect fault.Effect // EffectNone only where the refusal is proven; it matters on commit

	AssetKept bool // on commit: refused at the door, a later commit is as good
	Recreate  bool // the upload has to begin again at create: target.ErrSessionLost, on commit target.ErrAssetSpent
	Maybe     bool // on commit: an earlier one may have done it already
	Quota     bool
	Wait      time.Duration // how long to wait at least, if the answer does not say

	Actor  fault.Actor
	Action Action
	Advice string // one sentence for people

	Field, Rule string // of our input, where it is at fault
}

// Codes lists every known code in order of number. The slice is the caller's.
func Codes() []Code {
	rows := table()
	slices.SortFunc(rows, func(a, b Code) int { return int(min(max(a.Code-b.Code, -1), 1)) })
	return rows
}

// lookup finds the row of a code, whichever way it is spelt.
func lookup(code int64) (Code, bool) {
	for _, r := range table() {
		if r.Code == code || slices.Contains(r.Spellings, code) {
			return r, true
		}
	}
	return Code{}, false
}

// harmless tells whether repeating a step whose outcome is open does no harm. A second create leaves an orphan and could
// count as a duplicate, a second refresh may use a token that has rotated.
func harmless(s Step) bool { return s == StepSTS || s == StepCancel || s == StepShow }

// EffectAt is the effect at a step: on commit a code that an earlier commit explains as well proves nothing.
func (c Code) EffectAt(s Step) fault.Effect {
	if c.Maybe && s == StepCommit {
		return fault.EffectUnknown
	}
	return c.Effect
}

// KindAt is the kind at a step: what leaves the effect open is Unknown where a repeat is not harmless.
func (c Code) KindAt(s Step) fault.Kind {
	if s == StepCommit && c.EffectAt(s) == fault.EffectUnknown || c.Effect == fault.EffectUnknown && !harmless(s) {
		return fault.Unknown
	}
	return c.Kind
}
