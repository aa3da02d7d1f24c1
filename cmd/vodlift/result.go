package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// result is one upload as --json writes it, one a line.
type result struct {
	Publication string `json:"publication"`
	Upload      string `json:"upload"`
	Account     string `json:"account"`
	Status      string `json:"status"`
	Post        string `json:"post"`
	Bytes       int64  `json:"bytes"`
	MS          int64  `json:"ms"`
	Error       string `json:"error"`
}

func resultOf(v console.Live, now time.Time) result {
	r := result{Publication: v.Publication, Upload: v.ID, Account: string(v.Account), Status: statusWord(v.Status, v.Reason), Bytes: v.Source.Size, MS: elapsed(v, now).Milliseconds()}
	if v.Post != nil {
		r.Post = v.Post.ID
	}
	if f := trouble(v); f != nil {
		r.Error = faultText(f)
	}
	return r
}

// trouble is the fault that people should know of: why it ended as it did, not one that was overcome.
func trouble(v console.Live) *state.Fault {
	if v.Status == upload.Published {
		return nil
	}
	return v.Fault
}

func elapsed(v console.Live, now time.Time) time.Duration {
	end := v.Ended
	if end.IsZero() {
		end = now
	}
	return max(0, end.Sub(v.Created))
}

// faultText words a recorded fault for people: field and rule, the platform's words, code and log id.
func faultText(f *state.Fault) string {
	s := withoutOps(f.Text, f.Kind)
	if f.Field != "" && !strings.Contains(s, f.Field) {
		s = f.Field + ": " + s
	}
	if f.Rule != "" && !strings.Contains(s, f.Rule) {
		s += " (rule: " + f.Rule + ")"
	}
	if f.Code != "" && !strings.Contains(s, f.Code) {
		s += " (code " + f.Code + ")"
	}
	return s
}

func writeJSONLines(w io.Writer, rs []result) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, r := range rs {
		if err := e.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// columnsTable lines rows up; every cell is made safe to read.
func columnsTable(w io.Writer, prefix string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = shown(c)
		}
		fmt.Fprintf(t, "%s%s\n", prefix, strings.Join(cells, "\t"))
	}
	t.Flush()
}

func turnsOf(v console.Live) string {
	if v.Plan == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d", v.Plan.Ranges, v.Turns)
}

func postOf(v console.Live) string {
	if v.Post == nil {
		return "-"
	}
	return v.Post.ID
}

// resultTable shows how each upload ended, with extra columns by upload id.
func resultTable(w io.Writer, prefix string, vs []console.Live, now time.Time, extraHead string, extra func(console.Live) string) {
	head := []string{"account", "status", "post", "bytes", "ranges/turns", "ms"}
	if extra != nil {
		head = append(head, extraHead)
	}
	rows := [][]string{head}
	for _, v := range vs {
		r := []string{string(v.Account), statusWord(v.Status, v.Reason), postOf(v), fmt.Sprint(v.Source.Size), turnsOf(v), fmt.Sprint(elapsed(v, now).Milliseconds())}
		if extra != nil {
			r = append(r, extra(v))
		}
		rows = append(rows, r)
	}
	columnsTable(w, prefix, rows)
}

// advice says what people can do about an upload.
func advice(name string, v console.Live) string {
	f := v.Fault
	own := ""
	if f != nil && f.Action != "" {
		own = f.Action
	}
	switch v.Status {
	case upload.Held:
		return fmt.Sprintf("its post may exist. Look at the account; then: %s resolve %s --published POST, or --publish-again", name, v.ID)
	case upload.NeedsLogin:
		return orText(own, "the owner of "+string(v.Account)+" has to log in again; the upload then goes on with the parts it has")
	case upload.Failed:
		if f != nil && (f.Field == "source" || strings.HasPrefix(f.Field, "source.")) {
			own = orText(own, "the file itself is the matter: drop a mended one, under the same name or another; it is a publication of its own")
		}
		return orText(own, fmt.Sprintf("mend the cause, then: %s retry %s", name, v.ID))
	case upload.Cancelled:
		return `drop the video again with "again": "<label>" in its manifest to publish it after all`
	case upload.Publishing:
		return orText(looking(v), orText(own, "nothing; it goes on by itself"))
	case upload.Waiting:
		if v.Reason == "paused" {
			return fmt.Sprintf("somebody paused it; to go on: %s pause SCOPE --off, with the scope that was paused: global, %s or %s", name, v.Account.Target(), v.Account)
		}
		if !v.NextAt.IsZero() {
			return "nothing; it goes on by " + v.NextAt.Local().Format(time.DateTime)
		}
		return orText(own, "nothing; it goes on by itself")
	case upload.Published:
		if v.Refused != nil {
			return v.Refused.Action
		}
		return ""
	}
	return orText(own, "nothing; it goes on by itself")
}

func orText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
