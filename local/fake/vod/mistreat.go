package vod

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Mistreatment is what befalls callbacks on their way. It strikes matching events number Nth to Nth+Times-1, counted
// from when it was asked for; the first rule that strikes decides. Fields combine, but for Drop.
type Mistreatment struct {
	Event string `json:"event,omitempty"` // type; empty: any
	Media string `json:"media,omitempty"` // id; empty: any
	Nth   int    `json:"nth,omitempty"`   // from 1 (0 means 1)
	Times int    `json:"times,omitempty"` // how many in a row (0 and -1: for ever)

	Drop      bool  `json:"drop,omitempty"`       // never sent
	Repeat    int   `json:"repeat,omitempty"`     // so many copies more, each with its own retries
	DelayMS   int64 `json:"delay_ms,omitempty"`   // sent so much later
	ShuffleMS int64 `json:"shuffle_ms,omitempty"` // each copy later by chance, up to this: they overtake each other
	Hold      bool  `json:"hold,omitempty"`       // kept until Release
}

type rule struct {
	Mistreatment
	seen int
}

// Mistreat asks for a mistreatment. It refuses one that would do nothing.
func (s *Server) Mistreat(m Mistreatment) error {
	switch {
	case m.Nth < 0 || m.Times < -1 || m.Repeat < 0 || m.DelayMS < 0 || m.ShuffleMS < 0 || m.Repeat > 1000 || m.ShuffleMS > 1<<31:
		return fmt.Errorf("fake vod: mistreatment %+v: a figure out of range", m)
	case m.Drop && (m.Repeat > 0 || m.DelayMS > 0 || m.ShuffleMS > 0 || m.Hold):
		return errors.New("fake vod: mistreatment: what is dropped cannot be sent")
	case !m.Drop && m.Repeat == 0 && m.DelayMS == 0 && m.ShuffleMS == 0 && !m.Hold:
		return errors.New("fake vod: mistreatment: nothing to do")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	setDefault(&m.Nth, 1)
	s.rules = append(s.rules, &rule{Mistreatment: m})
	return nil
}

// TreatWell ends all mistreatment. What is held stays so until Release.
func (s *Server) TreatWell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// ruleFor counts an event against every rule that fits and returns the first that strikes. Called with s.mu held.
func (s *Server) ruleFor(kind, media string) Mistreatment {
	var hit *rule
	for _, r := range s.rules {
		if r.Event != "" && r.Event != "*" && r.Event != kind || r.Media != "" && r.Media != media {
			continue
		}
		r.seen++
		if hit == nil && r.seen >= r.Nth && (r.Times <= 0 || r.seen < r.Nth+r.Times) {
			hit = r
		}
	}
	if hit == nil {
		return Mistreatment{}
	}
	return hit.Mistreatment
}

// The orders of Release.
const (
	Same    = "same"    // as they were made
	Reverse = "reverse" // the newest first
	Shuffle = "shuffle" // by chance
)

// Release sends what is held, one after the other in the order asked for: each waits for the answer to the one before,
// or for its first failure. It returns how many there were.
func (s *Server) Release(ctx context.Context, order string) (int, error) {
	s.mu.Lock()
	var held []*message
	for _, m := range s.st.Outbox {
		if m.Held {
			held = append(held, m)
		}
	}
	switch order {
	case Same, "":
	case Reverse:
		slices.Reverse(held)
	case Shuffle:
		for i := len(held) - 1; i > 0; i-- {
			j := s.below(i + 1)
			held[i], held[j] = held[j], held[i]
		}
	default:
		s.mu.Unlock()
		return 0, fmt.Errorf("fake vod: order %q: want same, reverse or shuffle", order)
	}
	s.mu.Unlock()
	for _, m := range held {
		s.mu.Lock()
		m.Held, m.sending = false, true
		s.sending++
		one, header := *m, s.headers(m.URL, m.App, s.o.Now())
		s.mu.Unlock()
		status, err := s.send(ctx, one.URL, header, one.Body)
		s.sent(one, header, status, err)
		if ctx.Err() != nil {
			return len(held), ctx.Err()
		}
	}
	return len(held), nil
}

// The ways in which Forge signs.
const (
	SignMixed    = "mixed"    // each of those below but the last two, in turn; the default
	SignNone     = "none"     // no headers
	SignRandom   = "random"   // a random digest
	SignWrongKey = "wrongkey" // another key
	SignStale    = "stale"    // the right key, an hour ago
	SignOtherURL = "otherurl" // the right key and time, another URL
	SignCaptured = "captured" // headers of a callback that really went out, around another body: it passes within the window
	SignGenuine  = "genuine"  // as the platform itself: what a lying platform would send
)

// Forgery is what a stranger sends to the callback address.
type Forgery struct {
	App   string          `json:"app,omitempty"`   // whose setting names the address; empty: DefaultApp
	Event string          `json:"event,omitempty"` // empty: by chance
	Media string          `json:"media,omitempty"` // empty: ids that nobody has
	Body  json.RawMessage `json:"body,omitempty"`  // sent as it is; empty: a plausible one
	Sign  string          `json:"sign,omitempty"`
	Count int             `json:"count,omitempty"` // 0 means 1
}

// Forge sends forged callbacks, each once, and counts the statuses they got; 0 is no answer. It has no other effect.
func (s *Server) Forge(ctx context.Context, f Forgery) (map[int]int, error) {
	setDefault(&f.App, DefaultApp)
	setDefault(&f.Sign, SignMixed)
	setDefault(&f.Count, 1)
	if !slices.Contains(append(mixture(), SignMixed, SignCaptured, SignGenuine), f.Sign) || f.Count < 0 {
		return nil, fmt.Errorf("fake vod: forgery sign %q, count %d: unknown word, or negative", f.Sign, f.Count)
	}
	statuses := map[int]int{}
	for n := range f.Count {
		if err := ctx.Err(); err != nil {
			return statuses, err
		}
		sign := f.Sign
		if sign == SignMixed {
			sign = mixture()[n%len(mixture())]
		}
		s.mu.Lock()
		set := s.st.Configs[f.App]
		if set == nil || set.Type != "HTTP" {
			s.mu.Unlock()
			return statuses, errors.New("fake vod: no callback address is set")
		}
		target, now := set.URL, s.o.Now()
		header := s.forgedHeader(sign, *set, now)
		s.mu.Unlock()
		kind, body := s.forgedBody(f, now)
		status, err := s.send(ctx, target, header, body)
		if errors.Is(err, errRefused) {
			return statuses, err
		}
		statuses[status]++
		s.mu.Lock()
		s.note(Callback{Time: now, Event: kind, Media: f.Media, URL: target, Attempt: 1, Status: status, Outcome: Forged})
		s.mu.Unlock()
	}
	return statuses, nil
}

func mixture() []string {
	return []string{SignNone, SignRandom, SignWrongKey, SignStale, SignOtherURL}
}

// forgedHeader is called with s.mu held.
func (s *Server) forgedHeader(sign string, set setting, now time.Time) http.Header {
	h := http.Header{"Content-Type": {"application/json"}}
	put := func(at time.Time, signature string) http.Header {
		h.Set(TimestampHeader, strconv.FormatInt(at.Unix(), 10))
		h.Set(SignatureHeader, signature)
		return h
	}
	switch sign {
	case SignRandom:
		return put(now, hex.EncodeToString(s.bytes(16)))
	case SignWrongKey:
		return put(now, Sign(set.URL, now, "Wrong1"+hex.EncodeToString(s.bytes(8))))
	case SignStale:
		return put(now.Add(-time.Hour), Sign(set.URL, now.Add(-time.Hour), set.AuthKey))
	case SignOtherURL:
		return put(now, Sign(set.URL+"/", now, set.AuthKey))
	case SignCaptured:
		if len(s.past) > 0 {
			return s.past[len(s.past)-1].header
		}
		return put(now, Sign(set.URL, now, set.AuthKey))
	case SignGenuine:
		return put(now, Sign(set.URL, now, set.AuthKey))
	}
	return h
}

func (s *Server) forgedBody(f Forgery, now time.Time) (string, []byte) {
	kind, media := f.Event, f.Media
	if kind == "" {
		all := []string{"FileUploadComplete", "StreamTranscodeComplete", "TranscodeComplete", "SnapshotComplete", "AIMediaAuditComplete",
			"AIVideoCensorComplete", "CreateAuditComplete", "DeleteMediaComplete", "VideoAnalysisComplete", "MediaBaseChangeComplete", "Nonsense"}
		kind = all[s.below(len(all))]
	}
	if len(f.Body) > 0 {
		return kind, f.Body
	}
	if media == "" {
		media = s.id()
	}
	body, _ := json.Marshal(map[string]any{"EventTime": stamp(now), "EventType": kind, "VideoId": media, "MediaId": media, "MediaType": "video", // strings marshal
		"Status": []string{"success", "fail"}[s.below(2)], "AuditStatus": "Blocked", "SubType": "video", "DeleteType": "all", "JobId": s.id(),
		"Extend": "forged", "Data": map[string]string{"Suggestion": "block", "Label": "porn"}, "Size": 1, "FileUrl": "http://forged.example/x.mp4"})
	return kind, body
}

// Replay sends the newest n callbacks that went out again, byte by byte with their old signatures, and counts the
// statuses they got. At most 200 are remembered, since the start.
func (s *Server) Replay(ctx context.Context, n int) (map[int]int, error) {
	s.mu.Lock()
	again := slices.Clone(s.past[max(len(s.past)-max(n, 0), 0):])
	s.mu.Unlock()
	statuses := map[int]int{}
	for _, c := range again {
		status, err := s.send(ctx, c.url, c.header, c.body)
		if errors.Is(err, errRefused) || ctx.Err() != nil {
			return statuses, errors.Join(err, ctx.Err())
		}
		statuses[status]++
		s.mu.Lock()
		s.note(Callback{Time: s.o.Now(), Event: "replay", URL: c.url, Attempt: 1, Status: status, Outcome: Forged})
		s.mu.Unlock()
	}
	return statuses, nil
}
