package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// Ingested says what became of an object.
type Ingested struct {
	Publication string   `json:"publication,omitempty"`
	Uploads     []string `json:"uploads,omitempty"`
	Status      string   `json:"status,omitempty"` // of the publication, while it has no uploads
	Reason      string   `json:"reason,omitempty"` // why nothing was started
}

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
		return state.Publication{}, "there is no such object (yet, or any more)", nil
	}
	if err != nil {
		return state.Publication{}, "", err
	}
	src := upload.Source{Bucket: bucket, Key: key, ETag: info.ETag, Size: info.Size, VersionID: info.VersionID}
	id := upload.PublicationID(src)
	if !w.Set.StartsFrom.IsZero() && info.Modified.Before(w.Set.StartsFrom) {
		if _, err := w.Ledger.Publication(ctx, id); err != nil {
			return state.Publication{}, "older than starts_from", nil
		}
	}
	p, err := w.Ledger.EnsurePublication(ctx, state.Publication{ID: id, Source: src, ContentType: info.ContentType, Metadata: info.Metadata, Status: upload.Waiting, Reason: "manifest"})
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
		from = "route"
	}
	return w.revise(ctx, p, route, side, from)
}

// sidecar reads <key>.publish.json; from is empty when there is none.
func (w *Workflow) sidecar(ctx context.Context, p state.Publication, route manifest.Route) (m manifest.Manifest, from string, err error) {
	if route.Sidecar == manifest.SidecarNever {
		return m, "route", nil
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
	return m, "sidecar", err
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

// revise merges route, metadata and sidecar into the next revision, and starts or changes the uploads.
func (w *Workflow) revise(ctx context.Context, p state.Publication, route manifest.Route, side manifest.Manifest, from string) (Ingested, error) {
	meta, err := manifest.FromMetadata(p.Metadata)
	if err != nil {
		return w.problem(ctx, p, err)
	}
	m := manifest.Merge(route.Defaults, meta, side)
	if m.Title == "" {
		m.Title = manifest.TitleFromKey(p.Source.Key)
	}
	accounts, err := route.Choose(m)
	if err != nil {
		return w.problem(ctx, p, err)
	}
	m.To = accounts
	same, err := w.inForce(ctx, p, m.Hash())
	if err != nil {
		return Ingested{}, err
	}
	if !same {
		if err := w.check(m); err != nil {
			return w.problem(ctx, p, err)
		}
	}
	ids := make([]string, len(accounts))
	for i, a := range accounts {
		ids[i] = upload.ID(p.ID, a, m.Again)
	}
	p, _, _, err = w.Ledger.AddRevision(ctx, p.ID, state.Revision{Manifest: m, Hash: m.Hash(), From: from}, ids)
	if err != nil {
		return Ingested{}, err
	}
	return w.ensure(ctx, p)
}

func (w *Workflow) inForce(ctx context.Context, p state.Publication, hash string) (bool, error) {
	if p.Revision == 0 {
		return false, nil
	}
	r, err := w.Ledger.Revision(ctx, p.ID, p.Revision)
	return r.Hash == hash, err
}

// check is what a new manifest has to pass; the platform's own rules are its adapter's, before a byte is sent.
func (w *Workflow) check(m manifest.Manifest) error {
	if err := m.Validate(w.Now()); err != nil {
		return err
	}
	if m.Cover != nil {
		// No target sets a cover yet. To ignore it would show another picture than its owner asked for.
		return fault.InvalidField("workflow.check", "cover", "not supported yet", "covers are not supported yet; on Douyin a frame can be chosen with douyin.cover_tsp (seconds)")
	}
	return nil
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
		u := state.Upload{ID: upload.ID(p.ID, a, r.Manifest.Again), Publication: p.ID, Account: a, Again: r.Manifest.Again, Source: p.Source, Revision: r.Number}
		if at := r.Manifest.PublishAt; at != nil {
			u.PublishAt = *at
		}
		wanted[u.ID] = true
		out.Uploads = append(out.Uploads, u.ID)
		have, err := w.Ledger.CreateUpload(ctx, u)
		switch {
		case isKind(err, fault.Duplicate):
			err = w.bringUp(ctx, &have, u)
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

// bringUp makes a newer revision the one in force for an upload, while nothing of it is public (design 4.2).
func (w *Workflow) bringUp(ctx context.Context, have *state.Upload, want state.Upload) error {
	if have.Revision >= want.Revision {
		if !have.Started && !have.Due.After(w.Now()) {
			return w.start(ctx, have)
		}
		return nil
	}
	restart := false
	changed, err := w.Ledger.Update(ctx, have.ID, state.AnyGen, func(u *state.Upload) error {
		restart = false
		if u.Revision >= want.Revision {
			return nil
		}
		if u.Public() || u.Status == upload.Cancelled {
			u.Revision, u.Refused = max(u.Revision, 1), w.tooLate(u, want.Revision)
			return nil
		}
		u.Revision, u.PublishAt, u.Refused = want.Revision, want.PublishAt, nil
		restart = u.Status == upload.Failed || u.Status == upload.Waiting && u.Started
		return nil
	})
	if err != nil {
		return err
	}
	if changed.Refused != nil && changed.Revision < want.Revision {
		w.note(ctx, &changed, "ingest", "a changed manifest was refused: "+changed.Refused.Text, nil)
		return nil
	}
	w.note(ctx, &changed, "ingest", fmt.Sprintf("revision %d is in force", want.Revision), nil)
	if !restart {
		return nil
	}
	return w.restart(ctx, &changed, nil)
}

func (w *Workflow) tooLate(u *state.Upload, rev int) *state.Fault {
	text := fmt.Sprintf("revision %d came after publishing began", rev)
	if u.Post != nil {
		text = fmt.Sprintf("revision %d came after it was published as post %s", rev, u.Post.ID)
	}
	if u.Status == upload.Cancelled {
		text = fmt.Sprintf("revision %d came after the upload was cancelled", rev)
	}
	return &state.Fault{Step: "ingest", Kind: fault.Invalid.String(), Field: "manifest", Rule: "changes before publishing only", Text: text, At: w.Now(),
		Actor: string(fault.ActorOwner), Action: `edit the post at the platform, or set "again": "<label>" to post a second time`}
}

// notWanted cancels an upload that the newest revision does not name any more, unless it may be public already.
func (w *Workflow) notWanted(ctx context.Context, id string) error {
	u, err := w.Ledger.Upload(ctx, id)
	if err != nil || u.Public() || u.Status == upload.Published || u.Status == upload.Cancelled {
		return err
	}
	_, err = w.Cancel(ctx, id)
	if errors.Is(err, state.ErrRefused) {
		return nil
	}
	return err
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

// Submit is Ingest for a caller of the API, with the manifest in its hand. It may name the inbox bucket only.
func (w *Workflow) Submit(ctx context.Context, r Request) (Ingested, error) {
	if r.Bucket != w.Set.Inbox {
		return Ingested{}, fault.InvalidField("workflow.Submit", "bucket", "the inbox bucket", "only objects of the inbox can be published")
	}
	if drop := manifest.DropOf(r.Key); drop != manifest.DropVideo {
		return Ingested{}, fault.InvalidField("workflow.Submit", "key", "a video", "this key names a "+string(drop))
	}
	if len(r.Manifest) == 0 {
		return w.ingestVideo(ctx, r.Bucket, r.Key)
	}
	m, err := manifest.Parse(r.Manifest, w.targets())
	if err != nil {
		return Ingested{}, err
	}
	p, reason, err := w.record(ctx, r.Bucket, r.Key)
	if err != nil || reason != "" {
		return Ingested{Reason: reason}, err
	}
	route, ok := w.Routes.Match(r.Bucket, r.Key)
	if !ok {
		return w.waits(ctx, p, "route", time.Time{}, nil)
	}
	return w.revise(ctx, p, route, m, "api")
}
