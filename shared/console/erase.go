package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/handler"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// What stands between an upload and the end of the program.
const (
	LeaveCancel = "cancel" // it can be cancelled, which gives its session up at the platform
	LeaveEnding = "ending" // it was cancelled, and is being cleared up
	LeaveAsked  = "asked"  // the platform was asked to publish it, and nobody knows whether it did
	LeavePosted = "posted" // its post is known; only the wait for the platform's processing would end
)

// LeavingUpload is one upload that is not over.
type LeavingUpload struct {
	ID      string         `json:"id"`
	Account upload.Account `json:"account"`
	Status  upload.Status  `json:"status"`
	Reason  string         `json:"reason,omitempty"`
	Key     string         `json:"key"`   // of its source
	Stand   string         `json:"stand"` // one of the Leave words
}

// Leaving is what GET /api/leaving answers: what has to end before vodlift may be taken down. Nothing in it is secret.
type Leaving struct {
	Paused   bool             `json:"paused"` // globally
	Uploads  []LeavingUpload  `json:"uploads"`
	More     bool             `json:"more,omitempty"` // there are more uploads than are listed
	Sessions int              `json:"sessions"`       // of cancelled uploads, that the platform did not let us give up
	Logins   []upload.Account `json:"logins"`
	Apps     []string         `json:"apps"` // app keys and callback keys that are set
}

// Unhooker is optional on a target: it takes the platform's callback setting away if, and only if, it is that address of
// ours. false: the setting is of another address, or there is none (any more).
type Unhooker interface {
	Unhook(ctx context.Context, address string) (removed bool, err error)
}

// Unhooked says what became of one account's callback address.
type Unhooked struct {
	Account upload.Account `json:"account"`
	Removed bool           `json:"removed"`
	ByHand  bool           `json:"by_hand,omitempty"` // the platform has no call for it, or it is in its console only
	Note    string         `json:"note,omitempty"`
}

// Erased is what DELETE /api/secrets answers.
type Erased struct {
	Logins []upload.Account `json:"logins"`
	Apps   []string         `json:"apps"`
	Note   string           `json:"note,omitempty"`
}

// erasedID stands in the place of an app's id after its key was erased. The record stays, so that versions go on growing
// and an old ciphertext does not open in its place.
const erasedID = "erased"

// namedRecords are the sealed records beside the apps of platforms whose names are known; others are named by manifests.
func namedRecords() []string {
	return []string{"vod-callback", "vod-callback-next", "douyin-next", "forward", "forward-next"}
}

// maxLeaving bounds how many uploads of one account and status are listed.
const maxLeaving = 1000

// eraseRoutes adds what takes vodlift down. Both verbs are DELETE: the console's pool gives that method to admins only
// (template.yaml). All three may be repeated.
func (c *Console) eraseRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/leaving", c.answer(func(r *http.Request) (any, error) { return c.leaving(r.Context()) }))
	mux.HandleFunc("DELETE /api/callbacks", c.answer(func(r *http.Request) (any, error) { return c.unhook(r.Context()) }))
	mux.HandleFunc("DELETE /api/secrets", c.answer(func(r *http.Request) (any, error) {
		return c.erase(r.Context(), r.URL.Query().Get("force") == "1")
	}))
}

func (c *Console) leaving(ctx context.Context) (Leaving, error) {
	out := Leaving{Uploads: []LeavingUpload{}, Logins: []upload.Account{}, Apps: []string{}}
	infos, err := c.Vault.Accounts(ctx)
	if err != nil {
		return out, err
	}
	accounts := slices.Clone(c.Accounts())
	for _, i := range infos {
		if i.State != token.AccountRemoved {
			out.Logins = append(out.Logins, i.Account)
		}
		if !slices.Contains(accounts, i.Account) {
			accounts = append(accounts, i.Account)
		}
	}
	for _, a := range accounts {
		if err := c.leavingOf(ctx, a, &out); err != nil {
			return out, err
		}
	}
	// A global pause holds every account, also one that nobody has.
	scope, err := c.Ledger.Paused(ctx, "none/none")
	if err != nil {
		return out, err
	}
	out.Paused = scope != ""
	out.Apps, err = c.keysSet(ctx)
	return out, err
}

// leavingOf adds one account's uploads. The index may lag: who waits for the list to be empty looks twice.
func (c *Console) leavingOf(ctx context.Context, a upload.Account, out *Leaving) error {
	for _, s := range []upload.Status{upload.Waiting, upload.Uploading, upload.Completing, upload.Publishing, upload.Processing, upload.Held, upload.Failed, upload.NeedsLogin, upload.Cancelled} {
		us, err := c.Ledger.ByStatus(ctx, a, s, maxLeaving)
		if err != nil {
			return err
		}
		out.More = out.More || len(us) >= maxLeaving && s != upload.Cancelled && s != upload.Failed
		for _, u := range us {
			if u.Status == upload.Cancelled && u.Settled && u.Live {
				out.Sessions++
			}
			if stand := standOf(u); stand != "" {
				out.Uploads = append(out.Uploads, LeavingUpload{ID: u.ID, Account: u.Account, Status: u.Status, Reason: u.Reason, Key: u.Source.Key, Stand: stand})
			}
		}
	}
	return nil
}

// standOf says what is to be done about an upload; "" = nothing, it is over.
func standOf(u state.Upload) string {
	switch {
	case u.OpenIntent() || u.Status == upload.Held:
		return LeaveAsked
	case u.Post != nil && u.Status == upload.Processing:
		return LeavePosted
	case u.Post != nil:
		return ""
	case u.Status == upload.Cancelled && u.Settled, u.Status == upload.Failed && !u.Live:
		return ""
	case u.Status == upload.Cancelled, !u.Cancel.IsZero():
		return LeaveEnding
	}
	return LeaveCancel
}

// keysSet names the app keys and other sealed records that hold something, readable or not.
func (c *Console) keysSet(ctx context.Context) ([]string, error) {
	out := []string{}
	names := []string{}
	for _, p := range c.words() {
		if !c.Platforms[p].NoApp {
			names = append(names, p)
		}
	}
	for _, n := range append(names, namedRecords()...) {
		if _, err := c.record("console.leaving", n); err != nil {
			continue // this program does not know it
		}
		key, err := c.Vault.App(ctx, n)
		if errors.Is(err, token.ErrNoApp) || err == nil && key.ID == erasedID {
			continue
		}
		if err != nil && !errors.Is(err, token.ErrNotOpened) && fault.KindOf(err) != fault.Permanent {
			return nil, err // it could not be asked; that it is there is not known
		}
		out = append(out, n)
	}
	return out, nil
}

// unhook takes our address out of the callback settings of every platform that has a call for it.
func (c *Console) unhook(ctx context.Context) ([]Unhooked, error) {
	infos, err := c.Vault.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	out := []Unhooked{}
	for _, i := range infos {
		if i.State == token.AccountRemoved {
			continue
		}
		u := Unhooked{Account: i.Account}
		address := ""
		if c.Place.Callback != nil {
			address = c.Place.Callback(ctx, i.Account.Target())
		}
		t, _, err := c.Targets.OpenTarget(ctx, i.Account)
		h, can := t.(Unhooker)
		switch {
		case err == nil && (!can || address == ""):
			u.ByHand = true
		case err == nil:
			u.Removed, err = h.Unhook(ctx, address)
		}
		if err != nil {
			u.Note = handler.Redact(err.Error(), 300)
		}
		if u.Removed {
			c.log.Info("callback address removed", "account", string(i.Account))
		}
		out = append(out, u)
	}
	return out, nil
}

// erase removes every login and overwrites every key. Refused while anything may still need them, unless forced: a
// session whose token is gone cannot be given up, and a post that nobody can look for stays unknown.
func (c *Console) erase(ctx context.Context, force bool) (Erased, error) {
	const op = "console.erase"
	out := Erased{Logins: []upload.Account{}, Apps: []string{}}
	l, err := c.leaving(ctx)
	if err != nil {
		return out, err
	}
	if !l.Paused {
		return out, fault.Newf(fault.Invalid, op, "vodlift is not paused; first: vodlift pause global: %w", state.ErrRefused)
	}
	open := slices.DeleteFunc(l.Uploads, func(u LeavingUpload) bool { return u.Stand == LeavePosted })
	if len(open) > 0 && !force {
		return out, fault.Newf(fault.Invalid, op, "%d uploads are not over and need the logins, %s the first: %w", len(open), open[0].ID, state.ErrRefused)
	}
	for _, a := range l.Logins {
		if err := c.Vault.Remove(ctx, a); err != nil {
			return out, fmt.Errorf("%s: %w", a, err)
		}
		out.Logins = append(out.Logins, a)
	}
	for _, n := range l.Apps {
		if err := c.Vault.PutApp(ctx, n, token.AppKey{ID: erasedID}); err != nil {
			return out, fmt.Errorf("%s: %w", n, err)
		}
		out.Apps = append(out.Apps, n)
	}
	for _, r := range c.Records {
		if !slices.ContainsFunc(namedRecords(), r.Name.MatchString) {
			out.Note = "sealed records that only manifests name (watch passwords) are not listed anywhere, so they are still in the table, sealed; they end with the table, or with the key"
		}
	}
	c.log.Warn("logins and keys were erased", "logins", len(out.Logins), "keys", len(out.Apps))
	return out, nil
}
