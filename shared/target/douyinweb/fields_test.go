package douyinweb

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestWhatThePlatformWouldRefuseIsInvalidBeforeAByteIsSent(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*upload.Video)
		field  string
	}{
		{"empty title", func(v *upload.Video) { v.Title = " \n" }, "title"},
		{"control character", func(v *upload.Video) { v.Description = "a\x00" }, "description"},
		{"no UTF-8", func(v *upload.Video) { v.Title = "a\xff" }, "title"},
		{"open mention", func(v *upload.Video) { v.Title = "x @甲{4" }, "title"},
		{"bad tag", func(v *upload.Video) { v.Tags = []string{"ok", "two words"} }, "tags[1]"},
		{"long text", func(v *upload.Video) { v.Title = "#音乐 " + strings.Repeat("😀", 499) }, "title"},
		{"not a video", func(v *upload.Video) { v.ContentType = "text/html" }, "source.content_type"},
		{"too large", func(v *upload.Video) { v.Size = maxSize + 1 }, "source.size"},
		{"not an object", func(v *upload.Video) { v.Fields = []byte(`[]`) }, "douyinweb"},
		{"unknown field", func(v *upload.Video) { v.Fields = []byte(`{"mix":1}`) }, "douyinweb"},
		{"two objects", func(v *upload.Video) { v.Fields = []byte(`{}{}`) }, "douyinweb"},
		{"large fields", func(v *upload.Video) { v.Fields = []byte(`{"mix_id":"` + strings.Repeat("1", maxFields) + `"}`) }, "douyinweb"},
		{"challenge not in the text", func(v *upload.Video) { v.Fields = []byte(`{"challenges":{"音":"1"}}`) }, "douyinweb.challenges"},
		{"challenge with #", func(v *upload.Video) { v.Fields = []byte(`{"challenges":{"#音乐":"1"}}`) }, "douyinweb.challenges"},
		{"challenge without digits", func(v *upload.Video) { v.Fields = []byte(`{"challenges":{"音乐":"x"}}`) }, "douyinweb.challenges"},
		{"challenge id as a number", func(v *upload.Video) { v.Fields = []byte(`{"challenges":{"音乐":1550712576368642}}`) }, "douyinweb"},
		{"order without mix", func(v *upload.Video) { v.Fields = []byte(`{"mix_order":1}`) }, "douyinweb.mix_id"},
		{"mix without order", func(v *upload.Video) { v.Fields = []byte(`{"mix_id":"1"}`) }, "douyinweb.mix_order"},
		{"order zero", func(v *upload.Video) { v.Fields = []byte(`{"mix_id":"1","mix_order":0}`) }, "douyinweb.mix_order"},
		{"mix of letters", func(v *upload.Video) { v.Fields = []byte(`{"mix_id":"x"}`) }, "douyinweb.mix_id"},
		{"unknown visibility", func(v *upload.Video) { v.Fields = []byte(`{"visibility":3}`) }, "douyinweb"},
		{"private and public", func(v *upload.Video) { v.Private, v.Fields = true, []byte(`{"visibility":"public"}`) }, "douyinweb.visibility"},
		{"poster before the start", func(v *upload.Video) { v.Fields = []byte(`{"poster_delay":-1}`) }, "douyinweb.poster_delay"},
		{"poster after the end", func(v *upload.Video) { v.Duration, v.Fields = time.Second, []byte(`{"poster_delay":1.5}`) }, "douyinweb.poster_delay"},
	} {
		w := says(t, nil)
		tg, v := testTarget(t, smallConfig(), w), testVideo()
		v.Fields = nil
		c.change(&v)
		verr := tg.Validate(v)
		_, ierr := tg.Init(t.Context(), v, testPlan(v.Size, 3))
		_, perr := tg.Publish(t.Context(), v, testSession(t, 3, 30), testAsset())
		for _, err := range []error{verr, ierr, perr} {
			f := fault.As(err)
			if f == nil || f.Kind != fault.Invalid || f.Field != c.field || f.Rule == "" || f.Effect != fault.EffectNone {
				t.Errorf("%s: got %v, want Invalid for %s", c.name, err, c.field)
			}
		}
		if len(w.sent) != 0 {
			t.Errorf("%s: %d requests", c.name, len(w.sent))
		}
	}
	v := testVideo()
	v.Title, v.Description, v.Tags, v.Fields = strings.Repeat("😀", 500), "", nil, nil
	if err := testTarget(t, Config{}, says(t, nil)).Validate(v); err != nil {
		t.Errorf("exactly 1000 units: %v", err)
	}
}

func TestVisibilityTakesWordsAndNumbers(t *testing.T) {
	for in, want := range map[string]Visibility{`"public"`: Public, `"private"`: Private, `"friends"`: Friends, `0`: Public, `1`: Private, `2`: Friends} {
		f, err := ParseFields([]byte(`{"visibility":` + in + `}`))
		if err != nil || f.visibility(upload.Video{}) != want {
			t.Errorf("%s: %v, %v", in, f.Visibility, err)
		}
	}
}

func TestInitHashIsOfTheCoverAlone(t *testing.T) {
	tg, v := testTarget(t, Config{}, says(t, nil)), testVideo()
	a := tg.InitHash(v)
	v.Title, v.Tags = "another", nil
	v.Fields = []byte(`{"poster_delay":1.50}`)
	if tg.InitHash(v) != a {
		t.Error("a mended title needs a new session")
	}
	v.Fields = []byte(`{"poster_delay":2}`)
	if tg.InitHash(v) == a {
		t.Error("another cover keeps the session")
	}
}

// unwritten is what shared/transport's errors look like from here.
type unwritten struct{ error }

func (unwritten) NothingWritten() bool { return true }

type forbidden struct{ unwritten }

func (forbidden) Refused() bool { return true }

func TestAFailedRequestHasNoEffectOnlyIfNothingWasWritten(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, c := range []struct {
		name           string
		err            error
		publish, other fault.Kind // on Publish; on a chunk
		effect         fault.Effect
	}{
		{"cut", io.ErrUnexpectedEOF, fault.Unknown, fault.Retryable, fault.EffectUnknown},
		{"time-out of the client", context.DeadlineExceeded, fault.Unknown, fault.Retryable, fault.EffectUnknown},
		{"nothing written", unwritten{io.EOF}, fault.Retryable, fault.Retryable, fault.EffectNone},
		{"an address that may not be called", forbidden{unwritten{io.EOF}}, fault.Permanent, fault.Permanent, fault.EffectNone},
		{"no connection", dial, fault.Retryable, fault.Retryable, fault.EffectNone},
		{"write failed", &net.OpError{Op: "write", Err: io.EOF}, fault.Unknown, fault.Retryable, fault.EffectUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &wire{t: t, answer: func(sent) (*http.Response, error) { return nil, c.err }}
			tg := testTarget(t, smallConfig(), w)
			_, err := tg.Publish(t.Context(), testVideo(), testSession(t, 3, 30), testAsset())
			if fault.KindOf(err) != c.publish || fault.EffectOf(err) != c.effect || !errors.Is(err, c.err) {
				t.Errorf("Publish: %v, effect %v", err, fault.EffectOf(err))
			}
			_, perr := tg.UploadPart(t.Context(), testSession(t, 3, 30), testPart(testPlan(30, 3), 1, "0123456789"))
			if fault.KindOf(perr) != c.other {
				t.Errorf("UploadPart: %v", perr)
			}
			noSecrets(t, "an error", err.Error()+perr.Error())
		})
	}
}

// What is asked for before create publishes nothing, however it fails.
func TestAFailedTokenAgainstForgeryHasNoEffect(t *testing.T) {
	for _, answer := range []func(sent) (*http.Response, error){
		func(sent) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		func(sent) (*http.Response, error) { return respond(200, ""), nil },
		func(sent) (*http.Response, error) { return respond(403, ""), nil },
		func(sent) (*http.Response, error) { return respond(502, ""), nil },
		func(sent) (*http.Response, error) {
			r := respond(200, "")
			r.Header.Set("X-Ware-Csrf-Token", "0,")
			return r, nil
		},
		func(sent) (*http.Response, error) {
			r := respond(200, "")
			r.Header.Set("X-Tt-Verify-Passport-Decision", "1")
			return r, nil
		},
	} {
		w := &wire{t: t, answer: answer}
		c := smallConfig()
		c.CSRF = CSRFSecSDK
		_, err := testTarget(t, c, w).Publish(t.Context(), testVideo(), testSession(t, 3, 30), testAsset())
		if err == nil || fault.EffectOf(err) != fault.EffectNone || !fault.As(err).AssetKept || len(w.sent) != 1 {
			t.Errorf("%v, effect %v, %d requests", err, fault.EffectOf(err), len(w.sent))
		}
	}
}

func TestASourceThatChangesBetweenTheTwoReadsMakesNoPart(t *testing.T) {
	w := says(t, nil)
	n := 0
	p := testPart(testPlan(30, 3), 1, "")
	p.Open = func(context.Context) (io.ReadCloser, error) {
		n++
		return io.NopCloser(strings.NewReader([]string{"0123456789", "012345678x"}[n-1])), nil
	}
	_, err := testTarget(t, smallConfig(), w).UploadPart(t.Context(), testSession(t, 3, 30), p)
	if fault.KindOf(err) != fault.Retryable || !errors.Is(err, errChanged) || n != 2 {
		t.Errorf("%v after %d reads", err, n)
	}
}

func TestAnUnknownAssetIsNotPublished(t *testing.T) {
	w := says(t, nil)
	tg := testTarget(t, smallConfig(), w)
	for _, a := range []upload.Asset{{}, {ID: testVID}, {ID: "other", Private: testAsset().Private}, {ID: testVID, Private: []byte(`{"poster":""}`)}} {
		if _, err := tg.Publish(t.Context(), testVideo(), testSession(t, 3, 30), a); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", a, err)
		}
	}
	if len(w.sent) != 0 {
		t.Errorf("%d requests", len(w.sent))
	}
}

func TestLimitsMakePlansThatInitTakes(t *testing.T) {
	for _, size := range []int64{1, oneRequest, oneRequest + 1, 11 * mib, 12345678, 1 << 30, maxSize} {
		p, err := upload.NewPlan(size, Limits(Config{}), upload.Settings{})
		if err != nil {
			t.Errorf("%d: %v", size, err)
			continue
		}
		v := testVideo()
		v.Size = size
		if err := testTarget(t, Config{}, says(t, nil)).checkPlan("x", v, p); err != nil {
			t.Errorf("%d: %+v: %v", size, p, err)
		}
	}
	if l := Limits(Config{OneRequest: -1, InFlight: 2, WantPart: 1}); l.OneRequest != 0 || l.InFlight != 2 || l.WantPart != minPart {
		t.Errorf("%+v", l)
	}
	v, bad := testVideo(), upload.Plan{Size: 30, Parts: 3, PartSize: 10}
	if err := testTarget(t, Config{}, says(t, nil)).checkPlan("x", v, bad); fault.KindOf(err) != fault.Invalid {
		t.Errorf("parts of 10 bytes: %v", err)
	}
	bad.Parts = maxParts + 1
	if err := testTarget(t, smallConfig(), says(t, nil)).checkPlan("x", v, bad); fault.KindOf(err) != fault.Invalid {
		t.Errorf("too many parts: %v", err)
	}
}

func TestNothingHidesBehindAnInterface(t *testing.T) {
	var tg any = testTarget(t, Config{}, says(t, nil))
	if _, ok := tg.(target.Inspector); ok {
		t.Error("no documented answer can be looked through: an unknown outcome ends HELD")
	}
	if _, ok := tg.(target.Checker); ok {
		t.Error("there is nothing to check with")
	}
	u, err := url.Parse(tg.(*Target).cfg.storageURL("tos-lf-x.snssdk.com", testOID))
	if err != nil || u.Host != "tos-lf-x.snssdk.com" || u.Scheme != "https" {
		t.Errorf("%v, %v", u, err)
	}
}
