package wire

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/workflow"
)

var _ interface {
	callbackTaker
	dropTaker
} = (*workflow.Workflow)(nil)

const (
	hookURL = "https://hooks.example.com/callbacks/vod"
	longKey = "a forward key of some length"
)

// ledger stands for the workflow: it notes what reaches it.
type ledger struct {
	events []callback.Event
	drops  []source.Object
	fail   error
	there  string // the one key that exists
}

func (l *ledger) Callback(_ context.Context, e callback.Event) (bool, error) {
	if l.fail == nil {
		l.events = append(l.events, e)
	}
	return true, l.fail
}

func (l *ledger) Ingest(_ context.Context, o source.Object) (workflow.Ingested, error) {
	l.drops = append(l.drops, o)
	if o.Key != l.there {
		return workflow.Ingested{Reason: "there is no such object (yet, or any more)"}, l.fail
	}
	return workflow.Ingested{Publication: "p1"}, l.fail
}

// plain is a token.Cipher that hides nothing and counts what it opened.
type plain struct{ opened int }

func (p *plain) Seal(_ context.Context, b, _ []byte) ([]byte, error) { return b, nil }
func (p *plain) Open(_ context.Context, b, _ []byte) ([]byte, error) {
	p.opened++
	return b, nil
}

// rig is vodcallback over a table, with keys as `vodlift app set` stores them.
type rig struct {
	now    time.Time
	ledger *ledger
	cipher *plain
	vault  *token.Vault
	fn     handler.Function
	drop   handler.Function
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), ledger: &ledger{}, cipher: &plain{}}
	clock := func() time.Time { return r.now }
	db, err := sqlite.OpenMemory(&sqlite.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	log := handler.NewLog(io.Discard, nil)
	r.vault = token.NewVault(db, r.cipher, clock)
	p := newCallbackParts(Engines{Table: db, Now: clock, Log: log}, r.vault)
	r.fn = handler.Wrap("vodcallback", vodcallback(r.ledger, p), log, 0)
	r.drop = handler.Wrap("ingest", handler.Multi{HTTP: map[string]handler.HTTPFunc{"POST " + callback.PathObjectCreated: forwardedDrop(r.ledger, p)}}.Function(), log, 0)
	return r
}

func (r *rig) set(t *testing.T, name, id, secret string) {
	t.Helper()
	if err := r.vault.PutApp(t.Context(), name, token.AppKey{ID: id, Secret: secret}); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, fn handler.Function, path string, header map[string]string, body string) int {
	t.Helper()
	req := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "POST " + path, Headers: map[string]string{}, Body: body}
	req.RequestContext.HTTP.Method = "POST"
	for k, v := range header {
		req.Headers[strings.ToLower(k)] = v
	}
	b, _ := json.Marshal(req)
	out, err := fn(t.Context(), b)
	var resp events.APIGatewayV2HTTPResponse
	if err != nil || json.Unmarshal(out, &resp) != nil {
		t.Fatalf("got %s, %v", out, err)
	}
	return resp.StatusCode
}

func (r *rig) vod(t *testing.T, secret, body string) int {
	t.Helper()
	ts := strconv.FormatInt(r.now.Unix(), 10)
	return send(t, r.fn, "/callbacks/vod", map[string]string{
		callback.HeaderVODTimestamp: ts, callback.HeaderVODSignature: callback.SignVOD(callback.VODKey{URL: hookURL, Secret: secret}, ts)}, body)
}

func (r *rig) forward(t *testing.T, fn handler.Function, path, body string) int {
	t.Helper()
	return send(t, fn, path, callback.ForwardHeaders(longKey, path, []byte(body), r.now), body)
}

func TestCallbackKeysAreRecordsThatCanBeExchangedWhileItRuns(t *testing.T) {
	r := newRig(t)
	const body = `{"EventType":"FileUploadComplete","VideoId":"v1"}`
	steps := []struct {
		name   string
		change func()
		with   map[string]int // secret -> status
	}{
		{"nothing set", func() {}, map[string]int{"old": 503}},
		{"set: at once", func() { r.set(t, VODCallbackKey, hookURL, "old") }, map[string]int{"old": 200, "new": 403}},
		{"the next one, a minute later", func() { r.set(t, VODCallbackKey+"-next", hookURL, "new"); r.now = r.now.Add(time.Minute) }, map[string]int{"old": 200, "new": 200}},
		{"the first one is gone", func() { r.set(t, VODCallbackKey, hookURL, "new"); r.now = r.now.Add(time.Minute) }, map[string]int{"old": 403, "new": 200}},
	}
	for _, s := range steps {
		s.change()
		for secret, want := range s.with {
			if got := r.vod(t, secret, body); got != want {
				t.Errorf("%s: %s gets %d, want %d", s.name, secret, got, want)
			}
		}
	}
	for _, e := range r.ledger.events {
		if e.Platform != callback.AliVOD || e.Type != "FileUploadComplete" || !slices.Equal(e.Remotes, []string{"v1"}) {
			t.Errorf("the ledger got %+v", e)
		}
	}
}

func TestForgedCallbacksDoNotCostADecryptionEach(t *testing.T) {
	r := newRig(t)
	r.set(t, VODCallbackKey, hookURL, "old")
	for range 100 {
		if got := r.vod(t, "guess", "{}"); got != 403 {
			t.Fatalf("got %d", got)
		}
	}
	if r.cipher.opened != 1 || len(r.ledger.events) != 0 {
		t.Errorf("%d decryptions, %d events", r.cipher.opened, len(r.ledger.events))
	}
}

func TestAFailedRecordIs503AndASecondTryIsTaken(t *testing.T) {
	r := newRig(t)
	r.set(t, VODCallbackKey, hookURL, "old")
	r.set(t, ForwardKey, "fc", longKey)
	r.ledger.fail = fault.New(fault.Retryable, "state", "busy")
	if got := r.vod(t, "old", "{}"); got != 503 {
		t.Errorf("direct: got %d", got)
	}
	if got := r.forward(t, r.fn, callback.PathVOD, "{}"); got != 503 {
		t.Errorf("forwarded: got %d", got)
	}
	r.ledger.fail = nil
	for i, want := range []int{200, 409, 409} {
		if got := r.forward(t, r.fn, callback.PathVOD, "{}"); got != want {
			t.Errorf("forwarded, number %d: got %d, want %d", i, got, want)
		}
	}
	if len(r.ledger.events) != 1 {
		t.Errorf("%d events", len(r.ledger.events))
	}
	r.now = r.now.Add(25 * time.Hour) // the mark is forgotten; the signature of then is stale long since
	if got := send(t, r.fn, callback.PathVOD, callback.ForwardHeaders(longKey, callback.PathVOD, []byte("{}"), r.now.Add(-25*time.Hour)), "{}"); got != 403 {
		t.Errorf("a day later: got %d", got)
	}
}

func TestDouyinsSecretIsTheAppsOwn(t *testing.T) {
	r := newRig(t)
	r.set(t, DouyinKey, "client-key", "client-secret")
	body := `{"event":"create_video","from_user_id":"o1","content":{"item_id":"i1","share_id":"s1"}}`
	if got := send(t, r.fn, "/callbacks/douyin", map[string]string{callback.HeaderDouyin: callback.SignDouyin("client-secret", []byte(body))}, body); got != 200 {
		t.Errorf("got %d", got)
	}
	r.set(t, ForwardKey, "fc", longKey)
	if got := r.forward(t, r.fn, callback.PathDouyin, `{"event":"unauthorize","from_user_id":"o1"}`); got != 200 {
		t.Errorf("forwarded: got %d", got)
	}
	if len(r.ledger.events) != 2 || r.ledger.events[0].Platform != callback.Douyin || r.ledger.events[1].Fields.Grant == nil {
		t.Errorf("the ledger got %+v", r.ledger.events)
	}
}

func TestAForwardedDropIsIngestedAndAnEncodedKeyIsTriedDecoded(t *testing.T) {
	r := newRig(t)
	r.ledger.there = "in/第一.mp4"
	body := `{"v":1,"bucket":"media-in","key":"in/%E7%AC%AC%E4%B8%80.mp4","etag":"E","size":5,"time":"2026-07-01T00:00:00Z","request":"R1"}`
	if got := r.forward(t, r.drop, callback.PathObjectCreated, body); got != 503 {
		t.Errorf("without a key: got %d", got)
	}
	r.set(t, ForwardKey, "fc", longKey)
	if got := r.forward(t, r.drop, callback.PathObjectCreated, body); got != 200 {
		t.Errorf("got %d", got)
	}
	want := []source.Object{{Bucket: "media-in", Key: "in/%E7%AC%AC%E4%B8%80.mp4", ETag: "E", Size: 5}, {Bucket: "media-in", Key: "in/第一.mp4", ETag: "E", Size: 5}}
	if !slices.Equal(r.ledger.drops, want) {
		t.Errorf("got %+v", r.ledger.drops)
	}
	if got := r.forward(t, r.drop, callback.PathObjectCreated, body); got != 409 || len(r.ledger.drops) != 2 {
		t.Errorf("a replay: got %d, %d drops", got, len(r.ledger.drops))
	}
	if got := r.forward(t, r.drop, callback.PathObjectCreated, `{"v":1,"bucket":"../x","key":"k"}`); got != 400 || len(r.ledger.drops) != 2 {
		t.Errorf("a bad bucket, signed: got %d", got)
	}
}
