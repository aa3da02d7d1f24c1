package handler_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
)

// fcAPI is the least of Function Compute's runtime API; local/fcruntime has the whole, which this package may not know.
type fcAPI struct {
	queue   chan string
	answers chan string // "response|error <body>"
}

func (a *fcAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.Path, "/2020-11-11/runtime/invocation/")
	if path != "next" {
		a.answers <- strings.TrimPrefix(path, "r1/") + " " + string(body)
		return
	}
	select {
	case ev := <-a.queue:
		w.Header().Set("x-fc-request-id", "r1")
		w.Header().Set("x-fc-function-deadline", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		w.Header().Set("x-fc-function-timeout", "60")
		_, _ = io.WriteString(w, ev)
	case <-r.Context().Done():
	}
}

func TestFunctionComputeSeesTheNameOfTheKindWhateverTheErrorsForm(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	api := &fcAPI{queue: make(chan string), answers: make(chan string, 1)}
	srv := httptest.NewUnstartedServer(api)
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=unwrapped", "FC_RUNTIME_API="+l.Addr().String())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		srv.CloseClientConnections()
		srv.Close()
	})
	invoke := func(how string) (outcome, typ, message string) {
		b, _ := json.Marshal(how)
		api.queue <- string(b)
		select {
		case got := <-api.answers:
			outcome, body, _ := strings.Cut(got, " ")
			var e struct{ ErrorType, ErrorMessage string }
			_ = json.Unmarshal([]byte(body), &e)
			if outcome == "response" {
				e.ErrorMessage = body
			}
			return outcome, e.ErrorType, e.ErrorMessage
		case <-time.After(30 * time.Second):
			t.Fatal("no answer from the child")
			return "", "", ""
		}
	}
	for _, k := range fault.Kinds() {
		for _, form := range []string{"pointer", "wrapped", "joined", "named"} {
			if outcome, typ, msg := invoke(k.String() + " " + form); outcome != "error" || typ != k.String() {
				t.Errorf("%s %s: got %s %q (%s)", k, form, outcome, typ, msg)
			}
		}
	}
	for _, form := range []string{"plain", "foreign pointer", "panic", "panic of a pointer"} {
		if outcome, typ, msg := invoke("Invalid " + form); outcome != "error" || typ != "Unknown" || strings.Contains(msg, "hunter2") {
			t.Errorf("%s: got %s %q (%s)", form, outcome, typ, msg)
		}
	}
	if outcome, _, body := invoke("ok"); outcome != "response" || body != `{"ok":true}` {
		t.Errorf("after all that a good invocation gives %s %s", outcome, body)
	}
}

func FuzzOSSEvent(f *testing.F) {
	f.Add([]byte(`{"events":[{"eventName":"ObjectCreated:PutObject","oss":{"bucket":{"name":"media-in"},"object":{"key":"a.mp4","size":1}}}]}`))
	f.Add([]byte(`"eyJldmVudHMiOltdfQ=="`))
	f.Add([]byte(`{"data":{"messageBody":{"events":[]}}}`))
	f.Add([]byte(`{"Message":"e30="}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		fn := handler.OSSEvent(func(_ context.Context, d handler.Dropped) error { return d.Validate() })
		if _, err := fn(t.Context(), b); err != nil && handler.Named(err).Type != "Invalid" {
			t.Errorf("%v is not Invalid", err)
		}
	})
}
