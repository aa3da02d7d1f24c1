package douyinweb

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// The paths of reference B.1.
const (
	pathAuth   = "/web/api/media/upload/auth/"
	pathVideo  = "/video/openapi/v1/"
	pathCreate = "/web/api/media/aweme/create/"
	pathUser   = "/web/api/media/user/info/"
	pathCSRF   = "/web/api/media/anchor/search"
)

// credential is the answer of step 1: what the video gateway wants.
type credential struct {
	AK      string    `json:"ak"`
	Auth    string    `json:"auth"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires,omitzero"` // zero = not known
}

// slot is one set of the answer of step 2; sets are never mixed.
type slot struct {
	VID   string `json:"vid"`
	OID   string `json:"oid"`
	Host  string `json:"host"`
	Sign  string `json:"sign"`
	Token string `json:"token"`
	Extra string `json:"extra"`
}

// session is what Session.Private holds. All of it is secret.
type session struct {
	Parts    int        `json:"parts"`
	Size     int64      `json:"size"`
	UploadID string     `json:"upload_id,omitempty"` // empty: one request carries everything
	PosterAt float64    `json:"poster_at,omitempty"` // seconds
	Slot     slot       `json:"slot"`
	Cred     credential `json:"cred"`
}

func (t *Target) session(op string, s upload.Session) (session, error) {
	var p session
	if err := json.Unmarshal(s.Private, &p); err != nil || p.Parts < 1 || p.Size < 1 || p.Parts > 1 && p.UploadID == "" ||
		p.Slot.VID == "" || p.Slot.Sign == "" || p.Cred.Auth == "" || !objectName.MatchString(p.Slot.OID) || !t.cfg.storageOK(p.Slot.Host) {
		return p, fault.InvalidField(op, "session", "made by Init", "this is not a session of Douyin's creator web")
	}
	return p, nil
}

// secrets are what no text may show.
func (p session) secrets() []string {
	return []string{p.UploadID, p.Slot.Sign, p.Slot.Token, p.Slot.Extra, p.Cred.Auth, p.Cred.AK}
}

// Init asks for upload credentials and a slot, and opens an upload in chunks where the plan has more than one. A repeat
// leaves an orphan slot, which ends by itself.
func (t *Target) Init(ctx context.Context, v upload.Video, plan upload.Plan) (upload.Session, error) {
	const op = "douyinweb.Init"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Session{}, err
	}
	fields, _, err := t.checked(op, v)
	if err != nil {
		return upload.Session{}, err
	}
	if err := t.checkPlan(op, v, plan); err != nil {
		return upload.Session{}, err
	}
	p := session{Parts: plan.Parts, Size: v.Size, PosterAt: fields.delay(v)}
	if p.Cred, err = t.auth(ctx, op); err != nil {
		return upload.Session{}, err
	}
	if p.Slot, err = t.slot(ctx, op, v.Size, p.Cred); err != nil {
		return upload.Session{}, err
	}
	s := upload.Session{ID: "one-request", Opened: t.caller.now()}
	s.Expires = p.Slot.deadline(s.Opened)
	if !plan.OneRequest() {
		if p.UploadID, err = t.open(ctx, op, p); err != nil {
			return upload.Session{}, err
		}
		s.ID = p.UploadID
	}
	s.Private, err = json.Marshal(p)
	return s, err
}

// checkPlan refuses, and does not mend, a plan that the platform would refuse.
func (t *Target) checkPlan(op string, v upload.Video, p upload.Plan) error {
	bad := func(rule, msg string) error { return fault.InvalidField(op, "plan", rule, msg) }
	switch {
	case p.Size != v.Size || p.Parts < 1:
		return bad("of this video", fmt.Sprintf("the plan is for %d bytes, the video has %d", p.Size, v.Size))
	case p.OneRequest():
		return nil
	case p.Parts > t.limits.MaxParts:
		return bad(fmt.Sprintf("<= %d parts", t.limits.MaxParts), fmt.Sprintf("the plan has %d parts", p.Parts))
	case p.PartSize < t.limits.MinPart || p.PartSize > t.limits.MaxPart:
		return bad(fmt.Sprintf("parts of %d to %d bytes", t.limits.MinPart, t.limits.MaxPart), fmt.Sprintf("the plan's have %d", p.PartSize))
	}
	return nil
}

// jar is the account's cookies as they are now.
func (t *Target) jar(ctx context.Context, q request) (*jar, error) {
	tok, err := t.cred(ctx)
	if err != nil {
		f := *fault.As(fault.Wrap(q.op, err)) // nothing was sent
		f.Effect, f.AssetKept = fault.EffectNone, true
		return nil, &f
	}
	j, why := loadJar(tok)
	if why != "" {
		return nil, q.loginFirst(why)
	}
	return j, nil
}

// auth is step 1.
func (t *Target) auth(ctx context.Context, op string) (credential, error) {
	q := request{step: StepAuth, op: op, method: http.MethodGet, url: t.cfg.CreatorURL + pathAuth}
	j, err := t.jar(ctx, q)
	if err != nil {
		return credential{}, err
	}
	q.cookies, q.secrets = j, j.secrets()
	r, err := t.caller.do(ctx, q)
	if err != nil {
		return credential{}, err
	}
	o, f := q.site(r)
	switch {
	case f != nil:
		return credential{}, f
	case !o.has("ak") && !o.has("auth"): // reference C: the answer to a dead cookie
		return credential{}, q.fail(RowLogin, r, "no upload credentials in the answer")
	}
	c := credential{AK: o.str("ak"), Auth: o.str("auth"), Issued: t.caller.now()}
	if o.err() == "" && !(headerSafe(c.AK) && headerSafe(c.Auth)) {
		o.bad("auth", "cannot be sent back")
	}
	if o.err() != "" {
		return credential{}, q.protocol(r, o.err())
	}
	c.Expires = authEnd(c.Auth)
	return c, nil
}

// authEnd reads the end out of HMAC-SHA1:1.0:<unix expiry>:<ak>:<base64>; zero where the layout is another.
func authEnd(auth string) time.Time {
	f := strings.Split(auth, ":")
	if len(f) != 5 {
		return time.Time{}
	}
	n, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// headerSafe is what may go into a header as it came.
func headerSafe(s string) bool {
	return s != "" && len(s) <= 8<<10 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// gateway is the header of the video gateway.
func (c credential) gateway() http.Header {
	return http.Header{"Authorization": {c.Auth}, "X-Tt-Access": {c.AK}}
}

// slot is step 2: edge_nodes[0] where there is one, else the top level; one set, whole.
func (t *Target) slot(ctx context.Context, op string, size int64, c credential) (slot, error) {
	q := request{step: StepSlot, op: op, method: http.MethodGet, header: c.gateway(), secrets: []string{c.Auth, c.AK},
		url: t.cfg.VideoURL + pathVideo + "?action=GetVideoUploadParams&use_edge_node=1&file_size=" + strconv.FormatInt(size, 10)}
	r, err := t.caller.do(ctx, q)
	if err != nil {
		return slot{}, err
	}
	o, f := q.video(r)
	if f != nil {
		return slot{}, f
	}
	if m := o.str("message"); o.err() == "" && m != "ok" {
		o.bad("message", "is not ok beside code 2000")
	}
	set := o.obj("data")
	if set.has("edge_nodes") {
		var nodes []json.RawMessage
		if json.Unmarshal(set.m["edge_nodes"], &nodes) != nil {
			set.bad("edge_nodes", "is no list")
		} else if len(nodes) > 0 {
			set = object{path: "data.edge_nodes.", m: map[string]json.RawMessage{"0": nodes[0]}, p: o.p}.obj("0")
		}
	}
	s := slot{VID: set.str("vid"), OID: set.str("oid"), Host: set.str("tos_host"), Sign: set.str("tos_sign"), Token: set.str("token"), Extra: set.str("extra_param")}
	t.checkSlot(s, set)
	if o.err() != "" {
		return slot{}, q.protocol(r, o.err())
	}
	return s, nil
}

// checkSlot judges what will stand in addresses and headers.
func (t *Target) checkSlot(s slot, o object) {
	extra, err := url.ParseQuery(s.Extra)
	switch {
	case o.err() != "":
	case !headerSafe(s.VID) || len(s.VID) > 128:
		o.bad("vid", "is no id")
	case !objectName.MatchString(s.OID) || len(s.OID) > 512:
		o.bad("oid", "is no object's name")
	case !t.cfg.storageOK(s.Host):
		o.bad("tos_host", "is not a host of the storage")
	case !headerSafe(s.Sign):
		o.bad("tos_sign", "cannot be sent back")
	case err != nil || !headerSafe(s.Extra) || strings.ContainsAny(s.Extra, "# ") || extra.Has("action"):
		o.bad("extra_param", "is no query string")
	}
}

// deadline reads the end of the storage's signature out of its third part, base64 of "deadline: <unix>"; where the
// layout is another, a day after now.
func (s slot) deadline(now time.Time) time.Time {
	if f := strings.Split(s.Sign, ":"); len(f) >= 3 {
		if b, err := base64.StdEncoding.DecodeString(f[2]); err == nil {
			rest, ok := strings.CutPrefix(strings.TrimSpace(string(b)), "deadline:")
			if n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64); ok && err == nil && n > now.Unix() && n < 1<<40 {
				return time.Unix(n, 0).UTC()
			}
		}
	}
	return now.Add(slotLife)
}

// open begins an upload in chunks.
func (t *Target) open(ctx context.Context, op string, p session) (string, error) {
	q := t.toStorage(StepOpen, op, p, http.MethodPost, "?uploads") // without a body: an empty one would go chunked
	r, err := t.caller.do(ctx, q)
	if err != nil {
		return "", err
	}
	o, f := q.storage(r)
	if f != nil {
		return "", f
	}
	id := o.obj("payload").str("uploadID")
	if o.err() == "" && (!headerSafe(id) || len(id) > 512) {
		o.bad("payload.uploadID", "is no id")
	}
	if o.err() != "" {
		return "", q.protocol(r, o.err())
	}
	return id, nil
}

// toStorage is a request for the session's object.
func (t *Target) toStorage(s Step, op string, p session, method, query string) request {
	return request{step: s, op: op, method: method, url: t.cfg.storageURL(p.Slot.Host, p.Slot.OID) + query,
		header: http.Header{"Authorization": {p.Slot.Sign}}, secrets: p.secrets()}
}

// Renew asks for new upload credentials, which the confirmation needs; the slot, its signature and the chunks stay.
func (t *Target) Renew(ctx context.Context, s upload.Session) (upload.Session, error) {
	const op = "douyinweb.Renew"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Session{}, err
	}
	p, err := t.session(op, s)
	if err != nil {
		return upload.Session{}, err
	}
	if p.Cred, err = t.auth(ctx, op); err != nil {
		return upload.Session{}, err
	}
	s.Private, err = json.Marshal(p)
	return s, err
}

// fresh refuses to confirm under credentials that are about to end: 5 minutes or a tenth of their life, the smaller.
func (t *Target) fresh(op string, c credential) error {
	if c.Expires.IsZero() {
		return nil
	}
	margin := min(renewAhead, max(0, c.Expires.Sub(c.Issued)/10))
	if t.caller.now().Before(c.Expires.Add(-margin)) {
		return nil
	}
	return &fault.Error{Kind: fault.TokenExpired, Op: op, Effect: fault.EffectNone, Actor: fault.ActorUs, Action: lookup(RowAuth).Advice,
		Err: fmt.Errorf("%w: their time is over at %s", target.ErrSessionCredential, c.Expires.Format(time.RFC3339))}
}
