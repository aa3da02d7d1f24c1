package douyin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// createBody is the body of create.
type createBody struct {
	VideoID string `json:"video_id"`
	Text    string `json:"text"`
	Fields
}

func (t *Target) createBody(v upload.Video, s upload.Session, a upload.Asset) ([]byte, error) {
	f, err := ParseFields(v.Fields)
	if err != nil {
		return nil, err
	}
	text, mentioned, err := render(v)
	if err != nil {
		return nil, err
	}
	if len(mentioned) > 0 {
		f.AtUsers = mentioned
	}
	if v.Cover != nil && v.Cover.At != nil {
		f.CoverTsp = v.Cover.At
	}
	if v.Cover != nil && v.Cover.Picture != nil {
		p, err := t.session("douyin.Publish", s)
		if err != nil {
			return nil, err
		}
		f.CustomCoverImageURL = p.CoverID
	}
	if v.Private {
		one := 1
		f.PrivateStatus = &one
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(createBody{VideoID: a.ID, Text: text, Fields: f}); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// Publish is create: one request, over a connection of its own. An error has EffectNone only for a code whose row says
// so, or when no byte was written; everything else leaves the outcome open. One video_id serves one create.
func (t *Target) Publish(ctx context.Context, v upload.Video, s upload.Session, a upload.Asset) (upload.Post, error) {
	const op = "douyin.Publish"
	if err := begin(ctx, op, t.bad); err != nil {
		return upload.Post{}, err
	}
	if a.ID == "" {
		return upload.Post{}, fault.InvalidField(op, "asset", "a video_id", "it is empty")
	}
	if err := t.Validate(v); err != nil {
		return upload.Post{}, err
	}
	if target.CoverDue(v, s) {
		return upload.Post{}, target.CoverDueFault(op)
	}
	body, err := t.createBody(v, s, a)
	if fault.As(err) != nil {
		return upload.Post{}, fault.Wrap(op, err)
	}
	if err != nil {
		return upload.Post{}, fault.InvalidField(op, "douyin", "JSON", printable(err.Error(), nil))
	}
	q := request{step: StepCreate, op: op, method: http.MethodPost, path: t.paths.create, fresh: true}
	ans, err := t.call(ctx, q.withBytes("application/json", body))
	if err != nil {
		return upload.Post{}, err
	}
	var d struct {
		ItemID string `json:"item_id"`
	}
	if ans.data(&d); d.ItemID == "" {
		return upload.Post{}, ans.unreadable("the answer holds no item_id")
	}
	return upload.Post{ID: d.ItemID, At: t.caller.now()}, nil
}

// item is a work in list and data. The two status fields stopped being returned on 2024-12-13 and are never required.
type item struct {
	ItemID      string  `json:"item_id"`
	Title       string  `json:"title"`
	CreateTime  number  `json:"create_time"`
	ShareURL    string  `json:"share_url"`
	IsTop       bool    `json:"is_top"`
	MediaType   number  `json:"media_type"` // 2 images, 4 video
	VideoStatus *number `json:"video_status"`
	IsReviewed  *bool   `json:"is_reviewed"`
}

// Inspect looks through the owner's list for works with the very text that Publish sent, made between shortly before
// the intent and the last moment at which it can have arrived. A list without it denies nothing (reference A.8).
func (t *Target) Inspect(ctx context.Context, at target.Attempt) (target.Finding, error) {
	const op = "douyin.Inspect"
	if err := begin(ctx, op, t.bad); err != nil {
		return target.Finding{}, err
	}
	text, _, err := render(at.Video)
	if err != nil {
		return target.Finding{}, fault.Wrap(op, err)
	}
	m := matcher{text: fold(text), from: at.At.Add(-clockSkew)}
	if !at.SendBy.IsZero() {
		m.to = at.SendBy.Add(lateAfterSend)
	}
	var cursor int64
	for range listPages {
		a, err := t.call(ctx, request{step: StepList, op: op, method: http.MethodGet, path: t.paths.list,
			query: url.Values{"cursor": {strconv.FormatInt(cursor, 10)}, "count": {strconv.Itoa(listPage)}}})
		if err != nil {
			return target.Finding{}, err
		}
		var page struct {
			List    []json.RawMessage `json:"list"`
			Cursor  number            `json:"cursor"`
			HasMore bool              `json:"has_more"`
		}
		if err := json.Unmarshal(a.env.body, &page); err != nil {
			return target.Finding{}, a.unreadable("the list could not be read")
		}
		older, err := m.look(page.List)
		if err != nil {
			return target.Finding{}, a.unreadable("a work in the list could not be read")
		}
		if !page.HasMore || older || int64(page.Cursor) == cursor {
			break
		}
		cursor = int64(page.Cursor)
	}
	slices.SortStableFunc(m.posts, func(a, b upload.Post) int { return a.At.Compare(b.At) })
	return target.Finding{Posts: m.posts}, nil
}

// matcher gathers the works that match an attempt.
type matcher struct {
	text     string
	from, to time.Time
	posts    []upload.Post
}

// look takes one page; older means that no later page can match: the list is newest first, pinned works aside.
func (m *matcher) look(page []json.RawMessage) (older bool, err error) {
	for _, raw := range page {
		var it item
		if err := json.Unmarshal(raw, &it); err != nil {
			return false, err
		}
		made := time.Unix(int64(it.CreateTime), 0)
		if made.Before(m.from) {
			older = older || !it.IsTop && it.CreateTime > 0
			continue
		}
		known := slices.ContainsFunc(m.posts, func(p upload.Post) bool { return p.ID == it.ItemID })
		if it.ItemID == "" || known || it.MediaType != 0 && it.MediaType != 4 || !m.to.IsZero() && made.After(m.to) || fold(it.Title) != m.text {
			continue
		}
		m.posts = append(m.posts, upload.Post{ID: it.ItemID, URL: it.ShareURL, At: made})
	}
	return older, nil
}

// fold makes runs of white space one space: the platform may tidy it.
func fold(s string) string { return strings.Join(strings.Fields(s), " ") }

// Check asks for the work by its item_id. In the owner's list without a status it is live; not there, it may still
// come. It never blocks a work for being absent.
func (t *Target) Check(ctx context.Context, _ upload.Video, p upload.Post) (target.Verdict, error) {
	const op = "douyin.Check"
	if err := begin(ctx, op, t.bad); err != nil {
		return target.Verdict{}, err
	}
	if p.ID == "" {
		return target.Verdict{}, fault.InvalidField(op, "post", "an item_id", "it is empty")
	}
	body, err := json.Marshal(map[string][]string{"item_ids": {p.ID}})
	if err != nil {
		return target.Verdict{}, fault.Wrap(op, err)
	}
	q := request{step: StepData, op: op, method: http.MethodPost, path: t.paths.data}
	a, err := t.call(ctx, q.withBytes("application/json", body))
	if err != nil {
		return target.Verdict{}, err
	}
	var d struct {
		List []json.RawMessage `json:"list"`
	}
	if err := json.Unmarshal(a.env.body, &d); err != nil {
		return target.Verdict{}, a.unreadable("the list could not be read")
	}
	for _, raw := range d.List {
		var it item
		if err := json.Unmarshal(raw, &it); err != nil {
			return target.Verdict{}, a.unreadable("the work could not be read")
		}
		if it.ItemID == p.ID {
			return it.verdict(), nil
		}
	}
	return target.Verdict{State: target.Later, Reason: "the platform does not list it yet"}, nil
}

// verdict is reference A.8: 2 unfit, 4 in review, 5 public, 6 friends, 7 private.
func (it item) verdict() target.Verdict {
	v := target.Verdict{State: target.Live, URL: it.ShareURL}
	if it.VideoStatus == nil {
		if it.IsReviewed != nil && !*it.IsReviewed {
			v.State, v.Reason = target.Later, "in review"
		}
		return v
	}
	switch *it.VideoStatus {
	case 5, 6, 7:
	case 2:
		v.State, v.Reason = target.Blocked, "the platform's review found it unfit to show (video_status 2)"
	case 4:
		v.State, v.Reason = target.Later, "in review"
	default:
		v.State, v.Reason = target.Later, fmt.Sprintf("video_status %d", *it.VideoStatus)
	}
	return v
}
