package catalogue

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
)

// KeyPrefix begins every object key that a catalogue may name: it must not be able to sign an address of anything else
// in the bucket.
const KeyPrefix = "catalogue/"

// Limits of single fields, in characters; of references in bytes.
const (
	maxName = 100
	maxDesc = 200
	maxRef  = 1000
	maxID   = 1 << 31 // what an int of the apps holds is less
	maxSort = 1_000_000
	maxSecs = 24 * 60 * 60
)

// problems collects what is wrong. The zero value is ready.
type problems struct {
	list []problem
	more int
}

type problem struct{ field, rule, msg string }

// shownProblems are named in an error; the rest is counted.
const shownProblems = 10

func (p *problems) add(field, rule, msg string) {
	if len(p.list) == shownProblems {
		p.more++
		return
	}
	p.list = append(p.list, problem{field, rule, msg})
}

func (p *problems) err(op string) error {
	if len(p.list) == 0 {
		return nil
	}
	first := p.list[0]
	msg := first.msg
	for _, q := range p.list[1:] {
		msg += fmt.Sprintf("; %s: %s (rule: %s)", q.field, q.msg, q.rule)
	}
	if p.more > 0 {
		msg += fmt.Sprintf("; and %d more", p.more)
	}
	return fault.InvalidField(op, first.field, first.rule, msg)
}

func (p *problems) most(field string, n, most int) {
	if n > most {
		p.add(field, fmt.Sprintf("<= %d entries", most), fmt.Sprintf("it has %d", n))
	}
}

func (p *problems) num(field string, n, least, most int64) {
	if n < least || n > most {
		p.add(field, fmt.Sprintf("%d to %d", least, most), fmt.Sprintf("it is %d", n))
	}
}

func (p *problems) text(field, s string, least, most int) {
	if n := utf8.RuneCountInString(s); n < least || n > most {
		p.add(field, fmt.Sprintf("%d to %d characters", least, most), fmt.Sprintf("it has %d", n))
		return
	}
	for _, r := range s {
		if unicode.IsControl(r) || r != '\u200c' && r != '\u200d' && unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			p.add(field, "no control or bidi characters", "it holds a character that steers how text is shown")
			return
		}
	}
}

// once says that ids of one kind are given once.
type once map[int64]bool

func (o once) id(p *problems, field string, id int64) {
	p.num(field, id, 1, maxID-1)
	if o[id] {
		p.add(field, "each id once", fmt.Sprintf("%d is there already", id))
	}
	o[id] = true
}

var keyForm = regexp.MustCompile(`^catalogue/[A-Za-z0-9!_.()/+=@ ,~-]*[A-Za-z0-9!_.()+=@~-]$`)

// ref checks a place of media: an https URL, or the key of an object in the catalogue's bucket. "" is refused if need.
func (p *problems) ref(field, s string, need bool) {
	if s == "" && !need {
		return
	}
	if rule, msg := badRef(s); rule != "" {
		p.add(field, rule, msg)
	}
}

func badRef(s string) (rule, msg string) {
	const want = "an https URL, or an object key under " + KeyPrefix
	switch {
	case s == "":
		return want, "it is missing"
	case len(s) > maxRef:
		return fmt.Sprintf("<= %d bytes", maxRef), fmt.Sprintf("it has %d", len(s))
	case strings.HasPrefix(s, KeyPrefix):
		if !keyForm.MatchString(s) || strings.Contains(s, "//") || strings.Contains("/"+s+"/", "/../") || strings.Contains("/"+s+"/", "/./") {
			return "an object key of letters, digits and -_./ without empty, . or .. parts", "it is another"
		}
		return "", ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Opaque != "" {
		return want, "it is neither"
	}
	return badURL(u, s)
}

var hostForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

func badURL(u *url.URL, s string) (rule, msg string) {
	host := strings.ToLower(u.Hostname())
	if _, err := netip.ParseAddr(host); err == nil || !hostForm.MatchString(host) || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".internal") {
		return "a public host name", "its host is an address, or a name that only some machines know"
	}
	if u.User != nil || u.Fragment != "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\\\"<>^`{|}", r) }) {
		return "a plain URL", "it holds a user, a fragment, or characters that must be escaped"
	}
	for name := range u.Query() {
		switch strings.ToLower(name) {
		case "signature", "x-amz-signature", "x-oss-signature", "ossaccesskeyid", "awsaccesskeyid", "security-token", "x-amz-security-token", "auth_key":
			return "no signed URL", "a signed URL is a secret and ends; name the object's key under " + KeyPrefix
		}
	}
	return "", ""
}

// isKey says whether a checked reference is to be signed.
func isKey(ref string) bool { return strings.HasPrefix(ref, KeyPrefix) }

const timeForm = "2006-01-02 15:04:05.0"

// when checks a createTime, local time in China, and gives it as the demo writes it. "" stays.
func (p *problems) when(field, s string) string {
	if s == "" {
		return ""
	}
	for _, form := range []string{timeForm, time.DateTime} {
		if t, err := time.Parse(form, s); err == nil {
			return t.Format(timeForm)
		}
	}
	p.add(field, "2019-03-19 14:32:38", "it is no such time")
	return s
}

var (
	musicID  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	duration = regexp.MustCompile(`^(0|[1-9][0-9]{0,4})$`)
)

func (f *file) check(p *problems) {
	if f.Format != Format {
		p.add("format", fmt.Sprintf("%d", Format), fmt.Sprintf("it is %d", f.Format))
	}
	fonts := once{}
	p.most("fonts", len(f.Fonts), MaxFonts)
	for i := range f.Fonts {
		e, at := &f.Fonts[i], fmt.Sprintf("fonts[%d].", i)
		fonts.id(p, at+"id", e.ID)
		p.text(at+"name", e.Name, 1, maxName)
		p.ref(at+"banner", e.Banner, false)
		p.ref(at+"icon", e.Icon, false)
		p.ref(at+"url", e.URL, true)
		p.num(at+"sort", e.Sort, -maxSort, maxSort)
	}
	f.checkMusic(p)
	f.checkPasters(p, fonts)
	f.checkFront(p, fonts)
	f.checkTexts(p, fonts)
	f.checkMVs(p)
}

func (f *file) checkMusic(p *problems) {
	p.most("music", len(f.Music), MaxMusic)
	seen := map[string]bool{}
	for i, e := range f.Music {
		at := fmt.Sprintf("music[%d].", i)
		if !musicID.MatchString(e.MusicID) {
			p.add(at+"musicId", "1 to 64 letters, digits and _ . -", "it is another")
		}
		if seen[e.MusicID] {
			p.add(at+"musicId", "each id once", clip(e.MusicID)+" is there already")
		}
		seen[e.MusicID] = true
		p.text(at+"title", e.Title, 1, maxName)
		p.text(at+"artistName", e.ArtistName, 0, maxName)
		p.text(at+"source", e.Source, 0, maxName)
		if !duration.MatchString(e.Duration) {
			p.add(at+"duration", "whole seconds as a string, 0 to 99999", "it is another")
		}
		p.ref(at+"file", e.File, true)
	}
}

// group checks what stickers and text stickers have in common.
func (p *problems) group(at string, name, desc, icon, preview string, sort, typ int64) {
	p.text(at+"name", name, 1, maxName)
	p.text(at+"description", desc, 0, maxDesc)
	p.ref(at+"icon", icon, false)
	p.ref(at+"preview", preview, false)
	p.num(at+"sort", sort, -maxSort, maxSort)
	p.num(at+"type", typ, 0, 9)
}

// pack checks what all packs have in common.
func (p *problems) pack(at string, name, icon, preview, ref string, sort, font int64, fonts once) {
	p.text(at+"name", name, 1, maxName)
	p.ref(at+"icon", icon, false)
	p.ref(at+"preview", preview, false)
	p.ref(at+"url", ref, true)
	p.num(at+"sort", sort, -maxSort, maxSort)
	if font != 0 && !fonts[font] {
		p.add(at+"fontId", "0, or the id of one of fonts", fmt.Sprintf("there is no font %d", font))
	}
}

func (f *file) checkPasters(p *problems, fonts once) {
	p.most("pasters", len(f.Pasters), MaxGroups)
	groups, packs := once{}, once{}
	for i := range f.Pasters {
		g, at := &f.Pasters[i], fmt.Sprintf("pasters[%d].", i)
		groups.id(p, at+"id", g.ID)
		p.group(at, g.Name, g.Description, g.Icon, g.Preview, g.Sort, g.Type)
		p.num(at+"level", g.Level, 0, 1000)
		g.CreateTime = p.when(at+"createTime", g.CreateTime)
		p.most(at+"items", len(g.Items), MaxInGroup)
		for j := range g.Items {
			e, at := &g.Items[j], fmt.Sprintf("%sitems[%d].", at, j)
			packs.id(p, at+"id", e.ID)
			p.pack(at, e.Name, e.Icon, e.Preview, e.URL, e.Sort, e.FontID, fonts)
			p.num(at+"type", e.Type, 0, 2)
			e.CreateTime = p.when(at+"createTime", e.CreateTime)
		}
	}
	p.most("pasters, all items", len(packs), MaxPacks)
}

func (f *file) checkFront(p *problems, fonts once) {
	p.most("frontPasters", len(f.FrontPasters), MaxFront)
	ids := once{}
	for i := range f.FrontPasters {
		e, at := &f.FrontPasters[i], fmt.Sprintf("frontPasters[%d].", i)
		ids.id(p, at+"id", e.ID)
		p.pack(at, e.Name, e.Icon, e.Preview, e.URL, e.Sort, e.FontID, fonts)
		p.text(at+"desc", e.Desc, 0, maxDesc)
		p.num(at+"mediaId", e.MediaID, 0, maxID-1)
		p.num(at+"duration", e.Duration, 0, maxSecs)
		p.num(at+"aspect", e.Aspect, 0, MaxAspects)
		p.num(at+"type", e.Type, 0, 9)
		e.CreateTime = p.when(at+"createTime", e.CreateTime)
	}
}

func (f *file) checkTexts(p *problems, fonts once) {
	p.most("textPasters", len(f.TextPasters), MaxGroups)
	groups, packs := once{}, once{}
	for i := range f.TextPasters {
		g, at := &f.TextPasters[i], fmt.Sprintf("textPasters[%d].", i)
		groups.id(p, at+"id", g.ID)
		p.group(at, g.Name, g.Description, g.Icon, g.Preview, g.Sort, g.Type)
		g.CreateTime = p.when(at+"createTime", g.CreateTime)
		p.most(at+"items", len(g.Items), MaxInGroup)
		for j := range g.Items {
			e, at := &g.Items[j], fmt.Sprintf("%sitems[%d].", at, j)
			packs.id(p, at+"id", e.ID)
			p.pack(at, e.Name, e.Icon, e.Preview, e.URL, e.Sort, e.FontID, fonts)
			p.text(at+"desc", e.Desc, 0, maxDesc)
			p.num(at+"mediaId", e.MediaID, 0, maxID-1)
			p.num(at+"duration", e.Duration, 0, maxSecs)
			p.num(at+"type", e.Type, 0, 9)
			e.CreateTime = p.when(at+"createTime", e.CreateTime)
		}
	}
	p.most("textPasters, all items", len(packs), MaxPacks)
}

func (f *file) checkMVs(p *problems) {
	p.most("mvs", len(f.MVs), MaxMVs)
	ids := once{}
	for i := range f.MVs {
		e, at := &f.MVs[i], fmt.Sprintf("mvs[%d].", i)
		ids.id(p, at+"id", e.ID)
		p.text(at+"name", e.Name, 1, maxName)
		p.ref(at+"icon", e.Icon, false)
		p.ref(at+"previewPic", e.PreviewPic, false)
		p.ref(at+"previewMp4", e.PreviewMp4, false)
		p.num(at+"duration", e.Duration, 0, maxSecs)
		p.num(at+"sort", e.Sort, -maxSort, maxSort)
		e.CreateTime = p.when(at+"createTime", e.CreateTime)
		if len(e.AspectList) == 0 {
			p.add(at+"aspectList", ">= 1 entry", "it is empty")
		}
		p.most(at+"aspectList", len(e.AspectList), MaxAspects)
		aspects := map[int64]bool{}
		for j, a := range e.AspectList {
			at := fmt.Sprintf("%saspectList[%d].", at, j)
			p.num(at+"aspect", a.Aspect, 1, MaxAspects)
			if aspects[a.Aspect] {
				p.add(at+"aspect", "each aspect once", fmt.Sprintf("%d is there already", a.Aspect))
			}
			aspects[a.Aspect] = true
			p.ref(at+"download", a.Download, true)
		}
	}
}
