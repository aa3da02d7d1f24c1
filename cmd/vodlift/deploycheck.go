package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/vodlift/vodlift"
	"github.com/vodlift/vodlift/local/cloud"
	"github.com/vodlift/vodlift/local/template"
)

// defaultStack is the stack's name in samconfig.toml.
const defaultStack = "vodlift"

// place says which stack of which account is meant.
type place struct {
	url, name, region string
}

// flags registers --stack, --stack-name and --region. otherwise says what is meant without a name.
func (p *place) flags(fs *flag.FlagSet, otherwise string) {
	fs.StringVar(&p.url, "stack", "", "the stack with that address, `URL`, as the output ApiUrl says")
	fs.StringVar(&p.name, "stack-name", "", "the stack of that `NAME`"+otherwise)
	fs.StringVar(&p.region, "region", "", "where the stack is, `REGION`; default AWS_REGION, or that of your profile")
}

// settle completes and checks what the flags said. Where they name no stack, VODLIFT_STACK may.
func (p *place) settle(env func(string) string) error {
	if p.url != "" && p.name != "" {
		return usagef("--stack and --stack-name name the same thing; say one")
	}
	if p.url == "" && p.name == "" {
		p.url = env(stackVariable)
	}
	if p.url == "" {
		p.name = orText(p.name, defaultStack)
		return nil
	}
	u, err := url.Parse(p.url)
	if err != nil || !isStack(p.url) || u.Host == "" {
		return usagef("--stack: want https://..., as the output ApiUrl says")
	}
	if part := strings.Split(u.Hostname(), "."); len(part) > 3 && part[1] == "execute-api" {
		if p.region != "" && p.region != part[2] {
			return usagef("--region %s: the stack at %s is in %s", p.region, p.url, part[2])
		}
		p.region = part[2]
	}
	return nil
}

// cloud opens the account of AWS that the environment or the profile has credentials of.
func (m *Main) cloud(ctx context.Context, region string) (*cloud.Account, error) {
	var options []func(*awsconfig.LoadOptions) error
	if region != "" {
		options = append(options, awsconfig.WithRegion(region))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("the configuration of AWS (environment or ~/.aws): %s", cloud.Masked(err.Error()))
	}
	h := newHTTP()
	h.Transport.(*http.Transport).Proxy = http.ProxyFromEnvironment
	return cloud.Open(ctx, cloud.Options{Config: cfg, HTTP: h, Now: m.Now})
}

// find finds the stack that is meant.
func (p *place) find(ctx context.Context, a *cloud.Account) (cloud.Stack, error) {
	if p.url != "" {
		return a.ByAPI(ctx, p.url)
	}
	return a.ByName(ctx, p.name)
}

func deployCheckCommand() command {
	return command{
		name: "deploy-check", args: "", short: "whether your account of AWS is ready for vodlift, before or after deploying it",
		long: `
Compares what the account allows (functions at once, starts and transitions of the state machine, requests to the API,
to the key and to the table) with what the settings need, and says for each what to ask AWS for, as a command. Where the
stack is deployed it also looks at the bucket and its events, the rules, the table, the key, and whether the callback
addresses can be reached. It only reads. Exit status 1 if it is anybody's turn.

It uses your own credentials of AWS (environment or ~/.aws). Of the account it shows the last four digits.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			var p place
			p.flags(fs, "; default "+defaultStack)
			set := &list{}
			fs.Var(set, "set", "a parameter as you would deploy it, `NAME=VALUE`, such as PoolGlobal=40; may be repeated")
			asJSON := fs.Bool("json", false, "JSON on standard output, one check a line")
			return func(ctx context.Context, args []string) error {
				if len(args) > 0 {
					return usagef("unexpected argument %q", args[0])
				}
				if err := p.settle(m.Env); err != nil {
					return err
				}
				return m.deployCheck(ctx, p, set.values, *asJSON)
			}
		},
	}
}

func (m *Main) deployCheck(ctx context.Context, p place, set []string, asJSON bool) error {
	planned := map[string]string{}
	for _, kv := range set {
		name, value, ok := strings.Cut(kv, "=")
		if !ok {
			return usagef("--set %s: want NAME=VALUE", kv)
		}
		planned[name] = value
	}
	t, err := template.Parse(vodlift.Template())
	if err != nil {
		return err
	}
	if _, err := cloud.SettingsOf(t, planned); err != nil {
		return usagef("--set: %s", err)
	}
	a, err := m.cloud(ctx, p.region)
	if err != nil {
		return err
	}
	var before []cloud.Line
	var st *cloud.Stack
	values := map[string]string{}
	found, err := p.find(ctx, a)
	switch {
	case err == nil:
		st, values = &found, known(t, found.Parameters)
	case errors.Is(err, cloud.ErrNoStack) && p.url == "":
		before = append(before, cloud.Line{What: "stack " + p.name, State: cloud.Note, Have: "none", Text: "not deployed in " + a.Region + " yet; compared with the settings of template.yaml"})
	case errors.Is(err, cloud.ErrNoStack):
		return err
	case cloud.Denied(err) != "":
		before = append(before, a.Failed("stack", err))
	default:
		return errors.New(a.Explain(err))
	}
	for name, value := range planned {
		values[name] = value
	}
	s, err := cloud.SettingsOf(t, values)
	if err != nil {
		return err
	}
	lines, err := a.Check(ctx, s, st)
	if err != nil {
		return err
	}
	return m.showLines(append(before, lines...), asJSON)
}

// known are the parameters of a deployed stack that this program's template has, too: the two may be of other versions.
func known(t *template.Template, parameters map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range parameters {
		if _, ok := t.Parameters[name]; ok {
			out[name] = value
		}
	}
	return out
}

// showLines shows the checks, and below them what is to be done, each command on a line of its own to be copied.
func (m *Main) showLines(lines []cloud.Line, asJSON bool) error {
	rows := [][]string{{"", "what", "the account has", "needed", ""}}
	var todo []cloud.Line
	for _, l := range lines {
		word := strings.ToUpper(l.State)
		if l.State == cloud.Turn {
			word = "-> " + string(l.Whose)
			todo = append(todo, l)
		}
		rows = append(rows, []string{word, l.What, orText(l.Have, "-"), orText(l.Need, "-"), l.Text})
	}
	if asJSON {
		if err := jsonLines(m.Stdout, lines); err != nil {
			return err
		}
	} else {
		columnsTable(m.Stdout, "", rows)
	}
	if len(todo) == 0 {
		return nil
	}
	if !asJSON {
		fmt.Fprintf(m.Stdout, "\n%d of %d need somebody:\n", len(todo), len(lines))
		for _, l := range todo {
			do := l.Do
			if verb, ok := strings.CutPrefix(do, "vodlift "); ok {
				do = m.Name + " " + verb
			}
			fmt.Fprintf(m.Stdout, "\n%s (%s):\n  %s\n", shown(l.What), l.Whose, shown(do))
		}
	}
	return errSaid
}
