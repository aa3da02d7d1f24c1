package memtarget

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// client is one account's Target.
type client struct {
	p       *Platform
	account upload.Account
}

// private is Session.Private.
type private struct {
	ID    string `json:"id,omitempty"` // empty: one request carries everything
	Parts int    `json:"parts"`
	Size  int64  `json:"size"`
	Key   int    `json:"key,omitempty"`
}

var (
	_ target.Target     = (*client)(nil)
	_ target.Validator  = (*client)(nil)
	_ target.PartLister = lister{}
	_ target.Inspector  = inspector{}
	_ target.Checker    = checker{}
	_ target.Renewer    = renewer{}
	_ target.Opener     = opener{}
)

func open(op string, s upload.Session) (private, error) {
	var k private
	if json.Unmarshal(s.Private, &k) != nil || k.Parts < 1 || k.Size < 1 {
		return k, fault.InvalidField("memtarget."+op, "session", "made by Init", "this is not a session of this target")
	}
	return k, nil
}

// Validate refuses an empty or too large video and an empty title.
func (c *client) Validate(v upload.Video) error {
	const op = "memtarget.Validate"
	l := c.p.o.Limits
	switch {
	case v.Size <= 0:
		return fault.InvalidField(op, "source.size", "> 0", "the file is empty")
	case l.MaxSize > 0 && v.Size > l.MaxSize:
		return fault.InvalidField(op, "source.size", fmt.Sprintf("<= %d bytes", l.MaxSize), fmt.Sprintf("the file has %d bytes", v.Size))
	case strings.TrimSpace(v.Title) == "":
		return fault.InvalidField(op, "title", "not empty", "it is empty")
	}
	return nil
}

func (c *client) Init(ctx context.Context, v upload.Video, plan upload.Plan) (upload.Session, error) {
	if err := c.Validate(v); err != nil {
		return upload.Session{}, err
	}
	if plan.Size != v.Size || plan.Parts < 1 {
		return upload.Session{}, fault.InvalidField("memtarget.Init", "plan", "of this video", "it is for another size")
	}
	k := private{Parts: plan.Parts, Size: v.Size}
	if plan.OneRequest() {
		if ctx.Err() != nil {
			return upload.Session{}, fault.Wrap("memtarget.Init", context.Cause(ctx))
		}
		return c.session(k, c.p.o.Now()), nil
	}
	call, err := c.p.enter(ctx, Init)
	if err != nil {
		return upload.Session{}, err
	}
	c.p.mu.Lock()
	k.ID, k.Key = c.p.id("session"), c.p.key
	now := c.p.o.Now()
	c.p.sessions[k.ID] = &session{account: c.account, private: k, opened: now, parts: map[int]part{}}
	c.p.mu.Unlock()
	if err := c.p.leave(ctx, call); err != nil {
		return upload.Session{}, err
	}
	return c.session(k, now), nil
}

func (c *client) session(k private, now time.Time) upload.Session {
	b, _ := json.Marshal(k) // three plain fields
	s := upload.Session{ID: k.ID, Opened: now, Private: b}
	if k.ID == "" {
		s.ID = "one-request"
	} else if c.p.o.SessionLife > 0 {
		s.Expires = now.Add(c.p.o.SessionLife)
	}
	return s
}

// find gives the open session; the lock is held.
func (c *client) find(op Op, k private) (*session, error) {
	s := c.p.sessions[k.ID]
	if s == nil || s.account != c.account || c.p.o.SessionLife > 0 && !c.p.o.Now().Before(s.opened.Add(c.p.o.SessionLife)) {
		return nil, fault.Newf(fault.Invalid, "memtarget."+string(op), "%w", target.ErrSessionLost)
	}
	if c.p.o.Renewer && k.Key != c.p.key && op != Renew && op != Abort {
		return nil, fault.New(fault.TokenExpired, "memtarget."+string(op), "the session's credentials have expired")
	}
	return s, nil
}

func (c *client) UploadPart(ctx context.Context, s upload.Session, p target.Part) (upload.Receipt, error) {
	const op = "memtarget.UploadPart"
	k, err := open("UploadPart", s)
	if err != nil {
		return upload.Receipt{}, err
	}
	l := c.p.o.Limits
	if p.Number < 1 || p.Number > k.Parts || p.Size < 1 || p.Offset < 0 || p.Offset+p.Size > k.Size || k.Parts == 1 && p.Size != k.Size ||
		k.Parts > 1 && (l.MaxPart > 0 && p.Size > l.MaxPart || p.Number < k.Parts && p.Size < l.MinPart) {
		return upload.Receipt{}, fault.InvalidField(op, "part", "inside the video and the limits", fmt.Sprintf("part %d has %d bytes from %d", p.Number, p.Size, p.Offset))
	}
	call, err := c.p.enter(ctx, UploadPart)
	if err != nil {
		return upload.Receipt{}, err
	}
	if k.ID != "" {
		c.p.mu.Lock()
		_, err := c.find(UploadPart, k)
		c.p.mu.Unlock()
		if err != nil {
			return upload.Receipt{}, err
		}
	}
	got, err := c.receive(ctx, p)
	if err != nil {
		return upload.Receipt{}, err
	}
	r := upload.Receipt{Part: p.Number, Size: p.Size, CRC64: got.sum, ETag: etag(got.sum)}
	if err := c.store(k, p, got, &r); err != nil {
		return upload.Receipt{}, err
	}
	return r, c.p.leave(ctx, call)
}

func etag(sum uint64) string { return fmt.Sprintf(`"%016x"`, sum) }

// receive reads the body and closes it.
func (c *client) receive(ctx context.Context, p target.Part) (part, error) {
	const op = "memtarget.UploadPart"
	src, err := p.Open(ctx)
	if err == nil {
		var got part
		got, err = read(src, p.Size, c.p.o.Keep)
		src.Close()
		c.p.mu.Lock()
		c.p.received += got.size
		c.p.mu.Unlock()
		if err == nil && ctx.Err() == nil {
			return got, nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return part{}, &fault.Error{Kind: fault.Unknown, Op: op, Err: context.Cause(ctx)}
	case fault.As(err) != nil:
		return part{}, fault.Wrap(op, err)
	}
	return part{}, fault.Newf(fault.Retryable, op, "reading the part: %w", err)
}

func (c *client) store(k private, p target.Part, got part, r *upload.Receipt) error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if k.ID == "" {
		r.Asset = c.p.id("asset")
		c.p.assets[r.Asset] = &asset{account: c.account, size: got.size, sum: got.sum, bytes: got.bytes, made: c.p.o.Now()}
		return nil
	}
	s, err := c.find(UploadPart, k)
	if err != nil {
		return err
	}
	if c.p.o.Limits.InOrder && p.Number > len(s.parts)+1 {
		return fault.InvalidField("memtarget.UploadPart", "part", "in order", fmt.Sprintf("part %d came after %d parts", p.Number, len(s.parts)))
	}
	if s.asset == "" {
		s.parts[p.Number] = got
	}
	return nil
}

// Complete twice gives the same asset.
func (c *client) Complete(ctx context.Context, s upload.Session, rs []upload.Receipt) (upload.Asset, error) {
	const op = "memtarget.Complete"
	k, err := open("Complete", s)
	if err != nil {
		return upload.Asset{}, err
	}
	if err := whole(k, rs); err != nil {
		return upload.Asset{}, err
	}
	if k.ID == "" {
		if ctx.Err() != nil {
			return upload.Asset{}, fault.Wrap(op, context.Cause(ctx))
		}
		return upload.Asset{ID: rs[0].Asset, Expires: c.expires(s.Opened)}, nil
	}
	call, err := c.p.enter(ctx, Complete)
	if err != nil {
		return upload.Asset{}, err
	}
	a, err := c.assemble(k, rs)
	if err != nil {
		return upload.Asset{}, err
	}
	return a, c.p.leave(ctx, call)
}

func (c *client) expires(from time.Time) time.Time {
	if c.p.o.AssetLife == 0 {
		return time.Time{}
	}
	return from.Add(c.p.o.AssetLife)
}

func whole(k private, rs []upload.Receipt) error {
	nums := make([]int, 0, len(rs))
	for _, r := range rs {
		nums = append(nums, r.Part)
	}
	slices.Sort(nums)
	for i, n := range nums {
		if n != i+1 {
			return fault.InvalidField("memtarget.Complete", "receipts", fmt.Sprintf("one each for parts 1 to %d", k.Parts), fmt.Sprintf("part %d is missing or there twice", i+1))
		}
	}
	if len(nums) != k.Parts || k.ID == "" && rs[0].Asset == "" {
		return fault.InvalidField("memtarget.Complete", "receipts", fmt.Sprintf("one each for parts 1 to %d", k.Parts), fmt.Sprintf("there are %d", len(nums)))
	}
	return nil
}

func (c *client) assemble(k private, rs []upload.Receipt) (upload.Asset, error) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	s, err := c.find(Complete, k)
	if err != nil {
		return upload.Asset{}, err
	}
	if s.asset == "" {
		a := &asset{account: c.account, made: c.p.o.Now()}
		byNumber := make(map[int]upload.Receipt, len(rs))
		for _, r := range rs {
			byNumber[r.Part] = r
		}
		for n := 1; n <= k.Parts; n++ {
			got, ok := s.parts[n]
			if r := byNumber[n]; !ok || got.size != r.Size || r.ETag != "" && r.ETag != etag(got.sum) {
				return upload.Asset{}, fault.InvalidField("memtarget.Complete", "receipts", "of the parts that are here", fmt.Sprintf("part %d is another or missing", n))
			}
			a.size += got.size
			a.sum = combine(a.sum, got.sum, got.size)
			a.bytes = append(a.bytes, got.bytes...)
		}
		s.asset = c.p.id("asset")
		c.p.assets[s.asset] = a
		s.parts = map[int]part{}
	}
	return upload.Asset{ID: s.asset, Expires: c.expires(c.p.assets[s.asset].made)}, nil
}

func (c *client) Publish(ctx context.Context, v upload.Video, _ upload.Session, a upload.Asset) (upload.Post, error) {
	if err := c.Validate(v); err != nil {
		return upload.Post{}, err
	}
	call, err := c.p.enter(ctx, Publish)
	if err != nil {
		return upload.Post{}, err
	}
	post, err := c.post(v, a)
	if err != nil {
		return upload.Post{}, err
	}
	if err := c.p.leave(ctx, call); err != nil {
		return upload.Post{}, err
	}
	return post, nil
}

func (c *client) post(v upload.Video, a upload.Asset) (upload.Post, error) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	have := c.p.assets[a.ID]
	now := c.p.o.Now()
	if have == nil || have.account != c.account || have.post != "" && !c.p.o.Reusable || c.p.o.AssetLife > 0 && !now.Before(have.made.Add(c.p.o.AssetLife)) {
		return upload.Post{}, &fault.Error{Kind: fault.Retryable, Op: "memtarget.Publish", Effect: fault.EffectNone, Actor: fault.ActorUs, Err: target.ErrAssetSpent}
	}
	x := &Post{ID: c.p.id("post"), Account: c.account, Upload: v.Upload, Title: v.Title, Private: v.Private, Asset: a.ID, Size: have.size, CRC64: have.sum, At: now, State: target.Live}
	have.post = x.ID
	c.p.posts = append(c.p.posts, x)
	return upload.Post{ID: x.ID, URL: "https://mem.example/" + x.ID, At: now}, nil
}

// Abort of a session that is gone, or was completed, is nil.
func (c *client) Abort(ctx context.Context, s upload.Session) error {
	k, err := open("Abort", s)
	if err != nil {
		return err
	}
	call, err := c.p.enter(ctx, Abort)
	if err != nil {
		return err
	}
	c.p.mu.Lock()
	if have := c.p.sessions[k.ID]; have != nil && have.account == c.account && have.asset == "" {
		delete(c.p.sessions, k.ID)
	}
	c.p.mu.Unlock()
	return c.p.leave(ctx, call)
}
