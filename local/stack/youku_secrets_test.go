package stack_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/fake"
	fakeyouku "github.com/vodlift/vodlift/local/fake/youku"
	"github.com/vodlift/vodlift/shared/upload"
)

// TestNoSecretOfYoukuIsAnywhereInTheClear: after a run in which both the account's token and the storage's credential were
// renewed, a part was refused and a commit was unclear, none of them is in the database's file, a log, an answer of the
// API, an execution or an event (design 4.11).
func TestNoSecretOfYoukuIsAnywhereInTheClear(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	secrets := map[string]string{"the control key": "control-key-of-this-test", "the app's secret": fakeyouku.DefaultSecret}
	dir := t.TempDir()
	files := func(when string) {
		names, err := filepath.Glob(filepath.Join(dir, "table.db*"))
		if err != nil || len(names) == 0 {
			t.Fatalf("%v, %v", names, err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			look(t, when+filepath.Base(name), b, secrets)
		}
	}
	ykBubble(t, ykOptions{Table: filepath.Join(dir, "table.db"), Log: &log, History: true}, func(t *testing.T, y *ykWorld) {
		grant := func(when string) {
			g, err := y.yk.Grant("demo")
			y.check(err)
			secrets[when+" access_token"], secrets[when+" refresh_token"] = g.AccessToken, g.RefreshToken
		}
		session := func(when string) bool {
			us := y.uploads()
			if len(us) == 0 || us[0].Session == 0 {
				return false
			}
			s, err := y.see.Session(t.Context(), us[0].ID, us[0].Session)
			y.check(err)
			var p struct {
				UploadToken string `json:"upload_token"`
				UploadID    string `json:"upload_id"`
				Credential  struct{ Secret, Token string }
			}
			y.check(json.Unmarshal(s.Private, &p))
			secrets[when+" upload_token"], secrets[when+" upload id"] = p.UploadToken, p.UploadID
			secrets[when+" temp_access_secret"], secrets[when+" security_token"] = p.Credential.Secret, p.Credential.Token
			return true
		}
		grant("the first")
		y.inject(fake.Fault{Op: "get_sts_inf", Token: fake.TokenExpire}, fake.Fault{Op: "upload_part", Nth: 3, Name: "SignatureDoesNotMatch"},
			fake.Fault{Op: "upload_part", Nth: 4, Name: "SecurityTokenExpired"}, fake.Fault{Op: "commit", Body: fake.BodyHTML, When: fake.After})
		reached, goOn := make(chan struct{}), make(chan struct{})
		y.inject(fake.Fault{Op: "upload_part", Nth: 1, Hold: goOn, Reached: func() { close(reached) }})
		body := film(7, 24*kib)
		y.drop(filmKey, body)
		<-reached
		if !session("the first") {
			t.Error("no session was open")
		}
		close(goOn)
		if !y.drive(24*time.Hour, y.settled) {
			t.Fatal("it does not end")
		}
		u := y.uploads()[0]
		if u.Status == upload.Failed { // the signature that was refused is an error for good: a person says go on
			_, err := y.m.Retry(t.Context(), u.ID)
			y.check(err)
		}
		u = y.ended(filmKey, upload.Published)
		grant("the last")
		session("the last")
		if secrets["the first security_token"] == secrets["the last security_token"] || secrets["the first access_token"] == secrets["the last access_token"] {
			t.Error("nothing was renewed: the test does not look where it should")
		}
		for name, v := range secrets {
			if len(v) < 8 {
				t.Errorf("%s is %q", name, v)
			}
		}
		view, err := y.m.ViewByUpload(t.Context(), u.ID, true)
		y.check(err)
		answer, err := json.Marshal(view)
		y.check(err)
		var machine bytes.Buffer
		for _, e := range y.m.Steps.List() {
			d, _ := y.m.Steps.Describe(e.Name)
			b, err := json.Marshal(d)
			y.check(err)
			machine.Write(slices.Concat(b, d.Input, d.Output))
		}
		for what, text := range map[string][]byte{"the answer of the API": answer, "an execution": machine.Bytes(), "an event": y.out.all()} {
			look(t, what, text, secrets)
		}
		files("running: ")
	})
	files("closed: ")
	look(t, "the log", log.Bytes(), secrets)
}
