package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift"
	"github.com/vodlift/vodlift/local/cloud"
	"github.com/vodlift/vodlift/local/cloud/cloudtest"
	"github.com/vodlift/vodlift/local/template"
)

// deployedSettings are those of template.yaml, read once for all tests.
var deployedSettings = sync.OnceValues(func() (cloud.Settings, error) {
	t, err := template.Parse(vodlift.Template())
	if err != nil {
		return cloud.Settings{}, err
	}
	return cloud.SettingsOf(t, nil)
})

// newAWS is an account with nothing or everything of the stack in place.
func newAWS(t *testing.T, deployed bool) *cloudtest.AWS {
	t.Helper()
	a := cloudtest.New(t)
	a.ReadOnly = true
	if !deployed {
		a.Name = ""
		return a
	}
	s, err := deployedSettings()
	if err != nil {
		t.Fatal(err)
	}
	a.AddRules(s.Rules...)
	api := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(api.Close)
	a.Outputs = map[string]string{"ApiUrl": api.URL, "VodCallbackUrl": api.URL + "/callbacks/vod", "DouyinWebhookUrl": api.URL + "/callbacks/douyin"}
	return a
}

// onAWS runs the program with stdin, and looks at everything that it shows.
func onAWS(t *testing.T, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var o, e bytes.Buffer
	m := Main{Stdin: strings.NewReader(stdin), Stdout: &o, Stderr: &e, Args: args, Dir: t.TempDir(), Poll: 100 * time.Microsecond}
	status = m.Run(ctx)
	for _, secret := range []string{cloudtest.AccountID, "SECRET-OF-AWS", "AKIDEXAMPLE", "AWS4-HMAC"} {
		if strings.Contains(o.String()+e.String(), secret) {
			t.Errorf("%s is shown:\n%s%s", secret, o.String(), e.String())
		}
	}
	return o.String(), e.String(), status
}

func TestDeployCheckOfAnAccountThatIsReady(t *testing.T) {
	a := newAWS(t, true)
	for _, where := range [][]string{{}, {"--stack-name", "vodlift"}, {"--stack", a.Outputs["ApiUrl"]}} {
		out, errs, status := onAWS(t, "", append([]string{"deploy-check"}, where...)...)
		if status != exitOK || errs != "" || strings.Contains(out, "->") || !strings.Contains(out, "...9012") || !strings.Contains(out, "CREATE_COMPLETE") {
			t.Errorf("%v: %d\n%s%s", where, status, out, errs)
		}
	}
}

func TestDeployCheckBeforeTheFirstDeploymentTakesWhatIsPlanned(t *testing.T) {
	a := newAWS(t, false)
	a.Concurrent, a.Unreserved = 10, 10
	out, _, status := onAWS(t, "", "deploy-check")
	if status != exitOK || !strings.Contains(out, "not deployed in eu-central-1 yet") {
		t.Errorf("the defaults: %d\n%s", status, out)
	}
	out, _, status = onAWS(t, "", "deploy-check", "--set", "PoolGlobal=40")
	for _, want := range []string{"-> operator", "functions at once", "45 at once", "1 of ", "\n  aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000 --region eu-central-1"} {
		if status != exitFailed || !strings.Contains(out, want) {
			t.Errorf("%d, want %q in:\n%s", status, want, out)
		}
	}
	out, _, status = onAWS(t, "", "deploy-check", "--set", "PoolGlobal=40", "--json")
	n := 0
	for line := range strings.Lines(out) {
		var l cloud.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		if l.State == cloud.Turn {
			n++
		}
	}
	if status != exitFailed || n != 1 {
		t.Errorf("JSON: %d, %d turns\n%s", status, n, out)
	}
}

func TestDeployCheckTakesADeployedStacksOwnParameters(t *testing.T) {
	a := newAWS(t, true)
	a.Concurrent, a.Unreserved, a.Parameters["PoolGlobal"] = 20, 20, "16"
	if out, _, status := onAWS(t, "", "deploy-check"); status != exitFailed || !strings.Contains(out, "21 at once") {
		t.Errorf("%d\n%s", status, out)
	}
	if out, _, status := onAWS(t, "", "deploy-check", "--set", "PoolGlobal=15"); status != exitOK {
		t.Errorf("%d\n%s", status, out)
	}
}

func TestDeployCheckThatCannotBeMadeSaysWhy(t *testing.T) {
	a := newAWS(t, true)
	for _, tc := range []struct {
		name   string
		spoil  func(t *testing.T)
		args   []string
		status int
		want   string
	}{
		{"no credentials", func(t *testing.T) { t.Setenv("AWS_ACCESS_KEY_ID", ""); t.Setenv("AWS_SECRET_ACCESS_KEY", "") }, nil, exitFailed, "no credentials of AWS were found"},
		{"no region", func(t *testing.T) { t.Setenv("AWS_REGION", "") }, nil, exitFailed, "--region"},
		{"a profile that does not exist", func(t *testing.T) { t.Setenv("AWS_PROFILE", "nobody") }, nil, exitFailed, "nobody"},
		{"an address of nobody", nil, []string{"--stack", "https://other.example"}, exitFailed, "no stack of this account in eu-central-1 has the address"},
		{"an address in another region than was said", nil, []string{"--stack", "https://abc.execute-api.eu-west-1.amazonaws.com", "--region", "eu-central-1"}, exitUsage, "is in eu-west-1"},
		{"both ways of saying which stack", nil, []string{"--stack", "https://a.example", "--stack-name", "b"}, exitUsage, "say one"},
		{"no address", nil, []string{"--stack", "vodlift"}, exitUsage, "https://"},
		{"a parameter that does not exist", nil, []string{"--set", "PoolGlobl=4"}, exitUsage, "PoolGlobl"},
		{"a parameter without a value", nil, []string{"--set", "PoolGlobal"}, exitUsage, "NAME=VALUE"},
		{"a pool of none", nil, []string{"--set", "PoolGlobal=0"}, exitUsage, "above 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.spoil != nil {
				tc.spoil(t)
			}
			out, errs, status := onAWS(t, "", append([]string{"deploy-check"}, tc.args...)...)
			if status != tc.status || !strings.Contains(errs, tc.want) || out != "" {
				t.Errorf("%d\n%s%s", status, out, errs)
			}
		})
	}
	t.Run("the wrong region has no stack", func(t *testing.T) {
		out, _, status := onAWS(t, "", "deploy-check", "--region", "us-west-2")
		if status != exitOK || !strings.Contains(out, "not deployed in us-west-2 yet") {
			t.Errorf("%d\n%s", status, out)
		}
	})
	t.Run("the stack may not be read", func(t *testing.T) {
		a.Deny["cloudformation:DescribeStacks"] = true
		out, _, status := onAWS(t, "", "deploy-check")
		if status != exitFailed || !strings.Contains(out, "cloudformation:DescribeStacks") || !strings.Contains(out, "functions at once") {
			t.Errorf("%d\n%s", status, out)
		}
	})
}
