package retry_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/retry"
	"github.com/vodlift/vodlift/shared/source"
)

var errBusy = fault.New(fault.Retryable, "fake", "busy")

// scripted is a source whose opens and reads fail as told: one entry per Open.
type scripted struct {
	opens  []func() (io.ReadCloser, error)
	n      int
	closed int
}

func (s *scripted) Stat(context.Context, source.Object) (source.Info, error) {
	s.n++
	if s.n < 3 {
		return source.Info{}, errBusy
	}
	return source.Info{ContentType: "video/mp4"}, nil
}

func (s *scripted) Open(context.Context, source.Object, int64, int64) (io.ReadCloser, error) {
	s.n++
	return s.opens[min(s.n, len(s.opens))-1]()
}

type closer struct {
	io.Reader
	s *scripted
}

func (c closer) Close() error { c.s.closed++; return nil }

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func TestSourceRepeatsUntilTheFirstByteOnly(t *testing.T) {
	gone := fault.Newf(fault.Invalid, "fake", "%w", source.ErrChanged)
	good := func(s *scripted) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return closer{strings.NewReader("bytes"), s}, nil }
	}
	fails := func(err error) func(*scripted) func() (io.ReadCloser, error) {
		return func(*scripted) func() (io.ReadCloser, error) {
			return func() (io.ReadCloser, error) { return nil, err }
		}
	}
	reads := func(data string, err error) func(*scripted) func() (io.ReadCloser, error) {
		return func(s *scripted) func() (io.ReadCloser, error) {
			return func() (io.ReadCloser, error) {
				return closer{io.MultiReader(strings.NewReader(data), broken{err}), s}, nil
			}
		}
	}
	type script = []func(*scripted) func() (io.ReadCloser, error)
	for name, c := range map[string]struct {
		script script
		want   string
		err    error
		opens  int
		closes int
	}{
		"at once":                                 {script{good}, "bytes", nil, 1, 1},
		"a busy open is repeated":                 {script{fails(errBusy), fails(errBusy), good}, "bytes", nil, 3, 1},
		"a replaced object is not":                {script{fails(gone)}, "", source.ErrChanged, 1, 0},
		"a body that fails before its first byte": {script{reads("", errBusy), good}, "bytes", nil, 2, 2},
		"a body that fails after it":              {script{reads("by", errBusy), good}, "by", errBusy, 1, 1},
		"a busy open inside Read counts too":      {script{reads("", errBusy), fails(errBusy), good}, "bytes", nil, 3, 2},
		"in the end it gives up":                  {script{reads("", errBusy)}, "", errBusy, 4, 4},
		"an unclassified failure is not repeated": {script{reads("", io.ErrUnexpectedEOF), good}, "", io.ErrUnexpectedEOF, 1, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{}
			for _, f := range c.script {
				s.opens = append(s.opens, f(s))
			}
			got, err := readAll(t.Context(), retry.Source(s, retry.Policy{}))
			if got != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("%s: got %q, %v; want %q, %v", name, got, err, c.want, c.err)
			}
			if s.n != c.opens || s.closed != c.closes {
				t.Errorf("%s: got %d opens, %d closes; want %d, %d", name, s.n, s.closed, c.opens, c.closes)
			}
		})
	}
}

func readAll(ctx context.Context, s source.Source) (string, error) {
	r, err := s.Open(ctx, source.Object{}, 0, 5)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	_ = r.Close()
	_ = r.Close() // twice is harmless, and reaches the source once
	return string(b), err
}

func TestSourceRepeatsStat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		info, err := retry.Source(s, retry.Policy{}).Stat(t.Context(), source.Object{})
		if err != nil || info.ContentType != "video/mp4" || s.n != 3 {
			t.Errorf("got %+v, %v after %d calls", info, err, s.n)
		}
	})
}
