package cloud_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/vodlift/vodlift"
	"github.com/vodlift/vodlift/local/cloud"
	"github.com/vodlift/vodlift/local/cloud/cloudtest"
	"github.com/vodlift/vodlift/local/template"
	"github.com/vodlift/vodlift/shared/fault"
)

func open(t *testing.T) *cloud.Account {
	t.Helper()
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := cloud.Open(t.Context(), cloud.Options{Config: cfg, HTTP: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// parsed is template.yaml, read once for all tests.
var parsed = sync.OnceValues(func() (*template.Template, error) { return template.Parse(vodlift.Template()) })

func settings(t *testing.T, values map[string]string) cloud.Settings {
	t.Helper()
	tpl, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	s, err := cloud.SettingsOf(tpl, values)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deployed is the account with everything in place, as template.yaml makes it, and an API that answers 404 to GET.
func deployed(t *testing.T) (*cloudtest.AWS, cloud.Settings) {
	t.Helper()
	a, s := cloudtest.New(t), settings(t, nil)
	a.ReadOnly = true
	a.AddRules(s.Rules...)
	api := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(api.Close)
	a.Outputs = map[string]string{"ApiUrl": api.URL, "VodCallbackUrl": api.URL + "/callbacks/vod", "DouyinWebhookUrl": api.URL + "/callbacks/douyin"}
	return a, s
}

func check(t *testing.T, s cloud.Settings, withStack bool) []cloud.Line {
	t.Helper()
	a := open(t)
	var st *cloud.Stack
	if withStack {
		found, err := a.ByName(t.Context(), "vodlift")
		if err != nil {
			t.Fatal(err)
		}
		st = &found
	}
	ls, err := a.Check(t.Context(), s, st)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range ls {
		if strings.Contains(l.What+l.Have+l.Text+l.Do, cloudtest.AccountID) {
			t.Errorf("the account's id is shown whole: %+v", l)
		}
		if (l.State == cloud.Turn) != (l.Whose != "") || l.State == cloud.Turn && l.Do == "" {
			t.Errorf("a turn without whose or what: %+v", l)
		}
	}
	return ls
}

func turns(ls []cloud.Line) []cloud.Line {
	return slices.DeleteFunc(slices.Clone(ls), func(l cloud.Line) bool { return l.State != cloud.Turn })
}

func TestTheTemplateSaysWhatIsNeeded(t *testing.T) {
	s := settings(t, map[string]string{"PoolGlobal": "40"})
	if s.PoolGlobal != 40 || s.PoolAccount != 5 || s.Rate < 500 || s.Burst < s.Rate {
		t.Errorf("got %+v", s)
	}
	for _, id := range []string{"IngestFunctionDropped", "ReconcileFunctionDue", "ReconcileFunctionBooks", "ReconcileFunctionBroken", "RefreshTokenFunctionSweep", "Told"} {
		if !slices.Contains(s.Rules, id) {
			t.Errorf("rules %v, want %s", s.Rules, id)
		}
	}
	for _, id := range []string{"Table", "Inbox", "SealKey"} {
		if !slices.Contains(s.Kept, id) {
			t.Errorf("kept %v, want %s", s.Kept, id)
		}
	}
	if q := s.Concurrency(0); q.Need != 45 || q.Ask != 1000 {
		t.Errorf("concurrency %+v", q)
	}
	if q := s.Concurrency(2000); q.Ask != 2045 {
		t.Errorf("what others reserve is not ours: %+v", q)
	}
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	tpl, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []map[string]string{{"PoolGlobal": "0"}, {"PoolGlobal": "many"}, {"PoolGlobl": "5"}} {
		if _, err := cloud.SettingsOf(tpl, bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func TestAnAccountThatIsReadyNeedsNobody(t *testing.T) {
	_, s := deployed(t)
	ls := check(t, s, true)
	if got := turns(ls); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	var what []string
	for _, l := range ls {
		what = append(what, l.What)
	}
	for _, w := range []string{"account", "clock", "functions at once", "starts, bucket", "transitions, refill", "API requests", "KMS requests", "table writes", "services", "inbox", "table", "key", "machine", "rules", "callbacks Vod", "callbacks DouyinWebhook"} {
		if !slices.Contains(what, w) {
			t.Errorf("no line about %q in %q", w, what)
		}
	}
	if ls[0].Have != "...9012" {
		t.Errorf("the account is shown as %q", ls[0].Have)
	}
}

func TestWhatIsTooLittleIsNamedWithTheRequestToMake(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(*cloudtest.AWS)
		pool  string
		what  string
		whose fault.Actor
		do    []string
	}{
		{"a new account with 10 functions and a larger pool", func(a *cloudtest.AWS) { a.Concurrent, a.Unreserved = 10, 10 }, "6", "functions at once", fault.ActorOperator,
			[]string{"aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000 --region eu-central-1"}},
		{"others have reserved the rest", func(a *cloudtest.AWS) { a.Unreserved = 8 }, "5", "functions at once", fault.ActorOperator, []string{"--desired-value 1002"}},
		{"it was asked for already", func(a *cloudtest.AWS) { a.Concurrent, a.Unreserved, a.Pending["L-B99A9384"] = 10, 10, 1000 }, "6", "functions at once", fault.ActorPlatform, []string{"wait"}},
		{"what was asked for is too little, too", func(a *cloudtest.AWS) { a.Concurrent, a.Unreserved, a.Pending["L-B99A9384"] = 10, 10, 12 }, "50", "functions at once", fault.ActorOperator, []string{"L-B99A9384"}},
		{"transitions, found by their name among the defaults", func(a *cloudtest.AWS) { a.Quotas["states"][3].Value = 99 }, "5", "transitions, refill", fault.ActorOperator, []string{"--service-code states --quota-code L-MOVE-R "}},
		{"starts", func(a *cloudtest.AWS) { a.Quotas["states"][0].Value = 29 }, "5", "starts, bucket", fault.ActorOperator, []string{"L-START-B --desired-value 60"}},
		{"requests to the API", func(a *cloudtest.AWS) { a.Quotas["apigateway"][0].Value = 100 }, "5", "API requests", fault.ActorOperator, []string{"L-8A5B8E43 --desired-value 10000"}},
		{"what AWS does not raise", func(a *cloudtest.AWS) { a.Quotas["apigateway"][1].Value = 100 }, "5", "API burst", fault.ActorOperator, []string{"support"}},
		{"requests to the key", func(a *cloudtest.AWS) { a.Quotas["kms"][0].Value = 10 }, "5", "KMS requests", fault.ActorOperator, []string{"--service-code kms --quota-code L-6E3AF000"}},
		{"writes of the table", func(a *cloudtest.AWS) { a.Quotas["dynamodb"][1].Value = 10 }, "5", "table writes", fault.ActorOperator, []string{"L-AB614373"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := cloudtest.New(t)
			a.ReadOnly = true
			tc.spoil(a)
			got := turns(check(t, settings(t, map[string]string{"PoolGlobal": tc.pool}), false))
			if len(got) != 1 || got[0].What != tc.what || got[0].Whose != tc.whose || got[0].Have == "" || got[0].Need == "" {
				t.Fatalf("got %+v", got)
			}
			for _, d := range tc.do {
				if !strings.Contains(got[0].Do, d) {
					t.Errorf("do %q, want %q in it", got[0].Do, d)
				}
			}
		})
	}
}

func TestASmallAccountIsToldWhichPoolItCanCarryMeanwhile(t *testing.T) {
	a := cloudtest.New(t)
	a.Concurrent, a.Unreserved = 10, 8
	if got := turns(check(t, settings(t, nil), false)); len(got) != 1 || !strings.HasSuffix(got[0].Text, "deploy with PoolGlobal=3") || strings.Contains(got[0].Do, ";") {
		t.Errorf("got %+v", got)
	}
}

func TestExactlyEnoughIsEnough(t *testing.T) {
	a := cloudtest.New(t)
	for pool, want := range map[string]int{"5": 0, "6": 1} {
		a.Concurrent, a.Unreserved = 10, 10
		if got := turns(check(t, settings(t, map[string]string{"PoolGlobal": pool}), false)); len(got) != want {
			t.Errorf("PoolGlobal %s of 10: got %+v", pool, got)
		}
	}
}

func TestAQuotaThatAWSDoesNotNameIsNobodysTurn(t *testing.T) {
	a := cloudtest.New(t)
	a.Quotas["states"] = nil
	ls := check(t, settings(t, nil), false)
	notes := slices.DeleteFunc(slices.Clone(ls), func(l cloud.Line) bool { return l.State != cloud.Note })
	if len(turns(ls)) != 0 || len(notes) != 4 {
		t.Errorf("got %+v", ls)
	}
}

func TestEachBrokenPieceOfADeploymentIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(*cloudtest.AWS)
		what  string
		text  string
		do    string
	}{
		{"the bucket is gone", func(a *cloudtest.AWS) { a.NoBucket = true }, "inbox", "does not exist", "deploy"},
		{"the bucket tells nobody", func(a *cloudtest.AWS) { a.NoEvents = true }, "events of the inbox", "EventBridge", "put-bucket-notification-configuration --bucket inbox-1"},
		{"the bucket is not in the stack", func(a *cloudtest.AWS) { a.Resources = a.Resources[1:] }, "inbox", "has none", "sam deploy"},
		{"the table is unprotected", func(a *cloudtest.AWS) { a.Protected = false }, "table", "not protected", "--deletion-protection-enabled"},
		{"the table is gone", func(a *cloudtest.AWS) { a.Table = "" }, "table", "ResourceNotFoundException", "mend"},
		{"the key is off", func(a *cloudtest.AWS) { a.Key = "Disabled" }, "key", "Disabled", "aws kms enable-key --key-id key-1"},
		{"the key is about to be deleted", func(a *cloudtest.AWS) { a.Key = "PendingDeletion" }, "key", "about to be deleted", "cancel-key-deletion"},
		{"the machine is going", func(a *cloudtest.AWS) { a.Machine = "DELETING" }, "machine", "DELETING", "sam deploy"},
		{"a rule is off", func(a *cloudtest.AWS) { a.RulesOff["rule-ReconcileFunctionDue"] = true }, "rule ReconcileFunctionDue", "switched off", "aws events enable-rule --name rule-ReconcileFunctionDue"},
		{"a rule is gone", func(a *cloudtest.AWS) { a.RulesGone["rule-Told"] = true }, "rule Told", "does not exist", "sam deploy"},
		{"a rule is not in the stack", func(a *cloudtest.AWS) { a.Resources = a.Resources[:len(a.Resources)-1] }, "rule Told", "has none", "sam deploy"},
		{"the callbacks' address has no such name", func(a *cloudtest.AWS) { a.Outputs["VodCallbackUrl"] = "https://nothing.invalid/callbacks/vod" }, "callbacks Vod", "cannot be looked up", "sam deploy"},
		{"nobody listens there", func(a *cloudtest.AWS) { a.Outputs["VodCallbackUrl"] = "http://127.0.0.1:1/callbacks/vod" }, "callbacks Vod", "does not answer", "network"},
		{"no output", func(a *cloudtest.AWS) { delete(a.Outputs, "DouyinWebhookUrl") }, "callbacks DouyinWebhook", "has none", "sam deploy"},
		{"the deployment failed", func(a *cloudtest.AWS) {
			a.Status, a.Why = "ROLLBACK_COMPLETE", "no rights in "+cloudtest.AccountID
		}, "stack vodlift", "********9012", "vodlift destroy --stack-name vodlift"},
		{"the deployment is under way", func(a *cloudtest.AWS) { a.Status = "UPDATE_IN_PROGRESS" }, "stack vodlift", "still at it", "wait"},
		{"the clock is ahead", func(a *cloudtest.AWS) { a.Clock = -2 * time.Minute }, "clock", "ahead", "set the clock"},
		{"the clock is behind", func(a *cloudtest.AWS) { a.Clock = 2 * time.Minute }, "clock", "behind", "set the clock"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, s := deployed(t)
			tc.spoil(a)
			got := turns(check(t, s, true))
			if len(got) != 1 || got[0].What != tc.what || !strings.Contains(got[0].Text, tc.text) || !strings.Contains(got[0].Do, tc.do) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestAnotherAnswerThanOurAPIsIsSaid(t *testing.T) {
	for status, text := range map[int]string{http.StatusMethodNotAllowed: "", http.StatusForbidden: "403", http.StatusOK: "200", http.StatusBadGateway: "502"} {
		a, s := deployed(t)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(srv.Close)
		a.Outputs["VodCallbackUrl"] = srv.URL
		got := turns(check(t, s, true))
		if text == "" && len(got) != 0 || text != "" && (len(got) != 1 || !strings.Contains(got[0].Text, text)) {
			t.Errorf("%d: got %+v", status, got)
		}
	}
}

func TestEachCallThatIsDeniedIsNamedAndTheOthersGoOn(t *testing.T) {
	for denied, what := range map[string]string{
		"lambda:GetAccountSettings": "functions at once", "servicequotas:ListServiceQuotas": "quotas of states", "servicequotas:ListAWSDefaultServiceQuotas": "quotas of kms",
		"states:ListStateMachines": "service Step Functions", "events:ListRules": "service EventBridge", "dynamodb:DescribeLimits": "service DynamoDB", "kms:ListKeys": "service KMS",
		"s3:ListBucket": "inbox", "s3:GetBucketNotification": "events of the inbox", "dynamodb:DescribeTable": "table", "kms:DescribeKey": "key",
		"states:DescribeStateMachine": "machine", "events:DescribeRule": "rule Told", "sts:GetCallerIdentity": "account",
	} {
		t.Run(denied, func(t *testing.T) {
			a, s := deployed(t)
			a.Deny[denied] = true
			ls := check(t, s, true)
			got := turns(ls)
			for _, l := range got {
				if !strings.Contains(l.Text, "does not allow you "+denied) || !strings.Contains(l.Do, denied) {
					t.Errorf("got %+v", l)
				}
			}
			if !slices.ContainsFunc(got, func(l cloud.Line) bool { return l.What == what }) || len(ls) < 10 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestWithoutCredentialsNothingIsAsked(t *testing.T) {
	cloudtest.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.Open(t.Context(), cloud.Options{Config: cfg, HTTP: &http.Client{}}); !errors.Is(err, cloud.ErrNoCredentials) {
		t.Errorf("got %v", err)
	}
	cfg.Region = ""
	if _, err := cloud.Open(t.Context(), cloud.Options{Config: cfg}); err == nil || !strings.Contains(err.Error(), "--region") {
		t.Errorf("without a region: %v", err)
	}
}

func TestAnEndpointThatDoesNotExistIsARegionWithoutTheService(t *testing.T) {
	cloudtest.New(t)
	t.Setenv("AWS_ENDPOINT_URL_KMS", "https://kms.nowhere.invalid")
	got := turns(check(t, settings(t, nil), false))
	if len(got) != 1 || got[0].What != "service KMS" || !strings.Contains(got[0].Text, "is there such a service in eu-central-1") {
		t.Errorf("got %+v", got)
	}
}

func TestAnAccountThatCannotBeReachedIsOneLine(t *testing.T) {
	cloudtest.New(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	ls := check(t, settings(t, nil), false)
	if len(ls) != 1 || ls[0].State != cloud.Turn || !strings.Contains(ls[0].Text, "sts:GetCallerIdentity") {
		t.Errorf("got %+v", ls)
	}
}

func TestAStackIsFoundByItsAddress(t *testing.T) {
	aws, _ := deployed(t)
	a := open(t)
	st, err := a.ByAPI(t.Context(), aws.Outputs["ApiUrl"]+"/")
	if err != nil || st.Name != "vodlift" || st.Physical("Inbox") != "inbox-1" {
		t.Errorf("got %+v, %v", st, err)
	}
	if _, err := a.ByAPI(t.Context(), "https://other.example"); !errors.Is(err, cloud.ErrNoStack) {
		t.Errorf("another address: %v", err)
	}
	if _, err := a.ByName(t.Context(), "other"); !errors.Is(err, cloud.ErrNoStack) {
		t.Errorf("another name: %v", err)
	}
	aws.Status = "DELETE_COMPLETE"
	if _, err := a.ByName(t.Context(), "vodlift"); !errors.Is(err, cloud.ErrNoStack) {
		t.Errorf("a deleted one, by name: %v", err)
	}
	if st, err := a.LastDeleted(t.Context(), "vodlift"); err != nil || !st.Deleted() || st.Physical("Table") != "table-1" {
		t.Errorf("a deleted one: %+v, %v", st, err)
	}
}

func TestTheEndOfTheContextEndsACheck(t *testing.T) {
	_, s := deployed(t)
	a := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Check(ctx, s, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
