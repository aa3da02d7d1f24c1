package workflow_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestABrokenLeaseIsFreeAtOnceAndItsOldHolderIsRefused(t *testing.T) {
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
	dead, err := l.TakeLease(t.Context(), id, 1, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.TakeLease(t.Context(), id, 1, 1, 1); !errors.Is(err, state.ErrLeaseHeld) {
		t.Fatalf("a live lease was taken over: %v", err)
	}
	if err := l.BreakLeases(t.Context(), id, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := l.TakeLease(t.Context(), id, 1, 1, 1); err != nil {
		t.Errorf("a broken lease is not free: %v", err)
	}
	if _, err := dead.Renew(t.Context()); !errors.Is(err, state.ErrLeaseHeld) {
		t.Errorf("the old holder goes on: %v", err)
	}
}
