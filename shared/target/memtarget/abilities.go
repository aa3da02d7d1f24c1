package memtarget

import (
	"bytes"
	"context"
	"slices"

	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

type lister struct{ c *client }

// ListParts gives the parts of the open session, without our sums: as a platform would.
func (l lister) ListParts(ctx context.Context, s upload.Session) ([]upload.Receipt, error) {
	k, err := open("ListParts", s)
	if err != nil || k.ID == "" {
		return nil, err
	}
	call, err := l.c.p.enter(ctx, ListParts)
	if err != nil {
		return nil, err
	}
	l.c.p.mu.Lock()
	have, err := l.c.find(ListParts, k)
	var rs []upload.Receipt
	if err == nil {
		for n, p := range have.parts {
			rs = append(rs, upload.Receipt{Part: n, Size: p.size, ETag: etag(p.sum), Unsummed: true})
		}
	}
	l.c.p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rs, func(a, b upload.Receipt) int { return a.Part - b.Part })
	return rs, l.c.p.leave(ctx, call)
}

type inspector struct{ c *client }

// Inspect finds posts of this account with the attempt's title, not older than the attempt.
func (i inspector) Inspect(ctx context.Context, at target.Attempt) (target.Finding, error) {
	call, err := i.c.p.enter(ctx, Inspect)
	if err != nil {
		return target.Finding{}, err
	}
	p := i.c.p
	p.mu.Lock()
	now := p.o.Now()
	var f target.Finding
	for _, x := range p.posts {
		if x.Account == i.c.account && x.Title == at.Video.Title && !x.At.Before(at.At) && !now.Before(x.At.Add(p.o.Lag)) {
			f.Posts = append(f.Posts, upload.Post{ID: x.ID, URL: "https://mem.example/" + x.ID, At: x.At})
		}
	}
	if a := p.assets[at.Asset.ID]; p.o.Denies && a != nil && a.account == i.c.account && a.post == "" {
		f.Denied = true
	}
	p.mu.Unlock()
	return f, p.leave(ctx, call)
}

type checker struct{ c *client }

// Check says what SetState said, Later while Options.Lag or Review lasts, and Live else.
func (k checker) Check(ctx context.Context, _ upload.Video, post upload.Post) (target.Verdict, error) {
	call, err := k.c.p.enter(ctx, Check)
	if err != nil {
		return target.Verdict{}, err
	}
	p := k.c.p
	p.mu.Lock()
	v := target.Verdict{State: target.Later}
	for _, x := range p.posts {
		if x.ID == post.ID && x.Account == k.c.account && !p.o.Now().Before(x.At.Add(max(p.o.Lag, p.o.Review))) {
			v = target.Verdict{State: x.State, Reason: x.Reason, URL: "https://mem.example/" + x.ID}
		}
	}
	p.mu.Unlock()
	return v, p.leave(ctx, call)
}

type renewer struct{ c *client }

// Renew gives the session the newest credentials; its parts stay.
func (r renewer) Renew(ctx context.Context, s upload.Session) (upload.Session, error) {
	k, err := open("Renew", s)
	if err != nil || k.ID == "" {
		return s, err
	}
	call, err := r.c.p.enter(ctx, Renew)
	if err != nil {
		return upload.Session{}, err
	}
	r.c.p.mu.Lock()
	have, err := r.c.find(Renew, k)
	k.Key = r.c.p.key
	r.c.p.mu.Unlock()
	if err != nil {
		return upload.Session{}, err
	}
	out := r.c.session(k, have.opened)
	out.Private = bytes.Clone(out.Private)
	return out, r.c.p.leave(ctx, call)
}
