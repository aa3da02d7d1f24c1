// Package douyin is a fake Douyin Open Platform: a faithful server written from part A of the project's Douyin
// reference ("ref." in comments below; "ref. A.6" is its section). It exists so that everything that talks to Douyin can
// be tried, and shown to people, without Douyin. It must not know our adapter, nor be kinder than the platform: where no
// source settles a question the default is the reading that costs a careless client most or the one the reference
// assumes, and the other reading is a switch (Readings).
//
// # Operations
//
// Faults, counters and the request log use these names:
//
//	authorize access_token refresh_token renew_refresh_token client_token stable_client_token   OAuth (ref. A.2)
//	upload part_init part_upload complete create list data delete image_upload                  publish (ref. A.3)
//	ticket share_id                                                                             hand-over (share.go)
//	unknown                                                                                     any other path
//
// # Order of the checks of a publish call
//
// path and method, app of the token, generation, place of the token, token known, token live, state of the app, token
// belongs to open_id, ability held by the app, scope granted by the user, state of the user, quota and rate, then the
// parameters and the body. No source gives the platform's own order; a client may not depend on it.
//
// # What is on disk
//
// Everything lives under Options.Dir: state.json (apps' tokens, accounts, uploads, videos, posts), parts/<session>/<n>
// and, with Options.KeepBytes, assets/<video>. Each is replaced atomically and is on disk before the answer goes out,
// so a process killed at any moment comes back as the platform that had already answered. Faults, the request log and
// the counters of rate limits are in memory only.
//
// Webhooks (ref. A.10) are sent on demand only: Publish makes the create_video event of a link that a person opened, and
// Webhook.Deliver carries it.
package douyin
