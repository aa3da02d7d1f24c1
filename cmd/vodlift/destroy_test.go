package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vodlift/vodlift/local/cloud/cloudtest"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/upload"
)

// stackAPI is a deployed stack's operators' API as destroy needs it: uploads that are cancelled end two looks later.
type stackAPI struct {
	t        *testing.T
	aws      *cloudtest.AWS
	mu       sync.Mutex
	leaving  console.Leaving
	ending   map[string]int // looks until it is over
	stuck    bool           // cancelled uploads do not end
	fail     map[string]int // paths that answer 503 so many times
	unhooked []console.Unhooked
	calls    []string // those that change something
	old      bool     // of a version that knows nothing of leaving
}

func (s *stackAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		s.t.Errorf("%s %s is not signed", r.Method, r.URL)
	}
	call := r.Method + " " + r.URL.Path
	if s.fail[call] > 0 {
		s.fail[call]--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Method != http.MethodGet {
		if s.aws.ReadOnly {
			s.t.Errorf("this only reads, and called %s", call)
		}
		s.calls = append(s.calls, call)
	}
	var out any = struct{}{}
	id, cancel := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/api/uploads/"), "/cancel")
	switch {
	case call == "GET /api/info":
		out = console.Info{Kind: "aws", Inbox: "inbox-1", Region: cloudtest.Region}
	case call == "GET /api/leaving" && s.old:
		w.WriteHeader(http.StatusNotFound)
		return
	case call == "GET /api/leaving":
		out = s.look()
	case call == "POST /api/pause":
		s.leaving.Paused = true
	case cancel && r.Method == http.MethodPost:
		if !s.cancelled(id) {
			w.WriteHeader(http.StatusConflict)
			return
		}
	case call == "DELETE /api/callbacks":
		out = s.unhooked
	case call == "DELETE /api/secrets":
		if !s.leaving.Paused || len(s.leaving.Uploads) > 0 && r.URL.Query().Get("force") != "1" {
			w.WriteHeader(http.StatusConflict)
			return
		}
		out = console.Erased{Logins: s.leaving.Logins, Apps: s.leaving.Apps}
		s.leaving.Logins, s.leaving.Apps = nil, nil
	default:
		s.t.Errorf("the API was asked %s", call)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (s *stackAPI) cancelled(id string) bool {
	for i, u := range s.leaving.Uploads {
		if u.ID == id && u.Stand == console.LeaveCancel {
			s.leaving.Uploads[i].Stand = console.LeaveEnding
			s.ending[id] = 2
			return true
		}
	}
	return false
}

func (s *stackAPI) look() console.Leaving {
	s.leaving.Uploads = slices.DeleteFunc(s.leaving.Uploads, func(u console.LeavingUpload) bool {
		s.ending[u.ID]--
		return u.Stand == console.LeaveEnding && s.ending[u.ID] <= 0 && !s.stuck
	})
	return s.leaving
}

// did are the calls that changed something, without those of single uploads' names.
func (s *stackAPI) did() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, ", ")
}

// newStack is a deployed stack with two uploads under way, a login and a key, three videos in the inbox.
func newStack(t *testing.T) (*cloudtest.AWS, *stackAPI) {
	t.Helper()
	a := newAWS(t, true)
	s := &stackAPI{t: t, aws: a, ending: map[string]int{}, fail: map[string]int{}, leaving: console.Leaving{
		Uploads: []console.LeavingUpload{
			{ID: "u1", Account: "douyin/main", Status: upload.Uploading, Key: "a.mp4", Stand: console.LeaveCancel},
			{ID: "u2", Account: "youku/main", Status: upload.Waiting, Reason: "due", Key: "b.mp4", Stand: console.LeaveCancel},
		},
		Logins: []upload.Account{"douyin/main", "youku/main"}, Apps: []string{"douyin"},
	}, unhooked: []console.Unhooked{{Account: "alivod/main", Removed: true}, {Account: "alivod/two", Note: "the platform says no"}, {Account: "douyin/main", ByHand: true}}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	a.Outputs["ApiUrl"] = srv.URL
	a.Objects = map[string]int{"a.mp4": 1e9, "b.mp4": 5e8, "c.mp4": 5e8}
	a.Uploads = []string{"half.mp4"}
	return a, s
}

func TestDestroyShowsEverythingAndChangesNothing(t *testing.T) {
	a, _ := newStack(t)
	for _, where := range [][]string{{"--stack-name", "vodlift"}, {"--stack", a.Outputs["ApiUrl"]}, {"--stack-name", "vodlift", "--delete-inbox", "inbox-1", "--delete-table", "table-1", "--yes-delete", "vodlift"}} {
		out, errs, status := onAWS(t, "", append([]string{"destroy"}, where...)...)
		for _, want := range []string{
			"The stack vodlift in eu-central-1, account ...9012, is CREATE_COMPLETE", "IngestFunctionDropped, ReconcileFunctionBooks", "2 uploads are cancelled", "douyin/main, youku/main",
			"AWS::Events::Rule", "inbox-1", "3 files, 2.00 GB", "0.05", "table-1", "42 records, 2.00 GB", "0.90", "key-1", "1.00", "Nothing was changed", "--execute",
		} {
			if status != exitOK || !strings.Contains(out, want) {
				t.Errorf("%v: %d, want %q in:\n%s%s", where, status, want, out, errs)
			}
		}
	}
	if got := a.Changes(); len(got) != 0 {
		t.Errorf("changed %v", got)
	}
}

func TestDestroyGoesInOrderAndKeepsWhatIsRetained(t *testing.T) {
	a, s := newStack(t)
	a.ReadOnly = false
	out, errs, status := onAWS(t, "vodlift\n", "destroy", "--stack-name", "vodlift", "--execute")
	if status != exitOK {
		t.Fatalf("%d\n%s%s", status, out, errs)
	}
	if got, want := s.did(), "POST /api/pause, POST /api/uploads/u1/cancel, POST /api/uploads/u2/cancel, DELETE /api/callbacks, DELETE /api/secrets"; got != want {
		t.Errorf("the API was asked %s\nwant %s", got, want)
	}
	got := a.Changes()
	if len(got) != 2+6+1 || got[0] != "events:DisableRule rule-IngestFunctionDropped" || got[1] != "events:DisableRule rule-ReconcileFunctionBooks" || got[len(got)-1] != "cloudformation:DeleteStack" {
		t.Errorf("changed %q", got)
	}
	if len(a.Objects) != 3 || a.Table == "" || !a.Protected || a.NoBucket {
		t.Errorf("what is kept was touched: %+v", a)
	}
	for _, want := range []string{"the stack is deleted", "What remains", "table-1", "kept; --delete-table table-1", "schedule-key-deletion --key-id key-1", "sam keeps"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in:\n%s", want, out)
		}
	}
	if !strings.Contains(errs, "alivod/two was not removed: the platform says no") {
		t.Errorf("what was not removed is not said: %s", errs)
	}
}

func TestDestroyDeletesWhatWasTypedAndNothingElse(t *testing.T) {
	a, _ := newStack(t)
	a.ReadOnly = false
	out, errs, status := onAWS(t, "", "destroy", "--stack-name", "vodlift", "--execute", "--yes-delete", "vodlift", "--delete-inbox", "inbox-1", "--delete-table", "table-1")
	if status != exitOK || len(a.Objects) != 0 || len(a.Uploads) != 0 || !a.NoBucket || a.Table != "" {
		t.Fatalf("%d\n%s%s", status, out, errs)
	}
	got := strings.Join(a.Changes(), ", ")
	if !strings.HasSuffix(got, "s3:DeleteObjects 2, s3:DeleteObjects 1, s3:AbortMultipartUpload, cloudformation:DeleteStack, s3:DeleteBucket, dynamodb:UpdateTable, dynamodb:DeleteTable") {
		t.Errorf("changed %s", got)
	}
}

func TestDestroyStopsWhereNobodyMeansIt(t *testing.T) {
	a, s := newStack(t)
	for _, tc := range []struct {
		name, stdin string
		args        []string
		status      int
		want        string
	}{
		{"another name is typed", "Vodlift\n", []string{"--stack-name", "vodlift", "--execute"}, exitFailed, "was not typed"},
		{"nothing is typed", "", []string{"--stack-name", "vodlift", "--execute"}, exitFailed, "nothing was changed"},
		{"another stack's name", "", []string{"--stack-name", "vodlift", "--execute", "--yes-delete", "other"}, exitUsage, `the stack's is "vodlift"`},
		{"another bucket's name", "", []string{"--stack-name", "vodlift", "--execute", "--yes-delete", "vodlift", "--delete-inbox", "inbox-2"}, exitUsage, `the stack's is "inbox-1"`},
		{"another table's name", "", []string{"--stack-name", "vodlift", "--execute", "--yes-delete", "vodlift", "--delete-table", "*"}, exitUsage, `the stack's is "table-1"`},
		{"no stack", "", []string{"--execute"}, exitUsage, "say which stack"},
		{"a stack that never was", "", []string{"--stack-name", "other", "--execute", "--yes-delete", "other"}, exitFailed, "none was deleted in the last 90 days"},
		{"another region", "", []string{"--stack-name", "vodlift", "--region", "us-west-2", "--execute", "--yes-delete", "vodlift"}, exitFailed, "us-west-2"},
		{"an address of nobody", "", []string{"--stack", "https://other.example", "--execute", "--yes-delete", "vodlift"}, exitFailed, "no stack of this account"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errs, status := onAWS(t, tc.stdin, append([]string{"destroy"}, tc.args...)...)
			if status != tc.status || !strings.Contains(errs, tc.want) {
				t.Errorf("%d\n%s%s", status, out, errs)
			}
		})
	}
	t.Run("no credentials", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		if _, errs, status := onAWS(t, "", "destroy", "--stack-name", "vodlift"); status != exitFailed || !strings.Contains(errs, "no credentials of AWS") {
			t.Errorf("%d %s", status, errs)
		}
	})
	t.Run("an older version", func(t *testing.T) {
		s.old = true
		if _, errs, status := onAWS(t, "", "destroy", "--stack-name", "vodlift"); status != exitFailed || !strings.Contains(errs, "of an older version") || !strings.Contains(errs, "--without-api") {
			t.Errorf("%d %s", status, errs)
		}
	})
	if len(a.Changes()) != 0 || s.did() != "" {
		t.Errorf("changed %v, %s", a.Changes(), s.did())
	}
}

func TestDestroyWaitsForADecisionAboutWhatMayBePublic(t *testing.T) {
	a, s := newStack(t)
	a.ReadOnly = false
	s.leaving.Uploads = append(s.leaving.Uploads, console.LeavingUpload{ID: "u3", Account: "douyin/main", Status: upload.Held, Reason: "unknown", Key: "c.mp4", Stand: console.LeaveAsked})
	out, errs, status := onAWS(t, "", "destroy", "--stack-name", "vodlift", "--execute", "--yes-delete", "vodlift")
	if status != exitFailed || !strings.Contains(out, "u3") || !strings.Contains(errs, "--force-held") || !strings.Contains(errs, "run the same command again") {
		t.Errorf("%d\n%s%s", status, out, errs)
	}
	if got := s.did(); strings.Contains(got, "DELETE") || strings.Contains(got, "u3") || slices.Contains(a.Changes(), "cloudformation:DeleteStack") {
		t.Errorf("the API was asked %s, changed %v", got, a.Changes())
	}
	out, errs, status = onAWS(t, "", "destroy", "--stack-name", "vodlift", "--execute", "--yes-delete", "vodlift", "--force-held")
	if status != exitOK || !strings.Contains(errs, "1 uploads stay unknown") {
		t.Errorf("forced: %d\n%s%s", status, out, errs)
	}
}

func TestDestroyDoesNotWaitForeverForUploadsToEnd(t *testing.T) {
	a, s := newStack(t)
	a.ReadOnly, s.stuck = false, true
	_, errs, status := onAWS(t, "", "destroy", "--stack-name", "vodlift", "--execute", "--yes-delete", "vodlift", "--wait", "20ms")
	if status != exitFailed || !strings.Contains(errs, "2 uploads have not ended in 20ms") {
		t.Errorf("%d %s", status, errs)
	}
	if got := s.did(); strings.Count(got, "cancel") != 2 || slices.Contains(a.Changes(), "cloudformation:DeleteStack") {
		t.Errorf("the API was asked %s, changed %v", got, a.Changes())
	}
}

func TestDestroyGoesOnWhereItStopped(t *testing.T) {
	run := func(t *testing.T, more ...string) (string, string, int) {
		t.Helper()
		return onAWS(t, "", append([]string{"destroy", "--stack-name", "vodlift", "--execute", "--yes-delete", "vodlift"}, more...)...)
	}
	for _, denied := range []string{"events:DisableRule", "s3:ListBucketVersions", "s3:DeleteObject", "s3:AbortMultipartUpload", "cloudformation:DeleteStack", "s3:DeleteBucket", "dynamodb:UpdateTable", "dynamodb:DeleteTable"} {
		t.Run("after "+denied+" was denied", func(t *testing.T) {
			a, _ := newStack(t)
			a.ReadOnly, a.Deny[denied] = false, true
			all := []string{"--delete-inbox", "inbox-1", "--delete-table", "table-1"}
			if out, errs, status := run(t, all...); status != exitFailed || !strings.Contains(errs, "does not allow you "+denied) || !strings.Contains(errs, "run the same command again") {
				t.Fatalf("%d\n%s%s", status, out, errs)
			}
			delete(a.Deny, denied)
			if out, errs, status := run(t, all...); status != exitOK || a.Status != "DELETE_COMPLETE" || !a.NoBucket || a.Table != "" {
				t.Errorf("again: %d\n%s%s", status, out, errs)
			}
			if denied != "dynamodb:DeleteTable" {
				return
			}
			if out, errs, status := run(t); status != exitOK || !strings.Contains(out, "deleted already") {
				t.Errorf("once more: %d\n%s%s", status, out, errs)
			}
		})
	}
	t.Run("after CloudFormation failed half-way", func(t *testing.T) {
		a, s := newStack(t)
		a.ReadOnly, a.DeleteFails = false, 1
		_, errs, status := run(t)
		if status != exitFailed || !strings.Contains(errs, "DeadLetters (AWS::SQS::Queue)") || !strings.Contains(errs, "DELETE_FAILED") {
			t.Fatalf("%d %s", status, errs)
		}
		before := s.did()
		if out, errs, status := run(t); status != exitOK || a.Status != "DELETE_COMPLETE" {
			t.Errorf("again: %d\n%s%s", status, out, errs)
		}
		if s.did() != before {
			t.Errorf("the API, which may be gone, was asked again: %s", s.did())
		}
	})
	for _, call := range []string{"POST /api/pause", "POST /api/uploads/u1/cancel", "DELETE /api/callbacks", "DELETE /api/secrets"} {
		t.Run("after the API failed at "+call, func(t *testing.T) {
			a, s := newStack(t)
			a.ReadOnly, s.fail[call] = false, 1
			if _, errs, status := run(t); status != exitFailed || !strings.Contains(errs, "503") || slices.Contains(a.Changes(), "cloudformation:DeleteStack") {
				t.Fatalf("%d %s, changed %v", status, errs, a.Changes())
			}
			if out, errs, status := run(t); status != exitOK {
				t.Errorf("again: %d\n%s%s", status, out, errs)
			}
		})
	}
}

func TestDestroyWithoutTheAPISaysWhatStays(t *testing.T) {
	a, s := newStack(t)
	a.Outputs["ApiUrl"] = "http://127.0.0.1:1"
	if _, errs, status := onAWS(t, "", "destroy", "--stack-name", "vodlift"); status != exitFailed || !strings.Contains(errs, "--without-api") {
		t.Errorf("%d %s", status, errs)
	}
	a.ReadOnly = false
	out, errs, status := onAWS(t, "", "destroy", "--stack-name", "vodlift", "--execute", "--yes-delete", "vodlift", "--without-api")
	if status != exitOK || !strings.Contains(out, "open sessions, callback addresses, logins and app keys stay as they are") || s.did() != "" {
		t.Errorf("%d, the API was asked %s\n%s%s", status, s.did(), out, errs)
	}
}

func TestDestroyNamesEachReadThatIsDenied(t *testing.T) {
	for _, denied := range []string{"sts:GetCallerIdentity", "cloudformation:DescribeStacks", "cloudformation:ListStackResources", "s3:ListBucket", "dynamodb:DescribeTable"} {
		a, _ := newStack(t)
		a.Deny[denied] = true
		if _, errs, status := onAWS(t, "", "destroy", "--stack-name", "vodlift"); status != exitFailed || !strings.Contains(errs, fmt.Sprintf("does not allow you %s", denied)) {
			t.Errorf("%s: %d %s", denied, status, errs)
		}
	}
}
