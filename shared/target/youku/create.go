package youku

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/upload"
)

var (
	md5Form      = regexp.MustCompile(`^[0-9a-f]{32}$`)
	endpointForm = regexp.MustCompile(`^oss-[a-z0-9-]+\.aliyuncs\.com$`)
	bucketForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
)

// Init creates the video at Youku, which names the place in OSS and a temporary credential for it, and with more than
// one part opens the multipart upload there. It needs v.MD5 (Digester). A repeat after a lost answer leaves an orphan
// video that was never committed; nothing of it shows.
func (t *Target) Init(ctx context.Context, v upload.Video, plan upload.Plan) (upload.Session, error) {
	const op = "youku.Init"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Session{}, err
	}
	if err := t.Validate(v); err != nil {
		return upload.Session{}, err
	}
	if !md5Form.MatchString(v.MD5) {
		return upload.Session{}, fault.InvalidField(op, "source.md5", "32 lower-case hexadecimal digits, taken before Init", "create needs the MD5 of the whole file")
	}
	if err := t.checkPlan(op, v, plan); err != nil {
		return upload.Session{}, err
	}
	form, secrets, err := t.createForm(ctx, v)
	if err != nil {
		return upload.Session{}, err
	}
	q := request{step: StepCreate, op: op, method: http.MethodPost, path: pathCreate, params: form, secrets: secrets, fresh: true}
	a, err := t.call(ctx, q)
	if err != nil {
		return upload.Session{}, err
	}
	p, err := t.created(a)
	if err != nil {
		return upload.Session{}, err
	}
	p.Parts, p.Size, p.MD5, p.ContentType = plan.Parts, v.Size, v.MD5, contentType(v)
	if p.Parts > 1 && !p.Instant {
		if p.UploadID, err = t.initiate(ctx, p); err != nil {
			_ = t.cancel(ctx, op, p) // best effort: else the video stays as an orphan, which nobody sees
			return upload.Session{}, fault.Wrap(op, err)
		}
	}
	now := t.caller.now()
	s, err := p.pack(now, now.Add(tokenLife))
	if v.Cover != nil && v.Cover.Picture != nil {
		s.Cover = v.Cover.Picture.Ref
	}
	return s, err
}

func (t *Target) initiate(ctx context.Context, p session) (string, error) {
	c, err := t.store("youku.Init", p)
	if err != nil {
		return "", err
	}
	u, err := c.Initiate(ctx, p.Object, p.ContentType)
	if errors.Is(err, oss.ErrCredential) { // no account's token: the next create brings another credential
		f := *fault.As(err)
		f.Kind, f.Action, f.Err = fault.Retryable, "The upload begins again at create.", err
		return "", &f
	}
	return u.ID, err
}

// createForm is what create is sent. secrets are the watch password and the cover's address, if they are in it.
func (t *Target) createForm(ctx context.Context, v upload.Video) (form url.Values, secrets []string, err error) {
	m, err := t.meta(v)
	if err != nil {
		return nil, nil, err
	}
	form = url.Values{
		"isnew": {"1"}, "file_name": {m.fileName}, "file_md5": {v.MD5}, "file_size": {strconv.FormatInt(v.Size, 10)},
		"title": {m.title}, "tags": {strings.Join(m.tags, ",")},
	}
	for name, value := range map[string]string{
		"category": m.Category, "thumbnail": m.Thumbnail, "copyright_type": m.CopyrightType, "public_type": m.PublicType, "description": m.description,
	} {
		if value != "" {
			form.Set(name, value)
		}
	}
	if m.cover != nil {
		if err := t.linked(m.cover); err != nil {
			return nil, nil, err
		}
		form.Set("thumbnail", m.cover.Link)
		secrets = append(secrets, m.cover.Link)
	}
	if m.Deshake != nil {
		form.Set("deshake", strconv.Itoa(*m.Deshake))
	}
	if m.PublicType == publicPassword {
		secret, err := t.opt.Password(ctx, m.WatchPasswordName)
		if err != nil {
			return nil, nil, fault.Wrap("youku.Init", err)
		}
		if err := checkPassword(secret); err != nil {
			return nil, nil, err
		}
		form.Set("watch_password", secret)
		secrets = append(secrets, secret)
	}
	return form, secrets, nil
}

// InitHash implements target.InitHasher: all that create sends but the file's own facts, which no manifest changes.
func (t *Target) InitHash(v upload.Video) string {
	m, err := t.meta(v)
	if err != nil {
		return "" // Init would refuse it
	}
	b, err := json.Marshal(struct {
		FileName, Title, Description string
		Tags                         []string
		Fields                       Fields
		Private                      bool   // not sent but refused
		Cover                        string `json:",omitempty"` // its Ref; the link is another each time
	}{m.fileName, m.title, m.description, m.tags, m.Fields, v.Private, coverRef(m.cover)})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// grant is the part of an answer that gives access to OSS.
type grant struct {
	UploadToken string `json:"upload_token"`
	Endpoint    string `json:"endpoint"`
	Token       string `json:"security_token"`
	ID          string `json:"temp_access_id"`
	Secret      string `json:"temp_access_secret"`
	Expire      any    `json:"expire_time"`
}

func (g grant) complete() bool {
	return g.Endpoint != "" && g.Token != "" && g.ID != "" && g.Secret != ""
}

// created reads create's answer. That the create took effect is certain then; so an answer that lacks what OSS needs is
// a broken protocol and no reason to create again.
func (t *Target) created(a answer) (session, error) {
	var d struct {
		grant
		VideoID string `json:"video_id"`
		Bucket  string `json:"oss_bucket"`
		Object  string `json:"oss_object"`
		Instant string `json:"instant_upload_ok"`
	}
	a.data(&d)
	if d.VideoID == "" || d.UploadToken == "" {
		return session{}, a.unreadable("the answer holds no video_id or upload_token")
	}
	p := session{UploadToken: d.UploadToken, VideoID: d.VideoID, Bucket: d.Bucket, Object: d.Object, Instant: d.Instant == "yes"}
	if p.Instant {
		return p, nil
	}
	if !d.complete() || d.Bucket == "" || d.Object == "" {
		return session{}, a.protocol("the answer lacks the fields of OSS although they were asked for (isnew=1)")
	}
	if !bucketForm.MatchString(d.Bucket) || len(d.Object) > 1023 || strings.HasPrefix(d.Object, "/") {
		return session{}, a.protocol("the answer names a bucket or object that OSS cannot have")
	}
	return p, t.take(&p, d.grant, a)
}

// take puts a fresh credential into the session; id, secret and token belong together.
func (t *Target) take(p *session, g grant, a answer) error {
	host := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(g.Endpoint, "https://"), "http://"), "/")
	if t.cfg.OSSEndpoint == "" && !endpointForm.MatchString(host) {
		return a.protocol("the answer names an endpoint that is none of OSS's")
	}
	p.Endpoint = host
	p.Credential = oss.Credential{ID: g.ID, Secret: g.Secret, Token: g.Token}
	p.Issued, p.Expires = a.at, a.expiry(g.Expire)
	return nil
}

// expiry is expire_time by our clock: UTC by the platform's, corrected by the Date of its own answer where the two
// differ by more than a minute (section 5). What cannot be read is an hour from now.
func (a answer) expiry(v any) time.Time {
	s, _ := v.(string)
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(s))
	if err != nil {
		return a.at.Add(credentialLife)
	}
	if d, err := http.ParseTime(a.date); err == nil {
		if skew := d.Sub(a.at); skew.Abs() > skewThatCounts {
			at = at.Add(-skew)
		}
	}
	return at
}

// checkPlan refuses, and does not mend, a plan that OSS would refuse.
func (t *Target) checkPlan(op string, v upload.Video, p upload.Plan) error {
	bad := func(rule, msg string) error { return fault.InvalidField(op, "plan", rule, msg) }
	switch {
	case p.Size != v.Size || p.Parts < 1:
		return bad("of this video", fmt.Sprintf("the plan is for %d bytes, the video has %d", p.Size, v.Size))
	case p.OneRequest() && p.Size > oss.MaxPart:
		return bad(fmt.Sprintf("<= %d bytes in one request", int64(oss.MaxPart)), "too large for one request")
	case p.OneRequest():
		return nil
	case p.Parts > t.limits.MaxParts:
		return bad(fmt.Sprintf("<= %d parts", t.limits.MaxParts), fmt.Sprintf("the plan has %d parts", p.Parts))
	case p.PartSize < t.limits.MinPart || p.PartSize > t.limits.MaxPart:
		return bad(fmt.Sprintf("parts of %d to %d bytes", t.limits.MinPart, t.limits.MaxPart), fmt.Sprintf("the plan's have %d", p.PartSize))
	}
	return nil
}

// contentType is the object's: the video's own if it is one, else by the name, else video/mp4 (section 6).
func contentType(v upload.Video) string {
	if strings.HasPrefix(v.ContentType, "video/") {
		return v.ContentType
	}
	for ext, typ := range map[string]string{".mov": "video/quicktime", ".webm": "video/webm", ".mkv": "video/x-matroska", ".flv": "video/x-flv", ".avi": "video/x-msvideo", ".ts": "video/mp2t"} {
		if strings.EqualFold(path.Ext(v.FileName), ext) {
			return typ
		}
	}
	return "video/mp4"
}

// store is the OSS client of a session, under its present credential.
func (t *Target) store(op string, p session) (*oss.Client, error) {
	at, region := "https://"+p.Endpoint, oss.RegionOf(p.Endpoint)
	if t.cfg.OSSEndpoint != "" {
		at = t.cfg.OSSEndpoint
	}
	if region == "" {
		region = t.cfg.Region
	}
	c, err := oss.New(oss.Config{Endpoint: at, Region: region, Bucket: p.Bucket, SignV1: t.cfg.SignV1}, oss.Fixed(p.Credential), t.caller.client, &oss.Options{Clock: t.opt.Clock})
	return c, fault.Wrap(op, err)
}

var errNotVideo = errors.New("not a video")

// mediaType checks that a content type may be a video's.
func mediaType(s string) error {
	m, _, err := mime.ParseMediaType(s)
	if s == "" || err == nil && (m == "application/octet-stream" || m == "binary/octet-stream" || strings.HasPrefix(m, "video/")) {
		return nil
	}
	return errNotVideo
}
