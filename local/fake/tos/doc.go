// Package tos is a fake of the object storage behind Douyin's creator web: a faithful server of steps 3 and 3b of the
// web flow, written from part B of the project's Douyin reference ("ref." in comments below; "ref. B.1" is its section).
// It exists so that everything that sends bytes there can be tried, and shown to people, without Douyin. It must not know
// who may upload what, nor what becomes of an object: the platform in front of it signs (Sign), looks (Stat, Open) and
// takes over (Taken). Nor is it kinder than the platform: where no source settles a question the default is what the
// reference assumes or, where it assumes nothing, the reading that costs a careless client most; the other reading is a
// switch (Readings).
//
// # Operations
//
// Faults, counters and the request log use these names; every path is /<oid>:
//
//	upload   POST or PUT, no query                   the whole object in one request
//	open     POST ?uploads                           begins an upload in chunks
//	chunk    PUT or POST ?partNumber=N&uploadID=ID   one chunk
//	close    POST ?uploadID=ID                       ends it, body "1:<crc>,2:<crc>"
//	unknown  anything else
//
// Requests name no account, so faults here are for no account. A fault's Token, of whichever word, ends the life of the
// signature for the object at hand.
//
// # Order of the checks
//
// Method and query, Content-Length, authorization (form, signature, object, deadline), upload id, chunk number, content
// type, form of the checksum, bytes, checksum, size, order. A client may not depend on it.
//
// # What is on disk
//
// Options.Dir holds state.json (the signing key, open uploads, objects), parts/<upload>/<n> and objects/<name>. Each is
// replaced atomically and is on disk before the answer goes out, so a process killed at any moment comes back as the
// storage that had already answered. Faults, the request log and counters are in memory only.
package tos
