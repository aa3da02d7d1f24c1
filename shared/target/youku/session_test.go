package youku

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

func TestTheEndOfACredentialIsReadByThePlatformsClock(t *testing.T) {
	for _, c := range []struct {
		name, expire, date string
		want               time.Duration // from now, by our clock
	}{
		{"clocks alike", `"2026-11-20T11:00:00Z"`, "Fri, 20 Nov 2026 10:00:00 GMT", time.Hour},
		{"off by a minute: not corrected", `"2026-11-20T11:00:00Z"`, "Fri, 20 Nov 2026 10:01:00 GMT", time.Hour},
		{"the platform is ahead", `"2026-11-20T12:00:00Z"`, "Fri, 20 Nov 2026 11:00:00 GMT", time.Hour},
		{"the platform is behind", `"2026-11-20T10:30:00Z"`, "Fri, 20 Nov 2026 09:30:00 GMT", time.Hour},
		{"no Date", `"2026-11-20T10:30:00Z"`, "", 30 * time.Minute},
		{"Beijing's offset", `"2026-11-20T19:00:00+08:00"`, "", time.Hour},
		{"no local time", `"2026-11-20 19:00:00"`, "", time.Hour},
		{"nonsense", `"soon"`, "", time.Hour},
		{"a number", `1700000000`, "", time.Hour},
		{"null", `null`, "", time.Hour},
	} {
		w := says(201, strings.Replace(created, `"2026-11-20T11:00:00Z"`, c.expire, 1), "Date", c.date)
		s, err := testTarget(Config{}, w).Init(t.Context(), testVideo(), testPlan(30, 1))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := unpack(t, s).Expires.Sub(testNow); got != c.want {
			t.Errorf("%s: in %v, want %v", c.name, got, c.want)
		}
		if !s.Expires.Equal(testNow.Add(24*time.Hour)) || s.ID != "XMjg1MTcyNDQ0" {
			t.Errorf("%s: the session itself: %v", c.name, s)
		}
	}
}

func TestACredentialIsRenewedAhead(t *testing.T) {
	for _, c := range []struct {
		name       string
		life, left time.Duration
		renew      bool
	}{
		{"an hour, 5 min and a little left", time.Hour, 5*time.Minute + time.Nanosecond, false},
		{"an hour, 5 min left", time.Hour, 5 * time.Minute, true},
		{"20 min, 2 min and a little left", 20 * time.Minute, 2*time.Minute + time.Nanosecond, false},
		{"20 min, 2 min left", 20 * time.Minute, 2 * time.Minute, true},
		{"2 s, 0.2 s left", 2 * time.Second, 200 * time.Millisecond, true},
		{"over", time.Hour, -time.Second, true},
		{"issued after its end", -time.Minute, -time.Minute, true},
	} {
		s := testSession(t, 3, 30, func(p *session) { p.Expires = testNow.Add(c.left); p.Issued = p.Expires.Add(-c.life) })
		w, opened := platform(), 0
		p := testPart(testPlan(30, 3), 1, "0123456789")
		inner := p.Open
		p.Open = func(ctx context.Context) (io.ReadCloser, error) { opened++; return inner(ctx) }
		tg := testTarget(Config{}, w)
		_, err := tg.UploadPart(t.Context(), s, p)
		if got := errors.Is(err, target.ErrSessionCredential); got != c.renew || got != (fault.KindOf(err) == fault.TokenExpired) || !got && err != nil || got && (opened > 0 || len(w.sent) > 0) {
			t.Errorf("%s: %v, %d opened, %d sent", c.name, err, opened, len(w.sent))
		}
		if _, err := tg.ListParts(t.Context(), s); errors.Is(err, target.ErrSessionCredential) != c.renew {
			t.Errorf("%s: ListParts: %v", c.name, err)
		}
		rs := []upload.Receipt{{Part: 1, Size: 10, ETag: "A"}, {Part: 2, Size: 10, ETag: "A"}, {Part: 3, Size: 10, ETag: "A"}}
		if _, err := tg.Complete(t.Context(), s, rs); errors.Is(err, target.ErrSessionCredential) != c.renew {
			t.Errorf("%s: Complete: %v", c.name, err)
		}
	}
}

func TestRenewKeepsWhatTheAnswerDoesNotRepeat(t *testing.T) {
	w := says(200, `{"upload_token":"`+testUpload+`2","endpoint":"oss-cn-beijing.aliyuncs.com","security_token":"t2","temp_access_id":"i2","temp_access_secret":"s2","expire_time":"2026-11-20T13:00:00Z"}`)
	old := testSession(t, 3, 30)
	old.Expires = testNow.Add(24 * time.Hour)
	s, err := testTarget(Config{}, w).Renew(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	p := unpack(t, s)
	if p.Bucket != "yk-source-upload" || p.Object != "5A0B/tmp 1.mp4" || p.UploadID != "UPID1" || p.UploadToken != testUpload+"2" || p.Credential.ID != "i2" || p.Credential.Secret != "s2" ||
		p.Credential.Token != "t2" || p.Endpoint != "oss-cn-beijing.aliyuncs.com" || !p.Expires.Equal(testNow.Add(3*time.Hour)) || p.Renewals != 1 || !s.Expires.Equal(old.Expires) || !s.Opened.Equal(old.Opened) || s.ID != old.ID {
		t.Errorf("got %+v", p)
	}
	for _, missing := range []string{"endpoint", "security_token", "temp_access_id", "temp_access_secret"} {
		if _, err := testTarget(Config{}, says(200, strings.Replace(created, missing, "x", 1))).Renew(t.Context(), old); fault.KindOf(err) != fault.Retryable {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}

func TestABrokenAnswerToCreate(t *testing.T) {
	for name, c := range map[string]struct {
		old, now string
		kind     fault.Kind
	}{
		"no video_id":          {"video_id", "x", fault.Unknown},
		"no upload_token":      {"upload_token", "x", fault.Unknown},
		"no bucket":            {"oss_bucket", "x", fault.Permanent},
		"no object":            {"oss_object", "x", fault.Permanent},
		"no key":               {"temp_access_id", "x", fault.Permanent},
		"the slice upload":     {"endpoint", "upload_server_uri", fault.Permanent},
		"somebody's endpoint":  {"oss-cn-shanghai.aliyuncs.com", "evil.example", fault.Permanent},
		"an endpoint's look":   {"oss-cn-shanghai.aliyuncs.com", "oss-cn-shanghai.aliyuncs.com.evil.example", fault.Permanent},
		"an inner address":     {"oss-cn-shanghai.aliyuncs.com", "169.254.169.254", fault.Permanent},
		"a bucket of a path":   {"yk-source-upload", "a/../b", fault.Permanent},
		"an object at the top": {"5A0B/tmp", "/5A0B/tmp", fault.Permanent},
	} {
		w := says(201, strings.Replace(created, c.old, c.now, 1))
		_, err := testTarget(Config{}, w).Init(t.Context(), testVideo(), testPlan(30, 1))
		if fault.KindOf(err) != c.kind || fault.As(err) == nil || fault.EffectOf(err) == fault.EffectNone || len(w.sent) != 1 {
			t.Errorf("%s: %v, %d sent", name, err, len(w.sent))
		}
		for _, x := range []string{testUpload, testSTS, testKey} {
			if strings.Contains(err.Error(), x) {
				t.Errorf("%s shows a secret: %v", name, err)
			}
		}
	}
	cut := created[:len(created)-20]
	_, err := testTarget(Config{}, says(201, cut)).Init(t.Context(), testVideo(), testPlan(30, 1))
	if fault.KindOf(err) != fault.Unknown || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("cut JSON: %v", err)
	}
	if s, err := testTarget(Config{}, says(201, strings.Replace(created, `"oss-cn-shanghai`, `"https://oss-cn-shanghai`, 1))).Init(t.Context(), testVideo(), testPlan(30, 1)); err != nil || unpack(t, s).Endpoint != "oss-cn-shanghai.aliyuncs.com" {
		t.Errorf("a scheme: %v", err)
	}
}

func TestARefusalOfTheFreshCredentialIsNotTheAccountsToken(t *testing.T) {
	for code, kind := range map[string]fault.Kind{"SecurityTokenExpired": fault.Retryable, "AccessDenied": fault.Permanent, "InternalError": fault.Retryable} {
		ok := platform()
		w := &wire{answer: func(s sent) (*http.Response, error) {
			if s.URL.Query().Has("uploads") {
				return respond(403, "<Error><Code>"+code+"</Code></Error>"), nil
			}
			return ok.answer(s)
		}}
		_, err := testTarget(Config{MinPart: 1}, w).Init(t.Context(), testVideo(), testPlan(30, 3))
		if fault.KindOf(err) != kind || fault.As(err).Code != code || w.sent[len(w.sent)-1].URL.Path != pathCancel {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestInitNeedsTheMD5(t *testing.T) {
	tg := testTarget(Config{}, platform())
	if !tg.NeedsMD5() {
		t.Error("NeedsMD5")
	}
	v := testVideo()
	for _, md5 := range []string{"", "x", strings.ToUpper(testMD5), testMD5 + "0"} {
		v.MD5 = md5
		if _, err := tg.Init(t.Context(), v, testPlan(30, 1)); fault.KindOf(err) != fault.Invalid || fault.As(err).Field != "source.md5" {
			t.Errorf("%q: %v", md5, err)
		}
	}
	if v.MD5 = ""; tg.Validate(v) != nil {
		t.Error("a dry run does not need it")
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
		name                   string
		err                    error
		publish, create, renew fault.Kind
		effect                 fault.Effect
	}{
		{"cut", io.ErrUnexpectedEOF, fault.Unknown, fault.Unknown, fault.Retryable, fault.EffectUnknown},
		{"nothing written", unwritten{io.EOF}, fault.Retryable, fault.Retryable, fault.Retryable, fault.EffectNone},
		{"an address that may not be called", forbidden{unwritten{io.EOF}}, fault.Permanent, fault.Permanent, fault.Permanent, fault.EffectNone},
		{"no connection", dial, fault.Retryable, fault.Retryable, fault.Retryable, fault.EffectNone},
	} {
		w := &wire{answer: func(sent) (*http.Response, error) { return nil, c.err }}
		tg := testTarget(Config{}, w)
		_, perr := tg.Publish(t.Context(), testVideo(), testSession(t, 1, 30), asset())
		_, cerr := tg.Init(t.Context(), testVideo(), testPlan(30, 1))
		_, rerr := tg.Renew(t.Context(), testSession(t, 3, 30))
		if fault.KindOf(perr) != c.publish || fault.KindOf(cerr) != c.create || fault.KindOf(rerr) != c.renew || fault.EffectOf(perr) != c.effect || !errors.Is(perr, c.err) {
			t.Errorf("%s: %v; %v; %v", c.name, perr, cerr, rerr)
		}
		if err := tg.Abort(t.Context(), testSession(t, 1, 30)); err != nil {
			t.Errorf("%s: a cancel that fails: %v", c.name, err)
		}
	}
}

func TestACancelledContextIsUnknownWhateverTheClientSays(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the lease ended")
	w := &wire{answer: func(sent) (*http.Response, error) { cancel(why); return nil, io.EOF }}
	_, err := testTarget(Config{}, w).Publish(ctx, testVideo(), testSession(t, 1, 30), asset())
	if fault.KindOf(err) != fault.Unknown || fault.EffectOf(err) != fault.EffectUnknown || !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Errorf("got %v, effect %v", err, fault.EffectOf(err))
	}
}

func TestWordsOfThePlatformAreCleaned(t *testing.T) {
	w := says(400, `{"error":{"code":1013,"description":"bad `+testAccess+` and `+testUpload+" and "+testKey+"\\u0007\\u202e"+strings.Repeat("y", 999)+`"}}`)
	_, err := testTarget(Config{}, w).Renew(t.Context(), testSession(t, 3, 30))
	if got := err.Error(); strings.Contains(got, "SECRET") || strings.ContainsAny(got, "\a\u202e") || len(got) > 900 || !strings.Contains(got, "1013") {
		t.Errorf("got %q", got)
	}
	_, err = testTarget(Config{}, says(502, "<html>bad gateway "+testAccess+"</html>")).Renew(t.Context(), testSession(t, 3, 30))
	if got := err.Error(); !strings.Contains(got, "bad gateway") || strings.Contains(got, "SECRET") {
		t.Errorf("got %q", got)
	}
}

func TestACredentialThatCannotBeHadSendsNothing(t *testing.T) {
	none := func(context.Context) (token.Token, error) {
		return token.Token{}, fault.Newf(fault.CredentialsExpired, "x", "%w", token.ErrNoCredential)
	}
	empty := func(context.Context) (token.Token, error) { return token.Token{}, nil }
	nokey := func(context.Context) (token.AppKey, error) { return token.AppKey{}, nil }
	for name, c := range map[string]struct {
		app  App
		cred Credentials
		kind fault.Kind
	}{
		"no token": {testAppKey, none, fault.CredentialsExpired}, "an empty token": {testAppKey, empty, fault.CredentialsExpired}, "no app": {nokey, testCred, fault.Permanent},
		"an app that cannot be read": {func(context.Context) (token.AppKey, error) { return token.AppKey{}, io.EOF }, testCred, fault.Unknown},
	} {
		w := platform()
		_, err := New(Config{}, &http.Client{Transport: w}, c.app, c.cred, nil).Publish(t.Context(), testVideo(), testSession(t, 1, 30), asset())
		if fault.KindOf(err) != c.kind || fault.EffectOf(err) != fault.EffectNone || len(w.sent) != 0 {
			t.Errorf("%s: %v, %d sent", name, err, len(w.sent))
		}
	}
}

func TestInspectAndCheckReadTheState(t *testing.T) {
	at := target.Attempt{Asset: asset(), Session: testSession(t, 3, 30), At: testNow.Add(-time.Hour), SendBy: testNow.Add(-time.Hour)}
	for _, c := range []struct {
		name, body string
		posts      int
		denied     bool
		state      target.State
		fails      bool
	}{
		{"encoding", `{"id":"XMjg1MTcyNDQ0","state":"encoding"}`, 1, false, target.Later, false},
		{"in_review", `{"state":"in_review"}`, 1, false, target.Later, false},
		{"normal", `{"state":"normal","published":"2026-11-20 17:00:00","link":"https://v.youku.com/x"}`, 1, false, target.Live, false},
		{"limited", `{"state":"limited"}`, 1, false, target.Live, false},
		{"fail", `{"state":"fail"}`, 1, false, target.Blocked, false},
		{"blocked", `{"state":"blocked"}`, 1, false, target.Blocked, false},
		{"no such video", `{"error":{"code":120020001}}`, 0, true, target.Later, false},
		{"as a string", `{"error":{"code":"120020001"}}`, 0, true, target.Later, false},
		{"url-encoded", `code=120020001&type=x&description=y`, 0, true, target.Later, false},
		{"another video", `{"id":"other","state":"normal"}`, 0, false, 0, true},
		{"no state", `{"id":"XMjg1MTcyNDQ0"}`, 0, false, 0, true},
		{"an error", `{"error":{"code":1001}}`, 0, false, 0, true},
		{"HTML", `<html>`, 0, false, 0, true},
	} {
		sts := created // the upload is open
		tg := testTarget(Config{}, &wire{answer: func(r sent) (*http.Response, error) {
			if r.URL.Path == pathSTS {
				return respond(200, sts), nil
			}
			return respond(200, c.body), nil
		}})
		f, err := tg.Inspect(t.Context(), at)
		if len(f.Posts) != c.posts || f.Denied != c.denied || (err != nil) != c.fails {
			t.Errorf("%s: %+v, %v", c.name, f, err)
		}
		if c.denied { // an upload that is closed, or that cannot be asked about, denies nothing
			for _, sts = range []string{`{"error":{"code":120010151}}`, `{"error":{"code":120010223}}`, `{"error":{"code":1009}}`, `{"error":{"code":1001}}`} {
				if f, _ := tg.Inspect(t.Context(), at); f.Denied {
					t.Errorf("%s: denied although get_sts_inf says %s", c.name, sts)
				}
			}
		}
		d, err := tg.Check(t.Context(), testVideo(), upload.Post{ID: "XMjg1MTcyNDQ0", At: testNow})
		if (err != nil) != c.fails || err == nil && d.State != c.state {
			t.Errorf("%s: %+v, %v", c.name, d, err)
		}
	}
	// A state that nobody documents is no proof of a commit, and at Check a person's turn.
	odd := testTarget(Config{}, says(200, `{"state":"uploading"}`))
	if f, err := odd.Inspect(t.Context(), at); err == nil || f.Denied || len(f.Posts) > 0 {
		t.Errorf("an unknown state: %+v, %v", f, err)
	}
	at.Asset, at.Session = upload.Asset{}, testSession(t, 1, 30)
	f, err := testTarget(Config{}, says(200, `{"state":"normal","published":"2026-11-20 17:00:00","link":"javascript:x"}`)).Inspect(t.Context(), at)
	if err != nil || len(f.Posts) != 1 || f.Posts[0].URL != "http://v.youku.com/v_show/id_XMjg1MTcyNDQ0.html" || !f.Posts[0].At.Equal(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("by the session: %+v, %v", f, err)
	}
}
