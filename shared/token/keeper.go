package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/upload"
)

// KeeperOptions are what may vary; nil and zero values mean the defaults.
type KeeperOptions struct {
	Now    func() time.Time                                 // default time.Now
	Sleep  func(ctx context.Context, d time.Duration) error // default a timer that ends with ctx
	Random func() float64                                   // in [0, 1), spreads the polls; default math/rand/v2
	Log    *slog.Logger                                     // default: nothing is logged. A deployed Keeper needs one: it carries the alarm
	// Metric counts for the outside; default: nothing is counted. login_days_left (None) is the least of a sweep's accounts,
	// token_not_saved (Count) a renewed token that was lost.
	Metric func(ctx context.Context, name, unit string, value float64, dims ...string)
	Owner  string // who we are, in leases; an id for people, default "keeper"

	RefreshTimeout time.Duration // of one Refresh; default 20 s
	SaveTimeout    time.Duration // of saving its answer, tries included; default 10 s
	Wait           time.Duration // how long Renew waits for another's renewal before it gives Retryable; default 5 s
	Poll           time.Duration // how often it looks meanwhile, with jitter; default 100 ms
	Cool           time.Duration // how long nobody asks again after a failed renewal, where the platform does not say; default 5 s
	Margin         time.Duration // a token that ends within it counts as ended, but never more than a tenth of its life; default 1 min
}

func (o *KeeperOptions) withDefaults() KeeperOptions {
	var d KeeperOptions
	if o != nil {
		d = *o
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Sleep == nil {
		d.Sleep = sleep
	}
	if d.Random == nil {
		d.Random = rand.Float64
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Metric == nil {
		d.Metric = func(context.Context, string, string, float64, ...string) {}
	}
	d.Owner = cmp.Or(d.Owner, "keeper")
	d.RefreshTimeout = cmp.Or(d.RefreshTimeout, 20*time.Second)
	d.SaveTimeout = cmp.Or(d.SaveTimeout, 10*time.Second)
	d.Wait = cmp.Or(d.Wait, 5*time.Second)
	d.Poll = cmp.Or(d.Poll, 100*time.Millisecond)
	d.Cool = cmp.Or(d.Cool, 5*time.Second)
	d.Margin = cmp.Or(d.Margin, time.Minute)
	return d
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Keeper renews the tokens of accounts, one at a time each, over all processes that share the table (design 4.5): lease,
// load again, check again, refresh, save, and only then give the token away. Safe for concurrent use.
type Keeper struct {
	vault      *Vault
	refreshers map[string]Refresher
	o          KeeperOptions
}

// NewKeeper makes a Keeper. refreshers has one for each target whose tokens can be renewed; an account of any other
// target needs a login once its token is refused. o may be nil.
func NewKeeper(v *Vault, refreshers map[string]Refresher, o *KeeperOptions) *Keeper {
	return &Keeper{vault: v, refreshers: refreshers, o: o.withDefaults()}
}

// Renew gives a token of account that is newer than the one with version refused, which the platform refused (0 = none
// was: any token that is not near its end will do). It asks the platform only if nobody else has.
//
// Errors: CredentialsExpired with ErrNoCredential where a person has to log in; the record is marked so. Retryable, with
// After, while another renews or right after a failed renewal: nothing was sent. Unknown where the platform's answer
// was lost, or came and could not be saved; the latter is logged as an alarm, since a rotated refresh token may be
// lost. A refresh that has begun is carried to its end and saved even if ctx is cancelled meanwhile, within
// RefreshTimeout and SaveTimeout.
func (k *Keeper) Renew(ctx context.Context, account upload.Account, refused int64) (Token, error) {
	return k.renew(ctx, "token.Renew", account, job{wait: k.o.Wait, good: func(r record) bool { return k.good(r.token, refused) }, do: k.access})
}

// job is one piece of work on an account's credential that needs its lease.
type job struct {
	wait  time.Duration     // for another's lease
	good  func(record) bool // nothing is left to do
	do    func(ctx context.Context, account upload.Account, r record) (fresh Token, err error)
	early bool // nobody was refused yet: an access token that still works is kept, whatever the platform says
}

// renew does a job once it is its turn, unless it is done by then.
func (k *Keeper) renew(ctx context.Context, op string, account upload.Account, j job) (Token, error) {
	end := k.o.Now().Add(j.wait)
	for {
		if err := ctx.Err(); err != nil {
			return Token{}, &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: fmt.Errorf("not begun: %w", err)}
		}
		r, err := k.vault.load(ctx, account)
		if err != nil {
			return Token{}, nothingSent(op, err)
		}
		if j.good(r) {
			return r.token, nil
		}
		life := k.o.RefreshTimeout + k.o.SaveTimeout + 10*time.Second
		l, rest, cooling, err := takeLease(ctx, k.vault.table, leaseKey(account), k.o.Owner, k.o.Now(), life)
		if err != nil {
			return Token{}, nothingSent(op, err)
		}
		if l != nil {
			t, err := k.alone(ctx, l, account, j)
			return t, fault.Wrap(op, err)
		}
		pause := time.Duration((0.5 + k.o.Random()) * float64(k.o.Poll))
		if cooling || k.o.Now().Add(pause).After(end) || k.o.Sleep(ctx, pause) != nil {
			return Token{}, busy(op, account, rest, cooling)
		}
	}
}

// nothingSent is a fault before the platform was asked: a lost answer of the database is harmless here.
func nothingSent(op string, err error) error {
	if fault.KindOf(err) == fault.Unknown {
		return fault.Newf(fault.Retryable, op, "%w", err)
	}
	return fault.Wrap(op, err)
}

func busy(op string, account upload.Account, rest time.Duration, cooling bool) error {
	why := "another renewal is under way"
	if cooling {
		why = "a renewal failed a moment ago"
	}
	return &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, After: max(rest, time.Second), Actor: fault.ActorUs,
		Err: fmt.Errorf("%s: %s", account, why)}
}

// good: newer than the refused one, and not near its end.
func (k *Keeper) good(t Token, refused int64) bool {
	return t.Version > refused && t.Access != "" && !t.NearEnd(k.o.Now(), k.o.Margin)
}

// NearEnd tells whether the access token ends within margin of now, or within a tenth of its whole life, whichever is
// less: a token that lives for a minute is not near its end when it is new. A token whose end is not known is not.
func (t Token) NearEnd(now time.Time, margin time.Duration) bool {
	if t.Expires.IsZero() {
		return false
	}
	if life := t.Expires.Sub(t.Obtained); !t.Obtained.IsZero() && life > 0 {
		margin = min(margin, life/10)
	}
	return !now.Add(margin).Before(t.Expires)
}

// alone does a job under the lease.
func (k *Keeper) alone(ctx context.Context, l *lease, account upload.Account, j job) (Token, error) {
	var cool time.Time
	var code string
	defer func() {
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), k.o.SaveTimeout)
		defer done()
		l.release(ctx, cool, code)
	}()
	// The work may have been done while we waited for the lease.
	r, err := k.vault.load(ctx, account)
	if err == nil && !j.good(r) {
		err = k.ready(ctx, account)
	}
	if err != nil {
		return Token{}, nothingSent("token.alone", err)
	}
	if j.good(r) {
		return r.token, nil
	}
	fresh, err := j.do(ctx, account, r)
	if err == nil {
		return k.save(ctx, account, r, fresh)
	}
	if fault.KindOf(err) == fault.CredentialsExpired && !errors.Is(err, ErrNoApp) && fresh.Grant == "" {
		if j.early && k.lives(r.token) {
			return k.keepAccess(ctx, account, r, err)
		}
		return k.dead(ctx, account, r, err)
	}
	f := fault.As(err)
	wait := k.o.Cool
	if f != nil {
		wait, code = max(f.After, wait), f.Code
	}
	cool = k.o.Now().Add(min(wait, skew))
	if fresh.Grant != "" && !fresh.same(r.token) {
		// A useless answer that still changed something, as by rotating the refresh token: keep what it needs to go on.
		if _, saveErr := k.save(ctx, account, r, fresh); saveErr != nil {
			err = saveErr
		}
	}
	return Token{}, err
}

// same tells whether nothing that a platform gives or counts differs.
func (t Token) same(old Token) bool {
	return t.Access == old.Access && t.Refresh == old.Refresh && t.Renewals == old.Renewals && t.RefreshBy.Equal(old.RefreshBy)
}

// lives: the access token has a known end, and that is not near.
func (k *Keeper) lives(t Token) bool {
	return t.Access != "" && !t.Expires.IsZero() && !t.NearEnd(k.o.Now(), k.o.Margin)
}

// ready makes sure, before the platform is asked, that its answer could be sealed and that somebody still wants it. That
// the table takes writes, the lease has just shown.
func (k *Keeper) ready(ctx context.Context, account upload.Account) error {
	if _, err := k.vault.cipher.Seal(ctx, []byte("{}"), AD("probe", string(account), leaseKey(account), 0)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return &fault.Error{Kind: fault.Retryable, Op: "token.ready", Effect: fault.EffectNone, Err: fmt.Errorf("not begun: %w", err)}
	}
	return nil
}

// access asks the platform for an access token and completes its answer from the old one. It does not end with ctx: an
// answer that nobody waits for would take a rotated refresh token with it. With an error, the token, if it is not empty, is
// what can still be kept.
func (k *Keeper) access(ctx context.Context, account upload.Account, r record) (Token, error) {
	const op = "token.access"
	old := r.token
	refresher, ok := k.refreshers[account.Target()]
	if !ok {
		return Token{}, fault.Newf(fault.CredentialsExpired, op, "%s cannot be renewed without a person", account.Target())
	}
	_, asks := refresher.(Liver)
	if old.Refresh == "" && !asks {
		return Token{}, fault.Newf(fault.CredentialsExpired, op, "%s has no refresh token, so only a person renews it", account)
	}
	app, err := k.vault.App(ctx, account.Target())
	if err != nil && (!asks || !errors.Is(err, ErrNoApp)) {
		return Token{}, err
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), k.o.RefreshTimeout)
	defer done()
	got, err := refresher.Refresh(ctx, app, old)
	if err != nil {
		return Token{}, err
	}
	return merge(old, got, k.o.Now())
}
