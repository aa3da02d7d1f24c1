package upload

import (
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// Plan says how a video is cut: into parts of one size (the last may be shorter), and the parts into ranges that one
// function invocation carries. It is small however many parts there are; everything else is arithmetic on it.
type Plan struct {
	Size          int64 `json:"size"`
	Parts         int   `json:"parts"`
	PartSize      int64 `json:"part_size"`
	Ranges        int   `json:"ranges"`
	PartsPerRange int   `json:"parts_per_range"`
	InFlight      int   `json:"in_flight"` // parts in flight inside a range
}

// Settings are what an operator may tune of a plan. The zero value means the defaults of design 2.
type Settings struct {
	MinRange  int64 `json:"min_range"`  // bytes; a range is at least this; default 64 MiB, 5 MiB in the demo
	MaxRanges int   `json:"max_ranges"` // default and maximum 40: what an inline Map runs at a time
	TurnBytes int64 `json:"turn_bytes"` // what one invocation carries at a pessimistic 2 MB/s; default 855 s of it
}

// Bounds of design 2: what a machine's history must stay under, and what an execution may count.
const (
	MaxRanges  = 40
	MaxEvents  = 24_000
	MaxCarries = 5
	MaxPasses  = 200
	MaxTurns   = 60
	// maxSize and maxParts keep the arithmetic far from overflow and its loops short, whatever a platform's limits say:
	// 1 PiB, twenty times what a bucket takes.
	maxSize  = 1 << 50
	maxParts = 100_000
	// retriesPerRange is what the Range task's Retry may add per carry.
	retriesPerRange = 3
)

func (s Settings) withDefaults() Settings {
	if s.MinRange <= 0 {
		s.MinRange = 64 << 20
	}
	if s.MaxRanges <= 0 || s.MaxRanges > MaxRanges {
		s.MaxRanges = MaxRanges
	}
	if s.TurnBytes <= 0 {
		s.TurnBytes = 855 * 2_000_000
	}
	return s
}

// NewPlan cuts size bytes within a platform's limits. What cannot be cut is Invalid, naming field and rule.
func NewPlan(size int64, l Limits, s Settings) (Plan, error) {
	const op = "upload.NewPlan"
	s = s.withDefaults()
	switch {
	case size <= 0:
		return Plan{}, fault.InvalidField(op, "source.size", "> 0", "the file is empty")
	case l.MaxSize > 0 && size > l.MaxSize:
		return Plan{}, fault.InvalidField(op, "source.size", fmt.Sprintf("<= %d bytes", l.MaxSize), fmt.Sprintf("the file has %d bytes", size))
	}
	if size > maxSize {
		return Plan{}, fault.InvalidField(op, "source.size", fmt.Sprintf("<= %d bytes", int64(maxSize)), fmt.Sprintf("the file has %d bytes", size))
	}
	p := Plan{Size: size, Parts: 1, PartSize: size, Ranges: 1, PartsPerRange: 1, InFlight: 1}
	if size > l.OneRequest {
		partSize, err := cut(size, l)
		if err != nil {
			return Plan{}, err
		}
		p = Plan{Size: size, PartSize: partSize, Parts: int(ceilDiv(size, partSize)), InFlight: min(max(l.InFlight, 1), 8)}
		p.group(l, s)
	}
	if t := p.pessimistic(); l.SessionLife > 0 && p.Parts > 1 && t > l.SessionLife {
		return Plan{}, fault.InvalidField(op, "source.size", fmt.Sprintf("sent within %s, which is how long the platform keeps an open upload", l.SessionLife),
			fmt.Sprintf("the file has %d bytes and may take %s", size, t))
	}
	if n := p.turns(s); n > MaxTurns {
		return Plan{}, fault.InvalidField(op, "source.size", fmt.Sprintf("<= %d turns for each range", MaxTurns), fmt.Sprintf("this plan may need %d", n))
	}
	if n := p.Events(s); n >= MaxEvents {
		return Plan{}, fault.InvalidField(op, "source.size", fmt.Sprintf("history < %d events", MaxEvents), fmt.Sprintf("this plan may need %d", n))
	}
	return p, nil
}

// ceilDiv is a/b rounded up, for a > 0 and b > 0, without overflow.
func ceilDiv(a, b int64) int64 { return (a-1)/b + 1 }

// cut finds the part size: as many parts as the wanted size needs, all equal, so that no short tail is left.
func cut(size int64, l Limits) (int64, error) {
	const op = "upload.NewPlan"
	minPart := max(l.MinPart, 1)
	want := max(l.WantPart, minPart, l.MinLastPart)
	if l.MaxPart > 0 {
		want = min(want, l.MaxPart)
	}
	most := int64(maxParts)
	if l.MaxParts > 0 {
		most = min(most, int64(l.MaxParts))
	}
	for n := min(ceilDiv(size, max(want, 1)), most); n >= 1; n-- {
		part := ceilDiv(size, n)
		if l.MaxPart > 0 && part > l.MaxPart {
			break // fewer parts are only larger
		}
		last := size - part*(ceilDiv(size, part)-1)
		if part < size && part < minPart || last < l.MinLastPart {
			continue
		}
		return part, nil
	}
	limit := "any size"
	if l.MaxPart > 0 {
		limit = fmt.Sprintf("%d bytes", l.MaxPart)
	}
	return 0, fault.InvalidField(op, "source.size", fmt.Sprintf("parts of %d bytes to %s, at most %d of them", minPart, limit, most), fmt.Sprintf("%d bytes cannot be cut so", size))
}

// group bundles parts into ranges: at least MinRange bytes each, at most MaxRanges of them.
func (p *Plan) group(l Limits, s Settings) {
	if l.InOrder {
		p.Ranges, p.PartsPerRange, p.InFlight = 1, p.Parts, 1
		return
	}
	parts := int64(p.Parts)
	per := min(max(ceilDiv(s.MinRange, p.PartSize), ceilDiv(parts, int64(s.MaxRanges))), parts)
	p.PartsPerRange, p.Ranges = int(per), int(ceilDiv(parts, per))
}

// Events is the most history events that an execution with this plan can have (design 2).
func (p Plan) Events(s Settings) int {
	return 60 + p.Ranges*(9*MaxCarries+7*p.turns(s)+3*retriesPerRange) + MaxPasses*20
}

// pessimistic is how long sending takes at 2 MB/s with one range after the other, as a poor grant would have it.
func (p Plan) pessimistic() time.Duration {
	return time.Duration(ceilDiv(p.Size, 2_000_000)) * time.Second
}

// turns is how many invocations the largest range takes at the pessimistic speed.
func (p Plan) turns(s Settings) int {
	s = s.withDefaults()
	return int(ceilDiv(min(p.PartSize*int64(p.PartsPerRange), p.Size), s.TurnBytes))
}

// Part gives part number n, from 1 to p.Parts.
func (p Plan) Part(n int) Part {
	off := int64(n-1) * p.PartSize
	return Part{Number: n, Offset: off, Size: min(p.PartSize, p.Size-off)}
}

// Range gives the numbers of the first and last part of range r, from 1 to p.Ranges.
func (p Plan) Range(r int) (first, last int) {
	return (r-1)*p.PartsPerRange + 1, min(r*p.PartsPerRange, p.Parts)
}

// RangeOf tells which range part n is in.
func (p Plan) RangeOf(n int) int { return (n-1)/p.PartsPerRange + 1 }

// OneRequest says that one request carries the whole video. That may be so a little over Limits.OneRequest, where two
// parts would be smaller than the platform takes; a platform whose OneRequest is 0 gets a session with a single part.
func (p Plan) OneRequest() bool { return p.Parts == 1 }
