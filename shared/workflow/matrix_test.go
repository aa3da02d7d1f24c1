package workflow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target/memtarget"
)

// ends are the letters of the matrix.
var ends = map[byte]string{
	'P': "PUBLISHED", 'L': "NEEDS_LOGIN(credentials)", 'I': "FAILED(invalid)", 'R': "FAILED(refused)",
	'D': "FAILED(duplicate)", 'F': "FAILED(no progress)", 'S': "FAILED(session lost)", 'H': "HELD(unknown outcome)", 'N': "HELD(no progress)",
}

// matrix says how an upload ends when a step fails with a kind: before its effect once, before it always, after it
// once, after it always.
var matrix = map[memtarget.Op]map[fault.Kind]string{
	memtarget.Init: { // a platform that has this very file already tells a person to find out where
		fault.Unknown: "PFPF", fault.Retryable: "PFPF", fault.TokenExpired: "PLPL", fault.CredentialsExpired: "LLLL",
		fault.Duplicate: "DDDD", fault.Invalid: "IIII", fault.Permanent: "RRRR",
	},
	memtarget.UploadPart: { // after the effect the platform has the part, and says so when it is asked for its list
		fault.Unknown: "PFPP", fault.Retryable: "PFPP", fault.TokenExpired: "PLPP", fault.CredentialsExpired: "LLLL",
		fault.Duplicate: "PFPP", fault.Invalid: "IIII", fault.Permanent: "RRRR",
	},
	memtarget.ListParts: {
		fault.Unknown: "PFPF", fault.Retryable: "PFPF", fault.TokenExpired: "PLPL", fault.CredentialsExpired: "LLLL",
		fault.Duplicate: "PFPF", fault.Invalid: "IIII", fault.Permanent: "RRRR",
	},
	memtarget.Complete: { // a session that still has every part was not completed: nothing is sent again
		fault.Unknown: "PFPS", fault.Retryable: "PFPF", fault.TokenExpired: "PLPL", fault.CredentialsExpired: "LLLL",
		fault.Duplicate: "PFPS", fault.Invalid: "IIII", fault.Permanent: "RRRR",
	},
	memtarget.Publish: { // after the effect only looking helps, whatever the kind
		fault.Unknown: "PSPP", fault.Retryable: "PSPP", fault.TokenExpired: "PLPP", fault.CredentialsExpired: "LLPP",
		fault.Duplicate: "PSPP", fault.Invalid: "IIPP", fault.Permanent: "RRPP",
	},
	memtarget.Inspect: { // a look that cannot look never fails an upload: a person decides
		fault.Unknown: "PHPH", fault.Retryable: "PHPH", fault.TokenExpired: "PHPH", fault.CredentialsExpired: "PHPH",
		fault.Duplicate: "PHPH", fault.Invalid: "PHPH", fault.Permanent: "PHPH",
	},
	memtarget.Check: { // the post is known: nothing here can fail it
		fault.Unknown: "PNPN", fault.Retryable: "PNPN", fault.TokenExpired: "PLPL", fault.CredentialsExpired: "LLLL",
		fault.Duplicate: "PNPN", fault.Invalid: "PNPN", fault.Permanent: "PNPN",
	},
}

// TestStepTimesFaultKind walks the matrix on the machine. Whatever happens it ends, with one post at most, no rule of
// the status table broken, and every grant given back.
func TestStepTimesFaultKind(t *testing.T) {
	cases := []struct {
		name   string
		when   memtarget.When
		always bool
	}{{"before once", memtarget.Before, false}, {"before always", memtarget.Before, true}, {"after once", memtarget.After, false}, {"after always", memtarget.After, true}}
	for op, kinds := range matrix {
		for _, k := range fault.Kinds() {
			for i, c := range cases {
				if raced && (c.always && op != memtarget.Publish || k != fault.Unknown && k != fault.TokenExpired && k != fault.Invalid) {
					continue // the same code, walked without the detector
				}
				t.Run(strings.Join([]string{string(op), k.String(), c.name}, "/"), func(t *testing.T) {
					t.Parallel()
					r := newRig(t, func(o *options) {
						o.set.Life, o.set.SettleRest, o.set.RetryPark = 5*time.Minute, 30*time.Second, time.Minute
					})
					r.inject(op, k, c.when, c.always)
					id := r.drop(key, video(400, 1), nil).Uploads[0]
					r.run(8 * 24 * time.Hour)
					u := r.upload(id)
					got := strings.TrimSuffix(string(u.Status)+"("+u.Reason+")", "()")
					if want := ends[kinds[k][i]]; got != want || !u.Settled {
						t.Errorf("got %s settled %v, want %s\n%s", got, u.Settled, want, r.timeline(id))
					}
					if got != "PUBLISHED" && (u.Fault == nil || u.Fault.Text == "" || u.Fault.Step == "" || u.Fault.Actor == "") {
						t.Errorf("people are not told what failed, at which step, and whose turn it is: %+v", u.Fault)
					}
					r.sound(id)
				})
			}
		}
	}
}

// inject makes one step fail, and brings about what that step is for.
func (r *rig) inject(op memtarget.Op, k fault.Kind, when memtarget.When, always bool) {
	e := &fault.Error{Kind: k, Op: "mem." + string(op), Actor: fault.ActorPlatform, Err: errors.New("made to fail")}
	if when == memtarget.Before {
		e.Effect = fault.EffectNone
	}
	switch op {
	case memtarget.Inspect: // there is something to look for
		r.mem.Fail(memtarget.Publish, memtarget.After, nil)
	case memtarget.ListParts: // there is something to list: the first carry breaks off
		r.mem.Fail(memtarget.UploadPart, memtarget.Before, fault.New(fault.Unknown, "mem", "cut"))
	}
	if !always {
		r.mem.Fail(op, when, e)
		return
	}
	r.mem.Hook(func(_ context.Context, c memtarget.Call) error {
		if c.Op == op && c.When == when {
			return e
		}
		return nil
	})
}
