package workflow_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/upload"
)

// plainCipher seals nothing: what is sealed is another test's matter.
type plainCipher struct{}

func (plainCipher) Seal(_ context.Context, plain, _ []byte) ([]byte, error)  { return plain, nil }
func (plainCipher) Open(_ context.Context, sealed, _ []byte) ([]byte, error) { return sealed, nil }

func TestSessionCredentialsAreRenewedByOneAtATimeAndNeverTwice(t *testing.T) {
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	l := state.New(db, plainCipher{}, time.Now, rand.Reader, state.Settings{})
	id := upload.ID("p1", "mem/a", "")
	if _, err := l.CreateUpload(t.Context(), state.Upload{ID: id, Publication: "p1", Account: "mem/a"}); err != nil {
		t.Fatal(err)
	}
	if err := l.PutSession(t.Context(), id, 1, upload.Session{ID: "old"}); err != nil {
		t.Fatal(err)
	}
	_, seen, err := l.SessionSerial(t.Context(), id, 1)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	calls := 0
	renew := func(_ context.Context, s upload.Session) (upload.Session, error) {
		mu.Lock()
		defer mu.Unlock()
		calls++
		s.ID = "new"
		return s, nil
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for {
				s, serial, err := l.RenewSession(t.Context(), id, 1, seen, renew)
				if errors.Is(err, state.ErrRenewing) && fault.KindOf(err) == fault.Retryable {
					time.Sleep(time.Millisecond)
					continue
				}
				if err != nil || s.ID != "new" || serial <= seen {
					t.Errorf("got %v, serial %d, %v", s.ID, serial, err)
				}
				return
			}
		})
	}
	wg.Wait()
	if calls != 1 {
		t.Errorf("renewed %d times, want once", calls)
	}
	if s, _, err := l.SessionSerial(t.Context(), id, 1); err != nil || s.ID != "new" {
		t.Errorf("stored %q, %v", s.ID, err)
	}
}

func TestAFailedRenewalOfSessionCredentialsFreesTheLeaseAndKeepsTheSession(t *testing.T) {
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	l := state.New(db, plainCipher{}, time.Now, rand.Reader, state.Settings{})
	id := upload.ID("p1", "mem/a", "")
	if _, err := l.CreateUpload(t.Context(), state.Upload{ID: id, Publication: "p1", Account: "mem/a"}); err != nil {
		t.Fatal(err)
	}
	if err := l.PutSession(t.Context(), id, 1, upload.Session{ID: "old"}); err != nil {
		t.Fatal(err)
	}
	_, seen, err := l.SessionSerial(t.Context(), id, 1)
	if err != nil {
		t.Fatal(err)
	}
	refused := fault.New(fault.TokenExpired, "test", "the account's token is over")
	if _, _, err := l.RenewSession(t.Context(), id, 1, seen, func(context.Context, upload.Session) (upload.Session, error) { return upload.Session{}, refused }); fault.KindOf(err) != fault.TokenExpired {
		t.Fatalf("got %v, want the platform's own kind", err)
	}
	s, _, err := l.RenewSession(t.Context(), id, 1, seen, func(_ context.Context, s upload.Session) (upload.Session, error) { s.ID += "+1"; return s, nil })
	if err != nil || s.ID != "old+1" {
		t.Errorf("got %q, %v: the lease was not freed, or the session was lost", s.ID, err)
	}
}
