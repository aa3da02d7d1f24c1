package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestReceiveKeepsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"over the limit": {strings.NewReader("12345"), ErrTooLarge},
		"cut":            {io.MultiReader(strings.NewReader("12"), failing{broken}), broken},
	} {
		if _, err := Receive(dir, c.r, 4); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if got := names(t, dir); got != "" {
		t.Error("left behind:", got)
	}
	for _, sync := range []bool{true, false} {
		s, err := Receive(dir, strings.NewReader("1234"), 4)
		if err != nil {
			t.Fatal(err)
		}
		if s.Size != 4 || s.SHA256 != "03ac674216f3e15c761ee1a5e255f067953623c8b388b4459e13f978d7c846f4" {
			t.Error(s.Blob)
		}
		if err := s.Keep(filepath.Join(dir, "a"), sync); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(filepath.Join(dir, "a"), []byte("new"), sync); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteFile(filepath.Join(dir, "none", "a"), nil, true); err == nil {
		t.Error("wrote into no folder")
	}
	if got := names(t, dir); got != "a" {
		t.Error("have", got)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func newPanel(ring int) *Panel {
	return NewPanel(PanelOptions{Ring: ring}, Hooks{Ops: []string{"a", "b"}, Secrets: []string{"token"},
		Effects: func() Effects { return Effects{} }, Refuse: func(*http.Request, string, Fault) Answer { return HTML(500) }})
}

func TestRingForgetsTheOldestAndStillCounts(t *testing.T) {
	p := newPanel(3)
	for i := range 5 {
		r := httptest.NewRequest("GET", fmt.Sprintf("/x?token=s3cret&n=%d", i), nil)
		p.Serve(httptest.NewRecorder(), r, "a", "", func(json.RawMessage) Answer { return HTML(200) })
	}
	got := p.Requests(0)
	if len(got) != 3 || got[0].N != 3 || got[2].Query != "n=4&token=%2A%2A%2A" || got[2].Status != 200 {
		t.Errorf("%+v", got)
	}
	if c := p.Counters()["a"]; c.Requests != 5 || c.InFlight != 0 || c.MaxInFlight != 1 {
		t.Errorf("%+v", c)
	}
	if len(p.Requests(4)) != 1 {
		t.Error("since is not heeded")
	}
}

func TestFirstArmedFaultStrikesAndAllCount(t *testing.T) {
	var s faultSet
	s.add(Fault{Op: "a", Nth: 2, Code: 1})
	s.add(Fault{Op: "*", Times: 2, Code: 2})
	s.add(Fault{Op: "a", Account: "x", Times: -1, Code: 3})
	var got []int
	for _, c := range [][2]string{{"a", ""}, {"a", ""}, {"b", "x"}, {"a", "x"}, {"a", "y"}} {
		f, _ := s.match(c[0], c[1])
		got = append(got, f.Code)
	}
	if fmt.Sprint(got) != "[2 1 0 3 0]" || len(s.list()) != 1 {
		t.Errorf("%v, %d left", got, len(s.list()))
	}
}

func TestCloseEndsAHold(t *testing.T) {
	p := newPanel(1)
	reached, done := make(chan struct{}), make(chan struct{})
	if err := p.Inject(Fault{Op: "a", Hold: make(chan struct{}), Reached: func() { close(reached) }}); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		p.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), "a", "", func(json.RawMessage) Answer { return HTML(200) })
	}()
	<-reached
	p.Close()
	<-done
}
