package youku

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
)

// LoginWants is what ParseLogin reads, for people.
const LoginWants = `JSON {"access_token": "...", "expires_in": seconds, "refresh_token": "..."}`

// ParseLogin reads Youku's token as its console and its refresh call show it. What is wrong is said without quoting it.
func ParseLogin(raw []byte, now time.Time) (token.Token, error) {
	const op = "youku.ParseLogin"
	var d struct {
		Access  string          `json:"access_token"`
		Refresh string          `json:"refresh_token"`
		Expires json.RawMessage `json:"expires_in"`
		Error   json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return token.Token{}, fault.InvalidField(op, "token", "JSON: access_token and refresh_token in quotes, expires_in", "this cannot be read as a token")
	}
	seconds, err := strconv.ParseInt(strings.Trim(string(d.Expires), `"`), 10, 64)
	switch {
	case len(d.Error) > 0 && string(d.Error) != "null":
		return token.Token{}, fault.InvalidField(op, "token", "no error in it", "this is the platform's answer to a failed call, not a token")
	case !tokenLike(d.Access):
		return token.Token{}, fault.InvalidField(op, "access_token", "not empty, without spaces", "there is no access token")
	case d.Refresh != "" && !tokenLike(d.Refresh):
		return token.Token{}, fault.InvalidField(op, "refresh_token", "without spaces", "this is no refresh token")
	case err != nil || seconds <= 0 || seconds > 10*365*86400:
		return token.Token{}, fault.InvalidField(op, "expires_in", "whole seconds, more than 0", "the life of the token is not a number of seconds")
	}
	return token.Token{Access: d.Access, Refresh: d.Refresh, Obtained: now, Expires: now.Add(time.Duration(seconds) * time.Second)}, nil
}

func tokenLike(s string) bool {
	return s != "" && len(s) <= 512 && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
