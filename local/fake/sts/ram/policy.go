package ram

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Policy is a policy document in RAM's grammar, version 1. The zero Policy allows nothing.
type Policy struct {
	Version   string      `json:"Version"`
	Statement []Statement `json:"Statement"`
}

// Statement is one rule. Patterns know * (any run of characters) and ? (one character).
type Statement struct {
	Effect      string          `json:"Effect"` // Allow, Deny
	Action      Strings         `json:"Action,omitempty"`
	NotAction   Strings         `json:"NotAction,omitempty"`
	Resource    Strings         `json:"Resource,omitempty"`
	NotResource Strings         `json:"NotResource,omitempty"`
	Condition   json.RawMessage `json:"Condition,omitempty"`
}

// Strings is one text or a list of them, as policies write either.
type Strings []string

// UnmarshalJSON takes "a" and ["a","b"].
func (s *Strings) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var one string
		err := json.Unmarshal(b, &one)
		*s = Strings{one}
		return err
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// ParsePolicy reads a policy document and refuses what the grammar does not know. Conditions are refused too: they are
// not simulated, and ignoring one would allow more than the platform does.
func ParsePolicy(text string) (Policy, error) {
	var p Policy
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("policy: %w", err)
	}
	if d.More() {
		return p, errors.New("policy: more than one JSON value")
	}
	return p, p.validate()
}

func (p Policy) validate() error {
	if p.Version != "1" || len(p.Statement) == 0 {
		return errors.New(`policy: want Version "1" and at least one Statement`)
	}
	for i, s := range p.Statement {
		switch {
		case s.Effect != "Allow" && s.Effect != "Deny":
			return fmt.Errorf("policy statement %d: Effect: want Allow or Deny", i+1)
		case (len(s.Action) == 0) == (len(s.NotAction) == 0):
			return fmt.Errorf("policy statement %d: want one of Action and NotAction", i+1)
		case (len(s.Resource) == 0) == (len(s.NotResource) == 0):
			return fmt.Errorf("policy statement %d: want one of Resource and NotResource", i+1)
		case len(s.Condition) > 0 && !bytes.Equal(s.Condition, []byte("{}")):
			return fmt.Errorf("policy statement %d: conditions are not simulated", i+1)
		}
	}
	return nil
}

// Allows reports whether the policy permits an action ("oss:PutObject") on a resource ("acs:oss:*:*:bucket/key"). A
// Deny wins over any Allow; nothing said is denied.
func (p Policy) Allows(action, resource string) bool {
	allowed := false
	for _, s := range p.Statement {
		if !s.fits(action, resource) {
			continue
		}
		if s.Effect == "Deny" {
			return false
		}
		allowed = allowed || s.Effect == "Allow"
	}
	return allowed
}

func (s Statement) fits(action, resource string) bool {
	acts := s.Action.match(action, true)
	if len(s.NotAction) > 0 {
		acts = !s.NotAction.match(action, true)
	}
	where := s.Resource.match(resource, false)
	if len(s.NotResource) > 0 {
		where = !s.NotResource.match(resource, false)
	}
	return acts && where
}

func (s Strings) match(text string, fold bool) bool {
	for _, pattern := range s {
		if fold {
			pattern, text = strings.ToLower(pattern), strings.ToLower(text)
		}
		if matches(pattern, text) {
			return true
		}
	}
	return false
}

// matches compares by bytes: a ? is one byte. It backtracks to the last star only, which is enough for globs and keeps
// a hostile pattern from taking long.
func matches(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// ObjectPolicy allows actions on exactly one object of OSS, as the platforms that hand out upload credentials do. A key
// that ends in * stands for all keys with that beginning.
func ObjectPolicy(bucket, key string, actions ...string) Policy {
	return Policy{Version: "1", Statement: []Statement{{Effect: "Allow", Action: actions, Resource: Strings{ObjectResource(bucket, key)}}}}
}

// ObjectResource is how a policy names an object, or with an empty key the bucket itself.
func ObjectResource(bucket, key string) string {
	if key == "" {
		return "acs:oss:*:*:" + bucket
	}
	return "acs:oss:*:*:" + bucket + "/" + key
}

// UploadActions is what a platform's upload credential is assumed to permit (reference youku 6): neither reading nor
// deleting the object.
func UploadActions() []string {
	return []string{"oss:PutObject", "oss:AbortMultipartUpload", "oss:ListParts"}
}
