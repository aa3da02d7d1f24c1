package token

import (
	"time"

	"github.com/vodlift/vodlift/shared/upload"
)

// States of an account, as people see them.
const (
	AccountOK         = "ok"
	AccountNeedsLogin = "needs_login"
	AccountRemoved    = "removed"
)

// AccountInfo is what may be shown of an account's credential. Nothing in it is secret, and nothing was opened to make it.
type AccountInfo struct {
	Account      upload.Account `json:"account"`
	State        string         `json:"state"`            // ok, needs_login, removed
	Reason       string         `json:"reason,omitempty"` // why a person is needed
	Expires      time.Time      `json:"expires,omitzero"`
	RefreshBy    time.Time      `json:"refresh_by,omitzero"`
	RenewalsLeft int            `json:"renewals_left"` // of the refresh token; -1 = not counted
	Scopes       []string       `json:"scopes,omitempty"`
	LastRefresh  time.Time      `json:"last_refresh,omitzero"` // when the platform last gave something, the login included
	LastResult   string         `json:"last_result,omitempty"` // "ok", or what the last try ended with
	NeedsLoginBy time.Time      `json:"needs_login_by,omitzero"`
	Warned       []int          `json:"warned,omitempty"` // days ahead that were announced
	Subject      string         `json:"subject,omitempty"`
}
