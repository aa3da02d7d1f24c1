package workflow

import (
	"context"
	"encoding/json"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
)

// Request is the body of POST /publications.
type Request struct {
	Bucket   string          `json:"bucket"`
	Key      string          `json:"key"`
	Manifest json.RawMessage `json:"manifest,omitempty"`
}

// Validate refuses what names no object.
func (r Request) Validate() error {
	if r.Bucket == "" {
		return fault.InvalidField("workflow.Request", "bucket", "not empty", "the bucket is missing")
	}
	return manifest.CheckKey(r.Key)
}

// Submit is Ingest for a caller of the API, with the manifest in its hand. It may name the inbox bucket only. What is
// wrong with object or manifest is an Invalid fault: the caller is there to be told.
func (w *Workflow) Submit(ctx context.Context, r Request) (Ingested, error) {
	if r.Bucket != w.Set.Inbox {
		return Ingested{}, fault.InvalidField("workflow.Submit", "bucket", "the inbox bucket", "only objects of the inbox can be published")
	}
	if drop := manifest.DropOf(r.Key); drop != manifest.DropVideo {
		return Ingested{}, fault.InvalidField("workflow.Submit", "key", "a video", "this key names a "+string(drop))
	}
	var m manifest.Manifest
	var err error
	if len(r.Manifest) > 0 {
		if m, err = manifest.Parse(r.Manifest, w.targets()); err != nil {
			return Ingested{}, err
		}
	}
	p, reason, err := w.record(ctx, r.Bucket, r.Key)
	if err != nil {
		return Ingested{}, err
	}
	if reason != "" {
		return Ingested{}, fault.InvalidField("workflow.Submit", "key", "an object of the bucket", reason)
	}
	route, ok := w.Routes.Match(r.Bucket, r.Key)
	switch {
	case !ok:
		return w.waits(ctx, p, "route", time.Time{}, nil)
	case len(r.Manifest) == 0:
		return w.apply(ctx, p)
	}
	if m, err = w.merged(p, route, m); err != nil {
		return Ingested{}, err
	}
	rev, err := w.judged(ctx, p, route, m, fromAPI)
	if err != nil {
		return Ingested{}, err
	}
	return w.revise(ctx, p, rev)
}
