package douyin

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/markup"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// The hand-over is the platform's "publish to Douyin, H5" (developer.open-douyin.com, DOP/develop/sdk/web-app/h5/
// share-to-h5 and schema-demo; GET /share-id/ as in wulinyun/java-sdk-douyin, docs/Api, ShareIdApi): a link of the
// Douyin app, signed with a ticket of our app, that opens the page for publishing with the video, its title and topics. It
// needs no token of the user's. Our app needs the abilities h5.share, open.get.ticket and aweme.share.
//
// Unconfirmed, and built on: a video has at most 128 MiB; a share id lives an hour.
const (
	sharePage    = "snssdk1128://openplatform/share"
	maxShared    = 128 * mib
	shareLife    = time.Hour
	linkLife     = 2 * time.Hour // of the video's address: as long as a ticket
	maxVideoLink = 8 << 10
)

// sharedTypes are the content types that the app fetches (share-to-h5).
func sharedType(s string) bool {
	return s == "video/mp4" || s == "video/quicktime" || s == "video/3gpp" || s == ""
}

// Handover implements target.Handoverer. The title goes without topics, which the page gets beside it; what cannot go along
// is left to the person: mentions and their ids, the cover, places and other anchors.
func (t *Target) Handover(ctx context.Context, v upload.Video, video target.VideoLink) (target.Handed, error) {
	const op = "douyin.Handover"
	if err := begin(ctx, op, t.bad); err != nil {
		return target.Handed{}, err
	}
	if err := t.shareable(op, v); err != nil {
		return target.Handed{}, err
	}
	if t.app == nil {
		return target.Handed{}, &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator,
			Action: "Set the app's key and secret (vodlift app set douyin).", Err: errors.New("the app's key is not at hand here")}
	}
	at, err := video(ctx, linkLife)
	if err != nil {
		return target.Handed{}, fault.Wrap(op, err)
	}
	if err := t.fetchable(op, at); err != nil {
		return target.Handed{}, err
	}
	s := sharer{t: t, op: op, secrets: []string{at}}
	if err := s.ask(ctx); err != nil {
		return target.Handed{}, handFault(err)
	}
	link, err := s.link(v, at)
	if err != nil {
		return target.Handed{}, fault.Wrap(op, err)
	}
	return target.Handed{Link: link, ShareID: s.shareID, Expires: t.caller.now().Add(min(shareLife, s.ticketLife, linkLife))}, nil
}

// shareable is what the page takes.
func (t *Target) shareable(op string, v upload.Video) error {
	if err := t.Validate(v); err != nil {
		return fault.Wrap(op, err)
	}
	switch {
	case v.Size > maxShared:
		return fault.InvalidField(op, "source.size", fmt.Sprintf("<= %d bytes for a hand-over", int64(maxShared)), fmt.Sprintf("the file has %d bytes", v.Size))
	case !sharedType(v.ContentType):
		return fault.InvalidField(op, "source.content_type", "video/mp4 | video/quicktime | video/3gpp for a hand-over", "it is "+printable(v.ContentType, nil))
	}
	return nil
}

// fetchable: an address that the phone can fetch; http only where the platform itself is spoken to so (a fake).
func (t *Target) fetchable(op, at string) error {
	u, err := url.Parse(at)
	ok := err == nil && u.Host != "" && u.User == nil && len(at) <= maxVideoLink && strings.Trim(at, asciiGraphic()) == ""
	if ok && u.Scheme != "https" {
		ok = u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback() && strings.HasPrefix(t.cfg.BaseURL, "http://")
	}
	if ok {
		return nil
	}
	return &fault.Error{Kind: fault.Permanent, Op: op, Effect: fault.EffectNone, Actor: fault.ActorOperator,
		Action: "See that the bucket can be reached by https from outside.", Err: errors.New("the video's address is none that a phone can fetch")}
}

func asciiGraphic() string {
	var b strings.Builder
	for c := byte('!'); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}

// sharer makes the three calls of a hand-over.
type sharer struct {
	t       *Target
	op      string
	secrets []string

	client     string // the app's own token
	key        string
	ticket     string
	ticketLife time.Duration
	shareID    string
}

// ask gets the app's token, a ticket and a share id. stable_client_token gives the same token for two hours to whoever asks,
// so that functions need not keep one; client_token would end the one before (reference A.2).
func (s *sharer) ask(ctx context.Context) error {
	app, err := s.t.app(ctx)
	if err != nil {
		return fault.Wrap(s.op, err)
	}
	if app.ID == "" || app.Secret == "" {
		return &fault.Error{Kind: fault.Permanent, Op: s.op, Effect: fault.EffectNone, Actor: fault.ActorOperator,
			Action: "Set the app's key and secret (vodlift app set douyin).", Err: errors.New("there is no client_key or no client_secret")}
	}
	s.key = app.ID
	s.secrets = append(s.secrets, app.Secret)
	body, err := json.Marshal(map[string]string{"client_key": app.ID, "client_secret": app.Secret, "grant_type": "client_credential"})
	if err != nil {
		return fault.Wrap(s.op, err)
	}
	q := request{step: StepClient, op: s.op, method: http.MethodPost, path: pathClient}
	var d struct {
		Access    string `json:"access_token"`
		Ticket    string `json:"ticket"`
		ExpiresIn life   `json:"expires_in"`
		ShareID   string `json:"share_id"`
	}
	a, err := s.call(ctx, q.withBytes("application/json", body), &d)
	if err != nil {
		return err
	}
	if s.client = d.Access; s.client == "" {
		return a.unreadable("the answer holds no access token")
	}
	s.secrets = append(s.secrets, s.client)
	if a, err = s.call(ctx, request{step: StepTicket, op: s.op, method: http.MethodGet, path: pathTicket}, &d); err != nil {
		return err
	}
	s.ticket, s.ticketLife = d.Ticket, shareLife
	if s.ticket == "" {
		return a.unreadable("the answer holds no ticket")
	}
	if d.ExpiresIn.good {
		s.ticketLife = time.Duration(d.ExpiresIn.seconds) * time.Second
	}
	s.secrets = append(s.secrets, s.ticket)
	if a, err = s.call(ctx, request{step: StepShareID, op: s.op, method: http.MethodGet, path: pathShareID, query: url.Values{"need_callback": {"true"}}}, &d); err != nil {
		return err
	}
	if s.shareID = d.ShareID; s.shareID == "" || len(s.shareID) > 256 {
		return a.unreadable("the answer holds no share_id")
	}
	return nil
}

func (s *sharer) call(ctx context.Context, q request, into any) (answer, error) {
	q.secrets = s.secrets
	if s.client != "" {
		q.header = http.Header{"Access-Token": {s.client}}
	}
	a, err := s.t.caller.do(ctx, q)
	if err == nil {
		a.data(into)
	}
	return a, err
}

// link is the address of the page, signed.
func (s *sharer) link(v upload.Video, video string) (string, error) {
	spans, err := markup.Compose(s.op, v.Title, v.Description, v.Tags)
	if err != nil {
		return "", err
	}
	web := markup.RenderWeb(spans, word)
	nonce, err := s.t.boundary()
	if err != nil {
		return "", err
	}
	nonce = strings.TrimPrefix(nonce, "vodlift-")[:32]
	now := strconv.FormatInt(s.t.caller.now().Unix(), 10)
	q := url.Values{"share_type": {"h5"}, "client_key": {s.key}, "nonce_str": {nonce}, "timestamp": {now}, "signature": {signShare(nonce, s.ticket, now)},
		"state": {s.shareID}, "video_path": {video}, "share_to_publish": {"1"}}
	if web.Third != "" {
		q.Set("title", web.Third)
	}
	if len(web.Topics) > 0 {
		list, err := json.Marshal(web.Topics)
		if err != nil {
			return "", err
		}
		q.Set("hashtag_list", string(list))
	}
	if f, err := ParseFields(v.Fields); v.Private || err == nil && f.PrivateStatus != nil && *f.PrivateStatus == 1 {
		q.Set("private_status", "1")
	} else if err == nil && f.PrivateStatus != nil {
		q.Set("private_status", strconv.Itoa(*f.PrivateStatus))
	}
	return sharePage + "?" + strings.ReplaceAll(q.Encode(), "+", "%20"), nil // a phone need not know that + is a space
}

// signShare is the platform's signature of a link: the MD5 of three fields in alphabetical order (share-to-h5).
func signShare(nonce, ticket, timestamp string) string {
	sum := md5.Sum([]byte("nonce_str=" + nonce + "&ticket=" + ticket + "&timestamp=" + timestamp)) // the platform's choice, not ours
	return hex.EncodeToString(sum[:])
}

// handFault gives refusals their meaning here: the token is the app's own, so no login of the account's would help.
func handFault(err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	c := *f
	switch {
	case f.Code == "10020": // reference A.2: over 500 calls in 5 minutes
		c.Kind, c.Quota, c.After, c.Actor, c.Action = fault.Retryable, true, 5*time.Minute, fault.ActorUs, "It goes on by itself when the platform has time."
		c.Err = errors.New("the app asked for its token too often")
	case f.Kind == fault.TokenExpired:
		c.Kind, c.Actor, c.Action = fault.Retryable, fault.ActorUs, "A new token of the app is asked for."
	case f.Kind == fault.CredentialsExpired:
		c.Kind, c.Actor, c.Action = fault.Permanent, fault.ActorOperator, "See in the Douyin console what the app may do."
	}
	return &c
}
