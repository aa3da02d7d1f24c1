package videos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vodlift/vodlift/shared/appserver/ranked"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/vod"
)

// What a callback hints at.
const (
	hintUpload    = "upload"
	hintReview    = "review"
	hintTranscode = "transcode"
	hintSnapshot  = "snapshot"
	hintDelete    = "delete"
)

// hint is what the platform said unasked; the zero hint is a look on schedule. It says where to look, never what is there.
type hint struct {
	kind   string
	job    string
	failed bool
	at     time.Time // the platform's time of the event; zero: not said
}

// Bounds of how long a video is looked after.
const (
	eager    = 48 * time.Hour      // polls at PollMost until then
	lazyPoll = 6 * time.Hour       // and so often afterwards
	patience = 30 * 24 * time.Hour // then no more: only callbacks and an operator move it
)

// advance asks the platform how id stands, writes what it confirmed, and submits the jobs that are missing. The question
// is put after the record was read and the answer written on the condition that the record is still that one, so an
// older answer can never overwrite a newer. A failure of the platform leaves the record due later.
func (s *Store) advance(ctx context.Context, id string, h hint) error {
	const op = "videos.advance"
	var last error
	for try := range attempts {
		s.backoff(ctx, try)
		r, err := s.read(ctx, id)
		if errors.Is(err, table.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fault.Wrap(op, err)
		}
		was := r.Video
		asked := s.ask(ctx, &r, h)
		if was.Stage != Deleted && (r.Gone || r.over) {
			if last = s.remove(ctx, &r, r.Gone); last == nil {
				return nil // an upload over its quota is due at once, to be deleted
			}
		} else {
			jobs := s.schedule(&r, h, asked)
			if last = s.write(ctx, &r, s.relist(&r)); last == nil {
				return errors.Join(fault.Wrap(op, asked), s.submit(ctx, id, jobs))
			}
		}
		if !again(ctx, last) {
			return fault.Wrap(op, last)
		}
	}
	return tooBusy(op, last)
}

// relist gives the operations that make the recommended list agree with r.
func (s *Store) relist(r *stored) []table.Op {
	want := r.wantsListing()
	if want == r.Listed {
		return nil
	}
	r.Listed = want
	if !want {
		return ranked.Remove(RecommendedList, r.Number)
	}
	ops, err := ranked.Insert(RecommendedList, ranked.Entry{Number: r.Number, ID: r.ID})
	if err != nil { // publish refused such a number
		r.Listed = false
		return nil
	}
	return ops
}

// bill charges the bytes once the platform has told their number. A video that is more than its owner had left is not
// kept: it is removed, here and at the platform.
func (s *Store) bill(ctx context.Context, r *stored) error {
	if r.Charged || r.Stored <= 0 {
		return nil
	}
	err := s.quotas.ChargeBytes(ctx, r.ID, r.Owner, r.From, r.Stored)
	if errors.Is(err, users.ErrOver) {
		s.log.WarnContext(ctx, "a video is over its owner's quota and will not be kept", "video", r.ID, "user", r.Owner, "bytes", r.Stored)
		r.over = true
		return nil
	}
	if err == nil {
		r.Charged, r.From = true, ""
	}
	return err
}

// ask brings r up to what the platform says.
func (s *Store) ask(ctx context.Context, r *stored, h hint) error {
	if r.Stage == Deleted {
		return s.askDelete(ctx, r)
	}
	info, err := s.vod.GetVideoInfo(ctx, r.ID)
	if errors.Is(err, vod.ErrNotFound) {
		// A video that was made a moment ago may not be found yet.
		if h.kind == hintDelete || s.now().Sub(r.Created) > s.set.UploadLife {
			r.Gone = true
		}
		return nil
	}
	if err != nil {
		return err
	}
	s.applyInfo(r, info, h)
	if err := s.bill(ctx, r); err != nil || r.over || r.Stage != Published {
		return err
	}
	if err := s.askReview(ctx, r, info, h); err != nil {
		return err
	}
	applySnapshot(r, info, h)
	return s.askStreams(ctx, r, info, h)
}

func (s *Store) askDelete(ctx context.Context, r *stored) error {
	if r.Gone {
		return nil
	}
	if r.Found {
		s.log.InfoContext(ctx, "a video that we did not issue is out of the lists; it stays at the platform", "video", r.ID)
		r.Gone = true
		return nil
	}
	d, err := s.vod.DeleteVideo(ctx, r.ID)
	if errors.Is(err, vod.ErrNotFound) {
		err = nil
	}
	if err == nil && len(d.Forbidden) > 0 {
		err = fault.New(fault.Permanent, "videos.askDelete", "the platform does not let us delete this video")
	}
	r.Gone = err == nil
	return err
}

// uploaded says whether a status means that the platform has the file.
func uploaded(status string) bool {
	switch status {
	case "", vod.StatusUploading, vod.StatusUploadFail:
		return false
	}
	return true
}

func (s *Store) applyInfo(r *stored, info vod.Video, h hint) {
	r.Status = info.Status
	if uploaded(info.Status) && info.Size > 0 {
		if replaced(r, info, h) {
			s.reviewAgain(r)
		}
		r.Stored = info.Size
	}
	if r.Stage != Published {
		return
	}
	if r.Title == "" {
		r.Title = clip(info.Title, 128)
	}
	if r.Duration == 0 && info.Duration > 0 {
		r.Duration = info.Duration
	}
	if r.Size == 0 {
		r.Size = r.Stored
	}
	if r.CoverURL == "" && len(info.CoverURL) <= maxURL {
		r.CoverURL = info.CoverURL
	}
}

// replaced says whether another file has come since the review was asked for: upload credentials outlive the upload, so
// its owner could show a harmless film to the review and another to the world. The size tells; an equal one is told by
// an upload event that is younger than the review, if the platform's own record changed since then, too.
func replaced(r *stored, info vod.Video, h hint) bool {
	if r.Stage != Published || r.Censor == "" || r.Censor == Fail && (r.CensorBy == byAudit || r.CensorBy == byOperator) {
		return false
	}
	if r.Reviewed > 0 && r.Reviewed != info.Size {
		return true
	}
	return h.kind == hintUpload && !r.Asked.IsZero() && h.at.After(r.Asked) && (info.Modified.IsZero() || info.Modified.After(r.Asked))
}

// maxReviews bounds how often a replaced file is reviewed again by the AI; then a person has to look.
const maxReviews = 5

func (s *Store) reviewAgain(r *stored) {
	r.Censor, r.CensorBy, r.Reviewed, r.Asked, r.Transcode, r.Files = "", "", 0, time.Time{}, "", nil
	r.AuditJob, r.TranscodeJob, r.Again = Job{}, Job{}, r.Again+1
	switch {
	case r.Again > maxReviews:
		r.Censor, r.CensorBy = Check, byAI
	case s.set.Review == ReviewAI:
		r.Censor = OnCensor
	}
}

const maxURL = 1024

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// askReview moves the review: by the platform's own block first, then by a person's audit, then by the AI's job.
func (s *Store) askReview(ctx context.Context, r *stored, info vod.Video, h hint) error {
	switch {
	case r.CensorBy == byOperator:
		return nil
	case info.Status == vod.StatusBlocked || info.AuditStatus == vod.StatusBlocked:
		r.judge(Fail, byAudit)
		return nil
	case r.CensorBy == byAudit && r.Censor == Fail && info.AuditStatus == vod.StatusNormal,
		r.Censor == Check && info.AuditStatus == vod.StatusNormal && r.AuditWas != vod.StatusNormal:
		r.judge(Success, byAudit)
		return nil
	case s.set.Review == ReviewNone && r.Censor == "" && uploaded(info.Status):
		r.judge(Success, byNobody)
		return nil
	case r.Censor != OnCensor:
		return nil
	}
	jobs := r.AuditJob.IDs
	// A job that we do not know may be that of a submit whose answer was lost; after a replaced file it may be the old one's.
	if h.kind == hintReview && r.Again == 0 && h.job != "" && len(h.job) <= MaxID && !contains(jobs, h.job) {
		jobs = append(jobs[:len(jobs):len(jobs)], h.job)
	}
	for _, job := range jobs {
		a, err := s.vod.GetAIMediaAuditJob(ctx, job)
		if err != nil {
			if errors.Is(err, vod.ErrNotFound) || fault.KindOf(err) == fault.Invalid {
				continue
			}
			return err
		}
		if a.MediaID != r.ID && (a.MediaID != "" || !contains(r.AuditJob.IDs, job)) {
			continue // another video's
		}
		if verdict := verdictOf(a); verdict != "" {
			r.judge(verdict, byAI)
			r.AuditWas = info.AuditStatus
			return nil
		}
	}
	return nil
}

// judge writes a verdict, and what it was about.
func (r *stored) judge(verdict, by string) {
	r.Censor, r.CensorBy, r.Reviewed = verdict, by, r.Stored
}

// verdictOf reads a review as reference c.4.3 does; "" while it is under way.
func verdictOf(a vod.Audit) string {
	switch lower(a.Status) {
	case "success":
		switch lower(a.Suggestion) {
		case "pass":
			return Success
		case "block":
			return Fail
		}
		return Check // "review", or a word that is newer than this program
	case "fail", "failed":
		return Fail
	}
	return ""
}

func applySnapshot(r *stored, info vod.Video, h hint) {
	if r.Snapshot == Success || r.SnapshotJob.Tries == 0 {
		return
	}
	switch {
	case len(info.Snapshots) > 0 && len(info.Snapshots[0]) <= maxURL:
		r.Snapshot, r.FirstFrame = Success, info.Snapshots[0]
	case h.kind == hintSnapshot && !h.failed && info.CoverURL != "" && len(info.CoverURL) <= maxURL:
		r.Snapshot, r.FirstFrame = Success, info.CoverURL
	case h.kind == hintSnapshot && h.failed:
		r.Snapshot = Fail // a later success wins
	}
	if r.CoverURL == "" {
		r.CoverURL = r.FirstFrame
	}
}

// askStreams finds out whether there is something to play.
func (s *Store) askStreams(ctx context.Context, r *stored, info vod.Video, h hint) error {
	submitted := s.set.TemplateGroup == "" || r.TranscodeJob.Tries > 0
	if r.Censor != Success || r.Transcode == Success || !submitted {
		return nil
	}
	if info.Status != vod.StatusNormal {
		if info.Status == vod.StatusTranscodeFail {
			r.Transcode = Fail
		}
		return nil
	}
	play, err := s.vod.GetPlayInfo(ctx, r.ID)
	if err != nil && !errors.Is(err, vod.ErrNotPlayable) && !errors.Is(err, vod.ErrNotFound) {
		return err
	}
	var files []File
	ours := s.set.TemplateGroup == "" || h.kind == hintTranscode
	for _, st := range play.Streams {
		if len(files) == maxFiles || st.Status != "" && st.Status != vod.StatusNormal || st.URL == "" || len(st.URL) > maxURL {
			continue
		}
		files = append(files, File{Definition: st.Definition, URL: unsigned(st.URL)})
		ours = ours || contains(r.TranscodeJob.IDs, st.JobID)
	}
	switch {
	case len(files) > 0 && ours:
		r.Transcode, r.Files = Success, files
	case len(files) == 0 && h.kind == hintTranscode && h.failed:
		r.Transcode = Fail
	}
	return nil
}

const maxFiles = 16

// Moderate is an operator's verdict on a published video; it outweighs every other.
func (s *Store) Moderate(ctx context.Context, id string, pass bool) error {
	const op = "videos.Moderate"
	var last error
	for try := range attempts {
		s.backoff(ctx, try)
		r, err := s.read(ctx, id)
		if err != nil {
			return fault.Wrap(op, err)
		}
		if r.Stage != Published {
			return refused(op, fault.Invalid, fmt.Errorf("video %s is %s, not published", id, r.Stage))
		}
		verdict := Fail
		if pass {
			verdict = Success
		}
		r.judge(verdict, byOperator)
		r.Due, r.Polls = s.now(), 0
		if last = s.write(ctx, &r, s.relist(&r)); last == nil {
			return nil
		}
		if !again(ctx, last) {
			return fault.Wrap(op, last)
		}
	}
	return tooBusy(op, last)
}
