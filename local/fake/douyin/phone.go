package douyin

import (
	"context"
	"crypto/md5"  //nolint:gosec // the platform's choice
	"crypto/sha1" //nolint:gosec // the platform's choice
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// Published is what a person published by a link.
type Published struct {
	ItemID, ShareID, OpenID, ClientKey string
}

// sharedLimit is the most that the app fetches (assumed).
const sharedLimit = 128 * MiB

// Publish is a person, openID, who opens a link of an app's (share.go) on the phone and publishes what is there. fetch gets
// the video from the link's address, as the phone would. An error is what the phone shows; nothing was published then.
func (s *Server) Publish(ctx context.Context, openID, link string, fetch *http.Client) (Published, error) {
	q, err := s.openLink(openID, link)
	if err != nil {
		return Published{}, fmt.Errorf("fake douyin: this link: %w", err)
	}
	file, err := s.fetch(ctx, fetch, q.Get("video_path"))
	if err != nil {
		return Published{}, fmt.Errorf("fake douyin: the video of this link: %w", err)
	}
	seen := fake.Probe(file, file.Size)
	v := &video{ID: s.videoID(), Name: "shared.mp4", Size: file.Size, SHA256: file.SHA256, Width: seen.Width, Height: seen.Height, Duration: seen.Duration,
		ClientKey: q.Get("client_key"), OpenID: openID, Posts: 1}
	if err := s.keepAsset(file, v.ID); err != nil {
		return Published{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	v.Created = now
	p := &post{Seq: s.seq(), ItemID: s.itemID(), PublicID: s.publicID(), ClientKey: v.ClientKey, OpenID: openID, VideoID: v.ID, Text: sharedText(q), Created: now, Shared: true}
	p.Private, _ = strconv.Atoi(q.Get("private_status")) // checked before
	s.st.Videos[v.ID] = v
	s.st.Posts = append(s.st.Posts, p)
	out := Published{ItemID: p.ItemID, OpenID: openID, ClientKey: v.ClientKey}
	if sh := s.st.Shares[q.Get("state")]; sh != nil && sh.ClientKey == v.ClientKey && sh.Callback && now.Sub(sh.Created) < s.o.Limits.ShareLife {
		out.ShareID = sh.ID
	}
	return out, s.save()
}

// openLink checks what the app on the phone checks.
func (s *Server) openLink(openID, link string) (url.Values, error) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "snssdk1128" || u.Host != "openplatform" || u.Path != "/share" {
		return nil, errors.New("want snssdk1128://openplatform/share")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	app, found := s.app(q.Get("client_key"))
	if !found {
		return nil, errors.New("client_key: no such app")
	}
	ct, now := s.clientTokens(app.ClientKey), s.o.Now()
	at, err := strconv.ParseInt(q.Get("timestamp"), 10, 64)
	sum := md5.Sum([]byte("nonce_str=" + q.Get("nonce_str") + "&ticket=" + ct.Ticket.Value + "&timestamp=" + q.Get("timestamp"))) //nolint:gosec // as above
	switch private := q.Get("private_status"); {
	case q.Get("share_type") != "h5":
		return nil, errors.New("share_type: want h5")
	case conditionCodes()[s.st.Apps[app.ClientKey]][v1Call] != 0:
		return nil, errors.New("client_key: this app is barred")
	case !slices.Contains(app.Scopes, "h5.share") || !slices.Contains(app.Scopes, "aweme.share"):
		return nil, errors.New("the app lacks h5.share or aweme.share")
	case err != nil || time.Unix(at, 0).After(now.Add(5*time.Minute)):
		return nil, errors.New("timestamp: want Unix seconds, not of the future")
	case q.Get("nonce_str") == "" || !ct.Ticket.live(now) || q.Get("signature") != hex.EncodeToString(sum[:]):
		return nil, errors.New("the signature does not fit, or its ticket is over")
	case s.st.Accounts[openID] == nil:
		return nil, fmt.Errorf("no user %q", openID)
	case !slices.Contains([]string{"", "0", "1", "2"}, private):
		return nil, errors.New("private_status: want 0, 1, 2")
	case q.Get("hashtag_list") != "" && json.Unmarshal([]byte(q.Get("hashtag_list")), &[]string{}) != nil:
		return nil, errors.New("hashtag_list: want a JSON array of texts")
	}
	return q, nil
}

func sharedText(q url.Values) string {
	var topics []string
	_ = json.Unmarshal([]byte(q.Get("hashtag_list")), &topics) // checked before
	words := []string{q.Get("title")}
	for _, t := range topics {
		words = append(words, "#"+t)
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// fetch gets the video as the app does: its content type must be one of three.
func (s *Server) fetch(ctx context.Context, client *http.Client, at string) (*fake.Scratch, error) {
	if u, err := url.Parse(at); err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, errors.New("video_path: want an https address")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("HTTP %d", resp.StatusCode)
	case err != nil || !slices.Contains([]string{"video/mp4", "video/quicktime", "video/3gpp"}, kind):
		return nil, fmt.Errorf("content type %q: want video/mp4, video/quicktime or video/3gpp", kind)
	}
	return fake.Receive(s.path("incoming"), resp.Body, sharedLimit)
}

func isLoopback(host string) bool { return host == "localhost" || net.ParseIP(host).IsLoopback() }

// Webhook is an event as the platform sends it (ref. A.10).
type Webhook struct {
	Header http.Header
	Body   []byte
}

// CreateVideo is the event of what a person published. Without a share id there is none: ok is false.
func (s *Server) CreateVideo(p Published) (w Webhook, ok bool) {
	if p.ShareID == "" {
		return Webhook{}, false
	}
	var content any = object{"item_id": p.ItemID, "share_id": p.ShareID}
	if s.o.Readings.EventContent == "string" {
		b, err := json.Marshal(content)
		if err != nil {
			panic(err) // two strings
		}
		content = string(b)
	}
	return s.event("create_video", p.ClientKey, p.OpenID, content)
}

// event signs an event with the app's secret: SHA-1 of secret and body, in hex.
func (s *Server) event(name, clientKey, openID string, content any) (Webhook, bool) {
	s.mu.Lock()
	app, found := s.app(clientKey)
	s.mu.Unlock()
	body, err := json.Marshal(object{"event": name, "client_key": clientKey, "from_user_id": openID, "to_user_id": "", "content": content, "log_id": s.logID()})
	if err != nil {
		panic(err) // strings only
	}
	sum := sha1.Sum(append([]byte(app.ClientSecret), body...)) //nolint:gosec // as above
	h := http.Header{"Content-Type": {"application/json"}, "X-Douyin-Signature": {hex.EncodeToString(sum[:])}, "Msg-Id": {s.publicID()}}
	return Webhook{h, body}, found
}

// Deliver posts the event as the platform does: at most three times, five seconds each, until it is answered with 200. It
// tells the last status.
func (w Webhook) Deliver(ctx context.Context, client *http.Client, at string) (status int, err error) {
	if u, err := url.Parse(at); err != nil || !isLoopback(u.Hostname()) {
		return 0, errors.New("fake douyin: webhooks go to this machine only")
	}
	for range 3 {
		if status, err = w.once(ctx, client, at); err == nil && status == http.StatusOK {
			return status, nil
		}
	}
	return status, err
}

func (w Webhook) once(ctx context.Context, client *http.Client, at string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(string(w.Body)))
	if err != nil {
		return 0, err
	}
	r.Header = w.Header.Clone()
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}
