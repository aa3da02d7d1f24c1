package youku

import (
	"maps"
	"slices"
)

// Class says what a client should do about a code (ref. 8).
type Class string

// The classes of ref. 8.
const (
	Retry     Class = "retry"     // the same request again with back-off
	Refresh   Class = "refresh"   // renew the access token, repeat once
	Relogin   Class = "relogin"   // a person must authorise again
	Config    Class = "config"    // an operator must correct settings
	User      Class = "user"      // content or metadata must be changed
	Recreate  Class = "recreate"  // start again at create
	Duplicate Class = "duplicate" // already there
	Permanent Class = "permanent" // give up
	Legacy    Class = "legacy"    // belongs to the slice upload, permanent here
)

// Code is one row of the error table, ref. 8.1 to 8.4. Where the table gives several classes, they stand in its order.
type Code struct {
	Code    int     `json:"code"`
	As      int     `json:"as,omitempty"` // of a second spelling: the row it belongs to (ref. 4.2)
	Text    string  `json:"text"`         // the description that the platform sends
	Classes []Class `json:"classes"`
}

// Codes returns the whole table in its order, both spellings of the misprinted codes included. The caller owns it. The
// texts are the English list's, slips of the pen and all; those of the Chinese list alone are translated.
func Codes() []Code {
	return slices.Concat(platformCodes(), metadataCodes(), serverCodes(), oauthCodes())
}

func row(code int, text string, classes ...Class) Code {
	return Code{Code: code, Text: text, Classes: classes}
}

func misprint(code, as int, text string, classes ...Class) Code {
	return Code{Code: code, As: as, Text: text, Classes: classes}
}

// platformCodes is ref. 8.1.
func platformCodes() []Code {
	return []Code{
		row(1001, "Service temporarily unavailable", Retry),
		row(1002, "Service exception occurred", Retry),
		row(1003, "access from this IP address is limited", Retry, Config),
		row(1004, "Null client id", Config),
		row(1005, "Invalid client id", Config),
		row(1006, "Permission denied,high level needed", Config),
		row(1007, "Null Access token", Refresh, Config),
		row(1008, "Invalid Access token", Refresh, Relogin),
		row(1009, "Expired Access token,refresh needed", Refresh),
		row(1010, "Must request via HTTP POST method", Permanent),
		row(1011, "Data format not supported", Permanent),
		row(1012, "Necessary parameter missing", Permanent),
		row(1013, "Invalid parameter", User),
	}
}

// metadataCodes is ref. 8.2.
func metadataCodes() []Code {
	return []Code{
		row(120010001, "Unknown error,Unknown error", Retry),
		row(120010004, "Unauthenticated", Refresh, Relogin),
		row(120010005, "Invalid upload token", Recreate),
		row(120010101, "Title cannot be empty", User),
		row(120010102, "Title cannot be more than 60 characters long,no matter Chinese,alphabetic or digital", User),
		row(120010104, "Banned content in tile", User),
		row(120010105, "Forbidden words in tile", User),
		row(120010106, "Forbidden words in tags", User),
		row(120010108, "Forbidden words in description", User),
		row(120010111, "Duplicated uploading by the same user", Duplicate),
		row(120010113, "Hit max file size limit", User),
		row(120010121, "Tags must not be empty", User),
		row(120010122, "More than 10 tages specified", User),
		row(120010123, "Sensitive words in tags", User),
		misprint(102210123, 120010123, "Sensitive words in tags", User),
		row(120010124, "Tag is less than 2 letters(updated)", User),
		row(120010125, "Tag is longer than 12 letters(updated)", User),
		row(120010141, "Banned content in description(new)", User),
		row(120010142, "Discription too long", User),
		row(120010145, "Watch password must be letters and digits, 32 at most", User),
		row(120010151, "Invalid upload task", Recreate),
		row(120010152, "Insert video metainfo error", Retry),
	}
}

// serverCodes is ref. 8.3.
func serverCodes() []Code {
	return []Code{
		row(120010205, "Invalid upload session id", Recreate),
		row(120010206, "Expired session", Recreate),
		row(120010207, "Invalid slice task id", Legacy),
		row(120010208, "Expired slice task", Legacy),
		row(120010210, "Hit max upload task limit", Retry),
		row(120010211, "Internal error:DB error", Retry),
		row(120010212, "Internal error:memory error", Retry),
		row(120010213, "Inernal error:disk error", Retry),
		row(120010215, "Too many connections", Retry),
		row(120010216, "Duplicated upload token", Recreate),
		row(120010217, "Internal error:output line too long", Permanent),
		row(120010218, "CRC check error", Recreate),
		row(120010219, "Resource unavailable", Retry),
		row(120010220, "Operation pending", Retry),
		row(120010221, "Duplicated operation", Duplicate),
		row(120010222, "Uploading server error:Fatal error", Retry, Recreate),
		row(120010223, "Expired upload token", Recreate),
		row(120010224, "Bad request", Permanent),
		row(12001010225, "Hash check error", Recreate, Permanent),
		misprint(120010225, 12001010225, "Hash check error", Recreate, Permanent),
		row(120010301, "Uploading server error:Damaged file", Recreate, Permanent),
		row(120020001, "The video clip does not exist", Permanent, Retry),
	}
}

// oauthCodes is ref. 8.4.
func oauthCodes() []Code {
	return []Code{
		row(130011201, "Necessary parameter for OAuth1 missing", Config),
		row(130011202, "Unsupported grant type", Config),
		row(130011203, "Unsupported request HTT method by authorization server", Permanent),
		row(130011204, "Unknown authorization server error", Retry),
		row(130011205, "Non-authorized authorization grant type for this client", Config),
		row(130011206, "Access permission denied", Config),
		row(130011207, "Invalid grant or invalid refresh_token for token_refresh", Relogin),
		row(130011208, "client_id mismatch, or username/password mismatch", Config),
		row(130011209, "Invalid scope", Config),
	}
}

func text(code int) string {
	for _, c := range Codes() {
		if c.Code == code {
			return c.Text
		}
	}
	return "Unknown error"
}

// The words that Fault.Name takes, beside the numbers of Fault.Code. Where a reading decides the code, the word follows
// the reading.
func (s *Server) names() map[string]int {
	return map[string]int{
		"busy": 1001, "exception": 1002, "ip_limited": 1003, "quota": s.o.Readings.QuotaCode, "level": 1006, "invalid": 1008,
		"expired": 1009, "param": 1013, "unknown": 120010001, "upload_invalid": 120010005, "sensitive": 120010104,
		"duplicate_file": 120010111, "task_invalid": 120010151, "metainfo": 120010152, "too_many": 120010210,
		"duplicate_token": 120010216, "duplicate": 120010221, "upload_expired": 120010223, "hash": s.o.Readings.HashCode,
		"damaged": 120010301, "no_video": 120020001, "oauth_busy": 130011204, "refresh_dead": 130011207,
	}
}

func (s *Server) nameList() []string { return slices.Sorted(maps.Keys(s.names())) }
