package workflow

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

// The reasons by which objects are accounted for, one for each object. They are words for grouping; Line.Text says more.
const (
	WhyPublished   = "published"
	WhyPartly      = "published in part"
	WhyUploading   = "under way"
	WhyWaiting     = "waiting"
	WhyHeld        = "held"
	WhyNeedsLogin  = "needs a login"
	WhyFailed      = "failed"
	WhyCancelled   = "cancelled"
	WhyNoManifest  = "waiting for a manifest"
	WhyNoRoute     = "waiting for a route"
	WhyRefused     = "manifest refused"
	WhyOld         = "older than starts_from"
	WhyGone        = "gone since it was listed"
	WhyUnaccounted = "not accounted for"
)

// Line is one object with its reason.
type Line struct {
	Bucket      string `json:"bucket"`
	Key         string `json:"key"`
	Publication string `json:"publication,omitempty"`
	Reason      string `json:"reason"`
	Text        string `json:"text,omitempty"`
	Found       bool   `json:"found,omitempty"` // its event was lost: it was recorded only now
}

// ReasonCount is how many objects have a reason.
type ReasonCount struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// BooksReport is what one run of the books did.
type BooksReport struct {
	In        int           `json:"in"`
	Accounted int           `json:"accounted"`
	Found     int           `json:"found"` // recorded only now, since their events were lost
	Reasons   []ReasonCount `json:"reasons"`
	Whole     bool          `json:"whole"`   // this run came to the end of every bucket
	Aborted   int           `json:"aborted"` // sessions that nobody wanted any more
	Dropped   int           `json:"dropped"` // records of sessions of which nothing is open
}

// maxLines bounds the lines of an Accounting.
const maxLines = 1000

// Accounting says of every object in the buckets why it is, or is not, published.
type Accounting struct {
	At        time.Time     `json:"at"`
	In        int           `json:"in"`
	Accounted int           `json:"accounted"`
	Found     int           `json:"found"`
	Reasons   []ReasonCount `json:"reasons"`        // the most frequent first
	Lines     []Line        `json:"lines"`          // of what is not published on all its accounts, in the order of the keys
	More      int           `json:"more,omitempty"` // lines that were left out
}

// tally counts reasons.
type tally map[string]int

func (t tally) counts() []ReasonCount {
	out := make([]ReasonCount, 0, len(t))
	for r, n := range t {
		out = append(out, ReasonCount{r, n})
	}
	slices.SortFunc(out, func(a, b ReasonCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

// buckets are those that objects are taken from: the inbox and those of the routes.
func (w *Workflow) buckets() []string {
	var out []string
	add := func(b string) {
		if b != "" && !slices.Contains(out, b) {
			out = append(out, b)
		}
	}
	add(w.Set.Inbox)
	for _, r := range w.Routes {
		add(r.Bucket)
	}
	return out
}

// page is how many objects are listed at a time; after each the walk's place is saved.
const page = 200

// Books is one bounded run of the hourly balance: bucket = ledger = platform. It goes on where the last one stopped, and
// begins again at the end. What the ledger does not know is recorded now: its event was lost. Sessions that nobody wants
// any more are aborted after their age. Two runs at once do no harm: what they do is idempotent, and only one of them
// counts. Objects of the buckets are only read.
func (w *Workflow) Books(ctx context.Context) (BooksReport, error) {
	r := BooksReport{Whole: w.Lister != nil}
	t := tally{}
	var errs []error
	for _, b := range w.buckets() {
		if w.Lister == nil {
			break
		}
		whole, err := w.walk(ctx, b, &r, t)
		r.Whole = r.Whole && whole
		errs = append(errs, err)
	}
	r.Reasons = t.counts()
	errs = append(errs, w.orphans(ctx, &r))
	return r, errors.Join(errs...)
}

// walk goes on through one bucket, as far as this run may; whole says that it came to the end.
func (w *Workflow) walk(ctx context.Context, bucket string, r *BooksReport, t tally) (whole bool, err error) {
	const op = "workflow.Books"
	b, err := w.Ledger.Books(ctx, bucket)
	if err != nil {
		return false, err
	}
	for seen := 0; seen == 0 || seen < w.Set.BooksLimit && !w.nearEnd(ctx); {
		if b.After == "" {
			b.Since, b.In, b.Accounted, b.Reasons = w.Now(), 0, 0, nil
		}
		objects, next, err := w.Lister.List(ctx, bucket, b.After, max(1, min(page, w.Set.BooksLimit-seen)))
		if err != nil {
			return false, fault.Wrap(op, err)
		}
		if next != "" && next <= b.After {
			return false, fault.Newf(fault.Unknown, op, "the list of %s does not go on", bucket)
		}
		for _, o := range objects {
			l := w.account(ctx, o)
			b.Count(l.Reason, l.Reason != WhyUnaccounted)
			r.add(l, t)
			if err := ctx.Err(); err != nil {
				return false, fault.Wrap(op, err)
			}
		}
		seen += max(1, len(objects))
		if b.After = next; next == "" {
			b.End(w.Now())
		}
		if mine, err := w.Ledger.SaveBooks(ctx, &b); err != nil || !mine {
			return false, err // another run walks this bucket: it goes on
		}
		if next == "" {
			return true, nil
		}
	}
	return false, nil
}

// nearEnd says that this function has to end soon.
func (w *Workflow) nearEnd(ctx context.Context) bool {
	deadline, bounded := ctx.Deadline()
	return ctx.Err() != nil || bounded && deadline.Sub(w.Now()) < w.Set.Margin
}

func (r *BooksReport) add(l Line, t tally) {
	r.In++
	if l.Reason != WhyUnaccounted {
		r.Accounted++
	}
	if l.Found {
		r.Found++
	}
	t[l.Reason]++
}

// Account looks at every object now, and gives each its reason; what the ledger does not know is recorded on the way. It
// reads without a bound: it is for a person who asks.
func (w *Workflow) Account(ctx context.Context) (Accounting, error) {
	const op = "workflow.Account"
	a := Accounting{At: w.Now(), Lines: []Line{}}
	if w.Lister == nil {
		return a, fault.New(fault.Permanent, op, "the buckets cannot be listed here")
	}
	t := tally{}
	for _, b := range w.buckets() {
		for after := ""; ; {
			objects, next, err := w.Lister.List(ctx, b, after, page)
			if err != nil {
				return a, fault.Wrap(op, err)
			}
			for _, o := range objects {
				a.add(w.account(ctx, o), t)
			}
			if err := ctx.Err(); err != nil {
				return a, fault.Wrap(op, err)
			}
			if next == "" || next <= after {
				break
			}
			after = next
		}
	}
	a.Reasons = t.counts()
	return a, nil
}

func (a *Accounting) add(l Line, t tally) {
	r := BooksReport{}
	r.add(l, t)
	a.In, a.Accounted, a.Found = a.In+r.In, a.Accounted+r.Accounted, a.Found+r.Found
	switch {
	case l.Reason == WhyPublished:
	case len(a.Lines) < maxLines:
		a.Lines = append(a.Lines, l)
	default:
		a.More++
	}
}
