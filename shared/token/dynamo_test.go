package token_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/table/dynamo/dynamotest"
	"github.com/vodlift/vodlift/shared/token"
)

// The Keeper's promises on AWS's own engine: conditional writes, its index, its expiry. See conformance/run.sh.
func TestOnDynamoDBOneRefreshServesAllAndANewerLoginWins(t *testing.T) {
	dynamotest.Endpoint(t)
	db := dynamotest.NewTable(t, nil)(nil)
	vault := token.NewVault(db, newSealer(t), nil)
	ctx := t.Context()
	if err := vault.PutApp(ctx, "douyin", token.AppKey{ID: "app-1", Secret: "s"}); err != nil {
		t.Fatal(err)
	}
	ends := time.Now().Add(-time.Minute)
	old, err := vault.SaveLogin(ctx, "douyin/main", token.Token{Grant: "login-1", Access: "a0", Refresh: "r0", Expires: ends, RefreshBy: ends.Add(24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	var during func()
	refresh := refresherFunc(func(_ context.Context, _ token.AppKey, t token.Token) (token.Token, error) {
		n := asked.Add(1)
		if during != nil {
			during()
		}
		return token.Token{Access: fmt.Sprint("a", n), Refresh: fmt.Sprint("r", n), Expires: time.Now().Add(time.Hour), RefreshBy: time.Now().Add(24 * time.Hour)}, nil
	})
	var wg sync.WaitGroup
	for range 40 { // each a process of its own, as functions are
		keeper := token.NewKeeper(vault, map[string]token.Refresher{"douyin": refresh}, nil)
		wg.Go(func() {
			if got, err := keeper.Renew(ctx, "douyin/main", old.Version); err != nil || got.Access != "a1" {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	wg.Wait()
	now, err := vault.Load(ctx, "douyin/main")
	if err != nil || asked.Load() != 1 || now.Refresh != "r1" {
		t.Fatalf("%d refreshes, stored %v, %v", asked.Load(), now, err)
	}
	// A login that comes while a renewal is under way wins.
	during = func() {
		if _, err := vault.SaveLogin(ctx, "douyin/main", token.Token{Grant: "login-2", Access: "newer", Refresh: "newer-r", Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Error(err)
		}
	}
	keeper := token.NewKeeper(vault, map[string]token.Refresher{"douyin": refresh}, nil)
	if _, err := keeper.Renew(ctx, "douyin/main", now.Version); err != nil {
		t.Logf("the renewal that lost: %v", err)
	}
	if got, err := vault.Load(ctx, "douyin/main"); err != nil || got.Grant != "login-2" || got.Access != "newer" {
		t.Errorf("stored %v, %v", got, err)
	}
	// The sweep finds what is due in the index.
	during = nil
	if _, err := vault.SaveLogin(ctx, "douyin/soon", token.Token{Grant: "s-1", Access: "x", Refresh: "y", Obtained: time.Now().Add(-time.Hour), Expires: time.Now().Add(5 * time.Minute), RefreshBy: time.Now().Add(20 * 24 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	before := asked.Load()
	report, err := token.NewSweeper(keeper, nil).Sweep(ctx)
	if err != nil || report.Renewed != 1 || asked.Load() != before+1 {
		t.Errorf("sweep: %+v, %v, %d refreshes", report, err, asked.Load()-before)
	}
	if err := vault.Remove(ctx, "douyin/main"); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Load(ctx, "douyin/main"); !errors.Is(err, token.ErrNoCredential) {
		t.Errorf("after its removal: %v", err)
	}
}
