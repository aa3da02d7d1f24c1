package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestAStackOnAWSIsSpokenToSignedAndWithoutTheDataFoldersKey(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRET-OF-AWS")
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_REGION", "eu-central-1")
	signed := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-central-1/execute-api/aws4_request, SignedHeaders=[a-z;-]*host[a-z;-]*, Signature=[0-9a-f]{64}$`)
	var paths []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Method+" "+r.URL.Path)
		if a := r.Header.Get("Authorization"); !signed.MatchString(a) {
			t.Errorf("%s: Authorization %q", r.URL.Path, a)
		}
		for k, v := range r.Header {
			if strings.Contains(strings.ToLower(k), "vodlift") || strings.Contains(strings.Join(v, ""), "SECRET-OF-AWS") {
				t.Errorf("header %s: %v", k, v)
			}
		}
		var out any = console.Info{Kind: "aws", Inbox: "inbox-1", Region: "eu-central-1", Accounts: []upload.Account{"douyin/main"}}
		if r.URL.Path == "/api/pause" {
			out = console.PauseRequest{Scope: "douyin", On: true}
		}
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(srv.Close)
	run := func(args ...string) (string, int) {
		var out bytes.Buffer
		m := Main{Args: args, Stdout: &out, Stderr: &out, Dir: t.TempDir()}
		status := m.Run(t.Context())
		return out.String(), status
	}
	if out, status := run("pause", "--stack", srv.URL, "douyin"); status != exitOK {
		t.Fatalf("%d %s", status, out)
	}
	if got := strings.Join(paths, ", "); !strings.HasSuffix(got, "GET /api/info, POST /api/pause") {
		t.Errorf("asked %s", got)
	}
}

func TestOnlyTheAddressOfAStackIsTaken(t *testing.T) {
	for _, bad := range []string{"http://example.com", "https://a.example/path", "https://user@a.example", "https://a.example?x=1", "ftp://a.example", "somewhere"} {
		var out bytes.Buffer
		m := Main{Args: []string{"status", "--stack", bad}, Stdout: &out, Stderr: &out, Dir: t.TempDir()}
		if status := m.Run(t.Context()); status == exitOK {
			t.Errorf("%s was taken: %s", bad, out.String())
		}
	}
}
