// Package ram is the part of Alibaba Cloud's access management that its fake services share: keys, temporary
// credentials with their end, and the policies that say what a key may do. It exists so that what one fake issues (STS,
// Youku, VOD) another one (OSS) honours, and lets expire.
//
// It must not know how a service signs its requests, nor any service's errors. It is never linked into a deployed
// function.
package ram
