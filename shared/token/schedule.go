package token

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/table"
	"github.com/vodlift/vodlift/shared/upload"
)

// shards is over how many partitions of an index the accounts are spread.
const shards = 16

// Interval is how often the sweep runs (template.yaml): whatever would cross its threshold before the next one is renewed.
const Interval = 10 * time.Minute

// lookEvery is how long a credential is left alone at most: long enough for 100,000 accounts, short enough that a rotated
// key is out of use within a day, but for patience.
const lookEvery = 24 * time.Hour

// patience is how long a look may come late where nothing ends meanwhile: as long as runs of 2,000 need for 100,000
// accounts that fell due at once, and more.
const patience = 12 * time.Hour

// maxRenewals is how often a target's refresh token can be renewed; -1 = not counted. Douyin: five (reference A.2).
func maxRenewals(target string) int {
	if target == "douyin" {
		return 5
	}
	return -1
}

// warnings are the days ahead at which a login that will be needed is announced (design 4.5).
func warnings() []int { return []int{14, 7, 2} }

func shardOf(a string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(a))
	return fmt.Sprintf("%02d", h.Sum32()%shards)
}

// stamp sorts as its time does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// accountOf is the account of a token record's key.
func accountOf(k table.Key) (upload.Account, bool) {
	rest, ok := strings.CutPrefix(k.PK, "A#")
	target, name, cut := strings.Cut(rest, "#")
	if !ok || !cut || k.SK != "TOKEN" {
		return "", false
	}
	a, err := upload.ParseAccount(target + "/" + name)
	return a, err == nil
}

// Partitions of DUE, each with the shard behind it. What can wait has one of its own: a hundred thousand accounts that want
// their daily look at once must not stand before a token that ends in a minute.
const (
	pressingPart = "token#"
	patientPart  = "look#"
)

// subjectPart is the partition of ACCT with the accounts of one of a platform's users. It holds a hash only.
func subjectPart(target, subject string) string {
	sum := sha256.Sum256([]byte(target + "\x00" + subject))
	return "subject#" + target + "#" + hex.EncodeToString(sum[:16])
}

// places are where a token record stands in the indexes: in LIST always, in DUE when it has to be looked at, in ACCT while
// its user is known.
func (d document) places(k table.Key) map[table.Index]table.Place {
	a, ok := accountOf(k)
	if !ok {
		return nil
	}
	shard := shardOf(string(a))
	ix := map[table.Index]table.Place{table.List: {PK: "account#" + shard, SK: string(a)}}
	if due, patient := d.due(a); !due.IsZero() {
		part := pressingPart
		if patient {
			part = patientPart
		}
		ix[table.Due] = table.Place{PK: part + shard, SK: stamp(due) + "#" + string(a)}
	}
	if d.Subject != "" {
		ix[table.Acct] = table.Place{PK: subjectPart(a.Target(), d.Subject), SK: string(a)}
	}
	return ix
}

// bookOf is the book beside t. What was said of the same login stays said, as far as it still holds.
func (r record) bookOf(a upload.Account, t Token, now time.Time) book {
	b := book{Subject: t.Subject, Scopes: t.Scopes, Obtained: t.Obtained, From: t.RefreshFrom, CanRenew: t.Refresh != "",
		Last: now, Result: "ok", Looked: now}
	if b.From.IsZero() {
		b.From = t.Obtained
	}
	if r.Grant == t.Grant {
		if r.token.Refresh == t.Refresh { // of a new refresh token, a refusal of the old one says nothing
			b.Used = r.Used
		}
		d := document{State: stateLive, Expires: t.Expires, RefreshBy: t.RefreshBy, Renewals: t.Renewals, book: b}
		by := d.needsLoginBy(a)
		b.Doubt = r.Doubt // only an answer that was asked for because of it takes it away
		b.Warned = slices.DeleteFunc(slices.Clone(r.Warned), func(days int) bool { return by.IsZero() || now.Before(ahead(by, days)) })
	}
	return b
}

func ahead(by time.Time, days int) time.Time { return by.AddDate(0, 0, -days) }

// jitter spreads accounts that logged in together: the same for one account and end however often it is asked, in [0, 1).
func (d document) jitter(a upload.Account, end time.Time) float64 {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%s#%s#%d", a, d.Grant, end.Unix())
	return float64(h.Sum32()) / (1 << 32)
}

// renewAt is when the access token should be renewed; zero = never ahead of a refusal. Two thresholds, the earlier counts:
//
//   - 60 to 70 % of its life, spread over accounts
//   - an emergency: a tenth of its life before its end, at least a minute, at most half of it. It holds by the end alone,
//     for the case that the beginning was written under a clock that was wrong
func (d document) renewAt(a upload.Account) time.Time {
	if d.State != stateLive || !d.CanRenew || d.Expires.IsZero() {
		return time.Time{}
	}
	return threshold(d.Obtained, d.Expires, 0.6+0.1*d.jitter(a, d.Expires), 0.1, time.Minute)
}

// rotateAt is when the refresh token itself should be renewed: late, since renewals are few, but with days left for more
// than one try. 85 to 90 % of its life, or a twentieth and at least an hour before its end.
func (d document) rotateAt(a upload.Account) time.Time {
	if d.State != stateLive || !d.CanRenew || d.RefreshBy.IsZero() || d.renewalsLeft(a) <= 0 {
		return time.Time{}
	}
	return threshold(d.From, d.RefreshBy, 0.85+0.05*d.jitter(a, d.RefreshBy), 0.05, time.Hour)
}

func threshold(from, end time.Time, part, emergency float64, least time.Duration) time.Time {
	life := end.Sub(from)
	if from.IsZero() || life <= 0 {
		return end.Add(-least)
	}
	last := end.Add(-min(max(time.Duration(emergency*float64(life)), least), life/2))
	return earlier(from.Add(time.Duration(part*float64(life))), last)
}

// renewalsLeft is 0 also once the platform has refused to renew the refresh token; -1 = not counted.
func (d document) renewalsLeft(a upload.Account) int {
	most := maxRenewals(a.Target())
	switch {
	case most < 0:
		return -1
	case d.Used != "":
		return 0
	}
	return max(most-d.Renewals, 0)
}

// needsLoginBy is when a person will be needed at the latest, as far as is known today; zero = not known.
func (d document) needsLoginBy(a upload.Account) time.Time {
	switch {
	case d.State != stateLive:
		return time.Time{}
	case !d.CanRenew:
		return d.Expires
	case d.RefreshBy.IsZero():
		return time.Time{}
	}
	by := d.RefreshBy
	if left := d.renewalsLeft(a); left > 0 && !d.From.IsZero() && by.After(d.From) {
		// A renewed one lives as long again, from its renewal at the latest moment.
		by = by.Add(time.Duration(left) * by.Sub(d.From))
	}
	if d.Expires.After(by) {
		return d.Expires
	}
	return by
}

// warnAt is when the next warning that was not given falls due; zero = none is left. Of those that are over, the
// nearest to the end speaks for all.
func (d document) warnAt(a upload.Account) (at time.Time, days int) {
	by := d.needsLoginBy(a)
	if by.IsZero() {
		return time.Time{}, 0
	}
	for _, n := range warnings() {
		if !slices.ContainsFunc(d.Warned, func(w int) bool { return w <= n }) {
			return ahead(by, n), n
		}
	}
	return time.Time{}, 0
}

// due is when the sweep has to look at the record, and whether that can wait for patience; zero = never again.
func (d document) due(a upload.Account) (at time.Time, patient bool) {
	switch {
	case d.State == stateDead && !d.Told:
		return later(d.Saved, d.Retry), false
	case d.State != stateLive:
		return time.Time{}, false
	}
	at, patient = d.Looked.Add(lookEvery), true
	warn, _ := d.warnAt(a)
	renew, rotate, dead := d.renewAt(a), d.rotateAt(a), d.deadAt()
	for _, x := range []time.Time{later(renew, d.Retry), later(rotate, d.Retry), later(d.Doubt, d.Retry), warn, dead} {
		if !x.IsZero() {
			at = earlier(at, x)
		}
	}
	before := at.Add(patience)
	switch {
	case !d.Doubt.IsZero(), !renew.IsZero() && d.Expires.Before(before), !rotate.IsZero() && d.RefreshBy.Before(before), !dead.IsZero() && dead.Before(before):
		patient = false
	}
	return at, patient
}

// deadAt is the end of a credential that nothing renews; zero = it has none, or that is not known.
func (d document) deadAt() time.Time {
	if d.CanRenew {
		return time.Time{}
	}
	return d.Expires
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// later gives b where it is after a; a zero a stays zero.
func later(a, b time.Time) time.Time {
	if !a.IsZero() && b.After(a) {
		return b
	}
	return a
}
