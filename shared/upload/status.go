package upload

import "sync"

// Status is where an upload stands (design 1).
type Status string

// The statuses. A reason in brackets, kept beside it, says why.
const (
	Waiting    Status = "WAITING"    // nothing to do before a due time, a slot, the end of a pause
	Uploading  Status = "UPLOADING"  // session open
	Completing Status = "COMPLETING" // all parts received
	Publishing Status = "PUBLISHING" // from the intent to the answer, looks included
	Processing Status = "PROCESSING" // posted, Watch
	Published  Status = "PUBLISHED"
	Held       Status = "HELD"
	Failed     Status = "FAILED"
	Cancelled  Status = "CANCELLED"
	NeedsLogin Status = "NEEDS_LOGIN"
)

// Event is what happens to an upload; the table below says what follows.
type Event string

// The events that change a status.
const (
	EvWait     Event = "wait"     // a due time, a slot, a pause, a quota
	EvOpened   Event = "opened"   // a session is open
	EvReceived Event = "received" // every part has its receipt
	EvIntent   Event = "intent"   // the intent is recorded
	EvRefused  Event = "refused"  // the platform provably refused the publish; the intent is closed
	EvPosted   Event = "posted"   // the post is known
	EvLive     Event = "live"     // the platform shows it
	EvHeld     Event = "held"     // a person has to decide
	EvFailed   Event = "failed"
	EvCancel   Event = "cancel"
	EvLogin    Event = "login"   // a person has to log in
	EvRestart  Event = "restart" // next generation by an operator, a login or the sweep
	EvLost     Event = "lost"    // session or asset is gone: start again at Init
)

// Events lists every event.
func Events() []Event {
	return []Event{EvWait, EvOpened, EvReceived, EvIntent, EvRefused, EvPosted, EvLive, EvHeld, EvFailed, EvCancel, EvLogin, EvRestart, EvLost}
}

// Meaning says in words what happened, for documents and people.
func (ev Event) Meaning() string {
	switch ev {
	case EvWait:
		return "nothing can be done before a due time, a free slot, the end of a pause or of a quota"
	case EvOpened:
		return "a session is open at the platform"
	case EvReceived:
		return "every part has its receipt"
	case EvIntent:
		return "the intent to publish is recorded"
	case EvRefused:
		return "the platform provably refused the publish"
	case EvPosted:
		return "the post is known, perhaps by a late answer"
	case EvLive:
		return "the platform shows the post"
	case EvHeld:
		return "a person has to decide"
	case EvFailed:
		return "it cannot succeed as it is"
	case EvCancel:
		return "a person cancelled it"
	case EvLogin:
		return "the account's owner has to log in"
	case EvRestart:
		return "the next generation is started: by a person, a login or the sweep"
	case EvLost:
		return "the session or the asset is gone; the upload starts again"
	}
	return ""
}

// Rule is one row of the table of state rules.
type Rule struct {
	From Status
	On   Event
	To   Status
	// IntentClosed: only in a transaction that also closes the intent, or finds none open. While one is open nobody may
	// reach a status that a cancel or a new upload could leave from (design 4.1, 4.3).
	IntentClosed bool
}

// Rules is the table: what is not in it may not happen.
func Rules() []Rule {
	var rs []Rule
	add := func(on Event, to Status, from ...Status) {
		for _, f := range from {
			// PUBLISHING and HELD are the statuses an open intent is kept in; PROCESSING and PUBLISHED have its answer.
			open := f == Publishing || f == Held
			known := to == Processing || to == Published || to == Held
			rs = append(rs, Rule{f, on, to, open && !known})
		}
	}
	keep := func(on Event, from ...Status) {
		for _, f := range from {
			rs = append(rs, Rule{From: f, On: on, To: f})
		}
	}
	add(EvWait, Waiting, Waiting, Uploading, Completing, Publishing)
	add(EvOpened, Uploading, Waiting, Uploading, Completing)
	add(EvReceived, Completing, Uploading, Completing, Waiting)
	add(EvIntent, Publishing, Waiting, Uploading, Completing, Publishing)
	add(EvRefused, Waiting, Publishing)
	// A post is a fact whenever it is learnt, also by a late answer to an attempt that was given up.
	add(EvPosted, Processing, Waiting, Uploading, Completing, Publishing, Processing, Held, Failed, Cancelled, NeedsLogin)
	keep(EvPosted, Published) // one more post is recorded and announced; what is public stays so
	add(EvLive, Published, Waiting, Publishing, Processing, Published, Held, Failed, NeedsLogin)
	add(EvHeld, Held, Waiting, Uploading, Completing, Publishing, Processing, Held)
	add(EvFailed, Failed, Waiting, Uploading, Completing, Publishing, Processing)
	add(EvCancel, Cancelled, Waiting, Uploading, Completing, Failed, NeedsLogin, Cancelled)
	add(EvLogin, NeedsLogin, Waiting, Uploading, Completing, Publishing, Processing, NeedsLogin)
	add(EvRestart, Waiting, Waiting, Failed, NeedsLogin, Held)
	keep(EvRestart, Uploading, Completing, Publishing, Processing) // the next generation goes on where the last one was
	add(EvLost, Waiting, Waiting, Uploading, Completing, Publishing)
	return rs
}

// Statuses lists every status, in the order of an upload's life.
func Statuses() []Status {
	return []Status{Waiting, Uploading, Completing, Publishing, Processing, Published, Held, Failed, Cancelled, NeedsLogin}
}

// Next gives the status that ev leads to from s, and false where the table has no such row. A row marked IntentClosed
// asks more of its caller; see Rule.
func Next(s Status, ev Event) (Status, bool) {
	if to, ok := outcomes()[step{s, ev}]; ok {
		return to, true
	}
	return s, false
}

// step is what a row of Rules is found by.
type step struct {
	from Status
	on   Event
}

// outcomes holds Rules for Next, which is asked at every change of a status.
var outcomes = sync.OnceValue(func() map[step]Status {
	t := map[step]Status{}
	for _, r := range Rules() {
		t[step{r.From, r.On}] = r.To
	}
	return t
})

// Terminal statuses end a generation; only a verb of a person, a login or a late answer leaves them.
func (s Status) Terminal() bool {
	switch s {
	case Published, Held, Failed, Cancelled, NeedsLogin:
		return true
	}
	return false
}
