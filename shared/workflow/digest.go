package workflow

import (
	"context"
	"crypto/md5"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/target"
)

const digestEvery = 30 * time.Second // how often the hash's state is saved

// digest takes the MD5 of the whole source where the platform wants it before the upload is opened (target.Digester).
// The hash's state is saved on the way, so that a file larger than one invocation's time still finishes: done is false
// then, and Open goes round again. The bytes hashed are the bytes sent: every read is conditional on the ETag.
//
// An ETag is not taken for the MD5: whether it is one depends on how the object was written and encrypted, which
// nothing that we read proves.
func (w *Workflow) digest(ctx context.Context, u *state.Upload, t target.Target) (done bool, err error) {
	d, ok := t.(target.Digester)
	if !ok || !d.NeedsMD5() || u.MD5 != "" {
		return true, nil
	}
	h, at, err := hashState(u)
	if err != nil {
		return false, err
	}
	deadline, bounded := ctx.Deadline()
	saved := w.Now()
	for at < u.Source.Size {
		if bounded && deadline.Sub(w.Now()) < w.Set.Margin {
			return false, w.saveDigest(ctx, u, h, at)
		}
		n := min(w.Set.DigestStep, u.Source.Size-at)
		if err := w.hashRange(ctx, u, h, at, n); err != nil {
			return false, err
		}
		at += n
		if at < u.Source.Size && w.Now().Sub(saved) >= digestEvery {
			if err := w.saveDigest(ctx, u, h, at); err != nil {
				return false, err
			}
			saved = w.Now()
		}
	}
	sum := hex.EncodeToString(h.Sum(nil))
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		u.MD5, u.Hashing = sum, nil
		u.Advanced()
		return nil
	})
	if err != nil {
		return false, err
	}
	*u = changed
	w.note(ctx, u, "open", fmt.Sprintf("md5 of %d bytes taken", u.Source.Size), nil)
	return true, nil
}

// hashState restores the hash where an earlier invocation left it.
func hashState(u *state.Upload) (hash.Hash, int64, error) {
	h := md5.New()
	if u.Hashing == nil {
		return h, 0, nil
	}
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(u.Hashing.State); err != nil || u.Hashing.Done > u.Source.Size {
		return md5.New(), 0, nil // of another version of Go: begin again
	}
	return h, u.Hashing.Done, nil
}

func (w *Workflow) hashRange(ctx context.Context, u *state.Upload, h hash.Hash, at, n int64) error {
	r, err := w.Source.Open(ctx, object(u.Source), at, n)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := io.Copy(h, r)
	if err == nil && got != n {
		err = &fault.Error{Kind: fault.Retryable, Err: io.ErrUnexpectedEOF}
	}
	if err != nil {
		return fault.Wrap("workflow.digest", fmt.Errorf("%d of %d bytes at %d: %w", got, n, at, err))
	}
	return nil
}

func (w *Workflow) saveDigest(ctx context.Context, u *state.Upload, h hash.Hash, at int64) error {
	b, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return fault.Wrap("workflow.saveDigest", err)
	}
	changed, err := w.Ledger.Update(ctx, u.ID, u.Gen, func(u *state.Upload) error {
		u.Hashing = &state.Hashing{State: b, Done: at}
		u.Advanced()
		return nil
	})
	*u = changed
	return err
}
