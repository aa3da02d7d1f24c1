package oss

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Clock is the time that requests are signed with: ours, corrected by what OSS said when it found it wrong. It is safe
// for concurrent use, and meant to be shared by the clients of a process.
type Clock struct {
	now func() time.Time
	off atomic.Int64
}

// maxSkew is how far a request's time may be off (reference d.2).
const maxSkew = 15 * time.Minute

// NewClock makes a Clock over now; nil is time.Now.
func NewClock(now func() time.Time) *Clock {
	if now == nil {
		now = time.Now
	}
	return &Clock{now: now}
}

// Now is the corrected time.
func (c *Clock) Now() time.Time { return c.now().Add(time.Duration(c.off.Load())) }

// correct takes the server's time from the Date of an answer that refused signed; false when that explains nothing.
func (c *Clock) correct(date string, signed time.Time) bool {
	at, err := http.ParseTime(date)
	if err != nil || at.Sub(signed).Abs() < maxSkew {
		return false
	}
	c.off.Store(int64(at.Sub(c.now())))
	return true
}
