package douyin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/markup"
	"github.com/vodlift/vodlift/shared/upload"
)

// Fields is the manifest's object "douyin": what create takes beside the text (reference A.7), by the platform's own
// names. Absent means not set.
type Fields struct {
	AtUsers             []string `json:"at_users,omitempty"`               // open_ids of the @nicknames in the text
	CoverTsp            *float64 `json:"cover_tsp,omitempty"`              // seconds: the frame that becomes the cover
	CustomCoverImageURL string   `json:"custom_cover_image_url,omitempty"` // despite its name an image_id

	MicroAppID    string `json:"micro_app_id,omitempty"`
	MicroAppTitle string `json:"micro_app_title,omitempty"`
	MicroAppURL   string `json:"micro_app_url,omitempty"`

	POIID       string `json:"poi_id,omitempty"`
	POIName     string `json:"poi_name,omitempty"`
	POICommerce *bool  `json:"poi_commerce,omitempty"` // v1

	GameID      string `json:"game_id,omitempty"`      // v1
	GameContent string `json:"game_content,omitempty"` // v1

	PrivateStatus *int `json:"private_status,omitempty"` // v1: 0 public, 1 self only, 2 friends
	DownloadType  *int `json:"download_type,omitempty"`  // v1; values unconfirmed

	TimelinessLabel   *int   `json:"timeliness_label,omitempty"`   // v1
	TimelinessKeyword string `json:"timeliness_keyword,omitempty"` // v1

	EntID                  string `json:"ent_id,omitempty"`                    // v1
	TaskID                 string `json:"task_id,omitempty"`                   // v1
	AgentClientKey         string `json:"agent_client_key,omitempty"`          // v1
	VRTranscodeExtraParams string `json:"vr_transcode_extra_params,omitempty"` // v1
}

const (
	maxFields = 16 << 10
	word      = "douyin" // of the target, in mentions
)

// ParseFields decodes strictly: a misspelt name is an error, not a wish that is dropped. Empty and null are no fields.
func ParseFields(raw json.RawMessage) (Fields, error) {
	var f Fields
	if t := bytes.TrimSpace(raw); len(t) == 0 || string(t) == "null" {
		return f, nil
	}
	bad := func(rule string, err error) error {
		return fault.InvalidField("douyin.Fields", "douyin", rule, printable(err.Error(), nil))
	}
	if len(raw) > maxFields {
		return f, bad(fmt.Sprintf("<= %d bytes", maxFields), fmt.Errorf("it has %d bytes", len(raw)))
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Fields{}, bad("an object with known fields", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Fields{}, bad("one object", errors.New("something follows it"))
	}
	return f, nil
}

// check tells what the platform would refuse.
func (f Fields) check(g Generation, v upload.Video) error {
	bad := func(field, rule, msg string) error {
		return fault.InvalidField("douyin.Validate", "douyin."+field, rule, msg)
	}
	var anchors []string
	for _, a := range []struct {
		name string
		set  bool
	}{
		{"micro_app", f.MicroAppID != "" || f.MicroAppTitle != "" || f.MicroAppURL != ""},
		{"poi", f.POIID != "" || f.POIName != "" || f.POICommerce != nil},
		{"game", f.GameID != "" || f.GameContent != ""},
	} {
		if a.set {
			anchors = append(anchors, a.name)
		}
	}
	switch {
	case len(anchors) > 1:
		return bad(anchors[1], "one kind of anchor: micro_app, poi or game", "also set: "+anchors[0])
	case f.MicroAppID == "" && (f.MicroAppTitle != "" || f.MicroAppURL != ""):
		return bad("micro_app_id", "set with the other micro_app fields", "it is missing")
	case f.POIID == "" && (f.POIName != "" || f.POICommerce != nil):
		return bad("poi_id", "set with the other poi fields", "it is missing")
	case f.GameID == "" && f.GameContent != "":
		return bad("game_id", "set with game_content", "it is missing")
	case f.CoverTsp != nil && (*f.CoverTsp < 0 || v.Duration > 0 && *f.CoverTsp > v.Duration.Seconds()):
		return bad("cover_tsp", "seconds inside the video", fmt.Sprintf("%g s", *f.CoverTsp))
	case v.Cover != nil && f.CoverTsp != nil:
		return bad("cover_tsp", "not beside cover", "both choose the cover")
	case v.Cover != nil && f.CustomCoverImageURL != "":
		return bad("custom_cover_image_url", "not beside cover", "both choose the cover")
	case f.PrivateStatus != nil && (*f.PrivateStatus < 0 || *f.PrivateStatus > 2):
		return bad("private_status", "0 public, 1 self only, 2 friends", fmt.Sprint(*f.PrivateStatus))
	case f.PrivateStatus != nil && v.Private && *f.PrivateStatus != 1:
		return bad("private_status", "1 with private", "the manifest says private, this field says otherwise")
	}
	if g == Legacy {
		return f.checkLegacy(v)
	}
	return nil
}

// checkLegacy refuses what only v1 knows; sent to the legacy call it would be ignored, and a private video be public.
func (f Fields) checkLegacy(v upload.Video) error {
	if v.Private {
		return fault.InvalidField("douyin.Validate", "private", "only with generation v1",
			"the legacy generation cannot publish privately; set the target's generation to v1 or publish publicly")
	}
	for _, x := range []struct {
		name string
		set  bool
	}{
		{"poi_commerce", f.POICommerce != nil}, {"game_id", f.GameID != ""}, {"private_status", f.PrivateStatus != nil},
		{"download_type", f.DownloadType != nil}, {"timeliness_label", f.TimelinessLabel != nil}, {"timeliness_keyword", f.TimelinessKeyword != ""},
		{"ent_id", f.EntID != ""}, {"task_id", f.TaskID != ""}, {"agent_client_key", f.AgentClientKey != ""},
		{"vr_transcode_extra_params", f.VRTranscodeExtraParams != ""},
	} {
		if x.set {
			return fault.InvalidField("douyin.Validate", "douyin."+x.name, "only with generation v1", "the legacy generation does not know this field")
		}
	}
	return nil
}

// Text is the text of the post: title, description, then the tags as topics, with a space between. A tag that already
// stands in the text as a topic is not repeated. It depends on v alone, so Inspect can compute it again. What Validate
// refuses has none.
func Text(v upload.Video) string {
	text, _, err := render(v)
	if err != nil {
		return ""
	}
	return text
}

// render is the text, and the open_ids of those that it mentions as @nickname{open_id} (shared/markup), in order.
func render(v upload.Video) (text string, mentioned []string, err error) {
	spans, err := markup.Compose("douyin.Validate", v.Title, v.Description, v.Tags)
	if err != nil {
		return "", nil, err
	}
	text, mentioned = markup.Open(spans, word)
	return text, mentioned, nil
}

// Validate makes the checks of Init without a request.
func (t *Target) Validate(v upload.Video) error {
	const op = "douyin.Validate"
	if t.bad != nil {
		return fault.Wrap(op, t.bad)
	}
	bad := func(field, rule, msg string) error { return fault.InvalidField(op, field, rule, msg) }
	switch {
	case v.Size <= 0:
		return bad("source.size", "> 0", "the file is empty")
	case v.Size > t.limits.MaxSize:
		return bad("source.size", fmt.Sprintf("<= %d bytes", t.limits.MaxSize), fmt.Sprintf("the file has %d bytes", v.Size))
	case v.Duration > maxDuration:
		return bad("source.duration", "<= 15 min", fmt.Sprintf("the video lasts %s", v.Duration))
	case v.ContentType != "" && v.ContentType != "application/octet-stream" && v.ContentType != "binary/octet-stream" && !strings.HasPrefix(v.ContentType, "video/"):
		return bad("source.content_type", "video/*", fmt.Sprintf("it is %.64q", v.ContentType))
	case strings.TrimSpace(v.Title) == "":
		return bad("title", "not empty", "the post would have no text, and could not be found again")
	}
	for _, x := range [...]struct{ name, text string }{{"title", v.Title}, {"description", v.Description}} {
		if err := checkChars(op, x.name, x.text, "\n\r\t"); err != nil {
			return err
		}
	}
	text, mentioned, err := render(v)
	if err != nil {
		return err
	}
	if n := utf8.RuneCountInString(text); n > maxText {
		return bad("title", fmt.Sprintf("title, description and tags <= %d characters", maxText), fmt.Sprintf("together they have %d", n))
	}
	if err := t.CoverForms().Check(op, "Douyin", v); err != nil {
		return err
	}
	f, err := ParseFields(v.Fields)
	if err != nil {
		return err
	}
	if len(mentioned) > 0 && len(f.AtUsers) > 0 {
		return bad("douyin.at_users", "not beside @nickname{open_id} in the text", "both say who is mentioned")
	}
	return f.check(t.cfg.Generation, v)
}

func checkChars(op, field, s, allowed string) error {
	if !utf8.ValidString(s) {
		return fault.InvalidField(op, field, "UTF-8", "it is not valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			return fault.InvalidField(op, field, "no control characters", fmt.Sprintf("it holds %U", r))
		}
	}
	return nil
}
