package workflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// Ingested says what became of an object.
type Ingested struct {
	Publication string   `json:"publication,omitempty"`
	Uploads     []string `json:"uploads,omitempty"`
	Status      string   `json:"status,omitempty"` // of the publication, while it has no uploads
	Reason      string   `json:"reason,omitempty"` // why nothing was started
}

// saysGone is Ingested.Reason of what is not in the bucket.
const saysGone = "there is no such object (yet, or any more)"

// maxSidecar is what a manifest may weigh. A revision is one item of the table, so it has to be well under 64 KB.
const maxSidecar = manifest.MaxBytes

// Ingest takes an object that was created in the bucket: a video, or the sidecar of one. The same event twice, late or
// out of order has the same end.
func (w *Workflow) Ingest(ctx context.Context, o source.Object) (Ingested, error) {
	switch drop := manifest.DropOf(o.Key); drop {
	case manifest.DropVideo:
		return w.ingestVideo(ctx, o.Bucket, o.Key)
	case manifest.DropSidecar:
		video, _ := manifest.VideoKey(o.Key)
		if of := manifest.DropOf(video); of != manifest.DropVideo {
			return Ingested{Reason: "a sidecar of what is not a video to publish: " + string(of)}, nil
		}
		return w.ingestVideo(ctx, o.Bucket, video)
	default:
		return Ingested{Reason: "not a video to publish: " + string(drop)}, nil
	}
}

func (w *Workflow) ingestVideo(ctx context.Context, bucket, key string) (Ingested, error) {
	p, reason, err := w.record(ctx, bucket, key)
	if err != nil || reason != "" {
		return Ingested{Reason: reason}, err
	}
	return w.apply(ctx, p)
}

// record looks at the object and records its publication.
func (w *Workflow) record(ctx context.Context, bucket, key string) (state.Publication, string, error) {
	info, err := w.Source.Stat(ctx, source.Object{Bucket: bucket, Key: key})
	if errors.Is(err, source.ErrNotFound) {
		return state.Publication{}, saysGone, nil
	}
	if err != nil {
		return state.Publication{}, "", err
	}
	src := upload.Source{Bucket: bucket, Key: key, ETag: info.ETag, Size: info.Size, VersionID: info.VersionID}
	id := upload.PublicationID(src)
	if !w.Set.StartsFrom.IsZero() && info.Modified.Before(w.Set.StartsFrom) {
		if _, err := w.Ledger.Publication(ctx, id); errors.Is(err, table.ErrNotFound) {
			return state.Publication{}, WhyOld, nil
		} else if err != nil {
			return state.Publication{}, "", err
		}
	}
	p, err := w.Ledger.EnsurePublication(ctx, state.Publication{ID: id, Source: src, ContentType: info.ContentType, Metadata: info.Metadata, Status: upload.Waiting, Reason: "manifest"})
	if err == nil && !maps.Equal(p.Metadata, info.Metadata) { // the same bytes again, with other metadata
		p, err = w.Ledger.UpdatePublication(ctx, id, func(p *state.Publication) error { p.Metadata = info.Metadata; return nil })
	}
	if err != nil {
		return p, "", err
	}
	return p, "", w.Ledger.LinkObject(ctx, bucket, key, p.ID)
}

// apply finds route and manifest of a publication and starts what they ask for.
func (w *Workflow) apply(ctx context.Context, p state.Publication) (Ingested, error) {
	route, ok := w.Routes.Match(p.Source.Bucket, p.Source.Key)
	if !ok {
		return w.waits(ctx, p, "route", time.Time{}, nil)
	}
	side, from, err := w.sidecar(ctx, p, route)
	if err != nil {
		return w.problem(ctx, p, err)
	}
	if from == "" {
		switch until := p.Created.Add(w.Set.SidecarWait); {
		case p.Revision > 0:
			return w.ensure(ctx, p) // what was said before stays in force
		case route.Sidecar == manifest.SidecarRequired:
			return w.waits(ctx, p, "manifest", time.Time{}, nil)
		case route.Sidecar == manifest.SidecarOptional && w.Now().Before(until):
			return w.waits(ctx, p, "manifest", until, nil)
		}
		from = fromRoute
	}
	if from == fromRoute && p.Revision > 0 {
		if r, err := w.Ledger.Revision(ctx, p.ID, p.Revision); err != nil || r.From == fromAPI {
			return w.ensureOr(ctx, p, err) // what a caller said of this very video outranks the route
		}
	}
	m, err := w.merged(p, route, side)
	if err != nil {
		return w.problem(ctx, p, err)
	}
	r, err := w.judged(ctx, p, route, m, from)
	if errors.Is(err, source.ErrNotFound) && p.Revision == 0 && w.Now().Before(p.Created.Add(coverWait)) {
		return w.waits(ctx, p, whyCover, w.Now().Add(w.Set.SidecarWait), state.FaultOf("ingest", err, w.Now()))
	}
	if err != nil {
		return w.problem(ctx, p, err)
	}
	return w.revise(ctx, p, r)
}

func (w *Workflow) ensureOr(ctx context.Context, p state.Publication, err error) (Ingested, error) {
	if err != nil {
		return Ingested{}, err
	}
	return w.ensure(ctx, p)
}

// Where a revision's manifest came from.
const (
	fromRoute   = "route"
	fromSidecar = "sidecar"
	fromAPI     = "api"
)

// sidecar reads <key>.publish.json; from is empty when there is none.
func (w *Workflow) sidecar(ctx context.Context, p state.Publication, route manifest.Route) (m manifest.Manifest, from string, err error) {
	if route.Sidecar == manifest.SidecarNever {
		return m, fromRoute, nil
	}
	o := source.Object{Bucket: p.Source.Bucket, Key: manifest.SidecarKey(p.Source.Key)}
	info, err := w.Source.Stat(ctx, o)
	if errors.Is(err, source.ErrNotFound) {
		return m, "", nil
	}
	if err != nil {
		return m, "", err
	}
	if info.Size > maxSidecar {
		return m, "", fault.InvalidField("workflow.sidecar", "sidecar", fmt.Sprintf("<= %d bytes", maxSidecar), fmt.Sprintf("the sidecar has %d bytes", info.Size))
	}
	var b []byte
	if info.Size > 0 {
		r, err := w.Source.Open(ctx, info.Object, 0, info.Size)
		if err != nil {
			return m, "", err
		}
		defer r.Close()
		if b, err = io.ReadAll(io.LimitReader(r, maxSidecar)); err != nil {
			return m, "", fault.Wrap("workflow.sidecar", err)
		}
	}
	m, err = manifest.Parse(b, w.targets())
	return m, fromSidecar, err
}

// targets are the platforms' words that a manifest may name: those that the routes' accounts use, and the known ones.
func (w *Workflow) targets() []string {
	words := manifest.KnownTargets()
	for _, r := range w.Routes {
		for _, a := range r.Accounts {
			known := false
			for _, t := range words {
				known = known || t == a.Target()
			}
			if !known {
				words = append(words, a.Target())
			}
		}
	}
	return words
}

// merged makes one manifest of route, metadata and sidecar. Every error is a fault of these, Invalid with its field.
func (w *Workflow) merged(p state.Publication, route manifest.Route, side manifest.Manifest) (manifest.Manifest, error) {
	meta, err := manifest.FromMetadata(p.Metadata)
	if err != nil {
		return meta, err
	}
	m := manifest.Merge(route.Defaults, meta, side)
	if m.Title == "" {
		m.Title = manifest.TitleFromKey(p.Source.Key)
	}
	m.To, err = route.Choose(m)
	return m, err
}

// judged makes a revision of m, unless it breaks a rule. What is in force already is not judged again: its time may have
// passed, and its picture may be gone.
func (w *Workflow) judged(ctx context.Context, p state.Publication, route manifest.Route, m manifest.Manifest, from string) (state.Revision, error) {
	r := state.Revision{Manifest: m, Hash: m.Hash(), From: from}
	var have state.Revision
	var err error
	if p.Revision > 0 {
		if have, err = w.Ledger.Revision(ctx, p.ID, p.Revision); err != nil {
			return r, err
		}
	}
	same := have.Number > 0 && have.Manifest.Hash() == r.Hash
	r.Cover, err = w.pin(ctx, p, route, m)
	switch {
	case err != nil && same && isKind(err, fault.Invalid):
		return have, nil
	case err != nil:
		return r, err
	case r.Cover != nil: // the same words about another picture are another revision
		r.Hash += "." + r.Cover.Picture.Ref
	}
	if have.Number > 0 && have.Hash == r.Hash {
		return have, nil
	}
	return r, w.check(ctx, p, have, r)
}

// revise makes r the next revision, unless it is what is in force, and starts or changes the uploads.
func (w *Workflow) revise(ctx context.Context, p state.Publication, r state.Revision) (Ingested, error) {
	ids := make([]string, len(r.Manifest.To))
	for i, a := range r.Manifest.To {
		ids[i] = upload.ID(p.ID, a, r.Manifest.Again)
	}
	p, _, _, err := w.Ledger.AddRevision(ctx, p.ID, r, ids)
	if err == nil && p.Problem != nil { // mended back to what is in force
		p, err = w.Ledger.UpdatePublication(ctx, p.ID, func(p *state.Publication) error { p.Problem = nil; return nil })
	}
	if err != nil {
		return Ingested{}, err
	}
	return w.ensure(ctx, p)
}

// check is what a new manifest has to pass; the platform's own rules are its adapter's, before a byte is sent, but for the
// forms of a cover. A span of publish_at counts from when the video came; a due time that is in force already may pass.
func (w *Workflow) check(ctx context.Context, p state.Publication, have, r state.Revision) error {
	m := r.Manifest
	due := m.Due(p.Created)
	m.PublishAt, m.PublishIn = nil, nil
	if !due.IsZero() && (have.Number == 0 || !have.Manifest.Due(p.Created).Equal(due)) {
		m.PublishAt = &due
	}
	if err := m.Validate(w.Now()); err != nil {
		return err
	}
	return w.checkCover(ctx, r.Manifest, r.Cover)
}

// ensure makes every upload of the revision in force exist, brings older ones up to it, and starts what is due.
func (w *Workflow) ensure(ctx context.Context, p state.Publication) (Ingested, error) {
	r, err := w.Ledger.Revision(ctx, p.ID, p.Revision)
	if err != nil {
		return Ingested{}, err
	}
	out := Ingested{Publication: p.ID}
	wanted := map[string]bool{}
	for _, a := range r.Manifest.To {
		u := state.Upload{ID: upload.ID(p.ID, a, r.Manifest.Again), Publication: p.ID, Account: a, Again: r.Manifest.Again, Source: p.Source, Revision: r.Number,
			PublishAt: r.Manifest.Due(p.Created)}
		wanted[u.ID] = true
		out.Uploads = append(out.Uploads, u.ID)
		have, err := w.Ledger.CreateUpload(ctx, u)
		switch {
		case isKind(err, fault.Duplicate):
			var late string
			if late, err = w.bringUp(ctx, &have, u); late != "" {
				out.Reason = late
			}
		case err == nil:
			w.note(ctx, &have, "ingest", "recorded: "+path.Base(p.Source.Key), nil)
			err = w.start(ctx, &have)
		}
		if err != nil {
			return out, err
		}
	}
	for _, id := range p.Uploads {
		if !wanted[id] {
			if err := w.notWanted(ctx, id); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// waits leaves a publication without uploads, visible with its reason.
func (w *Workflow) waits(ctx context.Context, p state.Publication, reason string, until time.Time, why *state.Fault) (Ingested, error) {
	p, err := w.Ledger.UpdatePublication(ctx, p.ID, func(p *state.Publication) error {
		p.Problem = why
		if p.Revision == 0 {
			p.Status, p.Reason, p.StartAt = upload.Waiting, reason, until
		}
		return nil
	})
	return Ingested{Publication: p.ID, Status: string(p.Status), Reason: reason}, err
}

// problem keeps why the manifest at hand is refused; what was said before stays in force. Only a fault of the input is
// kept: trouble on the way to it is the caller's to repeat.
func (w *Workflow) problem(ctx context.Context, p state.Publication, err error) (Ingested, error) {
	if !isKind(err, fault.Invalid) {
		return Ingested{}, err
	}
	f := state.FaultOf("ingest", err, w.Now())
	w.Log.Warn("manifest refused", "publication", p.ID, "key", p.Source.Key, "field", f.Field, "rule", f.Rule, "error", f.Text)
	in, werr := w.waits(ctx, p, "manifest", time.Time{}, f)
	in.Reason = f.Text
	return in, werr
}

// begun starts a publication whose wait for an optional sidecar is over.
func (w *Workflow) begun(ctx context.Context, id string) (bool, error) {
	p, err := w.Ledger.Publication(ctx, id)
	if err != nil || p.StartAt.IsZero() || p.StartAt.After(w.Now()) {
		return false, err
	}
	_, err = w.apply(ctx, p)
	return err == nil, err
}
