package buildcheck

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/appserver/catalogue"
)

// classOf reads a resource of a role as the recorder names it.
func classOf(s statement) string {
	r := resourceText(s.Resource)
	switch {
	case r == "Table.Arn":
		return "table"
	case strings.HasPrefix(r, "${Table.Arn}/index/"):
		return "index " + strings.TrimPrefix(r, "${Table.Arn}/index/")
	case r == "Inbox.Arn":
		return "inbox"
	case r == "${Inbox.Arn}/*":
		return "inbox objects"
	case r == "${Inbox.Arn}/"+catalogue.KeyPrefix+"*":
		return "catalogue objects"
	case r == "SealKey.Arn":
		return "key"
	case r == "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${AWS::StackName}-publish":
		return "machine"
	case r == "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default":
		return "bus"
	}
	return "something else: " + r
}

// granted reads the roles.
func granted(t *template.Template) map[string]map[use]bool {
	out := map[string]map[use]bool{}
	for name, f := range t.Functions {
		out[name] = map[use]bool{}
		for _, s := range statements(f.Policies, new(findings), name) {
			out[name][use{s.Action, classOf(s)}] = true
		}
	}
	return out
}

// compare says what is missing in the roles, what is too much, and which reason has become untrue.
func compare(roles map[string]map[use]bool, used map[string]map[use]int, rare map[string]map[use]reason) (wrong []string) {
	for name, role := range roles {
		for u := range role {
			r := rare[name][u]
			switch {
			case used[name][u] == 0 && r.why == "":
				wrong = append(wrong, fmt.Sprintf("%s may %s, which it never used", name, u))
			case used[name][u] > 0 && r.why != "" && !r.race:
				wrong = append(wrong, fmt.Sprintf("%s used %s, which is listed as rare", name, u))
			}
		}
		for u := range rare[name] {
			if !role[u] {
				wrong = append(wrong, fmt.Sprintf("%s has a reason for %s, and no such permission", name, u))
			}
		}
	}
	for name, uses := range used {
		for u := range uses {
			if name != "-" && !roles[name][u] {
				wrong = append(wrong, fmt.Sprintf("%s used %s, which its role does not allow", name, u))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

func TestEachRoleAllowsWhatItsFunctionUsesAndNothingElse(t *testing.T) {
	roles := granted(deployed(t))
	var used map[string]map[use]int
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))) // a bubble begins in 2000, before any certificate or signature of today
		w := newIAMWorld(t)
		defer w.close()
		w.wholeRun()
		w.c.rec.mu.Lock()
		defer w.c.rec.mu.Unlock()
		for _, odd := range w.c.rec.odd {
			t.Error("a request that the recorder does not know: " + odd)
		}
		used = map[string]map[use]int{}
		for name, uses := range w.c.rec.used {
			used[name] = maps.Clone(uses)
		}
	})
	for _, wrong := range compare(roles, used, rarelyUsed()) {
		t.Error(wrong)
	}
	if t.Failed() {
		return
	}
	// Each permission counts: to take it away, or to add one, is found.
	for name, role := range roles {
		for u := range role {
			less := maps.Clone(roles)
			less[name] = maps.Clone(role)
			delete(less[name], u)
			if got := compare(less, used, rarelyUsed()); len(got) == 0 {
				t.Errorf("%s without %s: found %q", name, u, got)
			}
		}
		more := maps.Clone(roles)
		more[name] = maps.Clone(role)
		more[name][use{"dynamodb:Scan", "table"}] = true
		if got := compare(more, used, rarelyUsed()); len(got) != 1 || !strings.Contains(got[0], name+" may dynamodb:Scan on table, which it never used") {
			t.Errorf("%s with more: found %q", name, got)
		}
	}
}

// TestTheRecorderKnowsEveryCallOfTheSDK: a call that the run cannot see would need a permission that it cannot prove.
func TestTheRecorderKnowsEveryCallOfTheSDK(t *testing.T) {
	want := []string{
		"dynamodb.CreateTable", "dynamodb.DescribeTable", "dynamodb.UpdateTimeToLive", // of dynamo.CreateTable, which is for tests
		"dynamodb.DeleteItem", "dynamodb.GetItem", "dynamodb.PutItem", "dynamodb.Query", "dynamodb.TransactWriteItems", "dynamodb.UpdateItem",
		"eventbridge.PutEvents", "kms.Decrypt", "kms.GenerateDataKey", "s3.GetObject", "s3.HeadObject", "s3.ListObjectsV2", "sfn.SendTaskSuccess", "sfn.StartExecution",
	}
	call := regexp.MustCompile(`\b(dynamodb|s3|kms|sfn|eventbridge|sqs|sns|lambda|sts|scheduler)\.([A-Z]\w+)Input\{`)
	found := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(root, "shared"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "dynamotest") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range call.FindAllStringSubmatch(string(b), -1) {
			found[m[1]+"."+m[2]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
		t.Errorf("the program calls %v, the recorder knows %v", got, want)
	}
}

// reason is why a permission is granted that the whole run below does not use.
type reason struct {
	why string
	// race: whether the run uses it depends on which of two functions is faster.
	race bool
}

// rarelyUsed are those permissions. One that the run comes to use leaves this list.
func rarelyUsed() map[string]map[use]reason {
	counters, wake := use{"dynamodb:UpdateItem", "table"}, use{"states:SendTaskSuccess", "machine"}
	const died = "who starts an upload again gives back the grant of a generation that died before it could; Open and the sweep are nearly always before it"
	const first = "the key under which addresses of apps are hashed is made by whichever function needs it first; in this run that is reconcile"
	return map[string]map[use]reason{
		"appserver": {
			use{"kms:GenerateDataKey", "key"}:        {first, false},
			use{"s3:GetObject", "catalogue objects"}: {"addresses of the catalogue's media; no catalogue is loaded in this run", false},
		},
		"vodcallback": {use{"kms:GenerateDataKey", "key"}: {first, false}},
		"finalize": {
			counters: {"Settle gives a grant back where Carry ended in its Catch; else Open has done so", true},
			wake:     {"it then wakes who waits for a place", true},
		},
		"park": {
			use{"kms:Decrypt", "key"}: {"it opens the tokens of others only where a place became free between the decision to wait and the park", true},
			wake:                      {"and wakes them, or itself where it became due in between", true},
		},
		"reconcile": {
			use{"s3:GetObjectVersion", "inbox objects"}: {"a sidecar in a bucket with versions whose event was lost", false},
		},
		"ingest":       {counters: {died, true}},
		"refreshtoken": {counters: {died, true}, wake: {"an upload that goes on after a login wakes who waits for a place, if there is one", true}},
	}
}
