package vod

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the platform's choice
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// The headers of a signed callback (ref. b).
const (
	TimestampHeader = "X-VOD-TIMESTAMP"
	SignatureHeader = "X-VOD-SIGNATURE"
)

// Sign is the signature of a callback: lower-case hex MD5 of the configured URL's text, the time in Unix seconds and the
// private key, joined by bars (ref. b).
func Sign(callbackURL string, at time.Time, key string) string {
	sum := md5.Sum([]byte(callbackURL + "|" + strconv.FormatInt(at.Unix(), 10) + "|" + key)) //nolint:gosec // the platform's choice
	return hex.EncodeToString(sum[:])
}

// Callback is one attempt to deliver, or what kept one from being made.
type Callback struct {
	N       int64     `json:"n"` // grows by one with each
	Message int64     `json:"message,omitempty"`
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`
	Media   string    `json:"media"`
	URL     string    `json:"url"`
	Attempt int       `json:"attempt,omitempty"`
	Status  int       `json:"status,omitempty"` // 0: no answer
	Outcome string    `json:"outcome"`
	Error   string    `json:"error,omitempty"`
}

// The outcomes of a Callback.
const (
	Delivered = "delivered" // answered with exactly 200
	Again     = "again"     // to be tried again
	GivenUp   = "given up"  // the last attempt failed: dropped for good
	Dropped   = "dropped"   // a rule lost it
	Refused   = "refused"   // not to this machine: never sent
	Forged    = "forged"    // sent by Forge or Replay
)

// capture is a request that went out, for Replay.
type capture struct {
	url    string
	header http.Header
	body   []byte
}

// local reports whether host, with or without port, is this machine by its name or number. Names are not looked up.
func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// localTransport connects to this machine only, whatever a name resolves to.
func localTransport() *http.Transport {
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if !local(address) {
			return errors.New("fake vod: callbacks go to this machine only")
		}
		return nil
	}}
	return &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}
}

// enqueue writes a message down as often as the rules say. Called with s.mu held.
func (s *Server) enqueue(m message, now time.Time) {
	rule := s.ruleFor(m.Event, m.Media)
	if rule.Drop {
		s.count(m.Event, func(c *EventCount) { c.Dropped++ })
		s.note(Callback{Time: now, Event: m.Event, Media: m.Media, URL: m.URL, Outcome: Dropped})
		return
	}
	for n := range 1 + rule.Repeat {
		one := m
		s.st.Serial++
		one.N = s.st.Serial
		one.Held = rule.Hold
		one.At = now.Add(time.Duration(rule.DelayMS) * time.Millisecond)
		if rule.ShuffleMS > 0 {
			one.At = one.At.Add(time.Duration(s.below(int(rule.ShuffleMS)*1000)) * time.Microsecond)
		}
		if n > 0 {
			s.count(m.Event, func(c *EventCount) { c.Copies++ })
		}
		s.st.Outbox = append(s.st.Outbox, &one)
	}
	s.dirty = true
}

// turn takes what is due, writes it down and sends it. At a tick it writes down what was answered, too.
func (s *Server) turn(tick bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil || s.ctx.Err() != nil {
		return
	}
	now := s.o.Now()
	s.advance(now)
	s.dirty = s.dirty || tick && s.untidy
	if s.save() != nil {
		return
	}
	for _, m := range s.st.Outbox {
		if s.sending >= s.o.Delivery.Parallel {
			return
		}
		if m.sending || m.Held || m.At.After(now) {
			continue
		}
		m.sending = true
		s.sending++
		s.done.Add(1)
		go func(m message, header http.Header) {
			defer s.done.Done()
			status, err := s.send(s.ctx, m.URL, header, m.Body)
			s.sent(m, header, status, err)
		}(*m, s.headers(m.URL, m.App, now))
	}
}

// headers signs, when a key is set (ref. b). Called with s.mu held.
func (s *Server) headers(target, app string, now time.Time) http.Header {
	h := http.Header{"Content-Type": {"application/json"}}
	if set := s.st.Configs[app]; set != nil && set.AuthSwitch == "on" {
		h.Set(TimestampHeader, strconv.FormatInt(now.Unix(), 10))
		h.Set(SignatureHeader, Sign(target, now, set.AuthKey))
	}
	return h
}

var errRefused = errors.New("fake vod: callbacks go to this machine only")

// send posts once and reads no answer but its status.
func (s *Server) send(ctx context.Context, target string, header http.Header, body []byte) (int, error) {
	u, err := url.Parse(target)
	if err != nil || !local(u.Host) {
		return 0, errRefused
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Delivery.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header = header.Clone()
	res, err := s.post.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	io.CopyN(io.Discard, res.Body, 1<<20) //nolint:errcheck // the answer's body is ignored (ref. b)
	return res.StatusCode, nil
}

// sent notes how an attempt ended: exactly 200 is a success, the last failure drops the event (ref. b).
func (s *Server) sent(m message, header http.Header, status int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending--
	i := slices.IndexFunc(s.st.Outbox, func(x *message) bool { return x.N == m.N })
	if i < 0 {
		return
	}
	waiting := s.st.Outbox[i]
	waiting.sending = false
	if s.ctx.Err() != nil {
		return // closing: whether it arrived is not known, so it goes out again after the restart
	}
	waiting.Attempt++
	line := Callback{Message: m.N, Time: s.o.Now(), Event: m.Event, Media: m.Media, URL: m.URL, Attempt: waiting.Attempt, Status: status, Outcome: Again}
	if err != nil {
		line.Error = err.Error()
	}
	switch {
	case errors.Is(err, errRefused):
		line.Outcome = Refused
	case status == http.StatusOK:
		line.Outcome = Delivered
	case waiting.Attempt >= s.o.Delivery.Attempts:
		line.Outcome = GivenUp
	}
	sum := s.st.Events[m.Event]
	sum.add(line.Outcome)
	s.st.Events[m.Event] = sum
	if line.Outcome == Again {
		waiting.At = s.o.Now().Add(s.o.Delivery.Interval)
	} else {
		s.st.Outbox = slices.Delete(s.st.Outbox, i, i+1)
	}
	s.note(line)
	if line.Outcome != Refused {
		s.past = append(s.past, capture{m.URL, header, m.Body})
		if over := len(s.past) - 200; over > 0 {
			s.past = slices.Clone(s.past[over:])
		}
	}
	s.untidy = true // saved with the next change or tick: killed before that, the platform repeats itself, as it may
	s.kick()
}

func (c *EventCount) add(outcome string) {
	switch outcome {
	case Delivered:
		c.Delivered++
	case GivenUp:
		c.GivenUp++
	case Refused:
		c.Refused++
		return
	}
	c.Attempts++
}

// note adds to the log. Called with s.mu held.
func (s *Server) note(c Callback) {
	s.logged++
	c.N = s.logged
	s.log = append(s.log, c)
	if over := len(s.log) - s.o.Ring; over > 0 {
		s.log = slices.Clone(s.log[over:])
	}
}

// String names a callback for logs.
func (c Callback) String() string {
	return fmt.Sprintf("%s of %s: attempt %d, status %d, %s", c.Event, c.Media, c.Attempt, c.Status, c.Outcome)
}
