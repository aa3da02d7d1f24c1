// Package fake is what every fake platform of the one-machine stack shares: faults that are injected on request, the
// log of what was asked, the effects that were counted, and the control calls that show all three. It exists so that
// each fake only has to know its platform, and so that every fake misbehaves in the same words.
//
// It must not know any platform: no path, no code, no envelope. A fake hands over hooks (Hooks) for those. It is never
// linked into a deployed function.
//
// # Control calls
//
// All of them live under /_fake/ and, when a key is set, want it in the header X-Vodlift-Key.
//
//	GET    /_fake/effects    posts and assets made so far (Effects)
//	GET    /_fake/requests   what was asked, newest last, in a bounded ring (?since=N), with counters per operation
//	GET    /_fake/faults     the faults still armed
//	POST   /_fake/faults     arm one fault (Fault as JSON, Content-Type application/json)
//	DELETE /_fake/faults     disarm all
//
// # How a request runs
//
// Panel.Serve takes a request through four moments: it is logged, a fault may strike before the effect, the platform's
// own code runs (the effect is durable when it returns), a fault may strike after the effect. A fault that strikes
// before the effect never runs the platform's code, so nothing can have happened; one that strikes after it always has.
// A client that left early does not stop an effect: that is the dangerous case, so that is what the fake does.
package fake
