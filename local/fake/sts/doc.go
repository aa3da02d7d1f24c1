// Package sts is a fake Alibaba Cloud Security Token Service: AssumeRole behind the RPC signature, written from part a.5
// of the project's Alibaba reference. It exists so that everything that works with temporary credentials can be tried
// without a cloud account: what it issues goes into a ram.Store, which the fake OSS honours and lets expire.
//
// It must not know OSS, nor any other service that takes its credentials.
//
// # Operations
//
// Faults, counters and the request log use these names: assume_role, unknown. Names of injected codes: Names.
//
// # Order of the checks
//
// Common parameters, clock, key, signature and nonce (package rpc), then RoleArn, RoleSessionName, DurationSeconds, size
// and grammar of Policy, the role, the longest session it permits, whom it trusts. No source gives the platform's own
// order; a client may not depend on it.
package sts
