package workflow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

const (
	// maxHints is how many callbacks of one generation its upload takes. A platform sends some twenty for a video;
	// whoever forges them by the thousand only gets them filed.
	maxHints = 50
	// maxRemotes is how many of a callback's ids are looked up.
	maxRemotes = 10
	// maxAhead is how far a platform's clock may be ahead of ours. A time beyond it would stand over all later events.
	maxAhead = 10 * time.Minute
)

// Callback takes a verified callback of a platform: it records it, finds whose it is, and wakes the upload if it waits for
// the platform and this may be news. It changes no status: Watch asks the platform (design 4.7). first is false for a
// repeat. After an error the platform has to send it again; that it was recorded already does no harm then.
//
// The event is written first and the park is read after it; Park does the opposite. One of the two always sees the other
// (design 4.6).
func (w *Workflow) Callback(ctx context.Context, e callback.Event) (first bool, err error) {
	h := state.Heard{Platform: e.Platform, Type: e.Type, Status: e.Status, Key: e.Key, Remotes: e.Remotes, Job: e.Job, Extend: e.Extend, At: e.At, Final: e.Final, Body: e.Body}
	if h.At.After(w.Now().Add(maxAhead)) {
		h.At = time.Time{}
	}
	u, by, err := w.ownerOf(ctx, e)
	switch {
	case err != nil:
		return false, err
	case u.ID == "":
		return w.filed(ctx, h, "it belongs to no upload")
	case u.Counts.Hints >= maxHints:
		return w.filed(ctx, h, "its upload has had too many")
	}
	if other, err := w.handedToAnother(ctx, &u, e, by); err != nil {
		return false, err
	} else if other {
		w.note(ctx, &u, "hand-over", "another user than the account's published with the link: that post is not this upload's", nil)
		w.Log.Error("a hand-over was published by another user", "alarm", "handover_foreign", "upload", u.ID, "account", string(u.Account))
		return w.filed(ctx, h, "it is of another user than the account's")
	}
	u, first, err = w.Ledger.RecordCallback(ctx, u.ID, h, told(h), func(u *state.Upload) error {
		w.hear(u, h, by)
		return nil
	})
	if err != nil {
		return false, err
	}
	w.Log.Info("callback", "platform", h.Platform, "type", h.Type, "upload", u.ID, "first", first)
	if err := w.closeHanded(ctx, &u); err != nil {
		return first, err
	}
	return first, w.wakeForEvent(ctx, &u)
}

// filed records a callback that wakes nobody.
func (w *Workflow) filed(ctx context.Context, h state.Heard, why string) (bool, error) {
	first, err := w.Ledger.RecordUnmatched(ctx, h)
	if err == nil {
		w.Log.Info("callback filed: "+why, "platform", h.Platform, "type", h.Type, "first", first)
	}
	return first, err
}

// told is a callback as a line of the timeline.
func told(h state.Heard) string {
	s := "the platform says: " + h.Type
	if h.Status != "" {
		s += ", " + h.Status
	}
	if !h.At.IsZero() {
		s += ", at " + h.At.UTC().Format(time.RFC3339)
	}
	return s
}

// hear notes an event on its upload, inside the transaction that records it.
func (w *Workflow) hear(u *state.Upload, h state.Heard, by string) {
	u.Counts.Hints++
	if by == byExtend && len(h.Remotes) > 0 {
		return // of another video that was begun for this upload, and given up
	}
	hearHanded(u, h, by, w.Now())
	if u.OpenIntent() && h.Platform == callback.Douyin && h.Type == "create_video" {
		u.Intent.TellPosts(h.Remotes, by, w.Now())
	}
	if u.Tell(h) {
		u.Events++
	}
}

// byExtend says that only the text that we gave to the platform names the upload.
const byExtend = "extend"

// ownerOf finds the upload of the same platform that a callback belongs to: by an id that we noted when the session was
// opened, by a claimed post, else by the upload id that we gave to the platform for its events. by tells which id it was.
// Ids of several uploads in one callback are nobody's: it must not wake one for another. Without an id it is nobody's.
func (w *Workflow) ownerOf(ctx context.Context, e callback.Event) (u state.Upload, by string, err error) {
	id := ""
	for _, r := range e.Remotes[:min(len(e.Remotes), maxRemotes)] {
		of, err := w.Ledger.RemoteOwner(ctx, e.Platform, r)
		if err == nil && of == "" {
			of, err = w.Ledger.PostClaimedBy(ctx, e.Platform, r)
		}
		switch {
		case err != nil:
			return u, "", err
		case of == "":
		case id == "":
			id, by = of, r
		case id != of:
			return u, "", nil
		}
	}
	if id == "" && uploadID.MatchString(e.Extend) {
		id, by = e.Extend, byExtend
	}
	if id == "" {
		return u, "", nil
	}
	u, err = w.Ledger.Upload(ctx, id)
	if errors.Is(err, table.ErrNotFound) || err == nil && u.Account.Target() != e.Platform {
		return state.Upload{}, "", nil
	}
	return u, by, err
}

// wakeForEvent wakes an upload that waits for its platform, if an event came after its last question.
func (w *Workflow) wakeForEvent(ctx context.Context, u *state.Upload) error {
	if !unasked(u) {
		return nil
	}
	p, ok, err := w.Ledger.Park(ctx, u.ID)
	if err != nil || !ok || p.For != forWatch {
		return err
	}
	if err := w.wakeToken(ctx, p.Token); err != nil {
		return err
	}
	return w.Ledger.DropPark(ctx, p)
}

// forWatch is ParkStep.For of a park behind Watch.
const forWatch = "watch"

// unasked says that an event came that no Check has asked the platform about.
func unasked(u *state.Upload) bool { return u.Status == upload.Processing && u.Events > u.Asked }

// lostCallback logs a wait for a platform that sends callbacks which only the poll brought to its end.
func (w *Workflow) lostCallback(ctx context.Context, u *state.Upload, t target.Target) {
	if _, sends := t.(target.Namer); sends && u.Told == nil {
		w.Log.Warn("lost callback", "upload", u.ID, "target", u.Account.Target(), "account", string(u.Account), "lost_callbacks", 1)
		w.metric(ctx, "callbacks_lost", "Count", 1)
	}
}

// toldPosts gives the posts that callbacks named for this very hand-over, as far as the platform confirms that the
// account has them; without a Checker none is more than a hint for people.
func (w *Workflow) toldPosts(ctx context.Context, u *state.Upload, t target.Target, have []upload.Post) []upload.Post {
	c, ok := t.(target.Checker)
	if !ok || len(u.Intent.Told) == 0 {
		return have
	}
	v, err := w.video(ctx, u, u.Intent.Revision)
	if err != nil {
		return have
	}
	for _, p := range u.Intent.Told {
		known := false
		for _, x := range have {
			known = known || x.ID == p.ID
		}
		if known {
			continue
		}
		verdict, err := c.Check(ctx, v, p)
		if err == nil && verdict.State != target.Later {
			p.URL = verdict.URL
			have = append(have, p)
		}
	}
	return have
}

// toldText names the posts that callbacks told of, for a person who has to decide.
func toldText(in *state.Intent) string {
	ids := make([]string, 0, len(in.Told))
	for _, p := range in.Told {
		ids = append(ids, p.ID)
	}
	if len(ids) == 0 {
		return ""
	}
	return fmt.Sprintf("; a callback for this very hand-over named %s", strings.Join(ids, ", "))
}
