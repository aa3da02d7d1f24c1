package douyinweb

import (
	"errors"
	"testing"

	"github.com/vodlift/vodlift/shared/fault"
)

// Whatever a platform answers at any step: a classified error or a success, no secret, no panic; and a create that was
// answered with anything but a documented refusal leaves its outcome open.
func FuzzAnswers(f *testing.F) {
	for i, s := range allSteps() {
		f.Add(byte(i), 200, good()[s], "", "")
		f.Add(byte(i), 403, `{"status_code":110,"code":1,"success":1}`, "https://sso.douyin.com/", "1")
	}
	f.Add(byte(1), 200, `{"code":2000,"message":"ok","data":{"edge_nodes":[[]]}}`, "", "")
	f.Fuzz(func(t *testing.T, step byte, status int, body, location, verify string) {
		if status < 200 || status > 599 {
			t.Skip()
		}
		s := allSteps()[int(step)%len(allSteps())]
		r := respond(status, body)
		r.Header.Set("Location", location)
		if verify != "" {
			r.Header.Set("X-Tt-Verify-Passport-Decision", verify)
		}
		err := play(t, s, r)
		if err == nil {
			return
		}
		fe := fault.As(err)
		if fe == nil || fe.Op == "" || fe.Actor == "" {
			t.Fatalf("%s %d %q: %v", s, status, body, err)
		}
		if errors.Is(err, ErrProtocol) != (fe.Code == RowProtocol) {
			t.Fatalf("%s %q: a protocol fault under another name: %v", s, body, err)
		}
		if s == StepCreate && fe.Effect == fault.EffectNone && fe.Code != RowDenied && fe.Code != RowHuman && fe.Code != RowVerify {
			t.Fatalf("%d %q: no effect is claimed: %v", status, body, err)
		}
	})
}
