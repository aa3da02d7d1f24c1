package douyinweb

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	fakeweb "github.com/vodlift/vodlift/local/fake/douyinweb"
	"github.com/vodlift/vodlift/local/fake/tos"
	"github.com/vodlift/vodlift/local/fake/tos/drift"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// open begins an upload of two chunks.
func (st *stage) open(t *testing.T, tg *Target) (upload.Video, upload.Plan, upload.Session) {
	t.Helper()
	v := fullVideo(6000)
	plan, err := upload.NewPlan(v.Size, Limits(st.cfg), upload.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := tg.Init(t.Context(), v, plan)
	if err != nil {
		t.Fatal(err)
	}
	return v, plan, s
}

func TestALostSessionIsFoundAfterThreeRefusals(t *testing.T) {
	st := newStage(t, fakeweb.Options{}, tos.Options{})
	tg := st.adapter()
	_, plan, s := st.open(t, tg)
	st.expire(t)
	for i := range maxRefusals {
		_, err := tg.UploadPart(t.Context(), s, testPart(plan, 1, strings.Repeat("x", 3000)))
		if last := i == maxRefusals-1; errors.Is(err, target.ErrSessionLost) != last || fault.KindOf(err) == fault.Retryable == last {
			t.Errorf("refusal %d: %v", i+1, err)
		}
	}
	if _, err := tg.Complete(t.Context(), s, receipts(plan, "a684c7c6")); !errors.Is(err, target.ErrSessionCredential) && !errors.Is(err, target.ErrSessionLost) {
		t.Errorf("Complete: %v", err)
	}
}

// whole goes through all of it, and gives the first error.
func (st *stage) whole(t *testing.T) error {
	t.Helper()
	tg := st.adapter()
	v := fullVideo(6000)
	plan, err := upload.NewPlan(v.Size, Limits(st.cfg), upload.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := tg.Init(t.Context(), v, plan)
	if err != nil {
		return err
	}
	var rs []upload.Receipt
	for n := 1; n <= plan.Parts; n++ {
		r, err := tg.UploadPart(t.Context(), s, testPart(plan, n, strings.Repeat("x", 3000)))
		if err != nil {
			return err
		}
		rs = append(rs, r)
	}
	a, err := tg.Complete(t.Context(), s, rs)
	if err != nil {
		return err
	}
	_, err = tg.Publish(t.Context(), v, s, a)
	return err
}

// Every field of every answer, renamed and of another type: either it does not matter to us, and one post is
// made; or it is a named fault, and nothing is published but, perhaps, by the create whose answer it was.
func TestDriftOfTheFakesIsNamed(t *testing.T) {
	type place struct {
		op     string
		where  func(*stage) interface{ Inject(fake.Fault) error }
		fields []string
	}
	site := func(st *stage) interface{ Inject(fake.Fault) error } { return st.Server }
	storage := func(st *stage) interface{ Inject(fake.Fault) error } { return st.store }
	var places []place
	for op, fields := range fakeweb.OpFields() {
		if op == "upload_auth" || op == "video_params" || op == "video_confirm" || op == "create" {
			places = append(places, place{op, site, fields})
		}
	}
	for _, op := range []string{"open", "chunk", "close"} {
		places = append(places, place{op, storage, tos.Fields()})
	}
	for _, p := range places {
		t.Run(p.op, func(t *testing.T) {
			named := 0
			for _, field := range p.fields {
				st := newStage(t, fakeweb.Options{}, tos.Options{})
				for how, shape := range map[string]drift.Shape{"renamed": drift.Renamed(field, "other"), "retyped": drift.Replaced(field, `[[1]]`)} {
					before := len(st.Effects().Posts)
					st.inject(t, p.where(st), fake.Fault{Op: p.op, Shape: shape.JSON()})
					err := st.whole(t)
					posts := len(st.Effects().Posts) - before
					switch {
					case err == nil && posts == 1:
					case errors.Is(err, ErrProtocol) && (posts == 0 || p.op == "create" && fault.EffectOf(err) == fault.EffectUnknown && fault.KindOf(err) == fault.Unknown):
						named++
					default:
						t.Errorf("%s %s: %v, %d posts", field, how, err, posts)
					}
				}
			}
			if named < 2 {
				t.Errorf("only %d changes were noticed", named)
			}
		})
	}
}

func TestALoginThatEndsIsNeedsLoginAtEveryStep(t *testing.T) {
	for _, reading := range []string{"code", "noauth", "page", "redirect"} {
		st := newStage(t, fakeweb.Options{Readings: fakeweb.Readings{DeadCookie: reading}}, tos.Options{})
		r := NewRefresher(st.cfg, st.client, &Options{Now: st.now})
		got, err := r.Refresh(t.Context(), token.AppKey{}, st.tok)
		if err != nil || got.Subject != testUser {
			t.Errorf("%s: alive: %+v, %v", reading, got, err)
		}
		if err := st.Logout(testUser); err != nil {
			t.Fatal(err)
		}
		if err := st.whole(t); fault.KindOf(err) != fault.CredentialsExpired || fault.EffectOf(err) == fault.EffectNone != (reading == "code" || reading == "noauth") {
			t.Errorf("%s: %v", reading, err)
		}
		if err := r.Alive(t.Context(), st.tok); reading != "noauth" && fault.KindOf(err) != fault.CredentialsExpired {
			t.Errorf("%s: a dead login: %v", reading, err)
		}
		login, err := st.Login(testUser)
		if err != nil {
			t.Fatal(err)
		}
		st.login = login
		st.use(t, login)
		if err := st.whole(t); err != nil {
			t.Errorf("%s: after a new login: %v", reading, err)
		}
	}
	for _, reading := range []string{"forbidden", "empty", "page", "redirect", "code"} {
		st := newStage(t, fakeweb.Options{Readings: fakeweb.Readings{DeadCreate: reading}}, tos.Options{})
		st.inject(t, st.store, fake.Fault{Op: "close", Reached: func() { _ = st.Logout(testUser) }})
		err := st.whole(t)
		want := fault.CredentialsExpired
		if reading == "code" { // an undocumented status_code proves nothing
			want = fault.Unknown
		}
		if fault.KindOf(err) != want || len(st.Effects().Posts) != 0 {
			t.Errorf("create, %s: %v, %d posts", reading, err, len(st.Effects().Posts))
		}
		if none := fault.EffectOf(err) == fault.EffectNone; none != (reading == "forbidden") {
			t.Errorf("create, %s: no effect %v", reading, none)
		}
	}
}

func TestWhereTheSiteWantsAPersonNothingIsForged(t *testing.T) {
	for _, c := range []fakeweb.Condition{fakeweb.Captcha, fakeweb.Verify, fakeweb.Login} {
		st := newStage(t, fakeweb.Options{}, tos.Options{})
		if err := st.SetAccount(testUser, c); err != nil {
			t.Fatal(err)
		}
		before := st.sent.Load()
		err := st.whole(t)
		if f := fault.As(err); f == nil || f.Kind != fault.CredentialsExpired || f.Actor != fault.ActorOwner || f.Action == "" || st.sent.Load() != before+1 {
			t.Errorf("%v: %v after %d requests", c, err, st.sent.Load()-before)
		}
	}
}

func TestUploadCredentialsThatEndAreRenewedAndChunksStay(t *testing.T) {
	st := newStage(t, fakeweb.Options{}, tos.Options{})
	tg := st.adapter()
	v, plan, s := st.open(t, tg)
	var rs []upload.Receipt
	for n := 1; n <= plan.Parts; n++ {
		r, err := tg.UploadPart(t.Context(), s, testPart(plan, n, strings.Repeat("x", 3000)))
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	for name, end := range map[string]func(){
		"by their time": func() { st.ahead.Add(int64(5 * time.Hour)) },
		"before it":     func() { st.ahead.Add(int64(2 * time.Minute)); _ = st.EndCredentials(testUser) },
	} {
		end()
		_, err := tg.Complete(t.Context(), s, rs)
		if !errors.Is(err, target.ErrSessionCredential) || fault.KindOf(err) != fault.TokenExpired {
			t.Fatalf("%s: %v", name, err)
		}
		if s, err = tg.Renew(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	a, err := tg.Complete(t.Context(), s, rs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tg.Publish(t.Context(), v, s, a); err != nil {
		t.Fatal(err)
	}
	posts := st.Effects().Posts
	want := `"text_extra":"[{\"start\":0,\"end\":3,\"user_id\":\"\",\"type\":1,\"hashtag_name\":\"音乐\"}`
	if len(posts) != 1 || !strings.Contains(string(posts[0].Fields), want) || !strings.Contains(string(posts[0].Fields), `"visibility_type":"2"`) {
		t.Errorf("%+v", posts)
	}
	if oid, second, exact := st.Poster(a.ID); oid == "" || second != 1.5 || !exact {
		t.Errorf("poster %s at %g, exact %v", oid, second, exact)
	}
}

func TestALostAnswerToCloseOrConfirmIsNoSecondUpload(t *testing.T) {
	for _, op := range []string{"close", "video_confirm"} {
		st := newStage(t, fakeweb.Options{}, tos.Options{})
		tg := st.adapter()
		v, plan, s := st.open(t, tg)
		var rs []upload.Receipt
		for n := 1; n <= plan.Parts; n++ {
			r, err := tg.UploadPart(t.Context(), s, testPart(plan, n, strings.Repeat("x", 3000)))
			if err != nil {
				t.Fatal(err)
			}
			rs = append(rs, r)
		}
		var where interface{ Inject(fake.Fault) error } = st.store
		if op != "close" {
			where = st.Server
		}
		st.inject(t, where, fake.Fault{Op: op, Cut: fake.CutAfter})
		if _, err := tg.Complete(t.Context(), s, rs); fault.KindOf(err) != fault.Unknown {
			t.Errorf("%s lost: %v", op, err)
		}
		a, err := tg.Complete(t.Context(), s, rs)
		if err != nil {
			t.Fatalf("%s, again: %v", op, err)
		}
		if _, err := tg.Publish(t.Context(), v, s, a); err != nil {
			t.Error(err)
		}
	}
}
