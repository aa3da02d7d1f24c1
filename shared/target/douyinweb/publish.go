package douyinweb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/markup"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// asset is what Asset.Private holds.
type asset struct {
	Poster string `json:"poster"`
}

// Complete closes the upload in chunks and confirms it (step 4). Nothing is public yet. A close that is refused may have
// been made by a call whose answer was lost: then the confirmation decides, since it is refused before the bytes are
// there. Under credentials that are refused or about to end it is target.ErrSessionCredential.
func (t *Target) Complete(ctx context.Context, s upload.Session, rs []upload.Receipt) (upload.Asset, error) {
	const op = "douyinweb.Complete"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Asset{}, err
	}
	p, err := t.session(op, s)
	if err != nil {
		return upload.Asset{}, err
	}
	list, err := whole(op, p, rs)
	if err != nil {
		return upload.Asset{}, err
	}
	if p.UploadID != "" {
		if err := t.alive(op, s); err != nil {
			return upload.Asset{}, err
		}
	}
	if err := t.fresh(op, p.Cred); err != nil {
		return upload.Asset{}, err
	}
	var refused error
	if p.UploadID != "" {
		err := t.closeUpload(ctx, op, p, list)
		if f := fault.As(err); f != nil && f.Code != RowStorage && !errors.Is(err, target.ErrSessionLost) {
			return upload.Asset{}, err
		}
		refused = err
	}
	a, err := t.confirm(ctx, op, p)
	f := fault.As(err)
	switch {
	case f == nil || f.Kind != fault.Permanent || errors.Is(err, ErrProtocol):
		return a, err
	case t.caller.now().Sub(p.Cred.Issued) > credFresh: // no code is known to mean it, so any may: dead credentials
		f.Kind, f.Actor, f.Action = fault.TokenExpired, fault.ActorUs, lookup(RowAuth).Advice
		f.Err = fmt.Errorf("%w (perhaps): %w", target.ErrSessionCredential, f.Err)
		return upload.Asset{}, f
	case refused != nil:
		return upload.Asset{}, request{op: op, step: StepClose}.gone(fmt.Errorf("%w; %w", refused, err))
	}
	return upload.Asset{}, err
}

// gone is a session that has to be opened anew.
func (q request) gone(why error) error {
	return &fault.Error{Kind: fault.Permanent, Op: q.op, Code: RowGone, Actor: fault.ActorUs, Action: lookup(RowGone).Advice,
		Err: fmt.Errorf("%w: %w", target.ErrSessionLost, why)}
}

// whole demands a receipt with its CRC32 for each part, once, and all the bytes; it gives the list of chunks.
func whole(op string, p session, rs []upload.Receipt) (string, error) {
	rs = slices.Clone(rs)
	slices.SortStableFunc(rs, func(a, b upload.Receipt) int { return a.Part - b.Part })
	rule := fmt.Sprintf("one each for parts 1 to %d", p.Parts)
	bad := func(rule, msg string) (string, error) { return "", fault.InvalidField(op, "receipts", rule, msg) }
	var size int64
	var list []string
	for i, r := range rs {
		switch {
		case i >= p.Parts || r.Part < 1 || r.Part > p.Parts || i > 0 && rs[i-1].Part == r.Part:
			return bad(rule, fmt.Sprintf("part %d is unknown or there twice", r.Part))
		case r.Part != i+1:
			return bad(rule, fmt.Sprintf("part %d is missing", i+1))
		case len(r.ETag) != 8 || strings.Trim(r.ETag, "0123456789abcdef") != "":
			return bad("with the CRC32 of each part", fmt.Sprintf("part %d has none", r.Part))
		}
		size += r.Size
		list = append(list, strconv.Itoa(r.Part)+":"+r.ETag)
	}
	if len(rs) < p.Parts {
		return bad(rule, fmt.Sprintf("part %d is missing", len(rs)+1))
	}
	if size != p.Size {
		return bad(fmt.Sprintf("%d bytes together", p.Size), fmt.Sprintf("they have %d", size))
	}
	return strings.Join(list, ","), nil
}

func (t *Target) closeUpload(ctx context.Context, op string, p session, list string) error {
	q := t.toStorage(StepClose, op, p, http.MethodPost, "?uploadID="+url.QueryEscape(p.UploadID)).withBytes("text/plain", []byte(list))
	r, err := t.caller.do(ctx, q)
	if err != nil {
		return err
	}
	o, f := q.storage(r)
	if f != nil {
		return f
	}
	if o.obj("payload"); o.err() != "" {
		return q.protocol(r, o.err())
	}
	return nil
}

// confirm is step 4. extra_param is a query string, appended as it came.
func (t *Target) confirm(ctx context.Context, op string, p session) (upload.Asset, error) {
	body, err := encode(struct {
		VID      string  `json:"vid"`
		OID      string  `json:"oid"`
		Token    string  `json:"token"`
		PosterAt float64 `json:"poster_ss"`
		Exact    bool    `json:"is_exact_poster"`
		User     string  `json:"user_reference"`
	}{p.Slot.VID, p.Slot.OID, p.Slot.Token, p.PosterAt, true, ""})
	if err != nil {
		return upload.Asset{}, fault.Wrap(op, err)
	}
	q := request{step: StepConfirm, op: op, method: http.MethodPost, header: p.Cred.gateway(), secrets: p.secrets(),
		url: t.cfg.VideoURL + pathVideo + "?action=UpdateVideoUploadInfos&" + p.Slot.Extra}.withBytes("application/json", body)
	r, err := t.caller.do(ctx, q)
	if err != nil {
		return upload.Asset{}, err
	}
	o, f := q.video(r)
	if f != nil {
		return upload.Asset{}, f
	}
	data := o.obj("data")
	data.obj("video").str("oid")
	poster := data.obj("poster").str("oid")
	if o.err() != "" {
		return upload.Asset{}, q.protocol(r, o.err())
	}
	private, err := json.Marshal(asset{Poster: poster})
	return upload.Asset{ID: p.Slot.VID, Private: private}, err
}

// encode writes JSON as the site does: no escapes for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// form is the body of create (reference B.1, step 5). Lists are JSON inside it.
func form(v upload.Video, f Fields, web markup.Web, vid, poster string) (url.Values, error) {
	challenges := []string{}
	for _, name := range web.Topics {
		if id := f.Challenges[name]; id != "" && !slices.Contains(challenges, id) {
			challenges = append(challenges, id)
		}
	}
	out := url.Values{
		"video_id": {vid}, "poster": {poster}, "poster_delay": {strconv.FormatFloat(f.delay(v), 'f', -1, 64)},
		"text": {web.Text}, "third_text": {web.Third},
		"visibility_type": {strconv.Itoa(int(f.visibility(v)))},
		"download":        {"0"}, "upload_source": {"1"}, "is_preview": {"0"},
		"mix_id": {f.MixID}, "mix_order": {""},
	}
	if f.Download != nil && *f.Download {
		out.Set("download", "1")
	}
	if f.MixOrder != nil {
		out.Set("mix_order", strconv.Itoa(*f.MixOrder))
	}
	for name, list := range map[string]any{"text_extra": web.Extra, "challenges": challenges, "mentions": web.Mentions} {
		b, err := encode(list)
		if err != nil {
			return nil, err
		}
		out.Set(name, string(b))
	}
	return out, nil
}

// Publish is create: one request, over a connection of its own. An error has EffectNone only for a row that says so, or
// when no byte was written; everything else leaves the outcome open.
func (t *Target) Publish(ctx context.Context, v upload.Video, s upload.Session, a upload.Asset) (upload.Post, error) {
	const op = "douyinweb.Publish"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Post{}, err
	}
	fields, web, err := t.checked(op, v)
	if err != nil {
		return upload.Post{}, err
	}
	sess, err := t.session(op, s)
	if err != nil {
		return upload.Post{}, err
	}
	var made asset
	if json.Unmarshal(a.Private, &made) != nil || made.Poster == "" || a.ID != sess.Slot.VID {
		return upload.Post{}, fault.InvalidField(op, "asset", "made by Complete of this session", "it is another")
	}
	values, err := form(v, fields, web, a.ID, made.Poster)
	if err != nil {
		return upload.Post{}, fault.InvalidField(op, Word, "JSON", printable(err.Error(), nil))
	}
	q := request{step: StepCreate, op: op, method: http.MethodPost, url: t.cfg.CreatorURL + pathCreate, fresh: true}
	j, err := t.jar(ctx, q)
	if err != nil {
		return upload.Post{}, err
	}
	q.cookies, q.secrets = j, j.secrets()
	if q.header, err = t.csrf(ctx, op, j); err != nil {
		return upload.Post{}, err
	}
	q.secrets = append(q.secrets, sess.secrets()...)
	q.secrets = append(q.secrets, q.header["X-Secsdk-Csrf-Token"]...)
	q = q.withBytes("application/x-www-form-urlencoded", []byte(values.Encode()))
	r, err := t.caller.do(ctx, q)
	if err != nil {
		return upload.Post{}, err
	}
	o, f := q.site(r)
	if f != nil {
		return upload.Post{}, f
	}
	return t.post(q, r, o)
}

// post reads the id of what was made: item_id, or aweme.aweme_id.
func (t *Target) post(q request, r reply, o object) (upload.Post, error) {
	var id string
	if o.has("item_id") || !o.has("aweme") {
		id = o.str("item_id")
	} else {
		id = o.obj("aweme").str("aweme_id")
	}
	if o.err() != "" {
		return upload.Post{}, q.protocol(r, o.err())
	}
	return upload.Post{ID: id, At: t.caller.now()}, nil
}

// csrf is the header against forgery. None of it is computed here: it repeats a cookie, or what the site hands out.
func (t *Target) csrf(ctx context.Context, op string, j *jar) (http.Header, error) {
	switch t.cfg.CSRF {
	case CSRFCookie:
		if v := j.value("csrf_token", t.cfg.cookieHost(), pathCreate, t.caller.now()); v != "" {
			return http.Header{"csrf_token": {v}}, nil
		}
	case CSRFSecSDK:
		q := request{step: StepCSRF, op: op, method: http.MethodHead, url: t.cfg.CreatorURL + pathCSRF, cookies: j, secrets: j.secrets(),
			header: http.Header{"X-Secsdk-Csrf-Request": {"1"}, "X-Secsdk-Csrf-Version": {"1.2.22"}}}
		r, err := t.caller.do(ctx, q)
		if err != nil {
			f := *fault.As(fault.Wrap(op, err)) // it only comes before create
			f.Effect, f.AssetKept = fault.EffectNone, true
			return nil, &f
		}
		if r.status != http.StatusOK || r.verify {
			if _, f := q.site(r); f != nil {
				return nil, f
			}
		}
		f := strings.Split(r.csrf, ",")
		if len(f) < 2 || !headerSafe(f[1]) {
			return nil, q.protocol(r, "header x-ware-csrf-token is missing or has no second field")
		}
		return http.Header{"X-Secsdk-Csrf-Token": {f[1]}}, nil
	}
	return nil, nil
}
