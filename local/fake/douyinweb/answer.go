package douyinweb

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/tos/drift"
)

// problem is a refusal by name. The reference knows success (status_code 0, code 2000), the human check (status_code 110)
// and the sibling's "too many requests" (30411); the other numbers and all words are ours.
type problem string

const (
	badParam  problem = "param"
	notIn     problem = "login"
	deadAuth  problem = "expired"
	captcha   problem = "captcha"
	busy      problem = "busy"
	rate      problem = "rate"
	barred    problem = "barred"
	sensitive problem = "sensitive"
	badVideo  problem = "video"
	badToken  problem = "csrf"
	noAction  problem = "no_action"
)

// row is a problem on the creator site (status_code, always HTTP 200) and at the gateway (code, and HTTP status with the
// reading "http").
type row struct {
	creator, gateway, status int
	text                     string
}

func rows() map[problem]row {
	return map[problem]row{
		badParam:  {5, 4000, 400, "parameter is invalid"},
		notIn:     {8, 4010, 401, "user is not logged in"},
		deadAuth:  {8, 4011, 401, "credential expired"},
		captcha:   {110, 4030, 403, "please verify that you are human"},
		busy:      {4, 5000, 503, "system busy"},
		rate:      {7, 30411, 429, "too many requests"},
		barred:    {9, 4031, 403, "the account may not post"},
		sensitive: {2111, 4032, 403, "the text holds a sensitive word"},
		badVideo:  {2190, 4041, 404, "video is invalid"},
		badToken:  {6, 4033, 403, "csrf token is invalid"},
		noAction:  {5, 4040, 404, "no such action"},
	}
}

// Words that Fault.Name takes beside the problems: answers that are no envelope.
const (
	namePage      = "login_page"
	nameRedirect  = "redirect"
	nameVerify    = "verify"
	nameForbidden = "forbidden"
	nameEmpty     = "empty"
)

// ProblemNames lists the words that Fault.Name takes.
func ProblemNames() []string {
	out := []string{namePage, nameRedirect, nameVerify, nameForbidden, nameEmpty}
	for p := range rows() {
		out = append(out, string(p))
	}
	slices.Sort(out)
	return out
}

type object map[string]any

// result is the outcome of a call before it is written down.
type result struct {
	refused problem
	text    string
	data    object
	header  http.Header
	raw     *fake.Answer
}

func ok(data object) result { return result{data: data} }

func fail(p problem, text string) result { return result{refused: p, text: text} }

func page(status int) result {
	a := fake.HTML(status)
	return result{raw: &a}
}

func (r result) failed() bool { return r.refused != "" || r.raw != nil }

// loginPage is what a browser would get, in place of JSON.
func loginPage() result {
	return result{raw: &fake.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		Body: []byte("<html><head><title>login</title></head><body><form action=\"/login\"></form></body></html>\n")}}
}

func redirect() result {
	return result{raw: &fake.Answer{Status: http.StatusFound, Header: http.Header{"Location": {"/login"}}}}
}

func empty() result {
	return result{raw: &fake.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}}
}

// verify asks for a human check by the header alone (ref. C): the body looks like a success that forgot its fields.
func verify() result {
	return result{data: object{}, header: http.Header{"X-Tt-Verify-Passport-Decision": {"verify"}}}
}

// named is an answer by a word of ProblemNames.
func named(name string) result {
	switch name {
	case namePage:
		return loginPage()
	case nameRedirect:
		return redirect()
	case nameVerify:
		return verify()
	case nameForbidden:
		return page(http.StatusForbidden)
	case nameEmpty:
		return empty()
	}
	return fail(problem(name), "")
}

// write puts a result into the envelope of its site: {"status_code":0,…} or {"code":2000,"message":"ok","data":{…}}.
func (s *Server) write(gateway bool, r result, shape drift.Shape) fake.Answer {
	if r.raw != nil {
		return *r.raw
	}
	at := rows()[r.refused]
	setDefault(&r.text, at.text)
	if !gateway {
		return envelope(http.StatusOK, at.creator, r, creatorBody(at.creator, r), shape)
	}
	status := http.StatusOK
	if r.refused != "" && s.o.Readings.GatewayStatus == "http" {
		status = at.status
	}
	return envelope(status, at.gateway, r, gatewayBody(at.gateway, r), shape)
}

func creatorBody(code int, r result) object {
	v := object{"status_code": code}
	if code != 0 {
		v["status_msg"] = r.text
		return v
	}
	maps.Copy(v, r.data)
	return v
}

func gatewayBody(code int, r result) object {
	if code != 0 {
		return object{"code": code, "message": r.text}
	}
	return object{"code": 2000, "message": "ok", "data": r.data}
}

func envelope(status, code int, r result, v object, shape drift.Shape) fake.Answer {
	b, err := shape.Apply(v)
	if err != nil {
		panic(err) // only strings, numbers, bools and lists of them
	}
	h := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	maps.Copy(h, r.header)
	return fake.Answer{Status: status, Header: h, Body: b, Code: code}
}

// refuse is the panel's hook: an injected code or word, in the envelope of the call it strikes.
func (s *Server) refuse(r *http.Request, _ string, f fake.Fault) fake.Answer {
	gateway, shape := isGateway(r.URL.Path), s.shape(f.Shape)
	if f.Name != "" {
		res := named(f.Name)
		if f.Description != "" {
			res.text = f.Description
		}
		return s.write(gateway, res, shape)
	}
	if f.Code == 0 { // a sub code, which this platform does not have
		return fake.HTML(http.StatusInternalServerError)
	}
	res := result{text: f.Description}
	if gateway {
		return envelope(http.StatusOK, f.Code, res, gatewayBody(f.Code, res), shape)
	}
	return envelope(http.StatusOK, f.Code, res, creatorBody(f.Code, res), shape)
}

// shape is a fault's, or that of the options.
func (s *Server) shape(raw json.RawMessage) drift.Shape {
	if len(raw) == 0 {
		return s.o.Shape
	}
	shape, _ := drift.Parse(raw, Fields()) // checked when it was armed
	return shape
}

// Fields lists the dotted names of the fields in the answers of all operations, for drift.
func Fields() []string {
	var out []string
	for _, fields := range OpFields() {
		out = append(out, fields...)
	}
	out = append(out, "status_msg")
	slices.Sort(out)
	return slices.Compact(out)
}

// OpFields lists the dotted names of the fields in a successful answer, by operation; elements of lists are "*".
func OpFields() map[string][]string {
	node := []string{"vid", "oid", "tos_host", "tos_up_hosts", "tos_headers", "tos_sign", "token", "extra_param", "bucket",
		"access_key", "dns_info", "upload_mode"}
	params := []string{"code", "message", "data", "data.edge_nodes", "data.delay_upload", "data.trace_id", "data.upload_id"}
	for _, f := range node {
		params = append(params, "data."+f, "data.edge_nodes.*."+f)
	}
	return map[string][]string{
		"upload_auth":  {"status_code", "ak", "auth"},
		"create":       {"status_code", "item_id", "aweme", "aweme.aweme_id"},
		"user_info":    {"status_code", "user", "user.uid", "user.nickname"},
		"item_list":    {"status_code", "item_info_list", "item_info_list.*.item_id", "item_info_list.*.title", "item_info_list.*.create_time", "item_info_list.*.visibility_type", "cursor", "has_more"},
		"work_list":    {"status_code", "aweme_list", "aweme_list.*.aweme_id", "aweme_list.*.desc", "aweme_list.*.create_time", "aweme_list.*.visibility_type", "max_cursor", "has_more"},
		"video_params": params,
		"video_confirm": {"code", "message", "data", "data.video", "data.video.oid", "data.video.width", "data.video.height",
			"data.video.duration", "data.poster", "data.poster.oid", "data.poster.width", "data.poster.height"},
	}
}
