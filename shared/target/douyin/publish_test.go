package douyin

import (
	"context"
	"errors"
	"fmt"
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
		publish, other fault.Kind // on Publish; on a part
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
			w := &wire{answer: func(sent) (*http.Response, error) { return nil, c.err }}
			tg := testTarget(Config{Auth: Query}, w)
			_, err := tg.Publish(t.Context(), testVideo(), testSession(t, 1, 30), asset("v"))
			if fault.KindOf(err) != c.publish || fault.EffectOf(err) != c.effect || !errors.Is(err, c.err) {
				t.Errorf("Publish: %v, effect %v", err, fault.EffectOf(err))
			}
			_, perr := tg.UploadPart(t.Context(), testSession(t, 3, 30), testPart(testPlan(30, 3), 1, "0123456789"))
			if fault.KindOf(perr) != c.other {
				t.Errorf("UploadPart: %v", perr)
			}
			for _, x := range []string{testAccess, testUpload, "access_token"} {
				if strings.Contains(err.Error()+perr.Error(), x) {
					t.Errorf("%q shows: %v; %v", x, err, perr)
				}
			}
		})
	}
}

func TestACancelledContextIsUnknownWhateverTheClientSays(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the lease ended")
	w := &wire{answer: func(s sent) (*http.Response, error) { cancel(why); return nil, io.EOF }}
	_, err := testTarget(Config{}, w).Publish(ctx, testVideo(), testSession(t, 1, 30), asset("v"))
	if fault.KindOf(err) != fault.Unknown || fault.EffectOf(err) != fault.EffectUnknown || !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Errorf("got %v, effect %v", err, fault.EffectOf(err))
	}
}

func TestAnAnswerThatBreaksOffIsUnknownOnPublish(t *testing.T) {
	w := &wire{answer: func(sent) (*http.Response, error) {
		r := respond(200, "")
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"data":{"item_id":"@x"}}`), broken{}))
		return r, nil
	}}
	_, err := testTarget(Config{}, w).Publish(t.Context(), testVideo(), testSession(t, 1, 30), asset("v"))
	if fault.KindOf(err) != fault.Unknown || fault.EffectOf(err) != fault.EffectUnknown {
		t.Errorf("got %v", err)
	}
	big := says(200, `{"data":{"item_id":"@x"},"pad":"`+strings.Repeat("x", maxAnswer)+`"}`)
	if _, err = testTarget(Config{}, big).Publish(t.Context(), testVideo(), testSession(t, 1, 30), asset("v")); fault.KindOf(err) != fault.Unknown {
		t.Errorf("an endless answer: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestWordsOfThePlatformAreCleaned(t *testing.T) {
	w := says(200, `{"data":{"error_code":2100005,"description":"bad `+testAccess+` and `+testUpload+"\\u0007\\u202e"+strings.Repeat("y", 999)+`"}}`)
	_, err := testTarget(Config{}, w).UploadPart(t.Context(), testSession(t, 3, 30), testPart(testPlan(30, 3), 1, "0123456789"))
	got := err.Error()
	if strings.Contains(got, testAccess) || strings.Contains(got, testUpload) || strings.ContainsAny(got, "\a\u202e") || len(got) > 700 {
		t.Errorf("got %q", got)
	}
	if !errors.Is(err, target.ErrSessionLost) {
		t.Errorf("got %v, want ErrSessionLost", err)
	}
}

func TestACredentialThatCannotBeHadSendsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		cred Credentials
		kind fault.Kind
	}{
		"classified": {func(context.Context) (token.Token, error) {
			return token.Token{}, fault.Newf(fault.CredentialsExpired, "x", "%w", token.ErrNoCredential)
		}, fault.CredentialsExpired},
		"unclassified": {func(context.Context) (token.Token, error) { return token.Token{}, io.EOF }, fault.Unknown},
		"empty":        {func(context.Context) (token.Token, error) { return token.Token{Subject: "o"}, nil }, fault.CredentialsExpired},
		"nobody's":     {func(context.Context) (token.Token, error) { return token.Token{Access: "a"}, nil }, fault.CredentialsExpired},
	} {
		w := says(200, "{}")
		tg := New(Config{}, &http.Client{Transport: w}, c.cred, nil)
		_, err := tg.Publish(t.Context(), testVideo(), upload.Session{}, asset("v"))
		if fault.KindOf(err) != c.kind || fault.EffectOf(err) != fault.EffectNone || len(w.sent) != 0 {
			t.Errorf("%s: %v, effect %v, %d sent", name, err, fault.EffectOf(err), len(w.sent))
		}
	}
}

func TestASpentVideoIDSaysSo(t *testing.T) {
	_, err := testTarget(Config{}, says(200, `{"data":{"error_code":2190007}}`)).Publish(t.Context(), testVideo(), upload.Session{}, asset("v"))
	if !errors.Is(err, target.ErrAssetSpent) || fault.EffectOf(err) != fault.EffectNone || fault.As(err).AssetKept {
		t.Errorf("got %v", err)
	}
}

func TestRetryAfterIsHonouredInBothForms(t *testing.T) {
	for v, want := range map[string]time.Duration{"7": 7 * time.Second, "0": 0, "-5": 0, "x": 0, "": 0, "9999999": 24 * time.Hour,
		testNow.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second, testNow.Add(-time.Hour).Format(http.TimeFormat): 0} {
		w := &wire{answer: func(sent) (*http.Response, error) {
			r := respond(429, "")
			r.Header.Set("Retry-After", v)
			return r, nil
		}}
		_, err := testTarget(Config{}, w).UploadPart(t.Context(), testSession(t, 3, 30), testPart(testPlan(30, 3), 1, "0123456789"))
		if f := fault.As(err); f == nil || f.Kind != fault.Retryable || f.After != want {
			t.Errorf("%q: got %v, want %v", v, err, want)
		}
	}
}

// works answers list with pages of items.
func works(pages ...string) *wire {
	n := 0
	return &wire{answer: func(s sent) (*http.Response, error) {
		body := pages[min(n, len(pages)-1)]
		n++
		return respond(200, fmt.Sprintf(`{"data":{"error_code":0,"list":[%s],"cursor":"%d","has_more":%v},"extra":{}}`, body, n*10, n < len(pages))), nil
	}}
}

func work(id, title string, at time.Time, more string) string {
	return fmt.Sprintf(`{"item_id":%q,"title":%q,"create_time":%d,"share_url":"https://d/%s"%s}`, id, title, at.Unix(), id, more)
}

func TestInspectMatchesTextAndTime(t *testing.T) {
	v := testVideo()
	text := Text(v)
	at := target.Attempt{Video: v, At: testNow, SendBy: testNow.Add(time.Minute)}
	for _, c := range []struct {
		name  string
		pages []string
		want  string
		calls int
	}{
		{"none", []string{""}, "", 1},
		{"one", []string{work("a", text, testNow, "")}, "a", 1},
		{"two, newest last", []string{work("b", text, testNow.Add(2*time.Second), "") + "," + work("a", text, testNow, "")}, "a b", 1},
		{"the same twice", []string{work("a", text, testNow, ""), work("a", text, testNow, "")}, "a", 2},
		{"another text", []string{work("a", text+"x", testNow, "")}, "", 1},
		{"tidied white space", []string{work("a", "  "+strings.ReplaceAll(text, " ", "  "), testNow, "")}, "a", 1},
		{"within the skew before", []string{work("a", text, testNow.Add(-clockSkew), "")}, "a", 1},
		{"older", []string{work("a", text, testNow.Add(-clockSkew-time.Second), "")}, "", 1},
		{"just in time", []string{work("a", text, testNow.Add(time.Minute+lateAfterSend), "")}, "a", 1},
		{"too late", []string{work("a", text, testNow.Add(time.Minute+lateAfterSend+time.Second), "")}, "", 1},
		{"pictures", []string{work("a", text, testNow, `,"media_type":2`)}, "", 1},
		{"a video by type", []string{work("a", text, testNow, `,"media_type":"4"`)}, "a", 1},
		{"on the second page", []string{work("x", "y", testNow, ""), work("a", text, testNow, "")}, "a", 2},
		{"an older pinned work does not end the walk", []string{work("x", "y", testNow.AddDate(-1, 0, 0), `,"is_top":true`), work("a", text, testNow, "")}, "a", 2},
		{"an older work does", []string{work("x", "y", testNow.AddDate(-1, 0, 0), ""), work("a", text, testNow, "")}, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := works(c.pages...)
			f, err := testTarget(Config{}, w).Inspect(t.Context(), at)
			var ids []string
			for _, p := range f.Posts {
				ids = append(ids, p.ID)
				if p.URL != "https://d/"+p.ID || p.At.IsZero() {
					t.Errorf("%+v", p)
				}
			}
			if err != nil || strings.Join(ids, " ") != c.want || f.Denied || len(w.sent) != c.calls {
				t.Errorf("got %v, denied %v, %d calls, %v; want %q in %d", ids, f.Denied, len(w.sent), err, c.want, c.calls)
			}
			for i, s := range w.sent {
				if got, want := s.URL.Query().Get("cursor"), fmt.Sprint(i*10); got != want {
					t.Errorf("cursor %s, want %s", got, want)
				}
			}
		})
	}
	for _, body := range []string{`{"data":{"list":{}},"extra":{}}`, `{"data":{"list":[{"create_time":"x"}]},"extra":{}}`, `{"data":null,"extra":{}}`} {
		if _, err := testTarget(Config{}, says(200, body)).Inspect(t.Context(), at); err == nil {
			t.Errorf("%s passes for an empty list", body)
		}
	}
	endless := &wire{answer: func(s sent) (*http.Response, error) {
		return respond(200, fmt.Sprintf(`{"data":{"list":[],"cursor":%s1,"has_more":true}}`, s.URL.Query().Get("cursor"))), nil
	}}
	if _, err := testTarget(Config{}, endless).Inspect(t.Context(), at); err != nil && len(endless.sent) > listPages {
		t.Errorf("%d pages, %v", len(endless.sent), err)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, list string
		want       target.State
	}{
		{"not in the list", "", target.Later},
		{"another", work("b", "t", testNow, ""), target.Later},
		{"no status", work("a", "t", testNow, ""), target.Live},
		{"public", work("a", "t", testNow, `,"video_status":5`), target.Live},
		{"friends", work("a", "t", testNow, `,"video_status":"6"`), target.Live},
		{"private", work("a", "t", testNow, `,"video_status":7`), target.Live},
		{"unfit", work("a", "t", testNow, `,"video_status":2`), target.Blocked},
		{"in review", work("a", "t", testNow, `,"video_status":4`), target.Later},
		{"a status nobody knows", work("a", "t", testNow, `,"video_status":9`), target.Later},
		{"not reviewed", work("a", "t", testNow, `,"is_reviewed":false`), target.Later},
		{"reviewed", work("a", "t", testNow, `,"is_reviewed":true`), target.Live},
	} {
		d, err := testTarget(Config{}, works(c.list)).Check(t.Context(), testVideo(), upload.Post{ID: "a"})
		if err != nil || d.State != c.want || c.want == target.Blocked && d.Reason == "" {
			t.Errorf("%s: %+v, %v", c.name, d, err)
		}
	}
}
