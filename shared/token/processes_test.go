package token_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
)

// What a child process is told by its environment: its data folder and the platform's address.
const (
	childDir      = "VODLIFT_TOKEN_TEST_DIR"
	childPlatform = "VODLIFT_TOKEN_TEST_PLATFORM"
)

const (
	processes = 4
	callers   = 50 // in each
)

// TestMain makes this binary a process of its own that renews, where the environment says so.
func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := child(dir, os.Getenv(childPlatform)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// overHTTP is the platform as another process sees it.
type overHTTP string

func (p overHTTP) Refresh(ctx context.Context, _ token.AppKey, old token.Token) (token.Token, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(p)+"/refresh", bytes.NewReader([]byte(old.Refresh)))
	if err != nil {
		return token.Token{}, err
	}
	var client http.Client
	res, err := client.Do(req)
	if err != nil {
		return token.Token{}, fault.New(fault.Unknown, "platform", "no answer")
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return token.Token{}, fault.New(fault.CredentialsExpired, "platform", "refused")
	}
	var t token.Token
	return t, json.NewDecoder(res.Body).Decode(&t)
}

func openDir(dir string) (*sqlite.DB, *token.Vault, error) {
	db, err := sqlite.Open(filepath.Join(dir, "table.db"), nil)
	if err != nil {
		return nil, nil, err
	}
	keys, err := token.FileKey(filepath.Join(dir, "seal.key"), nil)
	return db, token.NewVault(db, token.NewSealer(keys, nil), nil), err
}

// child is one process with many callers who all met version 1.
func child(dir, platform string) error {
	db, vault, err := openDir(dir)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	// All processes begin together.
	var client http.Client
	res, err := client.Get(platform + "/ready")
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			k := token.NewKeeper(vault, map[string]token.Refresher{"douyin": overHTTP(platform)}, &token.KeeperOptions{Wait: 50 * time.Second})
			for {
				t, err := k.Renew(ctx, main, 1)
				if fault.KindOf(err) == fault.Retryable && ctx.Err() == nil {
					continue // the machine comes back
				}
				if errs[i] = err; err == nil && (t.Access != "secret-a2" || t.Version != 2) {
					errs[i] = fmt.Errorf("got version %d", t.Version)
				}
				return
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func TestManyProcessesWhoMeetOneExpiredTokenMakeOneRefresh(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	db, vault, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := vault.PutApp(t.Context(), "douyin", token.AppKey{ID: "app-1"}); err != nil {
		t.Fatal(err)
	}
	expired := token.Token{Grant: "g1", Access: "secret-a1", Refresh: "secret-r1", Obtained: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour)}
	if _, err := vault.SaveLogin(t.Context(), main, expired); err != nil {
		t.Fatal(err)
	}
	var calls, ready atomic.Int64
	begin := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {
		if ready.Add(1) == processes {
			close(begin)
		}
		<-begin
	})
	mux.HandleFunc("/refresh", func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) > 1 { // the refresh token is used up
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(w).Encode(token.Token{Access: "secret-a2", Refresh: "secret-r2", Expires: time.Now().Add(time.Hour)})
	})
	platform := httptest.NewServer(mux)
	defer platform.Close()
	var all sync.WaitGroup
	for range processes {
		all.Go(func() {
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Env = append(os.Environ(), childDir+"="+dir, childPlatform+"="+platform.URL)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("a process: %v\n%s", err, out)
				if ready.Add(1) == processes {
					close(begin)
				}
			}
		})
	}
	all.Wait()
	if calls.Load() != 1 {
		t.Errorf("%d refreshes reached the platform", calls.Load())
	}
	if got, err := vault.Load(t.Context(), main); err != nil || got.Refresh != "secret-r2" {
		t.Errorf("stored: %v, %v", got, err)
	}
}
