package oss

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vodlift/vodlift/shared/fault"
)

func streamOf(t *testing.T, r io.Reader, size int64) *stream {
	t.Helper()
	s, err := open(t.Context(), "oss.Test", Body{Size: size, Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(r), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAStreamIsTheSameHoweverItIsRead(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"at once": strings.NewReader("0123456789"), "byte by byte": iotest.OneByteReader(strings.NewReader("0123456789")), "half by half": iotest.HalfReader(strings.NewReader("0123456789")),
		"the end with the data": iotest.DataErrReader(strings.NewReader("0123456789")),
	} {
		s := streamOf(t, r, 10)
		b, err := io.ReadAll(iotest.HalfReader(s))
		sum, whole, serr := s.finish()
		if string(b) != "0123456789" || err != nil || serr != nil || !whole || sum != sumOf("0123456789") {
			t.Errorf("%s: %q, %v, %v, %v", name, b, err, whole, serr)
		}
		if n, err := s.Read(make([]byte, 1)); n != 0 || err != errClosed {
			t.Errorf("%s: after the end: %d, %v", name, n, err)
		}
	}
}

func TestTheLastBytesAreWithheldFromALie(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"too long":              {strings.NewReader("0123456789x"), errLong},
		"too short":             {strings.NewReader("012345678"), io.ErrUnexpectedEOF},
		"fails midway":          {io.MultiReader(strings.NewReader("01234"), iotest.ErrReader(broken)), broken},
		"fails just at the end": {io.MultiReader(strings.NewReader("0123456789"), iotest.ErrReader(broken)), broken},
	} {
		s := streamOf(t, c.r, 10)
		b, err := io.ReadAll(s)
		if _, whole, serr := s.finish(); len(b) >= 10 || !errors.Is(err, c.want) || !errors.Is(serr, c.want) || whole {
			t.Errorf("%s: %d bytes, %v, %v", name, len(b), err, serr)
		}
		if _, again := s.Read(make([]byte, 1)); again == nil || again == io.EOF {
			t.Errorf("%s: it goes on", name)
		}
	}
}

func TestABodyThatCannotBeOpenedKeepsItsCause(t *testing.T) {
	cause := fault.New(fault.Invalid, "source.Open", "replaced")
	_, err := testClient(t, platform()).Put(t.Context(), "k", "", Body{Size: 1, Open: func(context.Context) (io.ReadCloser, error) { return nil, cause }}, nil)
	if fault.KindOf(err) != fault.Invalid || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the lease ended")
	_, err = testClient(t, platform()).Put(ctx, "k", "", Body{Size: 1, Open: func(context.Context) (io.ReadCloser, error) { cancel(why); return nil, io.EOF }}, nil)
	if fault.KindOf(err) != fault.Unknown || !errors.Is(err, why) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := ReadFault(t.Context(), "x", io.ErrClosedPipe); fault.KindOf(err) != fault.Retryable || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("reading: %v", err)
	}
	if err := ReadFault(ctx, "x", io.ErrClosedPipe); fault.KindOf(err) != fault.Unknown || !errors.Is(err, why) {
		t.Errorf("reading, cancelled: %v", err)
	}
}
