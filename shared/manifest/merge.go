package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
)

// Merge makes one manifest of three: what the sidecar names wins over the object's metadata, that wins over the route's
// defaults. A list replaces a list; the objects of a target are merged by their own fields. The arguments are not changed.
func Merge(defaults, metadata, sidecar Manifest) Manifest {
	return over(over(over(Manifest{}, defaults), metadata), sidecar)
}

func over(base, top Manifest) Manifest {
	s := top.fields()
	out := base
	out.given |= s
	if s&hasTitle != 0 {
		out.Title = top.Title
	}
	if s&hasDescription != 0 {
		out.Description = top.Description
	}
	if s&hasTags != 0 {
		out.Tags = slices.Clone(orEmpty(top.Tags))
	}
	if s&hasCover != 0 {
		out.Cover = clone(top.Cover)
	}
	if s&hasPublishAt != 0 {
		out.PublishAt, out.PublishIn = clone(top.PublishAt), clone(top.PublishIn)
	}
	if s&hasPrivate != 0 {
		out.Private = top.Private
	}
	if s&hasAgain != 0 {
		out.Again = top.Again
	}
	if s&hasTo != 0 {
		out.To = slices.Clone(orEmpty(top.To))
	}
	out.Targets = maps.Clone(base.Targets)
	for t, raw := range top.Targets {
		if out.Targets == nil {
			out.Targets = map[string]json.RawMessage{}
		}
		out.Targets[t] = overObject(base.Targets[t], raw)
	}
	return out
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func overObject(base, top json.RawMessage) json.RawMessage {
	var b, t map[string]json.RawMessage
	if json.Unmarshal(base, &b) != nil || json.Unmarshal(top, &t) != nil || b == nil {
		return slices.Clone(top)
	}
	maps.Copy(b, t)
	out, err := json.Marshal(b)
	if err != nil { // cannot be: both were sound
		return slices.Clone(top)
	}
	return out
}

// Hash names what the manifest asks for: equal for two documents that mean the same, whatever their order of keys,
// accounts, white space, or a field given as empty. A revision is new only if its hash is.
func (m Manifest) Hash() string {
	c := m
	c.given = 0
	c.To = slices.Compact(slices.Sorted(slices.Values(m.To)))
	if len(m.Tags) == 0 {
		c.Tags = nil
	}
	if m.PublishAt != nil {
		at := m.PublishAt.UTC()
		c.PublishAt = &at
	}
	c.Targets = make(map[string]json.RawMessage, len(m.Targets))
	for t, raw := range m.Targets {
		c.Targets[t] = canonical(raw)
	}
	b, err := json.Marshal(c)
	if err != nil { // a target's object that was never parsed: still a name, and still a stable one
		b = []byte(err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// canonical sorts the keys of an object and drops its white space; numbers keep their digits.
func canonical(raw json.RawMessage) json.RawMessage {
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return raw
	}
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}
