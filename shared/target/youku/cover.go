package youku

import (
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

const maxLink = 4 << 10 // of a cover's address: a signed one is long

// CoverForms implements target.CoverFormer: create's thumbnail, which is taken to be an address that Youku fetches
// (reference 4.1, unconfirmed; so are the kinds and the size, of which no source speaks). There is no way to name a moment.
func (t *Target) CoverForms() target.CoverForms {
	return target.CoverForms{Picture: true, Link: true, Types: []string{"image/jpeg", "image/png"}, MaxSize: 10 * mib}
}

// linked demands the address that create is sent: https, or http on loopback where the platform is a fake there.
func (t *Target) linked(p *upload.Picture) error {
	u, err := url.Parse(p.Link)
	ok := err == nil && u.Host != "" && u.User == nil && len(p.Link) <= maxLink && p.Ref != ""
	if ok && u.Scheme != "https" {
		ok = u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback() && strings.HasPrefix(t.cfg.BaseURL, "http://")
	}
	if ok {
		return nil
	}
	return &fault.Error{Kind: fault.Permanent, Op: "youku.Init", Effect: fault.EffectNone, Actor: fault.ActorOperator,
		Action: "See that the bucket can be reached by https from outside, or leave the cover out.", Err: errors.New("the cover has no address that Youku could fetch it from")}
}

func coverRef(p *upload.Picture) string {
	if p == nil {
		return ""
	}
	return p.Ref
}

// Advise implements target.Adviser.
func (t *Target) Advise(v upload.Video) []string { return target.Advice(v) }
