// Package vod is a fake Alibaba Cloud ApsaraVideo VOD: a faithful server written from parts (a) and (b) of the project's
// Alibaba reference ("ref." in comments below; "ref. a.3" is its section). It exists so that everything that talks to VOD
// or is called back by it can be tried, and shown to people, without a cloud account. It must not know our adapter or our
// callback receiver, nor how the object storage works: it issues credentials through Keys and sees stored objects only
// through Objects. Nor is it kinder than the platform: where no source settles a question the default is what the
// reference assumes or, where it assumes nothing, the reading that costs a careless client most; the other one is a
// switch (Readings). Codes that no source confirms can be renamed (Options.Codes).
//
// # Operations
//
// Faults, counters and the request log use the platform's own names, as in CreateUploadVideo (Ops lists them); "unknown"
// is anything else. Names that a fault may inject are the platform's codes (ErrorCodes). The account of a request is the
// owner of its access key. One Server is one cloud account: every key it finds in Options.Keys may use it, as far as the
// key's policies allow vod:<operation>.
//
// # Order of the checks
//
// Common parameters, clock, key, signature and nonce (package rpc), the key's policy, quotas, parameters that are missing
// (MissingParameter), their form, limits, and what they name. A client may not depend on it.
//
// # Time
//
// A video's life goes on in steps that are due at a time (Pace). They are taken before every call and by a timer
// (Options.Tick), by the injected clock. That a file has arrived is told by ObjectStored, which the stack wires to the
// object storage, and is looked for through Objects as well, so that a file that came while the process was dead counts.
//
// # Callbacks
//
// Every event is written down before it is sent, sent with the platform's real retry policy (ref. b) and forgotten when
// it was answered with 200 or given up. Callbacks only ever go to this machine: any other host is refused. What the
// network may do to them is asked for by Mistreat; Forge and Replay send what a stranger might.
//
//	GET    /_fake/vod              videos, images and counts
//	GET    /_fake/callbacks        what was sent and how it was answered (?since=N), what waits, the rules
//	POST   /_fake/callbacks/rules  one Mistreatment as JSON
//	DELETE /_fake/callbacks/rules  all rules off
//	POST   /_fake/callbacks/release?order=same|reverse|shuffle  lets go what a rule holds
//	POST   /_fake/callbacks/forge  one Forgery as JSON; answers with the statuses it got
//	POST   /_fake/callbacks/replay?n=N  sends the newest N again as they were
//	POST   /_fake/scripts          one Script as JSON: how videos end
//
// These want Content-Type application/json and the control key, as the calls that package fake describes.
//
// # What is on disk
//
// Options.Dir holds state.json: videos, images, jobs, steps that are due, callbacks not yet answered, settings. It is
// replaced atomically and is on disk before the answer goes out, so a process killed at any moment comes back as the
// platform that had already answered. Faults, rules of mistreatment, the request log and the log of callbacks are in
// memory only. The bytes are the object storage's; no transcoding takes place, streams point to the source file.
package vod
