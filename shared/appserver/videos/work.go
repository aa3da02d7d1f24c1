package videos

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// hints maps the platform's event types to what they hint at; no other type is asked about.
var hints = map[string]string{
	"FileUploadComplete":      hintUpload,
	"AIMediaAuditComplete":    hintReview,
	"AIVideoCensorComplete":   hintReview,
	"CreateAuditComplete":     hintReview,
	"StreamTranscodeComplete": hintTranscode,
	"TranscodeComplete":       hintTranscode,
	"SnapshotComplete":        hintSnapshot,
	"DeleteMediaComplete":     hintDelete,
}

// maxRemotes bounds how many videos one event may make us ask about.
const maxRemotes = 20

// Callback takes an event of VOD as a hint: each video of ours that it names is asked about at the platform, and what is
// confirmed is written. Order and repeats do not matter. Everything else is no error. An error means: deliver it again.
func (s *Store) Callback(ctx context.Context, e callback.Event) error {
	kind := hints[e.Type]
	if e.Platform != callback.AliVOD || kind == "" {
		return nil
	}
	h := hint{kind: kind, job: e.Job, failed: e.Status == "fail", at: e.At}
	if e.Type == "StreamTranscodeComplete" {
		h.failed = false // others may have succeeded
	}
	if e.Fields.Snapshot != nil && e.Fields.Snapshot.SubType != "" && e.Fields.Snapshot.SubType != "SpecifiedTime" {
		return nil // the platform's own, not our job's
	}
	if e.Fields.Deletion != nil && e.Fields.Deletion.What != "" && e.Fields.Deletion.What != "all" {
		return nil
	}
	var errs []error
	for _, id := range e.Remotes[:min(len(e.Remotes), maxRemotes)] {
		if GoodID(id) {
			errs = append(errs, s.advance(ctx, id, h))
		}
	}
	return errors.Join(errs...)
}

// Report is what one Work did.
type Report struct {
	Looked int `json:"looked"`
	Failed int `json:"failed"`
}

// workers is how many records one Work looks at together.
const workers = 8

// Work looks at the records that are due, at most Settings.Sweep of them; what is left is due at the next run. Twice at
// once is harmless. A record that fails is due again later and keeps no other.
func (s *Store) Work(ctx context.Context) (Report, error) {
	ids, err := s.due(ctx)
	if err != nil {
		return Report{}, fault.Wrap("videos.Work", err)
	}
	var mu sync.Mutex
	var report Report
	var errs []error
	g := errgroup.Group{}
	g.SetLimit(workers)
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			v, err := s.Get(ctx, id)
			if errors.Is(err, table.ErrNotFound) || err == nil && (v.Due.IsZero() || v.Due.After(s.now())) {
				return nil // the index lags
			}
			if err == nil {
				err = s.advance(ctx, id, hint{})
			}
			mu.Lock()
			defer mu.Unlock()
			report.Looked++
			if err != nil {
				report.Failed++
				errs = append(errs, fmt.Errorf("video %s: %w", id, err))
			}
			return nil
		})
	}
	_ = g.Wait()
	return report, errors.Join(errs...)
}

// due lists what is due, taking turns among the shards.
func (s *Store) due(ctx context.Context) ([]string, error) {
	lists := make([][]string, shards)
	longest := 0
	for i := range lists {
		hits, _, err := s.t.QueryIndex(ctx, table.IndexQuery{Index: table.Due, PK: fmt.Sprintf("video#%02d", i), To: stamp(s.now()) + "~", Limit: s.set.Sweep})
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			if id, ok := idOf(h.PK); ok {
				lists[i] = append(lists[i], id)
			}
		}
		longest = max(longest, len(lists[i]))
	}
	var out []string
	for n := range longest {
		for _, list := range lists {
			if n < len(list) && len(out) < s.set.Sweep {
				out = append(out, list[n])
			}
		}
	}
	return out, nil
}

func idOf(pk string) (string, bool) {
	const prefix = "VIDEO#"
	if len(pk) <= len(prefix) || pk[:len(prefix)] != prefix {
		return "", false
	}
	return pk[len(prefix):], true
}
