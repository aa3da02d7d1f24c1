package handler_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/shared/callback"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/retry"
)

// answers is a RoundTripper that gives one status after the other; 0 is a broken connection.
type answers struct {
	status []int
	seen   []*http.Request
	bodies []string
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	b, _ := io.ReadAll(r.Body)
	a.seen, a.bodies = append(a.seen, r), append(a.bodies, string(b))
	s := a.status[min(len(a.seen), len(a.status))-1]
	if s == 0 {
		return nil, errors.New("broken")
	}
	return &http.Response{StatusCode: s, Body: io.NopCloser(strings.NewReader("{}")), Header: http.Header{}, Request: r}, nil
}

func TestForwardingIsRetriedWithANewTimeEachAndGivesUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		status []int
		calls  int
		kind   fault.Kind
		ok     bool
	}{
		{"at once", []int{200}, 1, 0, true},
		{"after 503, a broken connection and 429", []int{503, 0, 429, 200}, 4, 0, true},
		{"it has it already: an answer was lost", []int{0, 409}, 2, 0, true},
		{"never", []int{503}, 5, fault.Retryable, false},
		{"the key is wrong", []int{403}, 1, fault.Permanent, false},
		{"a redirect is no answer", []int{302}, 1, fault.Permanent, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, start := &answers{status: c.status}, time.Now()
				// A bubble begins in the year 2000, whose Unix time has nine digits.
				now := func() time.Time { return callbackNow.Add(time.Since(start)) }
				f, err := handler.NewForwarder("https://api.example.com/base/", forwardKey, &http.Client{Transport: a}, now,
					retry.Policy{Attempts: 5, Backoff: retry.Backoff{Base: 4 * time.Second, Cap: 4 * time.Second}, Random: func() float64 { return 0.5 }})
				if err != nil {
					t.Fatal(err)
				}
				err = f.Send(t.Context(), callback.PathVOD, []byte(vodBody))
				if (err == nil) != c.ok || (err != nil && fault.KindOf(err) != c.kind) || len(a.seen) != c.calls {
					t.Fatalf("got %v after %d calls", err, len(a.seen))
				}
				if err != nil && strings.Contains(err.Error(), forwardKey) {
					t.Error("the key stands in the error")
				}
				times := map[string]bool{}
				for i, r := range a.seen {
					ts := r.Header.Get(callback.HeaderForwardTimestamp)
					times[ts] = true
					if r.URL.String() != "https://api.example.com/base/forwarded/vod" || a.bodies[i] != vodBody || r.Method != http.MethodPost {
						t.Errorf("sent %s %s %s", r.Method, r.URL, a.bodies[i])
					}
					at := now()
					if err := callback.VerifyForward([]string{forwardKey}, ts, r.Header.Get(callback.HeaderForwardSignature), r.Header.Get(callback.HeaderForwardID), callback.PathVOD, []byte(vodBody), at); err != nil {
						t.Errorf("attempt %d: %v", i, err)
					}
				}
				if len(times) != c.calls {
					t.Errorf("%d times for %d attempts", len(times), c.calls)
				}
			})
		})
	}
}

func TestAForwarderWantsHTTPSAndALongKey(t *testing.T) {
	for _, c := range []struct{ base, key string }{
		{"http://api.example.com", forwardKey}, {"api.example.com", forwardKey}, {"https://", forwardKey}, {"https://u:p@api.example.com", forwardKey},
		{"https://api.example.com/?a=1", forwardKey}, {"https://api.example.com/#a", forwardKey}, {"https://api.example.com", "hunter2"},
	} {
		if _, err := handler.NewForwarder(c.base, c.key, http.DefaultClient, nil, retry.Policy{}); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%s: got %v", c.base, err)
		} else if strings.Contains(err.Error(), c.key) || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%v repeats a value", err)
		}
	}
}

func TestOSSEventsGiveTheirCreatedObjectsInBothForms(t *testing.T) {
	const (
		record = `{"eventName":"ObjectCreated:CompleteMultipartUpload","eventSource":"acs:oss","eventTime":"2026-07-01T00:00:00.000Z","oss":{"bucket":{"name":"media-in"},"object":{"deltaSize":1048576,"eTag":"0A1B2C-2","key":"in/第一.mp4","size":1048576},"ossSchemaVersion":"1.0","ruleId":"rule-1"},"region":"cn-shanghai","responseElements":{"requestId":"R1"}}`
		inside = `{"eventName":"ObjectCreated:PutObject","eventTime":"2026-07-01T00:00:00.000Z","oss":{"bucket":{"name":"media-in"},"object":{"eTag":"E","key":"in/b.mp4","size":5},"region":"cn-shanghai","responseElements":{"requestId":"R2"}}}`
	)
	first := handler.Dropped{V: 1, Bucket: "media-in", Key: "in/第一.mp4", ETag: "0A1B2C-2", Size: 1048576, Time: "2026-07-01T00:00:00.000Z", Request: "R1"}
	second := handler.Dropped{V: 1, Bucket: "media-in", Key: "in/b.mp4", ETag: "E", Size: 5, Time: "2026-07-01T00:00:00.000Z", Request: "R2"}
	encoded := base64.StdEncoding.EncodeToString([]byte(`{"events":[` + inside + `]}`))
	for _, c := range []struct {
		name, event string
		want        []handler.Dropped
		bad         bool
	}{
		{"the trigger's form", `{"events":[` + record + `]}`, []handler.Dropped{first}, false},
		{"two records", `{"events":[` + record + `,` + inside + `]}`, []handler.Dropped{first, second}, false},
		{"MNS, the whole in base64", encoded, []handler.Dropped{second}, false},
		{"MNS, base64 as JSON text", `"` + encoded + `"`, []handler.Dropped{second}, false},
		{"MNS, in a queue's message", `{"id":"x","data":{"requestId":"r","messageId":"m","messageBody":"` + encoded + `"}}`, []handler.Dropped{second}, false},
		{"MNS, in a topic's message", `{"TopicName":"t","Message":"` + encoded + `"}`, []handler.Dropped{second}, false},
		{"no created object", `{"events":[` + strings.Replace(record, "ObjectCreated:CompleteMultipartUpload", "ObjectRemoved:DeleteObject", 1) + `]}`, nil, false},
		{"a part is no object", `{"events":[` + strings.Replace(record, "CompleteMultipartUpload", "UploadPart", 1) + `]}`, nil, false},
		{"no record", `{"events":[]}`, nil, false},
		{"one bad record does not hide the good one", `{"events":[` + strings.Replace(record, "media-in", "../x", 1) + `,` + inside + `]}`, []handler.Dropped{second}, true},
		{"another event", `{"detail-type":"Object Created"}`, nil, true},
		{"nothing", ``, nil, true},
		{"no base64", `hello!`, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []handler.Dropped
			fn := handler.OSSEvent(func(_ context.Context, d handler.Dropped) error { got = append(got, d); return nil })
			out, err := fn(t.Context(), []byte(c.event))
			if (err != nil) != c.bad || (err != nil && handler.Named(err).Type != "Invalid") {
				t.Errorf("got %s, %v", out, err)
			}
			if len(got) != len(c.want) {
				t.Fatalf("got %+v", got)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("got %+v, want %+v", got[i], c.want[i])
				}
			}
		})
	}
}

func TestEveryObjectOfAnEventIsTriedAlthoughOneFails(t *testing.T) {
	record := func(key string) string {
		return `{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"media-in"},"object":{"key":"` + key + `"}}}`
	}
	var seen []string
	fn := handler.OSSEvent(func(_ context.Context, d handler.Dropped) error {
		seen = append(seen, d.Key)
		if d.Key == "a" {
			return fault.New(fault.Retryable, "x", "busy")
		}
		return nil
	})
	_, err := fn(t.Context(), []byte(`{"events":[`+record("a")+`,`+record("b")+`]}`))
	if fault.KindOf(err) != fault.Retryable || err == nil || len(seen) != 2 {
		t.Errorf("got %v after %v", err, seen)
	}
}
