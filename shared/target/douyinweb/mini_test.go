package douyinweb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/target/targettest"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
)

// mini is the least platform that keeps the contract, behind real sockets: what this package needs to be tried alone. The
// faithful one is local/fake/douyinweb.
type mini struct {
	site, gateway, store *httptest.Server
	discard              bool
	refuse               atomic.Bool

	mu      sync.Mutex
	n       int
	chunks  map[string]map[string][]byte // by upload id
	objects map[string][]byte            // by oid
	posts   map[string]bool              // by vid
	vids    map[string]string            // vid -> oid
	fail    map[Step]targettest.Misbehaviour
	log     strings.Builder
}

func newMini(t testing.TB, discard bool) *mini {
	m := &mini{discard: discard, chunks: map[string]map[string][]byte{}, objects: map[string][]byte{}, posts: map[string]bool{}, vids: map[string]string{}, fail: map[Step]targettest.Misbehaviour{}}
	for _, s := range []**httptest.Server{&m.site, &m.gateway, &m.store} {
		*s = httptest.NewServer(m)
		t.Cleanup((*s).Close)
	}
	return m
}

func (m *mini) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.Write(p)
}

func (m *mini) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body []byte
	if !m.discard {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		body = b
	} else if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	s := stepOf(r)
	m.mu.Lock()
	how := m.fail[s]
	delete(m.fail, s)
	m.mu.Unlock()
	switch how {
	case targettest.Unauthorized, targettest.Revoked:
		http.Error(w, "no", http.StatusForbidden)
	case targettest.Throttled:
		w.Header().Set("Retry-After", "7")
		http.Error(w, "slow", http.StatusTooManyRequests)
	case targettest.Broken:
		http.Error(w, "broken", http.StatusBadGateway)
	case targettest.CutBefore:
		panic(http.ErrAbortHandler)
	case targettest.CodeInside:
		io.WriteString(w, `{"status_code":110,"success":4,"error":{"message":"crc"}}`)
	case targettest.LostAfter:
		m.answer(s, r, body)
		panic(http.ErrAbortHandler)
	case targettest.BadJSON:
		b := m.answer(s, r, body)
		io.WriteString(w, b[:len(b)-1])
	case targettest.HTML:
		m.answer(s, r, body)
		io.WriteString(w, "<html><h1>Welcome</h1></html>")
	default:
		io.WriteString(w, m.answer(s, r, body))
	}
}

// answer makes the effect of a step, and gives its answer.
func (m *mini) answer(s Step, r *http.Request, body []byte) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	oid, id := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query().Get("uploadID")
	if s == StepPart || s == StepUpload {
		if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE(body)); !m.discard && r.Header.Get("Content-Crc32") != want {
			return `{"success":4,"error":{"message":"crc32"}}`
		}
	}
	switch s {
	case StepSlot:
		m.n++
		vid, oid := fmt.Sprintf("vid%d", m.n), fmt.Sprintf("tos-cn-v-0000/o%d", m.n)
		m.vids[vid] = oid
		b, _ := json.Marshal(map[string]any{"code": 2000, "message": "ok", "data": map[string]any{"vid": vid, "oid": oid, "tos_host": "tos-lf-x.snssdk.com", "tos_sign": testSign, "token": testTok, "extra_param": testExtra}})
		return string(b)
	case StepOpen:
		m.n++
		id := fmt.Sprintf("SECRET-upload-%d", m.n)
		m.chunks[id] = map[string][]byte{}
		return `{"success":0,"payload":{"uploadID":"` + id + `"}}`
	case StepUpload:
		m.objects[oid] = body
	case StepPart:
		if m.chunks[id] == nil {
			return `{"success":4}`
		}
		if !m.discard {
			m.chunks[id][r.URL.Query().Get("partNumber")] = body
		}
	case StepClose:
		var all []byte
		for _, x := range strings.Split(string(body), ",") {
			n, crc, _ := strings.Cut(x, ":")
			c, ok := m.chunks[id][n]
			if !ok || fmt.Sprintf("%08x", crc32.ChecksumIEEE(c)) != crc {
				return `{"success":4,"error":{"message":"parts"}}`
			}
			all = append(all, c...)
		}
		m.objects[oid] = all
		delete(m.chunks, id)
	case StepConfirm:
		var q struct{ OID string }
		if json.Unmarshal(body, &q) != nil || m.objects[q.OID] == nil {
			return `{"code":2001,"message":"no such object"}`
		}
	case StepCreate:
		form, _ := url.ParseQuery(string(body))
		if vid := form.Get("video_id"); m.vids[vid] == "" || m.posts[vid] {
			return `{"status_code":7,"status_msg":"no such video"}`
		}
		m.posts[form.Get("video_id")] = true
	}
	return good()[s]
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (m *mini) config() Config {
	return Config{CreatorURL: m.site.URL, VideoURL: m.gateway.URL, StorageURL: m.store.URL, OneRequest: 1000, MinPart: 2000, WantPart: 3000, MaxPart: 1 << 23, MaxSize: 1 << 26}
}

// client is the program's own, with the rules about cookies asserted on each request.
func (m *mini) client(t testing.TB) *http.Client {
	c := transport.New(transport.Options{AllowLoopback: true, Log: slog.New(slog.NewJSONHandler(m, nil))})
	inner, own := c.Transport, strings.TrimPrefix(m.site.URL, "http://")
	c.Transport = tripper(func(r *http.Request) (*http.Response, error) {
		checkCookies(t, r, []string{own})
		if m.refuse.CompareAndSwap(true, false) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			l.Close()
			u := *r.URL
			r = r.Clone(r.Context())
			u.Host = l.Addr().String()
			r.URL, r.Host = &u, u.Host
		}
		return inner.RoundTrip(r)
	})
	return c
}

func (m *mini) target(t testing.TB) target.Target {
	tok := testToken(t)
	tok.Expires = time.Time{}
	return New(m.config(), m.client(t), func(context.Context) (token.Token, error) { return tok, nil }, &Options{Now: clock})
}

func TestTheAdapterKeepsTheContractOfTheLeastPlatform(t *testing.T) {
	login, lost := []fault.Kind{fault.CredentialsExpired}, []fault.Kind{fault.Permanent}
	targettest.Run(t, func(t testing.TB) targettest.Harness {
		m := newMini(t, false)
		return targettest.Harness{
			New: m.target,
			Video: func(size int64) upload.Video {
				return upload.Video{Upload: "u", Account: "douyinweb/main", Size: size, FileName: "v.mp4", ContentType: "video/mp4", Title: "A #title"}
			},
			Limits: Limits(m.config()),
			Stored: func(t testing.TB, a upload.Asset) []byte {
				m.mu.Lock()
				defer m.mu.Unlock()
				return m.objects[m.vids[a.ID]]
			},
			Posts: func(testing.TB) int {
				m.mu.Lock()
				defer m.mu.Unlock()
				return len(m.posts)
			},
			Fail: func(t testing.TB, f targettest.Failure) {
				s := map[string]Step{"UploadPart": StepPart, "Publish": StepCreate}[f.Op]
				if f.How == targettest.LostBefore {
					m.refuse.Store(true)
					return
				}
				m.mu.Lock()
				defer m.mu.Unlock()
				m.fail[s] = f.How
			},
			Secrets: testSecrets(),
			Logs: func() string {
				m.mu.Lock()
				defer m.mu.Unlock()
				return m.log.String()
			},
			Discarding: func(t testing.TB) target.Target { return newMini(t, true).target(t) },
			// The storage knows neither tokens nor grants, only a signature that cannot be renewed: a new slot, then. Cookies are
			// never renewed, and the one documented refusal of create asks for a person. A refused chunk is sent again.
			OtherKinds: map[targettest.Failure][]fault.Kind{
				{Op: "UploadPart", How: targettest.Unauthorized}: lost, {Op: "UploadPart", How: targettest.Revoked}: lost,
				{Op: "UploadPart", How: targettest.CodeInside}: {fault.Retryable},
				{Op: "Publish", How: targettest.Unauthorized}:  login, {Op: "Publish", How: targettest.CodeInside}: login,
			},
		}
	})
}

func TestARefusedStorageSignatureIsALostSession(t *testing.T) {
	for _, status := range []int{401, 403, 404, 410} {
		w := says(t, map[Step]*http.Response{StepPart: respond(status, "x")})
		_, err := testTarget(t, smallConfig(), w).UploadPart(t.Context(), testSession(t, 3, 30), testPart(testPlan(30, 3), 1, "0123456789"))
		if !errors.Is(err, target.ErrSessionLost) || fault.KindOf(err) == fault.Retryable {
			t.Errorf("HTTP %d: %v", status, err)
		}
	}
	w, s := says(t, nil), testSession(t, 3, 30)
	w.answer = func(r sent) (*http.Response, error) {
		if r.URL.Query().Get("partNumber") == "3" {
			return respond(200, `{"success":0}`), nil
		}
		return respond(200, `{"success":4,"error":{"message":"no"}}`), nil
	}
	tg := testTarget(t, smallConfig(), w)
	for i, step := range []struct {
		part int
		lost bool
	}{{1, false}, {1, false}, {2, false}, {3, false}, {1, false}, {1, false}, {2, false}, {1, true}, {1, false}} {
		_, err := tg.UploadPart(t.Context(), s, testPart(testPlan(30, 3), step.part, "0123456789"))
		if errors.Is(err, target.ErrSessionLost) != step.lost || step.part != 3 && !step.lost && fault.KindOf(err) != fault.Retryable {
			t.Errorf("refusal %d: %v", i+1, err)
		}
	}
	w = says(t, nil)
	s.Expires = testNow
	_, err := testTarget(t, smallConfig(), w).UploadPart(t.Context(), s, testPart(testPlan(30, 3), 1, "0123456789"))
	if !errors.Is(err, target.ErrSessionLost) || len(w.sent) != 0 {
		t.Errorf("past its deadline: %v, %d requests", err, len(w.sent))
	}
}

// The part is read twice; here the second reading, whose bytes are on their way, stands still and is cancelled.
func TestACancelledSendReturns(t *testing.T) {
	m := newMini(t, false)
	tg, v := m.target(t), testVideo()
	v.Fields, v.Size = nil, 6000
	plan := testPlan(6000, 2)
	s, err := tg.Init(t.Context(), v, plan)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	content, opened, closed := strings.Repeat("x", 3000), 0, make(chan struct{})
	p := testPart(plan, 1, content)
	p.Open = func(ctx context.Context) (io.ReadCloser, error) {
		if opened++; opened == 1 {
			return io.NopCloser(strings.NewReader(content)), nil
		}
		return &stuck{Reader: io.MultiReader(strings.NewReader(content[:1500]), reads(func([]byte) (int, error) {
			cancel()
			<-ctx.Done()
			return 0, ctx.Err()
		})), closed: closed}, nil
	}
	_, err = tg.UploadPart(ctx, s, p)
	if fault.KindOf(err) != fault.Unknown || !errors.Is(err, context.Canceled) || opened != 2 {
		t.Errorf("%v after %d openings", err, opened)
	}
	<-closed
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, c := range m.chunks {
		if len(c) != 0 {
			t.Errorf("the cancelled part stands in %s", id)
		}
	}
}

type reads func([]byte) (int, error)

func (f reads) Read(p []byte) (int, error) { return f(p) }

type stuck struct {
	io.Reader
	closed chan struct{}
}

func (s *stuck) Close() error { close(s.closed); return nil }
