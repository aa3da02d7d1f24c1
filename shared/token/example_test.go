package token_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
)

// A platform refused the token of an account: the Keeper gets another one, seals and saves it, and gives it away.
func ExampleKeeper_Renew() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "vodlift")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := sqlite.OpenMemory(nil)
	if err != nil {
		panic(err)
	}
	defer func() { _ = db.Close() }()
	keys, err := token.FileKey(filepath.Join(dir, "key"), nil)
	if err != nil {
		panic(err)
	}
	vault := token.NewVault(db, token.NewSealer(keys, nil), nil)
	if err := vault.PutApp(ctx, "douyin", token.AppKey{ID: "app", Secret: "s"}); err != nil {
		panic(err)
	}
	refused, err := vault.SaveLogin(ctx, "douyin/main", token.Token{Grant: "login-1", Access: "old", Refresh: "r"})
	if err != nil {
		panic(err)
	}

	refresh := func(context.Context, token.AppKey, token.Token) (token.Token, error) {
		return token.Token{Access: "new", Expires: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
	}
	keeper := token.NewKeeper(vault, map[string]token.Refresher{"douyin": refresherFunc(refresh)}, nil)
	fresh, err := keeper.Renew(ctx, "douyin/main", refused.Version)
	fmt.Println(fresh, fresh.Version > refused.Version, err)
	// Output: token(grant login-1, expires 2999-01-01T00:00:00Z) true <nil>
}
