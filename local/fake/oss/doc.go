// Package oss is a fake Alibaba Cloud Object Storage Service: a faithful server written from part (d) of the project's
// Alibaba reference ("ref." in comments below; "ref. d.4" is its section). It exists so that everything that stores
// videos on OSS (our Youku and VOD adapters, the OSS source) can be tried without a cloud account. It must not know
// those adapters, nor who issues the credentials it checks (ram.Credentials), nor be kinder than the platform: where no
// source settles a question the default is the reading that costs a careless client most, and the other reading is a
// switch (Readings).
//
// # Operations
//
// Faults, counters and the request log use these names:
//
//	put_object get_object head_object delete_object list_objects             objects (ref. d.1)
//	initiate upload_part complete abort list_parts list_uploads              multipart
//	options                                                                  a browser's preflight, by Bucket.CORS
//	unknown                                                                  anything else
//
// The account of a request, for faults and the log, is the owner of its access key (ram.Credential.Owner). Names that a
// fault may inject are the platform's codes: ErrorCodes.
//
// # Addresses
//
// bucket.endpoint/key for every endpoint in Options.Endpoints; /bucket/key on an IP address or localhost; /key on a host
// that Options.CNAMEs binds to a bucket. Control calls under /_fake/ are answered on an IP address or localhost only,
// since elsewhere that path is an object's key.
//
// # Order of the checks
//
// address, form of the request, credentials (key, token, clock, signature), bucket, policy, then the operation's own
// parameters and its body. No source gives the platform's own order; a client may not depend on it.
//
// # What is on disk
//
// Under Options.Dir, per bucket: objects/ and uploads/ hold one small JSON file each, data/ holds the bytes, a folder per
// object or open upload. A part's hashes are in its file name. Everything is replaced atomically and on disk before the
// answer goes out, so a process killed at any moment comes back as the server that had already answered. A completed
// upload's parts become the object where they lie; nothing is copied. Faults, the request log and what the panel shows
// are in memory only.
package oss
