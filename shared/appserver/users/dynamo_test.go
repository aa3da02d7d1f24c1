package users_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table/dynamo/dynamotest"
)

// TestTheRulesOverDynamoDB runs where conformance/run.sh has started DynamoDB Local: what rests on conditions and
// counters of the table has to hold on the one that is deployed.
func TestTheRulesOverDynamoDB(t *testing.T) {
	dynamotest.Endpoint(t)
	db := dynamotest.NewTable(t, nil)(nil)
	c := newClock(time.Now())
	r := newRigOver(t, db, c, open())
	u := r.register(t, "dynamo")
	if _, err := r.Register(t.Context(), "DYNAMO", right, home); !errors.Is(err, users.ErrTaken) {
		t.Errorf("got %v", err)
	}
	s, err := r.login(t, "dynamo", right, home)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Authenticate(t.Context(), s.Token); err != nil || got.ID != u.ID {
		t.Errorf("got %v, %v", got, err)
	}
	waits(t, r, "dynamo", 6, func(int) string { return cafe })
	l := off()
	l.UserUploads, l.SystemUploads, l.UserBytes, l.SystemBytes = 10, 7, 1000, 5000
	q := newQuotas(t, db, c, l)
	var wg sync.WaitGroup
	var granted atomic.Int64
	for range 12 {
		wg.Go(func() {
			ctx := context.WithoutCancel(t.Context())
			switch err := q.Charge(ctx, u.ID, home, 1, 0); {
			case err == nil:
				granted.Add(1)
			case !errors.Is(err, users.ErrOver) && fault.KindOf(err) != fault.Retryable:
				t.Error(err)
			}
			if err := q.ChargeBytes(ctx, "video", u.ID, home, 600); err != nil && fault.KindOf(err) != fault.Retryable {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, left, err := q.Left(t.Context(), u.ID); granted.Load() > 7 || left != 400 || err != nil {
		t.Errorf("granted %d of 7, %d bytes left of 400, %v", granted.Load(), left, err)
	}
	if err := r.Erase(t.Context(), u.ID); err != nil {
		t.Error(err)
	}
	if _, err := r.Authenticate(t.Context(), s.Token); !errors.Is(err, users.ErrToken) {
		t.Errorf("got %v", err)
	}
}

// TestTheDefaultCostsWork hashes once for real.
func TestTheDefaultCostsWork(t *testing.T) {
	c := newClock(noon())
	s, err := users.New(memory(t, c), users.Options{Addresses: addresses(t), Now: c.now, Settings: open()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Register(t.Context(), "real", right, home); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Login(t.Context(), "real", right, home); err != nil {
		t.Error(err)
	}
}
