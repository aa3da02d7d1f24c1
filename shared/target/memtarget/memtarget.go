// Package memtarget is the reference implementation of a target, in memory: what shared/target/targettest asks of a
// platform, and nothing else. A Platform stands behind any number of clients, can fail on command before or after the
// effect of each call, and counts what became public. It keeps digests of parts, not bytes, unless it is told to, so a
// video of any size passes through it.
//
// It knows no wire format. It is for tests and for trying the machine; nothing that is deployed uses it.
package memtarget

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// Options are what a Platform may be told; nil and zero mean: 1 GiB videos, parts of 5 MiB to 100 MiB, one request up to
// 5 MiB, no optional abilities, digests only, sessions and assets that last.
type Options struct {
	Limits upload.Limits

	// The optional abilities of the clients.
	PartLister, Inspector, Checker, Renewer bool

	Keep        bool          // keep the bytes, for Bytes
	Denies      bool          // Inspect denies a Publish whose asset is known and not public
	Reusable    bool          // an asset serves more than one Publish
	SessionLife time.Duration // 0 = for ever
	AssetLife   time.Duration // 0 = for ever
	Lag         time.Duration // how long Inspect and Check do not see a new post
	Review      time.Duration // how long Check says Later

	Now func() time.Time
}

// DefaultLimits are those of a Platform that was given none.
func DefaultLimits() upload.Limits {
	const mib = 1 << 20
	return upload.Limits{MaxSize: 1 << 30, OneRequest: 5 * mib, MinPart: 5 * mib, MinLastPart: 1, MaxPart: 100 * mib, WantPart: 5 * mib, MaxParts: 10_000, InFlight: 4}
}

// Platform is what stands behind the clients. It is safe for concurrent use.
type Platform struct {
	o Options

	mu       sync.Mutex
	seq      int // of ids
	sessions map[string]*session
	assets   map[string]*asset
	posts    []*Post
	hook     func(context.Context, Call) error
	faults   []failure
	calls    map[Op]int
	total    int
	received int64
	key      int // the number of the newest session credentials
}

type session struct {
	account upload.Account
	private
	opened time.Time
	parts  map[int]part
	asset  string // once completed
}

type part struct {
	size  int64
	sum   uint64
	bytes []byte
}

type asset struct {
	account upload.Account
	size    int64
	sum     uint64
	bytes   []byte
	made    time.Time
	post    string
}

// Post is a public work.
type Post struct {
	ID      string
	Account upload.Account
	Upload  string
	Title   string
	Private bool
	Asset   string
	Size    int64
	CRC64   uint64
	At      time.Time
	State   target.State // Live unless SetState said otherwise
	Reason  string
}

// New makes an empty Platform.
func New(o *Options) *Platform {
	p := &Platform{sessions: map[string]*session{}, assets: map[string]*asset{}, calls: map[Op]int{}, key: 1}
	if o != nil {
		p.o = *o
	}
	if p.o.Limits == (upload.Limits{}) {
		p.o.Limits = DefaultLimits()
	}
	if p.o.Now == nil {
		p.o.Now = time.Now
	}
	return p
}

// Limits is what the Platform accepts.
func (p *Platform) Limits() upload.Limits { return p.o.Limits }

// Target makes a client for one account. It has the optional abilities that Options name and no others.
func (p *Platform) Target(a upload.Account) target.Target {
	c := &client{p: p, account: a}
	type base = interface {
		target.Target
		target.Validator
	}
	l, i, k, r := lister{c}, inspector{c}, checker{c}, renewer{c}
	var n int
	for bit, on := range [...]bool{p.o.PartLister, p.o.Inspector, p.o.Checker, p.o.Renewer} {
		if on {
			n |= 1 << bit
		}
	}
	// Abilities are found by assertion, so each set of them is a type of its own.
	return [...]target.Target{
		c,
		struct {
			base
			lister
		}{c, l},
		struct {
			base
			inspector
		}{c, i},
		struct {
			base
			lister
			inspector
		}{c, l, i},
		struct {
			base
			checker
		}{c, k},
		struct {
			base
			lister
			checker
		}{c, l, k},
		struct {
			base
			inspector
			checker
		}{c, i, k},
		struct {
			base
			lister
			inspector
			checker
		}{c, l, i, k},
		struct {
			base
			renewer
		}{c, r},
		struct {
			base
			lister
			renewer
		}{c, l, r},
		struct {
			base
			inspector
			renewer
		}{c, i, r},
		struct {
			base
			lister
			inspector
			renewer
		}{c, l, i, r},
		struct {
			base
			checker
			renewer
		}{c, k, r},
		struct {
			base
			lister
			checker
			renewer
		}{c, l, k, r},
		struct {
			base
			inspector
			checker
			renewer
		}{c, i, k, r},
		struct {
			base
			lister
			inspector
			checker
			renewer
		}{c, l, i, k, r},
	}[n]
}

// Opener gives the Platform as a target.Opener.
func (p *Platform) Opener() target.Opener { return opener{p} }

type opener struct{ p *Platform }

// OpenTarget opens every account: there are no tokens here, so the version is 0.
func (o opener) OpenTarget(_ context.Context, a upload.Account) (target.Target, int64, error) {
	return o.p.Target(a), 0, nil
}

// Limits of every account are the Platform's.
func (o opener) Limits(upload.Account) (upload.Limits, error) { return o.p.o.Limits, nil }

// Posts lists what is public, oldest first.
func (p *Platform) Posts() []Post {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Post, 0, len(p.posts))
	for _, x := range p.posts {
		out = append(out, *x)
	}
	return out
}

// Calls is how often an operation was called; Total of all operations together.
func (p *Platform) Calls(op Op) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[op]
}

// Total is how many calls there were.
func (p *Platform) Total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

// Received is how many bytes of parts arrived, repeats included.
func (p *Platform) Received() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.received
}

// Open is how many sessions are neither completed nor aborted.
func (p *Platform) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, s := range p.sessions {
		if s.asset == "" {
			n++
		}
	}
	return n
}

// Content gives size and CRC-64/ECMA of an asset.
func (p *Platform) Content(id string) (size int64, sum uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.assets[id]
	if a == nil {
		return 0, 0, false
	}
	return a.size, a.sum, true
}

// Bytes gives an asset's bytes, if Options.Keep is set.
func (p *Platform) Bytes(id string) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.assets[id]
	if a == nil || !p.o.Keep {
		return nil, false
	}
	return a.bytes, true
}

// Lose makes the platform forget every open session.
func (p *Platform) Lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.sessions)
}

// ExpireKeys makes the credentials of every open session useless until Renew.
func (p *Platform) ExpireKeys() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key++
}

// SetState is the platform's review of a post.
func (p *Platform) SetState(post string, s target.State, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.posts {
		if x.ID == post {
			x.State, x.Reason = s, reason
		}
	}
}

// id makes the next id; the lock is held.
func (p *Platform) id(prefix string) string {
	p.seq++
	return fmt.Sprintf("%s%d", prefix, p.seq)
}

// summer is a body that knows its digest: it is taken at its word, so that a synthetic video of any size costs nothing.
type summer interface {
	Sum() (size int64, crc64 uint64)
}

// read takes exactly size bytes.
func read(src io.Reader, size int64, keep bool) (part, error) {
	if s, ok := src.(summer); ok && !keep {
		n, sum := s.Sum()
		return part{size: n, sum: sum}, length(n, size)
	}
	var out part
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		out.size += int64(n)
		if out.size > size {
			return out, length(out.size, size)
		}
		out.sum = update(out.sum, buf[:n])
		if keep {
			out.bytes = append(out.bytes, buf[:n]...)
		}
		if err == io.EOF {
			return out, length(out.size, size)
		}
		if err != nil {
			return out, err
		}
	}
}

func length(got, want int64) error {
	switch {
	case got > want:
		return fault.InvalidField("memtarget.UploadPart", "part", "as long as it says", "the part has more bytes than it says")
	case got < want:
		return fault.Newf(fault.Retryable, "memtarget.UploadPart", "the part is too short: %w", io.ErrUnexpectedEOF)
	}
	return nil
}
