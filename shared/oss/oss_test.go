package oss

import (
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
)

func sumOf(s string) uint64 { return crc64.Checksum([]byte(s), crc64.MakeTable(crc64.ECMA)) }

// platform answers every call of this package as OSS does.
func platform() *wire {
	return &wire{answer: func(s sent) (*http.Response, error) {
		q := s.URL.Query()
		switch {
		case s.Method == http.MethodPost && q.Has("uploads"):
			return respond(200, `<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>`+testUpload+`</UploadId></InitiateMultipartUploadResult>`), nil
		case s.Method == http.MethodPost:
			return respond(200, `<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><ETag>"AB-2"</ETag></CompleteMultipartUploadResult>`, "X-Oss-Hash-Crc64ecma", strconv.FormatUint(sumOf("0123456789"), 10)), nil
		case s.Method == http.MethodPut:
			return respond(200, "", "ETag", `"AB"`, "X-Oss-Hash-Crc64ecma", strconv.FormatUint(sumOf(s.body), 10)), nil
		case s.Method == http.MethodDelete:
			return respond(204, ""), nil
		case s.Method == http.MethodHead:
			return respond(200, "", "ETag", `"AB"`, "Content-Length", "10", "X-Oss-Hash-Crc64ecma", "7", "Last-Modified", testNow.Format(http.TimeFormat), "X-Oss-Meta-To", "a", "X-Oss-Version-Id", "null"), nil
		case q.Has("uploadId"):
			if q.Get("part-number-marker") == "" {
				return respond(200, `<ListPartsResult><UploadId>`+testUpload+`</UploadId><NextPartNumberMarker>2</NextPartNumberMarker><IsTruncated>true</IsTruncated><Part><PartNumber>2</PartNumber><ETag>"B"</ETag><Size>4</Size></Part><Part><PartNumber>1</PartNumber><ETag>"A"</ETag><Size>6</Size></Part></ListPartsResult>`), nil
			}
			return respond(200, `<ListPartsResult><UploadId>`+testUpload+`</UploadId><IsTruncated>false</IsTruncated><Part><PartNumber>3</PartNumber><ETag>"C"</ETag><Size>1</Size></Part></ListPartsResult>`), nil
		}
		return respond(206, "2345", "ETag", `"AB"`, "Content-Range", "bytes 2-5/10", "Content-Length", "4"), nil
	}}
}

func twoParts() []Part {
	return []Part{{Number: 2, Size: 4, ETag: "B", CRC64: sumOf("6789"), Summed: true}, {Number: 1, Size: 6, ETag: `"A"`, CRC64: sumOf("012345"), Summed: true}}
}

func TestRequestsEqualTheGoldens(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"v4": func(*Config) {}, "v1": func(c *Config) { c.SignV1 = true }, "path-style": func(c *Config) { c.Endpoint, c.Region = "http://127.0.0.1:9000", "cn-test" },
	} {
		t.Run(name, func(t *testing.T) {
			w := platform()
			c, ctx := testClient(t, w, change), t.Context()
			last := func(op string, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", op, err)
				}
				s := w.sent[len(w.sent)-1]
				if s.GetBody != nil {
					t.Errorf("%s could be replayed", op)
				}
				golden(t, "requests/"+name+"/"+op+".txt", dump(s))
			}
			u, err := c.Initiate(ctx, "a/b c.mp4", "video/mp4")
			last("initiate", err)
			if u != testOpen() {
				t.Errorf("%+v", u)
			}
			p, err := c.UploadPart(ctx, u, 2, text("6789", 4))
			last("upload-part", err)
			if p.ETag != "AB" || p.CRC64 != sumOf("6789") {
				t.Errorf("%+v", p)
			}
			parts, err := c.ListParts(ctx, u)
			last("list-parts-second-page", err)
			if len(parts) != 3 || parts[0].Number != 1 || parts[2].ETag != "C" || parts[0].Summed {
				t.Errorf("%+v", parts)
			}
			d, err := c.Complete(ctx, u, twoParts())
			last("complete", err)
			if d.CRC64 != sumOf("0123456789") || d.ETag != "AB-2" {
				t.Errorf("%+v", d)
			}
			last("abort", c.Abort(ctx, u))
			_, err = c.Put(ctx, "视频 1.mp4", "video/mp4", text("0123456789", 10), make([]byte, 16))
			last("put", err)
			i, err := c.Head(ctx, "a/b c.mp4", "v1")
			last("head", err)
			if i.Size != 10 || i.CRC64 != 7 || !i.Summed || i.Metadata["to"] != "a" || i.Version != "" || !i.Modified.Equal(testNow) {
				t.Errorf("%+v", i)
			}
			r, err := c.GetRange(ctx, Get{Key: "a/b c.mp4", ETag: "AB", Offset: 2, Size: 4})
			last("get-range", err)
			if b, err := io.ReadAll(r.Body); string(b) != "2345" || err != nil || r.Start != 2 || r.Length != 4 || r.Info.Size != 10 {
				t.Errorf("%q, %v, %+v", b, err, r)
			}
		})
	}
}

func TestTheCredentialIsAskedForEachRequest(t *testing.T) {
	w, n := platform(), 0
	c, err := New(Config{Endpoint: "https://oss-cn-shanghai.aliyuncs.com", Bucket: "bkt"}, func(context.Context) (Credential, error) {
		if n++; n > 2 {
			return Credential{}, fault.New(fault.Retryable, "x", "none just now")
		}
		return Credential{ID: fmt.Sprintf("ID%d", n), Secret: "s", Token: fmt.Sprintf("T%d", n)}, nil
	}, &http.Client{Transport: w}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Head(t.Context(), "k", ""); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range w.sent {
		if want := fmt.Sprintf("T%d", i+1); s.Header.Get("X-Oss-Security-Token") != want || !strings.Contains(s.Header.Get("Authorization"), fmt.Sprintf("ID%d/", i+1)) {
			t.Errorf("request %d is signed with another credential", i+1)
		}
	}
	if _, err := c.Head(t.Context(), "k", ""); fault.KindOf(err) != fault.Retryable || fault.EffectOf(err) != fault.EffectNone || len(w.sent) != 2 {
		t.Errorf("without a credential: %v, %d sent", err, len(w.sent))
	}
}

func TestSumsAreCompared(t *testing.T) {
	wrong := says(200, `<CompleteMultipartUploadResult><Key>k</Key><ETag>"A"</ETag></CompleteMultipartUploadResult>`, "ETag", `"A"`, "X-Oss-Hash-Crc64ecma", "12345")
	c := testClient(t, wrong)
	if _, err := c.UploadPart(t.Context(), testOpen(), 1, text("0123", 4)); !errors.Is(err, ErrDamaged) || fault.KindOf(err) != fault.Retryable {
		t.Errorf("a part: %v", err)
	}
	if _, err := c.Put(t.Context(), "k", "", text("0123", 4), nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("an object: %v", err)
	}
	if _, err := c.Complete(t.Context(), testOpen(), twoParts()); !errors.Is(err, ErrDamaged) {
		t.Errorf("the whole: %v", err)
	}
	unsummed := twoParts()
	unsummed[0].Summed = false
	if _, err := c.Complete(t.Context(), testOpen(), unsummed); err != nil {
		t.Errorf("with a part whose sum is not known: %v", err)
	}
	if _, err := c.Complete(t.Context(), testOpen(), []Part{{Number: 1, Size: 1}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("without an ETag: %v", err)
	}
}

func TestCombineEqualsTheSumOfTheWhole(t *testing.T) {
	all := strings.Repeat("0123456789abcdef", 100)
	for _, size := range []int{1, 7, 100, 799, 1600, 5000} {
		var parts []Part
		for at, n := 0, 1; at < len(all); at, n = at+size, n+1 {
			end := min(at+size, len(all))
			parts = append([]Part{{Number: n, Size: int64(end - at), CRC64: sumOf(all[at:end]), Summed: true}}, parts...)
		}
		if got, ok := Combine(parts); !ok || got != sumOf(all) {
			t.Errorf("parts of %d: %x, %v", size, got, ok)
		}
	}
	if _, ok := Combine(nil); ok {
		t.Error("nothing has a sum")
	}
}

func TestALieAboutTheLengthIsNeverSent(t *testing.T) {
	for content, kind := range map[string]fault.Kind{"012345678": fault.Retryable, "0123456789x": fault.Invalid, "": fault.Retryable} {
		w := platform()
		_, err := testClient(t, w).UploadPart(t.Context(), testOpen(), 1, text(content, 10))
		if fault.KindOf(err) != kind || len(w.sent) != 0 {
			t.Errorf("%q: %v, %d whole requests", content, err, len(w.sent))
		}
	}
	for _, size := range []int64{0, -1, MaxPart + 1} {
		if _, err := testClient(t, platform()).Put(t.Context(), "k", "", text("", size), nil); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestAnEarlySuccessIsNoPart(t *testing.T) {
	early := tripper(func(r *http.Request) (*http.Response, error) {
		r.Body.Read(make([]byte, 4))
		r.Body.Close()
		return respond(200, "", "ETag", `"A"`), nil
	})
	if _, err := testClient(t, early).UploadPart(t.Context(), testOpen(), 1, text("0123456789", 10)); fault.KindOf(err) != fault.Retryable {
		t.Errorf("got %v", err)
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWhatCannotBeIsInvalid(t *testing.T) {
	for _, cfg := range []Config{{}, {Endpoint: "oss-cn-shanghai.aliyuncs.com"}, {Endpoint: "https://u:p@h"}, {Endpoint: "https://h/path"}, {Endpoint: "https://h?q=1"}, {Endpoint: "https://oss.example"}} {
		if _, err := New(cfg, nil, &http.Client{}, nil); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	c := testClient(t, platform())
	for name, err := range map[string]error{
		"no key":       errOf(c.Head(t.Context(), "", "")),
		"a slash":      errOf(c.Head(t.Context(), "/a", "")),
		"a long key":   errOf(c.Head(t.Context(), strings.Repeat("x", 1024), "")),
		"a bucket":     errOf(c.In("A_b").Head(t.Context(), "k", "")),
		"part 0":       errOf(c.UploadPart(t.Context(), testOpen(), 0, text("a", 1))),
		"part 10001":   errOf(c.UploadPart(t.Context(), testOpen(), 10001, text("a", 1))),
		"no upload id": c.Abort(t.Context(), Upload{Key: "k"}),
	} {
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestRegionOfAnEndpoint(t *testing.T) {
	for host, want := range map[string]string{"oss-cn-shanghai.aliyuncs.com": "cn-shanghai", "oss-cn-hangzhou-internal.aliyuncs.com": "cn-hangzhou", "OSS-us-west-1.aliyuncs.com": "us-west-1",
		"127.0.0.1": "", "oss-accelerate.aliyuncs.com": "", "oss-accelerate-overseas.aliyuncs.com": "", "oss-cn-x.aliyuncs.com.evil.example": "", "aliyuncs.com": ""} {
		if got := RegionOf(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestTheClockLearnsOnce(t *testing.T) {
	skewed := `<Error><Code>RequestTimeTooSkewed</Code><Message>m</Message></Error>`
	w := says(403, skewed, "Date", testNow.Add(2*time.Hour).Format(http.TimeFormat))
	c := testClient(t, w)
	_, first := c.Head(t.Context(), "k", "")
	_, second := c.Head(t.Context(), "k", "")
	if fault.KindOf(first) != fault.Retryable || fault.KindOf(second) != fault.Permanent || fault.As(second).Actor != fault.ActorOperator {
		t.Errorf("first %v, second %v", first, second)
	}
	if got := w.sent[1].Header.Get("X-Oss-Date"); got != "20261120T120000Z" {
		t.Errorf("signed at %s", got)
	}
	if _, err := testClient(t, says(403, skewed)).Head(t.Context(), "k", ""); fault.KindOf(err) != fault.Permanent {
		t.Errorf("without a Date: %v", err)
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	if s := fmt.Sprintf("%v %+v %#v %s", Credential{"i", testSecret, testToken}, Credential{"i", testSecret, testToken}, Credential{"i", testSecret, testToken}, Credential{"i", testSecret, testToken}); strings.Contains(s, "SECRET") {
		t.Error(s)
	}
	w := says(403, `<Error><Code>SignatureDoesNotMatch</Code><Message>`+testSecret+" "+testToken+" "+testUpload+` and more</Message><StringToSign>PUT `+testToken+`</StringToSign></Error>`)
	_, err := testClient(t, w).UploadPart(t.Context(), testOpen(), 1, text("a", 1))
	for _, x := range []string{testSecret, testToken, testUpload} {
		if strings.Contains(err.Error(), x) {
			t.Errorf("%q shows: %v", x, err)
		}
	}
	lost := &wire{answer: func(sent) (*http.Response, error) { return nil, errors.New("no route") }}
	if _, err := testClient(t, lost).UploadPart(t.Context(), testOpen(), 1, text("a", 1)); err == nil || strings.Contains(err.Error(), "uploadId") {
		t.Errorf("got %v", err)
	}
}

func TestAbortOfWhatIsGoneIsNil(t *testing.T) {
	for code, want := range map[string]bool{"NoSuchUpload": true, "NoSuchKey": true, "InternalError": false, "AccessDenied": false} {
		row, _ := lookup(code)
		err := testClient(t, says(row.Status, `<Error><Code>`+code+`</Code></Error>`)).Abort(t.Context(), testOpen())
		if (err == nil) != want {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestAListThatLeadsNowhereEnds(t *testing.T) {
	for name, body := range map[string]string{
		"the same marker": `<ListPartsResult><UploadId>` + testUpload + `</UploadId><NextPartNumberMarker>0</NextPartNumberMarker><IsTruncated>true</IsTruncated></ListPartsResult>`,
		"another upload":  `<ListPartsResult><UploadId>x</UploadId></ListPartsResult>`,
		"no XML":          `hello`, "endless": `<ListPartsResult>` + strings.Repeat(" ", maxAnswer+10),
	} {
		if _, err := testClient(t, says(200, body)).ListParts(t.Context(), testOpen()); fault.KindOf(err) != fault.Retryable || fault.As(err) == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func ExampleCombine() {
	whole, known := Combine([]Part{{Number: 1, Size: 5, CRC64: sumOf("hello"), Summed: true}, {Number: 2, Size: 6, CRC64: sumOf(" world"), Summed: true}})
	fmt.Println(known, whole == sumOf("hello world"))
	// Output: true true
}
