package memsource_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/memsource"
	"github.com/vodlift/vodlift/shared/source/sourcetest"
)

func TestKeepsTheContract(t *testing.T) {
	for _, versioned := range []bool{false, true} {
		t.Run(fmt.Sprintf("versioned=%t", versioned), func(t *testing.T) {
			sourcetest.Run(t, func(*testing.T) *sourcetest.Harness {
				s := memsource.New()
				s.Versioned = versioned
				return &sourcetest.Harness{
					Source: s, Bucket: "inbox", Versioned: versioned,
					Put: func(_ *testing.T, key string, body []byte, metadata map[string]string) source.Object {
						return s.Put("inbox", key, body, metadata)
					},
					Delete:   func(_ *testing.T, key string) { s.Delete("inbox", key) },
					Spoil:    func(after int64, cut bool) { s.Misbehave(memsource.Fault{After: after, Cut: cut}) },
					Unclosed: func() int { _, n, _ := s.Stats(); return n },
				}
			})
		})
	}
}

func TestMisbehaviourIsUsedUpInOrder(t *testing.T) {
	s := memsource.New()
	o := s.Put("b", "k", []byte("0123456789"), nil)
	own := fault.New(fault.Permanent, "test", "closed")
	s.Misbehave(memsource.Fault{Refuse: errors.New("busy")}, memsource.Fault{Refuse: own}, memsource.Fault{After: 4})
	if _, err := s.Open(t.Context(), o, 0, 10); fault.KindOf(err) != fault.Retryable {
		t.Errorf("first: %v", err)
	}
	if _, err := s.Open(t.Context(), o, 0, 10); fault.KindOf(err) != fault.Permanent {
		t.Errorf("second: %v", err)
	}
	r, err := s.Open(t.Context(), o, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if string(b) != "0123" || !errors.Is(err, memsource.ErrBroken) {
		t.Errorf("third: %q, %v", b, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if opened, unclosed, read := s.Stats(); opened != 1 || unclosed != 0 || read != 4 {
		t.Errorf("Stats = %d, %d, %d; want 1, 0, 4", opened, unclosed, read)
	}
}

// zeros is as long as anybody asks for.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func TestHugeObjectNeedsNoMemory(t *testing.T) {
	s := memsource.New()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.Now = func() time.Time { return at }
	o := s.PutReaderAt("b", "huge", "etag", zeros{}, 1<<45, nil)
	info, err := s.Stat(t.Context(), o)
	if err != nil || info.Size != 1<<45 || !info.Modified.Equal(at) {
		t.Errorf("stat = %+v, %v", info, err)
	}
	r, err := s.Open(t.Context(), o, 1<<45-5, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); len(b) != 5 || err != nil {
		t.Errorf("read %d, %v", len(b), err)
	}
}

func Example() {
	s := memsource.New()
	o := s.Put("inbox", "video.mp4", []byte("0123456789"), map[string]string{"title": "=?UTF-8?B?5L2g5aW9?="})
	info, err := s.Stat(context.Background(), o)
	fmt.Println(info.Size, info.Metadata["title"], err)
	r, err := s.Open(context.Background(), o, 2, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	fmt.Println(string(b), err)
	s.Put("inbox", "video.mp4", []byte("replaced"), nil)
	_, err = s.Open(context.Background(), o, 2, 3)
	fmt.Println(errors.Is(err, source.ErrChanged))
	// Output:
	// 10 你好 <nil>
	// 234 <nil>
	// true
}
