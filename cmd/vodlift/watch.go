package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// watch follows a publication until its uploads have ended.
type watch struct {
	m    *Main
	c    *client
	b    *board
	pub  string
	want []string // ids of uploads; empty: all that the publication has

	meters map[string]*meter
	away   time.Time // since when the stack does not answer
	ended  time.Time // when all had a last status, settled or not
}

// meter knows how fast one upload is, and what was said of it.
type meter struct {
	base   int64 // bytes with a receipt at the first look that the process did not send
	seen   bool
	speed  float64 // bytes per second, smoothed
	last   int64
	at     time.Time
	said   string
	saidAt time.Time
}

const (
	awayMost   = time.Minute     // a stack that is started again is waited for so long
	settleMost = 5 * time.Second // clearing up after a last status is waited for so long
	plainEvery = 5 * time.Second // between plain lines about an upload that goes on
)

// run returns the last view when everything has ended, or the error of ctx when people stopped watching.
func (w *watch) run(ctx context.Context) (console.LivePublication, error) {
	w.meters = map[string]*meter{}
	tick := time.NewTicker(w.m.Poll)
	defer tick.Stop()
	defer w.b.clear()
	for {
		p, err := w.look(ctx)
		if err == nil {
			w.render(p)
			if w.done(p) {
				return p, nil
			}
		} else if err = w.tolerate(ctx, err); err != nil {
			return p, err
		}
		select {
		case <-ctx.Done():
			return p, ctx.Err()
		case <-tick.C:
		}
	}
}

func (w *watch) look(ctx context.Context) (console.LivePublication, error) {
	var p console.LivePublication
	err := w.c.get(ctx, "/api/publications/"+url.PathEscape(w.pub), &p)
	if err == nil && len(w.want) > 0 {
		p.Views = slices.DeleteFunc(p.Views, func(v console.Live) bool { return !slices.Contains(w.want, v.ID) })
	}
	return p, err
}

// tolerate lets a stack be stopped and started again under our eyes, perhaps at other addresses.
func (w *watch) tolerate(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.Is(err, errAway):
		return err
	}
	now := w.m.Now()
	if w.away.IsZero() {
		w.away = now
		w.b.line("%sthe stack does not answer; waiting for it to be started again", w.c.mark())
	}
	if now.Sub(w.away) > awayMost {
		return fmt.Errorf("%w; what it had begun goes on when it is started again", errAway)
	}
	if c, cerr := w.m.connect(ctx, w.c.dir); cerr == nil {
		w.c.close()
		w.c, w.away, w.meters = c, time.Time{}, map[string]*meter{}
		w.b.line("%sthe stack answers again", c.mark())
	}
	return nil
}

func (w *watch) done(p console.LivePublication) bool {
	if len(p.Views) == 0 {
		return p.Status == upload.Waiting && (p.Problem != nil || p.Reason == "route")
	}
	if len(w.want) > len(p.Views) {
		return false
	}
	settled := true
	for _, v := range p.Views {
		if !v.Status.Terminal() {
			w.ended = time.Time{}
			return false
		}
		settled = settled && v.Settled
	}
	if w.ended.IsZero() {
		w.ended = w.m.Now()
	}
	return settled || w.m.Now().Sub(w.ended) > settleMost
}

func (w *watch) render(p console.LivePublication) {
	now := w.m.Now()
	if len(p.Views) == 0 {
		w.say(p.ID, now, fmt.Sprintf("%s%s: %s", w.c.mark(), path.Base(p.Source.Key), statusWord(p.Status, p.Reason)), false)
		return
	}
	rows := make([]string, 0, len(p.Views))
	for _, v := range p.Views {
		mt := w.meter(v, now)
		name := w.c.mark() + path.Base(p.Source.Key) + " > " + string(v.Account)
		rows = append(rows, w.row(name, v, mt))
		text := fmt.Sprintf("%s: %s", name, statusWord(v.Status, v.Reason))
		if v.Status.Terminal() {
			w.say(v.ID, now, text, true)
		} else {
			w.say(v.ID, now, text+detail(v, mt), true)
		}
	}
	w.b.show(rows)
}

// say writes a plain line when the status is another, or some seconds after the last one. A terminal has its rows.
func (w *watch) say(id string, now time.Time, text string, rows bool) {
	if w.b.terminal && rows {
		return
	}
	mt := w.meters[id]
	if mt == nil {
		mt = &meter{}
		w.meters[id] = mt
	}
	head, _, _ := cutDetail(text)
	if head == mt.said && (text == head || now.Sub(mt.saidAt) < plainEvery) {
		return
	}
	mt.said, mt.saidAt = head, now
	w.b.line("%s", text)
}

// detailMark stands between a status and what changes all the time.
const detailMark = "  "

func cutDetail(s string) (string, string, bool) {
	for i := 0; i+len(detailMark) <= len(s); i++ {
		if s[i:i+len(detailMark)] == detailMark {
			return s[:i], s[i:], true
		}
	}
	return s, "", false
}

func (w *watch) meter(v console.Live, now time.Time) *meter {
	mt := w.meters[v.ID]
	if mt == nil {
		mt = &meter{}
		w.meters[v.ID] = mt
	}
	if !mt.seen {
		mt.seen, mt.base, mt.last, mt.at = true, max(0, v.Sent-v.SentNow), v.SentNow, now
		return mt
	}
	if d := now.Sub(mt.at).Seconds(); d > 0 {
		rate := float64(v.SentNow-mt.last) / d
		if mt.speed == 0 {
			mt.speed = rate
		}
		mt.speed = 0.7*mt.speed + 0.3*rate
		mt.last, mt.at = v.SentNow, now
	}
	return mt
}

// position is how much of the video is at the platform: what has a receipt, or what is on its way there.
func position(v console.Live, mt *meter) int64 {
	if v.Asset != nil || v.Post != nil {
		return v.Source.Size
	}
	return min(v.Source.Size, max(v.Sent, mt.base+v.SentNow))
}

func (w *watch) row(name string, v console.Live, mt *meter) string {
	total := v.Source.Size
	at := position(v, mt)
	wide := min(30, max(10, w.b.width()/8))
	percent := int64(100)
	if total > 0 {
		percent = at * 100 / total
	}
	room := max(20, w.b.width()/4)
	row := fmt.Sprintf("%s %s %3d%% %s", fit(name, room, true), bar(at, total, wide), percent, statusWord(v.Status, v.Reason))
	if s := looking(v); s != "" {
		row += " " + s
	}
	if v.Status == upload.Uploading && v.Plan != nil {
		row += fmt.Sprintf(" %.1f MB/s, %d/%d parts, %s", max(0, mt.speed)/1e6, partsDone(v, mt), v.Plan.Parts, travel(v, mt.at))
	}
	return row
}

// detail tells of bytes, parts and ranges while they travel.
func detail(v console.Live, mt *meter) string {
	if s := looking(v); s != "" {
		return detailMark + s
	}
	if v.Status != upload.Uploading || v.Plan == nil {
		return ""
	}
	return fmt.Sprintf("%s%s of %s, %.1f MB/s, %d of %d parts, %s", detailMark,
		size(position(v, mt)), size(v.Source.Size), max(0, mt.speed)/1e6, partsDone(v, mt), v.Plan.Parts, travel(v, mt.at))
}

// looking says that the answer of the platform was lost and what is done about it: this may take many minutes, in which
// nothing else changes.
func looking(v console.Live) string {
	i := v.Intent
	if v.Status != upload.Publishing || i == nil || i.Result != state.IntentOpen || len(i.Looks) == 0 {
		return ""
	}
	return fmt.Sprintf("the platform's answer was lost; looked for the post %d times; it may take effect until %s", v.Counts.Looks, i.SettleAt.Local().Format(time.TimeOnly))
}

// partsDone counts whole parts; the last one may be shorter.
func partsDone(v console.Live, mt *meter) int64 {
	at := position(v, mt)
	if at >= v.Source.Size {
		return int64(v.Plan.Parts)
	}
	return at / max(1, v.Plan.PartSize)
}

// inFlight counts the ranges that an invocation of this generation has a lease on, and how many parts those may carry
// at once.
func inFlight(v console.Live, now time.Time) (ranges, parts int) {
	for _, r := range v.Ranges {
		if !r.Held(now) || r.Gen != v.Gen {
			continue
		}
		first, last := v.Plan.Range(r.Range)
		ranges++
		parts += min(v.Plan.InFlight, last-first+1)
	}
	return ranges, parts
}

// travel says what is in flight; after a kill, what the leases of the dead process hold up.
func travel(v console.Live, now time.Time) string {
	ranges, parts := inFlight(v, now)
	s := fmt.Sprintf("in flight %d ranges ~%d parts", ranges, parts)
	dead := 0
	for _, r := range v.Ranges {
		if r.Held(now) && r.Gen != v.Gen {
			dead++
		}
	}
	if dead > 0 {
		s += fmt.Sprintf(", %d ranges wait for a lease of before to end", dead)
	}
	return s
}

func statusWord(s upload.Status, reason string) string {
	if reason == "" {
		return string(s)
	}
	return fmt.Sprintf("%s(%s)", s, reason)
}
