package targettest

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/vodlift/vodlift/shared/target"
)

// opener gives honest readers.
func opener(b []byte) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return &reader{b: b}, nil }
}

// reader reads b in uneven steps, and can lie in several ways. It counts how often it is closed, and notices a read
// after that.
type reader struct {
	b      []byte
	at     int
	err    error           // instead of io.EOF, at the end of b
	block  context.Context // at the end of b, until it is done
	ready  chan<- struct{} // told when it blocks
	count  *counts
	closed atomic.Int32
}

// counts are of all readers of one part.
type counts struct{ opened, closed, twice, late atomic.Int32 }

func (r *reader) Read(p []byte) (int, error) {
	if r.closed.Load() > 0 && r.count != nil {
		r.count.late.Add(1)
	}
	if r.at == len(r.b) {
		if r.block != nil {
			if r.ready != nil {
				close(r.ready)
				r.ready = nil
			}
			<-r.block.Done()
			return 0, context.Cause(r.block)
		}
		if r.err != nil {
			return 0, r.err
		}
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1+r.at%9973+len(r.b)/7)], r.b[r.at:])
	r.at += n
	return n, nil
}

func (r *reader) Close() error {
	if r.closed.Add(1) > 1 && r.count != nil {
		r.count.twice.Add(1)
	} else if r.count != nil {
		r.count.closed.Add(1)
	}
	return nil
}

// counted makes a part whose readers are counted; change may make them lie.
func counted(p target.Part, all []byte, change func(*reader)) (target.Part, *counts) {
	c := &counts{}
	p.Open = func(ctx context.Context) (io.ReadCloser, error) {
		c.opened.Add(1)
		r := &reader{b: all[p.Offset : p.Offset+p.Size], count: c}
		if change != nil {
			change(r)
		}
		return r, nil
	}
	return p, c
}

var errMidway = errors.New("this reader fails midway")
