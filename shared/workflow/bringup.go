package workflow

import (
	"context"
	"errors"
	"fmt"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/upload"
)

// bringUp makes a newer revision the one in force for an upload, while nothing of it is public (design 4.2). late says
// why it was refused, if it was. What waits or has failed is due again in the same write.
func (w *Workflow) bringUp(ctx context.Context, have *state.Upload, want state.Upload) (late string, err error) {
	if have.Revision >= want.Revision {
		if !have.Started && !have.Due.After(w.Now()) {
			return "", w.start(ctx, have)
		}
		return "", nil
	}
	restart := false
	changed, err := w.Ledger.Update(ctx, have.ID, state.AnyGen, func(u *state.Upload) error {
		restart = false
		if u.Revision >= want.Revision {
			return nil
		}
		if u.Public() || u.Status == upload.Cancelled {
			if f := w.tooLate(u, want.Revision); u.Refused == nil || u.Refused.Text != f.Text {
				u.Refused = f
			}
			return nil
		}
		u.Revision, u.PublishAt, u.Refused = want.Revision, want.PublishAt, nil
		if restart = u.Status == upload.Failed || u.Status == upload.Waiting && u.Started; restart {
			return w.revive(u)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if f := changed.Refused; f != nil && changed.Revision < want.Revision {
		if have.Refused == nil || have.Refused.Text != f.Text {
			w.note(ctx, &changed, "ingest", "a changed manifest was refused: "+f.Text, nil)
		}
		return f.Text, nil
	}
	w.note(ctx, &changed, "ingest", fmt.Sprintf("revision %d is in force", want.Revision), nil)
	if !restart {
		return "", nil
	}
	return "", ignoreSuperseded(w.restart(ctx, &changed))
}

func (w *Workflow) tooLate(u *state.Upload, rev int) *state.Fault {
	text := fmt.Sprintf("revision %d came after publishing began", rev)
	if u.Post != nil {
		text = fmt.Sprintf("revision %d came after it was published as post %s", rev, u.Post.ID)
	}
	if u.Status == upload.Cancelled {
		text = fmt.Sprintf("revision %d came after the upload was cancelled", rev)
	}
	return &state.Fault{Step: "ingest", Kind: fault.Invalid.String(), Field: "manifest", Rule: "changes before publishing only", Text: text, At: w.Now(),
		Actor: string(fault.ActorOwner), Action: `edit the post at the platform, or set "again": "<label>" to post a second time`}
}

// notWanted cancels an upload that the newest revision does not name any more, unless it may be public already.
func (w *Workflow) notWanted(ctx context.Context, id string) error {
	u, err := w.Ledger.Upload(ctx, id)
	if err != nil || u.Public() || u.Status == upload.Published || u.Status == upload.Cancelled {
		return err
	}
	_, err = w.Cancel(ctx, id)
	if errors.Is(err, state.ErrRefused) {
		return nil
	}
	return err
}
