// Package douyinweb is a fake of Douyin's creator web site and of the upload gateway behind it: a faithful server of
// steps 1, 2, 4 and 5 of the cookie flow, written from part B of the project's Douyin reference ("ref." in comments below;
// "ref. B.1" is its section). It exists so that everything that talks to them can be tried, and shown to people, without
// Douyin. It must not know our adapter, nor how the storage works: it sees stored objects only through Storage (step 3,
// local/fake/tos). Nor is it kinder than the platform: where no source settles a question the default is what the
// reference assumes or, where it assumes nothing, the reading that costs a careless client most; the other reading is a
// switch (Readings). Numbers of refusals are ours: no source has them (see answer.go).
//
// # Operations
//
// Faults, counters and the request log use these names:
//
//	upload_auth    GET /web/api/media/upload/auth/                              creator site, step 1
//	create         POST /web/api/media/aweme/create/                            creator site, step 5: the irreversible call
//	csrf           HEAD /web/api/media/anchor/search                            creator site
//	user_info      GET /web/api/media/user/info/                                creator site
//	item_list      GET /aweme/v1/creator/item/list/                             creator site; the form of its answer is assumed
//	work_list      GET /janus/douyin/creator/pc/work_list                       creator site; the form of its answer is assumed
//	login_page     GET /login                                                   where a redirect of the creator site leads
//	video_params   GET /video/openapi/v1/?action=GetVideoUploadParams           gateway, step 2
//	video_confirm  POST /video/openapi/v1/?action=UpdateVideoUploadInfos        gateway, step 4
//	unknown        anything else
//
// Server answers all of them under one host; Creator and Gateway are the same platform under a host each.
//
// # Order of the checks
//
// Creator site: method and path, session cookie, condition of the user, CSRF (create), content type, fields in the order
// of ref. B.1. Gateway: method and action, credential (form, key, signature, life), then the call's own rules. No source
// gives the platform's own order; a client may not depend on it.
//
// # What is on disk
//
// Options.Dir holds state.json: accounts with their sessions, slots, posts. It is replaced atomically and is on disk before
// the answer goes out, so a process killed at any moment comes back as the platform that had already answered. Faults, the
// request log and Leaks are in memory only.
//
// The newer flow (ref. B.2) is not served: its publish call carries values that only the site's own page can make.
package douyinweb
