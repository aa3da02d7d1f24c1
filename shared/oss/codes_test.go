package oss

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
)

// fixture is testdata/codes/<code>.json: OSS's answer, and what it means for a part and for complete, whose repeat is
// not harmless.
type fixture struct {
	Status   int     `json:"status"`
	Answer   string  `json:"answer"`
	Part     verdict `json:"part"`
	Complete verdict `json:"complete"`
}

type verdict struct {
	Kind    string `json:"kind"`
	Is      string `json:"is,omitempty"`
	Refused bool   `json:"refused"` // EffectNone
	Quota   bool   `json:"quota,omitempty"`
	Actor   string `json:"actor"`
}

func judged(t testing.TB, f fixture) (part, complete verdict) {
	c := testClient(t, says(f.Status, f.Answer))
	of := func(err error) verdict {
		e := fault.As(err)
		if e == nil {
			t.Fatalf("no fault: %v", err)
		}
		v := verdict{Kind: e.Kind.String(), Refused: e.Effect == fault.EffectNone, Quota: e.Quota, Actor: string(e.Actor)}
		for _, is := range []error{ErrCredential, ErrDenied, ErrNoUpload, ErrNoBucket, ErrNotFound, ErrChanged, ErrBeyondEnd, ErrParts, ErrDamaged} {
			if errors.Is(err, is) {
				v.Is = is.Error()
				break
			}
		}
		return v
	}
	_, perr := c.UploadPart(t.Context(), testOpen(), 1, text("0123", 4))
	_, cerr := c.Complete(t.Context(), testOpen(), twoParts())
	return of(perr), of(cerr)
}

func TestEachCodeIsClassifiedAsItsFixtureSays(t *testing.T) {
	for _, c := range Codes() {
		t.Run(c.Code, func(t *testing.T) {
			f := fixture{Status: c.Status, Answer: fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>%s</Code><Message>%s</Message><RequestId>5C3D9175B6FC201293AD4890</RequestId><HostId>yk-source-upload.oss-cn-shanghai.aliyuncs.com</HostId></Error>", c.Code, c.Meaning)}
			path := filepath.Join("testdata", "codes", c.Code+".json")
			if *update {
				f.Part, f.Complete = judged(t, f)
				var b bytes.Buffer
				e := json.NewEncoder(&b)
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				if err := errors.Join(e.Encode(f), os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b.Bytes(), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &f); err != nil {
				t.Fatal(err)
			}
			if part, complete := judged(t, f); part != f.Part || complete != f.Complete {
				t.Errorf("got %+v and %+v, want %+v and %+v", part, complete, f.Part, f.Complete)
			}
		})
	}
	files, err := os.ReadDir("testdata/codes")
	if err != nil || len(files) != len(Codes()) {
		t.Errorf("%d fixtures for %d codes, %v", len(files), len(Codes()), err)
	}
}

// The rules behind the rows, independent of the fixtures.
func TestTheTableKeepsItsRules(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Codes() {
		if seen[c.Code] || c.Meaning == "" || c.MeaningZH == "" || c.Advice == "" || c.Actor == "" || c.Status == 0 {
			t.Errorf("%s is there twice, or not complete", c.Code)
		}
		seen[c.Code] = true
		if (c.Kind == fault.TokenExpired) != (c.Is == ErrCredential) {
			t.Errorf("%s: a refused credential is TokenExpired, and nothing else", c.Code)
		}
		if (c.Effect == fault.EffectNone) != (c.Status/100 == 4) {
			t.Errorf("%s: only a 4xx proves a refusal", c.Code)
		}
	}
	for _, want := range []string{"SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId", "AccessKeyIdAndSecurityTokenNotMatch"} {
		if r, _ := lookup(want); r.Is != ErrCredential {
			t.Errorf("%s does not ask for a new credential", want)
		}
	}
}

func TestAnswersWithoutACode(t *testing.T) {
	for _, c := range []struct {
		name           string
		status         int
		body           string
		part, complete fault.Kind
	}{
		{"an empty success", 200, "", fault.Retryable, fault.Unknown},
		{"a page", 200, "<html><body>hi</body></html>", fault.Retryable, fault.Unknown},
		{"cut XML", 200, "<CompleteMultipartUploadResult><Key>k", fault.Retryable, fault.Unknown},
		{"an error in a success", 200, "<Error><Code>InternalError</Code></Error>", fault.Retryable, fault.Unknown},
		{"a gateway", 502, "<html>", fault.Retryable, fault.Unknown},
		{"an odd 5xx", 599, "", fault.Retryable, fault.Unknown},
		{"too many", 429, "", fault.Retryable, fault.Unknown},
		{"a redirect", 302, "", fault.Permanent, fault.Permanent},
		{"an unlisted code", 400, "<Error><Code>NoIdea</Code></Error>", fault.Permanent, fault.Permanent},
		{"an unlisted 5xx", 500, "<Error><Code>NoIdea</Code></Error>", fault.Retryable, fault.Unknown},
		{"a bare 403", 403, "", fault.Permanent, fault.Permanent},
	} {
		t.Run(c.name, func(t *testing.T) {
			part, complete := judged(t, fixture{Status: c.status, Answer: c.body})
			if part.Kind != c.part.String() || complete.Kind != c.complete.String() || complete.Refused {
				t.Errorf("got %+v and %+v", part, complete)
			}
		})
	}
}

// unwritten is what shared/transport's errors look like from here.
type unwritten struct{ error }

func (unwritten) NothingWritten() bool { return true }

type forbidden struct{ unwritten }

func (forbidden) Refused() bool { return true }

func TestAFailedRequestHasNoEffectOnlyIfNothingWasWritten(t *testing.T) {
	for name, c := range map[string]struct {
		err            error
		part, complete fault.Kind
		effect         fault.Effect
	}{
		"cut":             {io.ErrUnexpectedEOF, fault.Retryable, fault.Unknown, fault.EffectUnknown},
		"nothing written": {unwritten{io.EOF}, fault.Retryable, fault.Retryable, fault.EffectNone},
		"forbidden":       {forbidden{unwritten{io.EOF}}, fault.Permanent, fault.Permanent, fault.EffectNone},
		"no connection":   {&net.OpError{Op: "dial", Err: io.EOF}, fault.Retryable, fault.Retryable, fault.EffectNone},
	} {
		w := &wire{answer: func(sent) (*http.Response, error) { return nil, c.err }}
		_, perr := testClient(t, w).UploadPart(t.Context(), testOpen(), 1, text("a", 1))
		_, cerr := testClient(t, w).Complete(t.Context(), testOpen(), twoParts())
		if fault.KindOf(perr) != c.part || fault.KindOf(cerr) != c.complete || fault.EffectOf(cerr) != c.effect || !errors.Is(cerr, c.err) {
			t.Errorf("%s: %v; %v, effect %v", name, perr, cerr, fault.EffectOf(cerr))
		}
	}
}

func FuzzClassifier(f *testing.F) {
	f.Add(403, []byte(`<Error><Code>AccessDenied</Code></Error>`), "x")
	f.Add(200, []byte(`<CompleteMultipartUploadResult><Key>k</Key></CompleteMultipartUploadResult>`), "18446744073709551615")
	f.Add(502, []byte(`<html>`), "")
	f.Add(404, []byte(``), "PD94bWw=")
	f.Fuzz(func(t *testing.T, status int, body []byte, header string) {
		if status < 100 || status > 999 {
			return
		}
		c := testClient(t, says(status, string(body), "X-Oss-Err", header, "X-Oss-Hash-Crc64ecma", header, "Retry-After", header, "Content-Range", header))
		_, err := c.Complete(t.Context(), testOpen(), twoParts())
		if err != nil && (fault.As(err) == nil || fault.As(err).After < 0) {
			t.Fatalf("%v", err)
		}
		if err == nil && status/100 != 2 {
			t.Fatalf("success of HTTP %d", status)
		}
		if _, err = c.ListParts(t.Context(), testOpen()); err != nil && fault.As(err) == nil {
			t.Fatalf("%v", err)
		}
		if _, err = c.GetRange(t.Context(), Get{Key: "k", Size: 1}); err != nil && fault.As(err) == nil {
			t.Fatalf("%v", err)
		}
	})
}
