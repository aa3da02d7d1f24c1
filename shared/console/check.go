package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// CheckRequest is the body of POST /api/check: a video that is not in the inbox yet, and what is to be done with it.
type CheckRequest struct {
	Key         string          `json:"key"` // that it will have in the inbox
	Size        int64           `json:"size"`
	ContentType string          `json:"content_type,omitempty"`
	Duration    time.Duration   `json:"duration,omitempty"`
	Manifest    json.RawMessage `json:"manifest"`
}

// Problem is one reason why a video would be refused.
type Problem struct {
	Field string `json:"field,omitempty"`
	Rule  string `json:"rule,omitempty"`
	Text  string `json:"text"`
}

// Checked is what POST /api/check answers. Without problems every account has a plan.
type Checked struct {
	Problems []Problem        `json:"problems"`
	Accounts []CheckedAccount `json:"accounts"`
}

// CheckedAccount is what would be done for one account.
type CheckedAccount struct {
	Account upload.Account `json:"account"`
	Video   upload.Video   `json:"video"`
	Plan    upload.Plan    `json:"plan"`
	Note    string         `json:"note,omitempty"` // not wrong with the video, but in the way: no login, a pause
	// Rehearsal is how that platform is spoken to; absent: it cannot be rehearsed.
	Rehearsal json.RawMessage `json:"rehearsal,omitempty"`
}

func (c *Checked) add(err error) {
	p := Problem{Text: handler.Redact(err.Error(), 600)}
	if f := fault.As(err); f != nil {
		p.Field, p.Rule = f.Field, f.Rule
		if f.Err != nil {
			p.Text = handler.Redact(f.Err.Error(), 600)
		}
	}
	if !slices.Contains(c.Problems, p) {
		c.Problems = append(c.Problems, p)
	}
}

// check says what would become of a video by the routes, limits and accounts. It writes nothing and sends
// nothing.
func (c *Console) check(r *http.Request) (any, error) {
	var q CheckRequest
	if err := body(r, &q); err != nil {
		return nil, err
	}
	out := Checked{Problems: []Problem{}, Accounts: []CheckedAccount{}}
	if err := manifest.CheckKey(q.Key); err != nil {
		out.add(err)
		return out, nil
	}
	if drop := manifest.DropOf(q.Key); drop != manifest.DropVideo {
		out.add(fault.InvalidField("console.check", "key", "the name of a video", "a file of this name is taken for a "+string(drop)))
	}
	m, err := manifest.Parse(q.Manifest, manifest.KnownTargets())
	if err != nil {
		out.add(err)
		return out, nil
	}
	for _, a := range c.chosen(&out, q.Key, &m) {
		c.checkVideo(r.Context(), &out, q, m, a)
	}
	return out, nil
}

// chosen finds the accounts that the manifest goes to, and completes it by the route's defaults.
func (c *Console) chosen(out *Checked, key string, m *manifest.Manifest) []upload.Account {
	known := c.Accounts()
	var to []upload.Account
	for i, a := range m.To {
		if !slices.Contains(known, a) {
			out.add(fault.InvalidField("console.check", fmt.Sprintf("to[%d]", i), "an account of this stack", fmt.Sprintf("there is no account %.64s; there is %s", a, names(known))))
			continue
		}
		to = append(to, a)
	}
	if len(m.To) > 0 && len(to) == 0 {
		return nil
	}
	route, ok := c.Routes.Match(c.Place.Inbox, key)
	if !ok {
		out.add(fault.InvalidField("console.check", "key", "on a route", fmt.Sprintf("no route of this stack takes %.200q", key)))
		return nil
	}
	m.To = to
	*m = manifest.Merge(route.Defaults, manifest.Manifest{}, *m)
	if m.Title == "" {
		m.Title = manifest.TitleFromKey(key)
	}
	if err := m.Validate(c.Now()); err != nil {
		out.add(err)
	}
	accounts, err := route.Choose(*m)
	if err != nil {
		out.add(err)
	}
	return accounts
}

func names(as []upload.Account) string {
	if len(as) == 0 {
		return "none"
	}
	var list []string
	for _, a := range as {
		list = append(list, string(a))
	}
	return strings.Join(list, ", ")
}

func (c *Console) checkVideo(ctx context.Context, out *Checked, q CheckRequest, m manifest.Manifest, a upload.Account) {
	in := CheckedAccount{Account: a, Video: upload.Video{
		Account: a, Size: q.Size, FileName: manifest.FileName(q.Key), ContentType: q.ContentType, Duration: q.Duration,
		Title: m.Title, Description: m.Description, Tags: m.Tags, Private: m.Private, Fields: m.For(a.Target()),
	}}
	limits, err := c.Targets.Limits(a)
	if err == nil {
		in.Plan, err = upload.NewPlan(q.Size, limits, c.Set.Plan)
	}
	if err != nil {
		out.add(err)
	}
	t, _, err := c.Targets.OpenTarget(ctx, a)
	if err != nil {
		in.Note = handler.Redact(err.Error(), 300)
	}
	p := c.Platforms[a.Target()]
	in.Rehearsal = p.rehearsal()
	v, ok := t.(target.Validator)
	if !ok { // its checks need no login
		v = p.Validator
	}
	if v != nil {
		if err := v.Validate(in.Video); err != nil {
			out.add(err)
		}
	}
	out.Accounts = append(out.Accounts, in)
}
