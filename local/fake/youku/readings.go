package youku

import (
	"errors"
	"fmt"
	"slices"
)

// Readings are the questions that the reference marks unconfirmed or where its sources contradict each other, each with
// the answers a client must survive. The first word named is the default.
type Readings struct {
	Get           string // "accept" create, get_sts_inf and commit by GET as the SDKs send them, "refuse" with 1010 (ref. 1)
	ClientSecret  string // "unused", "required" on a refresh as the retired endpoint did (ref. 3)
	Rotation      string // "rotate" the refresh token, "same" again as in the seed's example, "omit" it (ref. 3)
	FormerRefresh string // "dead", "works": the refresh token before the last rotation, until the new one is used (ref. 3)
	FormerAccess  string // "dead" with 1008, "works" to its end: access tokens before the last refresh (no source)
	TokenType     string // "bearar" (sic), "bearer" (ref. 3)
	CreateStatus  int    // 201, 200 (ref. 2)
	TagCommas     string // "ascii": a full-width comma is part of a tag, "both" separate tags (ref. 4.2)
	Thumbnail     string // "url" or 1013, "any" (ref. 4.1)
	DuplicateOf   string // "committed" videos, also "created" uploads, "none" (ref. 8.6)
	SecondTask    string // "accept" a commit whose bytes were published from another upload meanwhile, "refuse" 120010111 (no source)
	InstantUpload string // "off", "on": bytes that any account published answer instant_upload_ok=yes and need no object (ref. 4.3)
	SecondCommit  string // "invalid" 120010151, "duplicate_token" 120010216, "duplicate" 120010221, "same" id again (ref. 7)
	HashCheck     string // "commit", "transcode": commit succeeds and the video ends in state fail (ref. 6)
	AfterHash     string // "spent": an upload whose hash was refused is gone, "open": commit may be tried again (no source)
	Cancel        string // "drops" the upload, "ignored": answers and does nothing (ref. 1)
	HashCode      int    // 12001010225 as printed, 120010225, 120010218 (ref. 4.2, 6)
	TagCode       int    // 120010123, 102210123 as the English list prints it (ref. 4.2)
	QuotaCode     int    // 1003, 1006: too many calls in an hour (ref. 1)
}

// fill sets defaults and refuses what is neither reading.
func (r *Readings) fill() error {
	return errors.Join(
		one("Get", &r.Get, "accept", "refuse"),
		one("ClientSecret", &r.ClientSecret, "unused", "required"),
		one("Rotation", &r.Rotation, "rotate", "same", "omit"),
		one("FormerRefresh", &r.FormerRefresh, "dead", "works"),
		one("FormerAccess", &r.FormerAccess, "dead", "works"),
		one("TokenType", &r.TokenType, "bearar", "bearer"),
		one("CreateStatus", &r.CreateStatus, 201, 200),
		one("TagCommas", &r.TagCommas, "ascii", "both"),
		one("Thumbnail", &r.Thumbnail, "url", "any"),
		one("DuplicateOf", &r.DuplicateOf, "committed", "created", "none"),
		one("SecondTask", &r.SecondTask, "accept", "refuse"),
		one("InstantUpload", &r.InstantUpload, "off", "on"),
		one("SecondCommit", &r.SecondCommit, "invalid", "duplicate_token", "duplicate", "same"),
		one("HashCheck", &r.HashCheck, "commit", "transcode"),
		one("AfterHash", &r.AfterHash, "spent", "open"),
		one("Cancel", &r.Cancel, "drops", "ignored"),
		one("HashCode", &r.HashCode, 12001010225, 120010225, 120010218),
		one("TagCode", &r.TagCode, 120010123, 102210123),
		one("QuotaCode", &r.QuotaCode, 1003, 1006),
	)
}

func one[T comparable](name string, field *T, words ...T) error {
	setDefault(field, words[0])
	if !slices.Contains(words, *field) {
		return fmt.Errorf("fake youku: reading %s %v: want one of %v", name, *field, words)
	}
	return nil
}
