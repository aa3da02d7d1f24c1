package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/cloud"
	"github.com/vodlift/vodlift/shared/console"
)

// execute does what was listed, in an order in which a failure anywhere leaves nothing worse than a paused stack, and in
// which each step may be done again. Intake ends first; the sweep of what is due, which clears up behind cancelled
// uploads, runs until they are over; logins are erased when nothing needs them any more.
func (d *demolition) execute(ctx context.Context) error {
	if d.api != nil {
		for _, step := range []func(context.Context) error{d.pause, d.stopIntake, d.endUploads, d.unhook, d.erase} {
			if err := step(ctx); err != nil {
				return d.again(err)
			}
		}
	}
	for _, step := range []func(context.Context) error{d.stopRules, d.emptyInbox, d.deleteStack, d.removeInbox, d.deleteTable} {
		if err := step(ctx); err != nil {
			return d.again(err)
		}
	}
	return d.remains(ctx)
}

// again says that the same command goes on where this one stopped.
func (d *demolition) again(err error) error {
	return fmt.Errorf("%w; what was done stays done: run the same command again to go on", err)
}

func (d *demolition) tell(format string, args ...any) {
	fmt.Fprintf(d.m.Stdout, "%s\n", shown(fmt.Sprintf(format, args...)))
}

// every is how often the stack is looked at while something of it ends.
func (d *demolition) every() time.Duration { return 10 * d.m.Poll }

func (d *demolition) pause(ctx context.Context) error {
	if err := d.api.post(ctx, "/api/pause", console.PauseRequest{Scope: "global", On: true}, &struct{}{}); err != nil {
		return err
	}
	d.tell("paused: nothing is sent or published any more")
	return nil
}

// intake are the rules by which videos come in: dropped ones, and those that the hourly books find.
func (d *demolition) intake() []string {
	var out []string
	for _, id := range d.rules() {
		if strings.HasPrefix(id, "Ingest") || strings.HasSuffix(id, "Books") {
			out = append(out, id)
		}
	}
	return out
}

// rules are the logical ids of the stack's rules and schedules, those of another version of it included.
func (d *demolition) rules() []string {
	var out []string
	for id, r := range d.st.Resources {
		if r.Type == "AWS::Events::Rule" && r.Physical != "" && r.Status != "DELETE_COMPLETE" {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (d *demolition) disable(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if err := d.a.DisableRule(ctx, d.st.Physical(id)); err != nil {
			return d.said(err)
		}
	}
	return nil
}

func (d *demolition) stopIntake(ctx context.Context) error {
	ids := d.intake()
	if err := d.disable(ctx, ids); err != nil {
		return err
	}
	d.tell("switched off: %s", orText(strings.Join(ids, ", "), "nothing brings videos in"))
	return nil
}

func (d *demolition) stopRules(ctx context.Context) error {
	if d.st.Leaving() {
		return nil
	}
	ids := d.rules()
	if err := d.disable(ctx, ids); err != nil {
		return err
	}
	d.tell("switched off: all %d rules and schedules", len(ids))
	return nil
}

// endUploads cancels what can be cancelled, and waits until it is over. The list comes from an index that may lag, so it
// has to be empty twice.
func (d *demolition) endUploads(ctx context.Context) error {
	until, asked, empty := d.m.Now().Add(d.o.wait), map[string]bool{}, 0
	for {
		if err := d.api.get(ctx, "/api/leaving", &d.leaving); err != nil {
			return err
		}
		open, err := d.cancel(ctx, asked)
		if err != nil {
			return err
		}
		if empty++; open > 0 || d.leaving.More {
			empty = 0
		}
		if empty == 2 {
			break
		}
		if !d.m.Now().Before(until) {
			if d.o.forceHeld {
				d.m.say("note: %d uploads did not end; their sessions may stay at the platforms", open)
				break
			}
			return fmt.Errorf("%d uploads have not ended in %s (--wait waits longer, --force-held goes on without)", open, d.o.wait)
		}
		if err := cloud.Pause(ctx, d.every()); err != nil {
			return err
		}
	}
	d.tell("uploads: %d were cancelled, none is under way", len(asked))
	if n := d.leaving.Sessions; n > 0 {
		d.m.say("note: %d sessions could not be given up at the platforms, which drop them by themselves in time", n)
	}
	return d.held()
}

// cancel cancels each upload once and counts those that are not over.
func (d *demolition) cancel(ctx context.Context, asked map[string]bool) (open int, err error) {
	for _, u := range d.leaving.Uploads {
		if u.Stand != console.LeaveCancel && u.Stand != console.LeaveEnding {
			continue
		}
		open++
		if u.Stand == console.LeaveEnding || asked[u.ID] {
			continue
		}
		var refused *statusError
		err := d.api.post(ctx, "/api/uploads/"+url.PathEscape(u.ID)+"/cancel", struct{}{}, &struct{}{})
		if errors.As(err, &refused) && (refused.status == http.StatusConflict || refused.status == http.StatusBadRequest) {
			continue // it moved on meanwhile; the next look says where to
		}
		if err != nil {
			return open, err
		}
		asked[u.ID] = true
	}
	return open, nil
}

// held refuses to go on while something may be public and nobody knows.
func (d *demolition) held() error {
	n := 0
	for _, u := range d.leaving.Uploads {
		if u.Stand == console.LeaveAsked {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	d.listAsked(d.leaving)
	if d.o.forceHeld {
		d.m.say("note: %d uploads stay unknown, as you said; look at the accounts by hand", n)
		return nil
	}
	return fmt.Errorf("%d uploads may have been published and nobody knows: resolve them, or add --force-held", n)
}

func (d *demolition) unhook(ctx context.Context) error {
	var us []console.Unhooked
	if err := d.api.do(ctx, http.MethodDelete, d.api.run.API+"/api/callbacks", nil, &us); err != nil {
		return err
	}
	for _, u := range us {
		switch {
		case u.Removed:
			d.tell("callbacks: %s no longer knows our address", u.Account)
		case u.Note != "":
			d.m.say("note: the callback address of %s was not removed: %s", u.Account, u.Note)
		}
	}
	return nil
}

func (d *demolition) erase(ctx context.Context) error {
	address := d.api.run.API + "/api/secrets"
	if d.o.forceHeld {
		address += "?force=1"
	}
	var e console.Erased
	if err := d.api.do(ctx, http.MethodDelete, address, nil, &e); err != nil {
		return err
	}
	d.tell("erased: %d logins, %d keys", len(e.Logins), len(e.Apps))
	if e.Note != "" {
		d.m.say("note: %s", e.Note)
	}
	return nil
}

func (d *demolition) emptyInbox(ctx context.Context) error {
	bucket := d.o.inbox
	if bucket == "" || d.inbox.Gone {
		return nil
	}
	total := 0
	if err := d.a.Empty(ctx, bucket, func(n int) { total = n }); err != nil {
		return d.said(err)
	}
	d.tell("inbox: %d files deleted", total)
	return nil
}

// deleteStack begins the deletion, unless it is under way, and waits for its end.
func (d *demolition) deleteStack(ctx context.Context) error {
	if d.st.Deleted() {
		return nil
	}
	if d.st.Status != "DELETE_IN_PROGRESS" {
		if err := d.a.DeleteStack(ctx, d.st.ID); err != nil {
			return d.said(err)
		}
		d.tell("the stack is being deleted; that takes some minutes")
	}
	st, err := d.a.AwaitDeleted(ctx, d.st.ID, d.every())
	switch {
	case errors.Is(err, cloud.ErrNotDeleted):
		return err
	case ctx.Err() != nil:
		return errors.New("stopped; AWS goes on deleting the stack")
	case err != nil:
		return d.said(err)
	}
	d.st = st
	d.tell("the stack is deleted")
	return nil
}

func (d *demolition) removeInbox(ctx context.Context) error {
	if d.o.inbox == "" {
		return nil
	}
	if err := d.a.RemoveBucket(ctx, d.o.inbox); err != nil {
		return d.said(err)
	}
	d.inbox = cloud.Holding{Gone: true}
	d.tell("inbox: the bucket is deleted")
	return nil
}

func (d *demolition) deleteTable(ctx context.Context) error {
	if d.o.table == "" {
		return nil
	}
	if err := d.a.DeleteTable(ctx, d.o.table); err != nil {
		return d.said(err)
	}
	d.table = cloud.Holding{Gone: true}
	d.tell("ledger: the table is deleted; AWS keeps its last backup for 35 days, at no cost")
	return nil
}

// remains says what is left, what it costs, and what only people can do.
func (d *demolition) remains(context.Context) error {
	w := d.m.Stdout
	fmt.Fprintf(w, "\nWhat remains:\n")
	columnsTable(w, "  ", d.kept())
	fmt.Fprintf(w, "\nBy hand, at the platforms:\n")
	for _, o := range []struct{ name, what string }{
		{"VodCallbackUrl", "VOD's console: the HTTP callback address, where it is still"},
		{"DouyinWebhookUrl", "Douyin's console: the webhook"},
		{"LoginPage", "Douyin's console: the redirect URI"},
	} {
		if address := d.st.Outputs[o.name]; address != "" {
			fmt.Fprintf(w, "  %s %s\n", o.what, shown(address))
		}
	}
	fmt.Fprintf(w, "  what users granted to the app they withdraw in the platform's own settings\n")
	fmt.Fprintf(w, "  functions on Function Compute are no part of this stack: s remove\n")
	fmt.Fprintf(w, "  sam keeps the code that it uploaded in the bucket of the stack aws-sam-cli-managed-default, under %s/\n", shown(d.st.Name))
	return nil
}
