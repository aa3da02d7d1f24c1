package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/transfer"
	"github.com/vodlift/vodlift/shared/transfer/crc64x"
	"github.com/vodlift/vodlift/shared/upload"
)

// content is n bytes of which no two parts are alike.
func content(n int) []byte {
	b := make([]byte, n)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

// mem is a source of one object. body, if set, replaces what the nth Open (from 1) of an offset gives.
type mem struct {
	data []byte
	body func(offset int64, n int, good io.Reader) (io.Reader, error)

	mu     sync.Mutex
	opens  map[int64]int
	open   int // bodies not closed yet
	closes int
}

func (m *mem) Stat(context.Context, source.Object) (source.Info, error) { return source.Info{}, nil }

func (m *mem) Open(_ context.Context, _ source.Object, offset, size int64) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.opens == nil {
		m.opens = map[int64]int{}
	}
	m.opens[offset]++
	var r io.Reader = bytes.NewReader(m.data[offset : offset+size])
	if m.body != nil {
		var err error
		if r, err = m.body(offset, m.opens[offset], r); err != nil {
			return nil, err
		}
	}
	m.open++
	return &memBody{Reader: r, m: m}, nil
}

type memBody struct {
	io.Reader
	m *mem
}

func (b *memBody) Close() error {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	b.m.open--
	b.m.closes++
	return nil
}

// sink is a target that keeps parts. before and after are asked around the nth sending (from 1) of a part.
type sink struct {
	target.Target // only UploadPart is called
	before, after func(ctx context.Context, part, n int) error
	receipt       func(*upload.Receipt)
	passes        int // how often it reads the body, 0 = once
	limit         int64

	mu            sync.Mutex
	parts         map[int][]byte
	sends         map[int]int
	inFlight, top int
	order         []int
}

func (s *sink) enter(part int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts, s.sends = map[int][]byte{}, map[int]int{}
	}
	s.sends[part]++
	s.order = append(s.order, part)
	s.inFlight++
	s.top = max(s.top, s.inFlight)
	return s.sends[part]
}

func (s *sink) leave() { s.mu.Lock(); s.inFlight--; s.mu.Unlock() }

func (s *sink) UploadPart(ctx context.Context, _ upload.Session, p target.Part) (upload.Receipt, error) {
	n := s.enter(p.Number)
	defer s.leave()
	if s.before != nil {
		if err := s.before(ctx, p.Number, n); err != nil {
			return upload.Receipt{}, err
		}
	}
	var got []byte
	for range max(s.passes, 1) {
		var err error
		if got, err = s.read(ctx, p); err != nil {
			return upload.Receipt{}, fault.Newf(fault.Unknown, "sink", "%w", err)
		}
	}
	if s.after != nil {
		if err := s.after(ctx, p.Number, n); err != nil {
			return upload.Receipt{}, err
		}
	}
	s.mu.Lock()
	s.parts[p.Number] = got
	s.mu.Unlock()
	r := upload.Receipt{Part: p.Number, Size: int64(len(got)), CRC64: crc64x.Update(0, got), ETag: "e"}
	if s.receipt != nil {
		s.receipt(&r)
	}
	return r, nil
}

func (s *sink) read(ctx context.Context, p target.Part) ([]byte, error) {
	r, err := p.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	if s.limit > 0 {
		return io.ReadAll(io.LimitReader(r, s.limit))
	}
	return io.ReadAll(r)
}

// saved collects what Flush got.
type saved struct {
	mu     sync.Mutex
	chunks [][]upload.Receipt
	busy   bool
	fail   func(ctx context.Context, n int) error
	calls  int
}

func (s *saved) flush(ctx context.Context, rs []upload.Receipt) error {
	s.mu.Lock()
	if s.busy {
		s.mu.Unlock()
		return errors.New("two flushes at a time")
	}
	s.busy = true
	s.calls++
	n := s.calls
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.busy = false; s.mu.Unlock() }()
	if s.fail != nil {
		if err := s.fail(ctx, n); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.chunks = append(s.chunks, rs)
	s.mu.Unlock()
	return nil
}

func (s *saved) all() []upload.Receipt {
	var rs []upload.Receipt
	for _, c := range s.chunks {
		rs = append(rs, c...)
	}
	return rs
}

// job is size bytes in parts of partSize, all missing.
func job(size, partSize, inFlight int) (transfer.Job, *mem, *sink, *saved) {
	src, dst, kept := &mem{data: content(size)}, &sink{}, &saved{}
	n := (size + partSize - 1) / partSize
	plan := upload.Plan{Size: int64(size), Parts: n, PartSize: int64(partSize), Ranges: 1, PartsPerRange: n, InFlight: inFlight}
	j := transfer.Job{Target: dst, Source: src, Plan: plan, Flush: kept.flush}
	for i := n; i >= 1; i-- {
		j.Missing = append(j.Missing, i)
	}
	return j, src, dst, kept
}

func check(t *testing.T, name string, src *mem, dst *sink) {
	t.Helper()
	if src.open != 0 {
		t.Errorf("%s: %d bodies were not closed", name, src.open)
	}
	if dst.inFlight != 0 {
		t.Errorf("%s: %d parts are still in flight", name, dst.inFlight)
	}
}
