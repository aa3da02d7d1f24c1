// Package youku is a fake Youku Open Platform: a faithful server of the upload calls, written from the project's Youku
// reference ("ref." in comments below; "ref. 4.1" is its section). It exists so that everything that talks to Youku can
// be tried, and shown to people, without Youku. It must not know our adapter, nor how the object storage works: it sees
// stored objects only through Storage. Nor is it kinder than the platform: where no source settles a question the
// default is what the reference assumes or, where it assumes nothing, the reading that costs a careless client most; the
// other reading is a switch (Readings).
//
// # Operations
//
// Faults, counters and the request log use these names:
//
//	refresh_token   POST /oauth2/token.json          ref. 3
//	create          /uploads/create.json             ref. 4
//	get_sts_inf     /uploads/get_sts_inf.json        ref. 5
//	commit          /uploads/commit.json             ref. 7: the irreversible call, one post for one upload
//	cancel          GET /uploads/cancel.json         ref. 1
//	show            GET /videos/show.json            ref. 7
//	unknown         any other path
//
// # Order of the checks
//
// Method, form of the body, parameters present (1012), client_id (1004, 1005), calls in this hour (1003), access token
// (1007, 1008, 1009), then the call's own rules; of create: plain parameters (1013), title, tags, description, password,
// size, duplicate, open uploads (ref. 10). A client may not depend on it.
//
// An absent client_id or access_token is 1004 or 1007 and not 1012, which would leave those codes without a use; a title
// or tags that are sent but empty are 120010101 or 120010121.
//
// # What is on disk
//
// Options.Dir holds state.json: accounts with their tokens, uploads, videos. It is replaced atomically and is on disk
// before the answer goes out, so a process killed at any moment comes back as the platform that had already answered.
// Faults, the request log, and the calls counted in an hour are in memory only. The bytes are the object storage's.
//
// The slice upload of isnew=0 (ref. 9) is not served: create answers it in its own form, and no such upload can ever be
// committed.
package youku
