package videos

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/vod"
)

// mostDeletes bounds how often the platform is asked to delete what it does not let us delete: some four days.
const mostDeletes = 200

// maxTries bounds the submits of one job whose effect is not known to be none (reference c.4.1).
const maxTries = 3

// The jobs of a video.
const (
	jobSnapshot  = "snapshot"
	jobAudit     = "audit"
	jobTranscode = "transcode"
)

func (r *stored) job(name string) *Job {
	switch name {
	case jobSnapshot:
		return &r.SnapshotJob
	case jobAudit:
		return &r.AuditJob
	}
	return &r.TranscodeJob
}

// missing lists the jobs that r needs and that nobody submitted.
func (s *Store) missing(r *stored) []string {
	if r.Stage != Published || !uploaded(r.Status) || r.Status == vod.StatusBlocked {
		return nil
	}
	var out []string
	for name, needed := range map[string]bool{
		jobSnapshot:  r.Snapshot == "",
		jobAudit:     r.Censor == OnCensor,
		jobTranscode: s.set.TemplateGroup != "" && r.Censor == Success && (r.Transcode == "" || r.Transcode == OnTranscode),
	} {
		if needed && len(r.job(name).IDs) == 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// schedule says in r what happens next: the jobs that this call is to submit are marked, those that were tried too often
// given up, and Due set. It gives the jobs to submit.
func (s *Store) schedule(r *stored, h hint, asked error) []string {
	now := s.now()
	var take []string
	wake := time.Time{}
	sooner := func(t time.Time) {
		if wake.IsZero() || t.Before(wake) {
			wake = t
		}
	}
	if asked == nil {
		for _, name := range s.missing(r) {
			j := r.job(name)
			switch {
			case now.Before(j.Busy):
				sooner(j.Busy)
			case j.Tries >= maxTries:
				r.giveUp(name)
			default:
				j.Tries, j.Busy = j.Tries+1, now.Add(s.set.JobLease)
				sooner(j.Busy)
				take = append(take, name)
				switch {
				case name == jobTranscode:
					r.Transcode = OnTranscode
				case name == jobAudit && r.Asked.IsZero():
					r.Asked = now
				}
			}
		}
	}
	if h.kind == "" {
		r.Polls++
	}
	if next := s.nextPoll(r, now, asked); !next.IsZero() {
		sooner(next)
	}
	r.Due = wake
	return take
}

// giveUp ends a job that could not be submitted. A review that nobody made is a person's to make.
func (r *stored) giveUp(name string) {
	switch name {
	case jobSnapshot:
		r.Snapshot = Fail
	case jobAudit:
		r.Censor, r.CensorBy = Check, byAI
	case jobTranscode:
		r.Transcode = Fail
	}
}

// nextPoll is when the platform is asked again, callbacks or not; zero = never.
func (s *Store) nextPoll(r *stored, now time.Time, asked error) time.Time {
	delay := s.set.PollMost
	if r.Polls < 20 {
		delay = min(s.set.PollFirst<<max(r.Polls-1, 0), s.set.PollMost)
	}
	if r.Stage == Deleted {
		if r.Gone || r.Polls > mostDeletes {
			return time.Time{}
		}
		return now.Add(delay)
	}
	since := r.Created
	if r.Published.After(since) {
		since = r.Published
	}
	age := now.Sub(since)
	if age > patience {
		return time.Time{}
	}
	if age > eager {
		delay = max(delay, lazyPoll)
	}
	// Once more when no upload credential of it can be alive: was the file replaced?
	end := r.Created.Add(s.set.UploadLife + time.Hour)
	switch {
	case asked != nil || s.pending(r):
		return now.Add(delay)
	case r.Stage == Published && now.Before(end):
		return end
	}
	return time.Time{}
}

// pending says whether the platform still owes an answer about r.
func (s *Store) pending(r *stored) bool {
	if r.Stage == Issued {
		return !r.Charged && s.now().Before(r.Created.Add(s.set.UploadLife+time.Hour))
	}
	if r.Status == vod.StatusUploadFail {
		return false
	}
	return !r.Charged || r.Snapshot == "" || r.Censor == "" || r.Censor == OnCensor || r.Censor == Check ||
		r.Censor == Success && r.Transcode != Success && r.Transcode != Fail
}

// submit makes the jobs that schedule marked for this call, and records what came of each.
func (s *Store) submit(ctx context.Context, id string, names []string) error {
	var errs []error
	results := map[string]func(*Job){}
	for _, name := range names {
		ids, err := s.submitOne(ctx, id, name)
		errs = append(errs, err)
		results[name] = s.outcome(ids, err)
	}
	if len(results) == 0 {
		return nil
	}
	errs = append(errs, s.record(ctx, id, results))
	return fault.Wrap("videos.submit", errors.Join(errs...))
}

func (s *Store) submitOne(ctx context.Context, id, name string) ([]string, error) {
	switch name {
	case jobSnapshot:
		job, err := s.vod.SubmitSnapshotJob(ctx, vod.Snapshot{ID: id, Count: 1})
		return []string{job}, err
	case jobAudit:
		job, err := s.vod.SubmitAIMediaAuditJob(ctx, id, "")
		return []string{job}, err
	}
	jobs, err := s.vod.SubmitTranscodeJobs(ctx, id, s.set.TemplateGroup, "")
	ids := make([]string, 0, len(jobs))
	for _, j := range jobs {
		ids = append(ids, j.ID)
	}
	return ids, err
}

// outcome is what a submit does to its job's record: after a refusal without effect the try does not count; after an
// unknown one it does, and the next waits 3 s, then 6 s; what can never work is not tried again.
func (s *Store) outcome(ids []string, err error) func(*Job) {
	now := s.now()
	return func(j *Job) {
		if err == nil {
			ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" || len(id) > MaxID })
			j.IDs, j.Busy = ids[:min(len(ids), maxFiles)], time.Time{}
			return
		}
		f := fault.As(err)
		kind := fault.KindOf(err)
		wait := 3 * time.Second * time.Duration(max(j.Tries, 1))
		if f != nil && f.After > wait {
			wait = f.After
		}
		switch {
		case kind == fault.Invalid || kind == fault.Permanent:
			j.Tries = maxTries
		case kind != fault.Unknown && fault.EffectOf(err) == fault.EffectNone:
			j.Tries, wait = j.Tries-1, max(wait, s.set.PollFirst)
		}
		j.Busy = now.Add(wait)
	}
}

// record writes the outcomes.
func (s *Store) record(ctx context.Context, id string, results map[string]func(*Job)) error {
	ctx = context.WithoutCancel(ctx) // the job was made: remember it, whatever became of the caller
	var last error
	for try := range attempts {
		s.backoff(ctx, try)
		r, err := s.read(ctx, id)
		if errors.Is(err, table.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Stage != Published {
			return nil
		}
		due := s.now().Add(s.set.PollFirst)
		for name, apply := range results {
			j := r.job(name)
			apply(j)
			if !j.Busy.IsZero() && j.Busy.Before(due) {
				due = j.Busy
			}
		}
		r.Due = due
		if last = s.write(ctx, &r, nil); last == nil || !again(ctx, last) {
			return last
		}
	}
	return tooBusy("videos.record", last)
}

func contains(list []string, s string) bool { return s != "" && slices.Contains(list, s) }

func lower(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// unsigned takes the signature off a play address: it would end in an hour, and players get their own by play auth.
func unsigned(address string) string {
	u, err := url.Parse(address)
	if err != nil || !u.Query().Has("auth_key") {
		return address
	}
	u.RawQuery = ""
	return u.String()
}
