package youku

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// Renew implements target.Renewer by get_sts_inf: another temporary credential for the same object and multipart
// upload, whose parts stay. A dead upload_token is target.ErrSessionLost. The old credential stays good until its own
// end, so parts in flight under it finish. It may be repeated.
func (t *Target) Renew(ctx context.Context, s upload.Session) (upload.Session, error) {
	const op = "youku.Renew"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Session{}, err
	}
	p, err := t.session(op, s)
	if err != nil {
		return upload.Session{}, err
	}
	if p.Instant {
		return s, nil // it has no credential
	}
	if p, err = t.renew(ctx, op, p); err != nil {
		return upload.Session{}, err
	}
	next, err := p.pack(s.Opened, s.Expires)
	next.Cover = s.Cover
	return next, err
}

func (t *Target) renew(ctx context.Context, op string, p session) (session, error) {
	a, err := t.call(ctx, request{step: StepSTS, op: op, method: http.MethodPost, path: pathSTS, secrets: p.secrets(),
		params: url.Values{"upload_token": {p.UploadToken}, "oss_bucket": {p.Bucket}, "oss_object": {p.Object}}})
	if err != nil {
		return p, err
	}
	var g grant
	if a.data(&g); !g.complete() {
		return p, a.unreadable("the answer lacks the fields of OSS")
	}
	if err := t.take(&p, g, a); err != nil {
		return p, err
	}
	if g.UploadToken != "" {
		p.UploadToken = g.UploadToken
	}
	p.Renewals++
	return p, nil
}

func (p session) secrets() []string {
	return []string{p.UploadToken, p.Credential.Secret, p.Credential.Token}
}

// Abort gives the parts in OSS up, under a new credential if the session's is over, and asks Youku to drop the video,
// whose refusal does not matter: what a cancel does to an upload by OSS is not documented.
func (t *Target) Abort(ctx context.Context, s upload.Session) error {
	const op = "youku.Abort"
	if err := begin(ctx, op, t.bad); err != nil {
		return err
	}
	p, err := t.session(op, s)
	if err != nil {
		return err
	}
	if p.UploadID != "" {
		if err := t.abortParts(ctx, op, p); err != nil {
			return err
		}
	}
	if err := t.cancel(ctx, op, p); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// abortParts is nil where nobody can reach the parts any more: OSS drops them by the bucket's own rule then.
func (t *Target) abortParts(ctx context.Context, op string, p session) error {
	err := t.fresh(op, p)
	if err == nil {
		err = t.abortOnce(ctx, op, p)
	}
	if !errors.Is(err, target.ErrSessionCredential) {
		return gone(err)
	}
	if p, err = t.renew(ctx, op, p); err != nil {
		return gone(err)
	}
	return gone(t.abortOnce(ctx, op, p))
}

func (t *Target) abortOnce(ctx context.Context, op string, p session) error {
	c, err := t.store(op, p)
	if err == nil {
		err = c.Abort(ctx, p.multipart())
	}
	if err != nil {
		return t.storage(op, p, err)
	}
	return nil
}

// gone lets pass what no repeat can mend.
func gone(err error) error {
	if errors.Is(err, target.ErrSessionLost) || errors.Is(err, target.ErrSessionCredential) || fault.KindOf(err) == fault.Permanent {
		return nil
	}
	return err
}

func (t *Target) cancel(ctx context.Context, op string, p session) error {
	_, err := t.call(ctx, request{step: StepCancel, op: op, method: http.MethodGet, path: pathCancel, secrets: p.secrets(),
		params: url.Values{"upload_token": {p.UploadToken}}})
	return err
}
