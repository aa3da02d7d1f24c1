package douyinweb

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
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

// mac is the platform's own signature over some words.
func (s *Server) mac(h func() hash.Hash, words ...string) []byte {
	m := hmac.New(h, []byte(s.st.Secret))
	for _, w := range words {
		fmt.Fprintf(m, "%d:%s", len(w), w)
	}
	return m.Sum(nil)
}

// auth is the upload credential: "HMAC-SHA1:1.0:<unix expiry>:<ak>:<base64>" (ref. B.1, step 1).
func (s *Server) auth(a *account, end time.Time) string {
	unix := strconv.FormatInt(end.Unix(), 10)
	sig := base64.StdEncoding.EncodeToString(s.mac(sha1.New, "auth", unix, a.AK, strconv.Itoa(a.Epoch)))
	return strings.Join([]string{"HMAC-SHA1", "1.0", unix, a.AK, sig}, ":")
}

// byKey finds an account by its access key. Called with s.mu held.
func (s *Server) byKey(ak string) *account {
	for _, a := range s.st.Accounts {
		if ak != "" && a.AK == ak {
			return a
		}
	}
	return nil
}

// credential checks the headers authorization and x-tt-access (ref. B.1, step 2). Called with s.mu held.
func (s *Server) credential(r *http.Request) (*account, result) {
	sent := r.Header.Values("Authorization")
	a := s.byKey(r.Header.Get("X-Tt-Access"))
	if len(sent) != 1 || a == nil {
		return nil, fail(notIn, "the headers authorization and x-tt-access are required")
	}
	parts := strings.Split(sent[0], ":")
	if len(parts) != 5 || parts[3] != a.AK {
		return nil, fail(notIn, "authorization is malformed, or of another key")
	}
	unix, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || !hmac.Equal([]byte(sent[0]), []byte(s.auth(a, time.Unix(unix, 0)))) {
		return nil, fail(notIn, "signature does not match")
	}
	if s.o.Now().Unix() >= unix {
		return nil, fail(deadAuth, "")
	}
	return a, result{}
}

// videoParams gives a slot: a new vid each time (assumed), with as many sets as asked (ref. B.1, step 2).
func (s *Server) videoParams(r *http.Request, who *account) result {
	q := r.URL.Query()
	sl := &slot{VID: "v02004e2" + s.hex(12), UID: who.UID, Created: s.o.Now()}
	if q.Has("file_size") {
		n, err := strconv.ParseInt(q.Get("file_size"), 10, 64)
		if err != nil || n <= 0 {
			return fail(badParam, "file_size is invalid")
		}
		sl.FileSize = n
	}
	if q.Has("s") && len(q.Get("s")) != 11 {
		return fail(badParam, "s is invalid")
	}
	edge := q.Get("use_edge_node")
	if edge != "" && edge != "0" && edge != "1" {
		return fail(badParam, "use_edge_node is invalid")
	}
	nodes := map[string]int{"one": 1, "two": 2}[s.o.Readings.EdgeNodes]
	if edge != "1" {
		nodes = 0
	}
	data := s.newSet(r, sl, "")
	edges := []object{}
	for i := range nodes {
		edges = append(edges, s.newSet(r, sl, []string{"lf", "hl"}[i]))
	}
	data["edge_nodes"], data["delay_upload"], data["trace_id"], data["upload_id"] = edges, 0, s.uuid(), s.hex(16)
	s.st.Slots[sl.VID] = sl
	return s.saved(ok(data))
}

// bucket is that of the recording.
const (
	bucket       = "tos-cn-v-0000"
	posterBucket = "tos-cn-p-0000"
)

// newSet adds one set to a slot and gives it as the answer shows it. extra_param is a ready query string, vts the time
// of issue; tos_sign ends exactly Limits.SignLife later (ref. B.1).
func (s *Server) newSet(r *http.Request, sl *slot, node string) object {
	host := s.o.StorageHost
	if host == "" {
		host = r.Host
	}
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	oid := bucket + "/" + s.hex(16)
	sign := s.o.Storage.Sign(oid, sl.Created.Add(s.o.Limits.SignLife))
	inner, err := json.Marshal(object{"host": host, "nonce": s.hex(8), "upload_sign": sign})
	if err != nil {
		panic(err) // strings
	}
	first := base64.StdEncoding.EncodeToString(inner)
	st := set{OID: oid, Token: first + ":" + hex.EncodeToString(s.mac(sha256.New, "token", sl.VID, oid, first)),
		Extra: fmt.Sprintf("vidc=lf&vts=%d&host=%s&region=CN&province=31&edge_node=%s&upload_mode=serial&file_size=%d.000000&strategy=idc_filter&user_ip=%s",
			sl.Created.Unix(), url.QueryEscape(host), node, sl.FileSize, url.QueryEscape(ip))}
	sl.Sets = append(sl.Sets, st)
	key, _, _ := strings.Cut(sign, ":")
	return object{"vid": sl.VID, "oid": oid, "tos_host": host, "tos_up_hosts": []string{}, "tos_headers": object{}, "tos_sign": sign,
		"token": st.Token, "extra_param": st.Extra, "bucket": bucket, "access_key": key, "dns_info": nil, "upload_mode": "serial"}
}

// confirmBody is the body of step 4 (ref. B.1). Pointers, since a field that is missing is not one that is zero.
type confirmBody struct {
	VID       *string  `json:"vid"`
	OID       *string  `json:"oid"`
	Token     *string  `json:"token"`
	PosterSS  *float64 `json:"poster_ss"`
	Exact     *bool    `json:"is_exact_poster"`
	Reference *string  `json:"user_reference"`
}

// exact decodes a JSON object by the exact names of its fields, which encoding/json alone would take in any case. Others
// are ignored.
func exact(raw []byte, v any, names ...string) error {
	var all, known map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return err
	}
	known = map[string]json.RawMessage{}
	for _, name := range names {
		if value, sent := all[name]; sent {
			known[name] = value
		}
	}
	b, err := json.Marshal(known)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func (s *Server) readConfirm(r *http.Request) (b confirmBody, res result) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return b, fail(badParam, "Content-Type: want application/json")
	}
	raw, err := io.ReadAll(r.Body)
	if err == nil {
		err = exact(raw, &b, "vid", "oid", "token", "poster_ss", "is_exact_poster", "user_reference")
	}
	if err != nil {
		return b, fail(badParam, "body: want one JSON object")
	}
	switch {
	case b.VID == nil || b.OID == nil || b.Token == nil:
		return b, fail(badParam, "vid, oid and token are required")
	case s.o.Readings.Fields == "seed" && (b.PosterSS == nil || b.Exact == nil || b.Reference == nil):
		return b, fail(badParam, "poster_ss, is_exact_poster and user_reference are required")
	case b.PosterSS != nil && *b.PosterSS < 0:
		return b, fail(badParam, "poster_ss is negative")
	}
	return b, result{}
}

// videoConfirm takes the object over as a video and cuts its poster (ref. B.1, step 4).
func (s *Server) videoConfirm(r *http.Request, who *account) result {
	b, res := s.readConfirm(r)
	if res.failed() {
		return res
	}
	sl := s.st.Slots[*b.VID]
	if sl == nil || sl.UID != who.UID {
		return fail(badVideo, "")
	}
	if res := s.checkSet(r, sl, b); res.failed() {
		return res
	}
	if sl.OID != "" {
		return s.confirmAgain(sl, b)
	}
	blob, arrived := s.o.Storage.Stat(*b.OID)
	switch {
	case !arrived: // ref. C: confirm before bytes arrive
		return fail(badVideo, "the object has not arrived")
	case s.o.Readings.FileSize == "checked" && sl.FileSize > 0 && sl.FileSize != blob.Size:
		return fail(badVideo, "the object is not of the size that was announced")
	}
	f := s.look(*b.OID, blob)
	sl.OID, sl.Confirmed = *b.OID, s.o.Now()
	sl.Size, sl.SHA256, sl.Width, sl.Height, sl.Duration = blob.Size, blob.SHA256, f.Width, f.Height, f.Duration
	s.setPoster(sl, b)
	return s.take(sl)
}

// take records a video, tells the storage, and answers.
func (s *Server) take(sl *slot) result {
	if res := s.saved(result{}); res.failed() {
		return res
	}
	if s.o.Storage.Taken(sl.OID) != nil {
		return page(http.StatusInternalServerError)
	}
	return confirmed(sl)
}

func (s *Server) look(oid string, blob fake.Blob) fake.Facts {
	file, err := s.o.Storage.Open(oid)
	if err != nil {
		return fake.Facts{}
	}
	defer file.Close()
	return fake.Probe(file, blob.Size)
}

// checkSet: oid, token and extra_param are of one set of this slot, and extra_param stands in the query as it was given
// (ref. B.1, steps 2 and 4).
func (s *Server) checkSet(r *http.Request, sl *slot, b confirmBody) result {
	i := slices.IndexFunc(sl.Sets, func(st set) bool { return st.OID == *b.OID })
	if i < 0 || sl.Sets[i].Token != *b.Token {
		return fail(badParam, "oid and token are not of one set")
	}
	if s.o.Readings.ExtraParam == "ignored" {
		return result{}
	}
	want, err := url.ParseQuery(sl.Sets[i].Extra)
	if err != nil {
		panic(err) // our own
	}
	sent := r.URL.Query()
	for k, v := range want {
		if !slices.Equal(sent[k], v) {
			return fail(badParam, "extra_param is missing, or of another set: "+k)
		}
	}
	return result{}
}

// confirmAgain answers a second call about a confirmed video (ref. B.1: assumed harmless). Another second makes another
// poster; another object than the confirmed one is refused.
func (s *Server) confirmAgain(sl *slot, b confirmBody) result {
	if s.o.Readings.SecondConfirm == "refuse" || *b.OID != sl.OID {
		return fail(badVideo, "the video is confirmed")
	}
	if b.PosterSS != nil && *b.PosterSS != sl.PosterSS {
		s.setPoster(sl, b)
	}
	return s.take(sl)
}

func (s *Server) setPoster(sl *slot, b confirmBody) {
	sl.Poster, sl.PosterSS, sl.Exact = posterBucket+"/"+s.hex(16), 0, false
	if b.PosterSS != nil {
		sl.PosterSS = *b.PosterSS
	}
	if b.Exact != nil {
		sl.Exact = *b.Exact
	}
}

func confirmed(sl *slot) result {
	return ok(object{
		"video":  object{"oid": sl.OID, "width": sl.Width, "height": sl.Height, "duration": sl.Duration.Seconds()},
		"poster": object{"oid": sl.Poster, "width": sl.Width, "height": sl.Height},
	})
}
