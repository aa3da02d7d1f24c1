package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// plannedRequest is one request that would be made, without secrets and without its body.
type plannedRequest struct {
	Step    string   `json:"step"`
	Method  string   `json:"method"`
	URL     string   `json:"url"`
	Headers []string `json:"headers"`
	Body    string   `json:"body,omitempty"` // its content type
	Bytes   int64    `json:"bytes"`
	JSON    string   `json:"json,omitempty"` // the body itself, where it is JSON
}

// rehearsal is a platform that says yes to everything, inside this process: the real adapter speaks to it, bodies are
// read to their end and dropped, and each request is written down.
type rehearsal struct {
	mu       sync.Mutex
	step     string
	requests []plannedRequest
}

// rehearsalAnswer holds what the adapter looks for after each of its calls.
const rehearsalAnswer = `{"data":{"error_code":0,"description":"","upload_id":"UPLOAD_ID","video":{"video_id":"VIDEO_ID"},"item_id":"ITEM_ID"},"extra":{"error_code":0,"description":"","logid":"dry-run"}}`

// secretQuery are the query parameters that are not shown.
var secretQuery = []string{"access_token", "upload_id", "client_secret", "open_id"}

// RoundTrip records and answers; nothing leaves the process.
func (p *rehearsal) RoundTrip(r *http.Request) (*http.Response, error) {
	q := plannedRequest{Method: r.Method, URL: redactURL(r.URL), Body: kindOfBody(r.Header.Get("Content-Type"))}
	for name := range r.Header {
		q.Headers = append(q.Headers, name)
	}
	slices.Sort(q.Headers)
	if r.Body != nil {
		defer r.Body.Close()
		var keep strings.Builder
		in := io.Reader(r.Body)
		if q.Body == "application/json" {
			in = io.TeeReader(in, &keep)
		}
		n, err := io.Copy(io.Discard, in)
		if err != nil {
			return nil, err
		}
		q.Bytes, q.JSON = n, keep.String()
	}
	p.mu.Lock()
	q.Step = p.step
	p.requests = append(p.requests, q)
	p.mu.Unlock()
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(rehearsalAnswer)), ContentLength: int64(len(rehearsalAnswer)),
	}, nil
}

func (p *rehearsal) at(step string) {
	p.mu.Lock()
	p.step = step
	p.mu.Unlock()
}

func kindOfBody(contentType string) string {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return contentType
	}
	return t
}

func redactURL(u *url.URL) string {
	s := u.Scheme + "://" + u.Host + u.EscapedPath()
	q := u.Query()
	if len(q) == 0 {
		return s
	}
	var names, parts []string
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := url.QueryEscape(q.Get(name))
		if slices.Contains(secretQuery, name) {
			v = "***"
		}
		parts = append(parts, name+"="+v)
	}
	return s + "?" + strings.Join(parts, "&")
}

// dryPlan is what --dry-run shows for one account.
type dryPlan struct {
	Account  upload.Account   `json:"account"`
	Text     string           `json:"text"`
	Plan     upload.Plan      `json:"plan"`
	Note     string           `json:"note,omitempty"`
	Requests []plannedRequest `json:"requests"`
	Bytes    int64            `json:"bytes"` // of all request bodies
	Cost     cost             `json:"cost"`
}

// dryRun rehearses the publication with the real adapter.
func (m *Main) dryRun(ctx context.Context, c *client, v *video, checked console.Checked, asJSON bool) error {
	var plans []dryPlan
	for _, a := range checked.Accounts {
		p, err := rehearse(ctx, v, a)
		if err != nil {
			return fmt.Errorf("%s: %w", a.Account, err)
		}
		plans = append(plans, p)
	}
	if asJSON {
		e := json.NewEncoder(m.Stdout)
		e.SetEscapeHTML(false)
		for _, p := range plans {
			if err := e.Encode(p); err != nil {
				return err
			}
		}
		return nil
	}
	for _, p := range plans {
		p.write(m.Stdout, c.mark())
	}
	fmt.Fprintf(m.Stdout, "%sdry run: nothing was sent, nothing was written\n", c.mark())
	return nil
}

func rehearse(ctx context.Context, v *video, a console.CheckedAccount) (dryPlan, error) {
	out := dryPlan{Account: a.Account, Plan: a.Plan, Note: a.Note, Text: a.Video.Title}
	var conf douyin.Config
	if a.Account.Target() != "douyin" || json.Unmarshal(a.Rehearsal, &conf) != nil {
		return out, fmt.Errorf("a dry run of %s is not known", a.Account.Target())
	}
	p := &rehearsal{}
	cred := func(context.Context) (token.Token, error) {
		return token.Token{Grant: "dry-run", Subject: "OPEN_ID", Access: "ACCESS_TOKEN"}, nil
	}
	t := douyin.New(conf, &http.Client{Transport: p, Timeout: time.Hour}, cred, nil)
	out.Text = douyin.Text(a.Video)
	p.at("open")
	s, err := t.Init(ctx, a.Video, a.Plan)
	if err != nil {
		return out, err
	}
	p.at("part")
	var rs []upload.Receipt
	for n := 1; n <= a.Plan.Parts; n++ {
		part := a.Plan.Part(n)
		r, err := t.UploadPart(ctx, s, target.Part{Part: part, Parts: a.Plan.Parts, Open: func(ctx context.Context) (io.ReadCloser, error) {
			return v.opener(ctx, part.Offset, part.Size)
		}})
		if err != nil {
			return out, fmt.Errorf("part %d: %w", n, err)
		}
		rs = append(rs, r)
	}
	p.at("complete")
	asset, err := t.Complete(ctx, s, rs)
	if err != nil {
		return out, err
	}
	if a.Video.Cover != nil && a.Video.Cover.Picture != nil {
		a.Video.Cover = nil // the picture is not rehearsed: it is in the bucket, not here
		out.Note = strings.TrimSpace(out.Note + " the cover picture is not part of this rehearsal")
	}
	p.at("publish")
	if _, err := t.Publish(ctx, a.Video, s, asset); err != nil {
		return out, err
	}
	out.Requests = p.requests
	for _, q := range p.requests {
		out.Bytes += q.Bytes
	}
	out.Cost = costOf(out.Bytes, a.Plan)
	return out, nil
}

// List prices of AWS in us-east-1, arm64, in US dollars, beyond the free tier: what the same publication costs there. On
// one machine only the network counts.
const (
	perGBOut      = 0.09         // internet egress, the first 10 TB of a month
	perTransition = 0.025 / 1000 // Step Functions Standard
	perGBSecond   = 0.0000133334 // Lambda
	perRequest    = 0.20 / 1e6   // Lambda
	perWrite      = 0.625 / 1e6  // DynamoDB, on demand
	functionGB    = 0.5
	bytesASecond  = 2_000_000 // the pessimistic speed of design 2
)

type cost struct {
	Egress  float64 `json:"egress_usd"`
	Compute float64 `json:"compute_usd"`
	Machine float64 `json:"machine_usd"`
	Ledger  float64 `json:"ledger_usd"`
	Total   float64 `json:"total_usd"`
}

// costOf estimates; what was really used is measured per publication.
func costOf(bytes int64, p upload.Plan) cost {
	carried := float64(bytes) / bytesASecond
	steps := 12 + 3*float64(p.Ranges)
	c := cost{
		Egress:  float64(bytes) / 1e9 * perGBOut,
		Compute: carried*functionGB*perGBSecond + steps*perRequest,
		Machine: steps * perTransition,
		Ledger:  (40 + float64(p.Parts) + carried/5) * perWrite,
	}
	c.Total = c.Egress + c.Compute + c.Machine + c.Ledger
	return c
}

// manyRequests is how many requests of one step are shown before they are summed up.
const manyRequests = 3

func (p dryPlan) write(w io.Writer, mark string) {
	say := func(format string, args ...any) { fmt.Fprintf(w, "%s%s\n", mark, shown(fmt.Sprintf(format, args...))) }
	say("%s", p.Account)
	say("  text     %s", p.Text)
	say("  plan     %d bytes in %d parts of at most %d bytes, %d ranges of at most %d parts, %d parts in flight in each", p.Plan.Size, p.Plan.Parts, p.Plan.PartSize, p.Plan.Ranges, p.Plan.PartsPerRange, p.Plan.InFlight)
	if p.Note != "" {
		say("  but      %s", p.Note)
	}
	say("  requests %d, bodies of %d bytes together", len(p.Requests), p.Bytes)
	for i, q := range p.Requests {
		same := 0
		for j := i - 1; j >= 0 && p.Requests[j].Step == q.Step; j-- {
			same++
		}
		last := i+1 == len(p.Requests) || p.Requests[i+1].Step != q.Step
		switch {
		case same < manyRequests || last:
			say("    %-8s %s %s", q.Step, q.Method, q.URL)
			say("             %s; %s, %d bytes", strings.Join(q.Headers, ", "), orText(q.Body, "no body"), q.Bytes)
			if q.JSON != "" {
				say("             %s", q.JSON)
			}
		case same == manyRequests:
			say("    ...")
		}
	}
	say("  cost     on this machine none but the network; on AWS about $%.4f (egress %.4f, compute %.4f, state machine %.4f, ledger %.4f; list prices of us-east-1)",
		p.Cost.Total, p.Cost.Egress, p.Cost.Compute, p.Cost.Machine, p.Cost.Ledger)
}
