package tos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
)

// clock is a clock that only tests move. Safe for concurrent use.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const oid = "tos-cn-v-0000/0123456789abcdef0123456789abcdef"

// rig is the fake behind a real listener, and a client of it that knows only the reference.
type rig struct {
	*testing.T
	s     *Server
	web   *httptest.Server
	http  *http.Client
	clock *clock
	sign  string
}

// Small limits keep the tests small: chunks of 4 to 10 bytes.
func newRig(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	c := &clock{t: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)}
	o := Options{Now: c.Now, Limits: Limits{PartMin: 4, PartMax: 10, Parts: 50, Whole: 200}}
	for _, f := range change {
		f(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(func() { tr.CloseIdleConnections(); web.Close(); s.Close() })
	return &rig{T: t, s: s, web: web, clock: c, http: &http.Client{Transport: tr}, sign: s.Sign(oid, c.Now().Add(24*time.Hour))}
}

type reply struct {
	status int
	raw    string
	err    error
	body   struct {
		Success *int `json:"success"`
		Error   struct {
			Code    int    `json:"code"`
			Error   string `json:"error"`
			Message string `json:"message"`
		} `json:"error"`
		Payload struct {
			Hash     string `json:"hash"`
			Key      string `json:"key"`
			UploadID string `json:"uploadID"`
		} `json:"payload"`
	}
}

func (r *rig) do(method, query string, body []byte, edit ...func(*http.Request)) reply {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.web.URL+"/"+oid+query, bytes.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Authorization", r.sign)
	for _, f := range edit {
		f(req)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	out := reply{status: res.StatusCode, raw: string(b), err: err}
	_ = json.Unmarshal(b, &out.body) // pages are looked at raw
	return out
}

func head(pairs ...string) func(*http.Request) {
	return func(r *http.Request) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i+1] == "" {
				r.Header.Del(pairs[i])
			} else {
				r.Header.Set(pairs[i], pairs[i+1])
			}
		}
	}
}

func crc(b string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(b))) }

// whole is step 3 as the seed has it.
func (r *rig) whole(content string, edit ...func(*http.Request)) reply {
	r.Helper()
	return r.do("POST", "", []byte(content), append([]func(*http.Request){head("Content-Type", "application/octet-stream")}, edit...)...)
}

func (r *rig) open() string {
	r.Helper()
	return r.do("POST", "?uploads", nil).want(r, "").body.Payload.UploadID
}

func (r *rig) chunk(id string, n int, content string, edit ...func(*http.Request)) reply {
	r.Helper()
	return r.do("PUT", fmt.Sprintf("?partNumber=%d&uploadID=%s", n, id), []byte(content),
		append([]func(*http.Request){head("Content-CRC32", crc(content))}, edit...)...)
}

func (r *rig) finish(id, list string) reply {
	r.Helper()
	return r.do("POST", "?uploadID="+id, []byte(list))
}

// want checks the name of the refusal; "" is success.
func (a reply) want(t testing.TB, refusal string) reply {
	t.Helper()
	if a.err != nil {
		t.Fatalf("connection: %v", a.err)
	}
	if a.status != 200 || a.body.Success == nil || (*a.body.Success == 0) != (refusal == "") || a.body.Error.Error != refusal {
		t.Fatalf("got HTTP %d %s, want refusal %q", a.status, a.raw, refusal)
	}
	return a
}

// stored checks what the storage holds; "" is nothing.
func (r *rig) stored(want string) {
	r.Helper()
	b, ok := r.s.Stat(oid)
	if !ok || want == "" {
		if ok || want != "" {
			r.Fatalf("stored %v, %+v, want %q", ok, b, want)
		}
		return
	}
	f, err := r.s.Open(oid)
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	if got, _ := io.ReadAll(f); string(got) != want || b.Size != int64(len(want)) {
		r.Fatalf("stored %q, %+v, want %q", got, b, want)
	}
}

func (r *rig) inject(f fake.Fault) {
	r.Helper()
	if err := r.s.Inject(f); err != nil {
		r.Fatal(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
