package stack_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc64"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vodlift/vodlift/shared/target/memtarget"
	"github.com/vodlift/vodlift/shared/upload"
)

// variant is one kind of platform that the explorer publishes to.
type variant struct {
	name   string
	o      worldOptions
	some   bool // sampled: the calls that differ from the first variant
	denies bool // an answer about that very asset
	looks  bool // an Inspector
}

func variants() []variant {
	mem := func(name string, some bool, o memtarget.Options) variant {
		return variant{name: name, o: worldOptions{Mem: o}, some: some, denies: o.Denies, looks: o.Inspector}
	}
	return []variant{
		mem("mem, inspector that denies", false, memtarget.Options{Inspector: true, Denies: true}),
		mem("mem, blind", true, memtarget.Options{}),
		mem("mem, inspector", true, memtarget.Options{Inspector: true, Checker: true}),
		mem("mem, lists parts", true, memtarget.Options{PartLister: true, Inspector: true, Denies: true}),
		{name: "fake douyin", o: worldOptions{Douyin: true}, some: true, looks: true},
	}
}

// isRead says that a call has no effect.
func isRead(site string) bool {
	_, what, _ := strings.Cut(site, " ")
	verb, _, _ := strings.Cut(what, " ")
	return verb == "Get" || verb == "Query" || verb == "QueryIndex" || strings.HasPrefix(what, "source Stat")
}

// modesOf are the faults that make sense for a call.
func modesOf(site string) []mode {
	_, what, _ := strings.Cut(site, " ")
	verb, _, _ := strings.Cut(what, " ")
	switch {
	case strings.HasPrefix(what, "source Open"):
		return []mode{refused, lostAfter, crashBefore, crashAfter}
	case verb == "platform" || verb == "POST" || verb == "GET":
		return []mode{refused, lostBefore, lostAfter, crashBefore, crashAfter}
	}
	return []mode{lostBefore, lostAfter, crashBefore, crashAfter}
}

// cases numbers the calls of one undisturbed publication and gives the faults to explore. Every request to the platform
// and every write is there in each of its ways; of timeline lines, leases and reads, of which one call site has many, the
// first and the last call. A sampled variant keeps to what differs from the first one: the platform's calls, the
// receipts, and all of finalize.
func cases(calls []rule, some bool) (out []rule) {
	last := map[string]int{}
	for _, c := range calls {
		last[c.site] = c.nth
	}
	for _, c := range calls {
		first, end := c.nth == 1, c.nth == last[c.site]
		many := some || strings.Contains(c.site, "U/EV") || strings.Contains(c.site, "U/RANGE") || strings.Contains(c.site, "source Open")
		switch platform := strings.Contains(c.site, " platform ") || strings.Contains(c.site, "/video/"); {
		case isRead(c.site):
			if first && !some {
				out = append(out, rule{c.site, c.nth, refused})
			}
			// A crash before a read is one after the write before it: where nothing irreversible is near, that is enough.
			if end && strings.HasPrefix(c.site, "finalize") {
				out = append(out, rule{c.site, c.nth, crashBefore})
			}
			continue
		case many && !first && !end, some && !platform && !strings.HasPrefix(c.site, "finalize") && !strings.Contains(c.site, "U/RCPT"):
			continue
		}
		for _, m := range modesOf(c.site) {
			out = append(out, rule{c.site, c.nth, m})
		}
	}
	return out
}

const filmKey = "a.mp4"

// explored is what one run came to.
type explored struct {
	calls []rule
	wrong []string
	trace string
	fired bool
	end   upload.Status
}

// explore publishes one video with one fault, lets everything recover, and says what is not as it has to be.
func explore(t *testing.T, v variant, r *rule) (x explored) {
	synctest.Test(t, func(t *testing.T) {
		o := v.o
		o.Rule = r
		w := newWorld(t, o)
		defer w.close()
		body := film(7, 24*kib)
		first := w.g
		w.drop(filmKey, body)
		if !w.drive(6*time.Hour, w.settled) {
			x.wrong = append(x.wrong, "it does not end")
			if len(w.uploads()) == 0 {
				return
			}
		}
		u := w.upload(filmKey)
		x.calls, x.fired, x.end = first.order, first.fired, u.Status
		x.trace = u.String() + w.timeline(u.ID)
		x.wrong = append(x.wrong, w.judge(body, first.doubt, v)...)
		x.wrong = append(x.wrong, w.quiet()...)
	})
	return x
}

// judge checks the promises of design 4 for the one upload.
func (w *world) judge(body []byte, doubt bool, v variant) (wrong []string) {
	u := w.upload(filmKey)
	no := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	posts := w.posts()
	if len(posts) > 1 {
		no("%d posts", len(posts))
	}
	switch u.Status {
	case upload.Published:
		if len(posts) != 1 || u.Post == nil || u.Post.ID != posts[0].id {
			no("PUBLISHED as %+v, and the platform has %+v", u.Post, posts)
		} else if posts[0].size != int64(len(body)) || posts[0].sum != w.sum(body) {
			no("the platform has other bytes: %+v", posts[0])
		}
		if n := w.out.distinct("upload.published"); n != 1 {
			no("%d events upload.published", n)
		}
	case upload.Held:
		switch {
		case !doubt:
			no("HELD, though no publish was in doubt")
		case v.looks && (len(posts) == 1 || v.denies):
			no("HELD, though the platform could say")
		}
		if n := w.out.distinct("upload.held"); n != 1 {
			no("%d events upload.held", n)
		}
	default:
		no("it ended %s", u.String())
	}
	return append(wrong, w.tidy()...)
}

// quiet checks that after a HELD nothing is sent any more, whatever sweeps and restarts there are.
func (w *world) quiet() (wrong []string) {
	if w.upload(filmKey).Status != upload.Held {
		return nil
	}
	before, posts := w.sends(), len(w.posts())
	w.restart()
	for range 2 {
		time.Sleep(time.Hour)
		synctest.Wait()
		w.sweep()
	}
	synctest.Wait()
	if after := w.sends(); after != before || len(w.posts()) != posts {
		wrong = append(wrong, fmt.Sprintf("after the end %d more calls were made", after-before))
	}
	return wrong
}

// madePost is a post as the platform counts it.
type madePost struct {
	id, sum string
	size    int64
	title   string
	account string
}

func (w *world) posts() (out []madePost) {
	if w.fake != nil {
		for _, p := range w.fake.Effects().Posts {
			out = append(out, madePost{p.ID, p.SHA256, p.Size, p.Title, p.Account})
		}
		return out
	}
	for _, p := range w.mem.Posts() {
		out = append(out, madePost{p.ID, fmt.Sprintf("%016x", p.CRC64), p.Size, p.Title, string(p.Account)})
	}
	return out
}

func (w *world) sum(body []byte) string {
	if w.fake != nil {
		s := sha256.Sum256(body)
		return hex.EncodeToString(s[:])
	}
	return fmt.Sprintf("%016x", crc64.Checksum(body, crc64.MakeTable(crc64.ECMA)))
}

// sends counts the calls that the platform got.
func (w *world) sends() int {
	if w.fake == nil {
		return w.mem.Total()
	}
	n := 0
	for _, c := range w.fake.Counters() {
		n += int(c.Requests)
	}
	return n
}

// TestOneFaultAnywhereNeverMakesTwoPostsAndNeverSticks is the fault explorer of issue 2: every call of a publication is
// numbered, and each is made to fail in every way, one at a time.
func TestOneFaultAnywhereNeverMakesTwoPostsAndNeverSticks(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			began := time.Now()
			plain := explore(t, v, nil)
			if len(plain.wrong) > 0 {
				t.Fatalf("undisturbed: %v\n%s", plain.wrong, plain.trace)
			}
			all := cases(plain.calls, v.some)
			held, missed := run(t, v, all)
			sites := map[string]bool{}
			for _, r := range all {
				sites[r.site] = true
			}
			t.Logf("%d calls; %d faults at %d call sites explored in %v: %d ended HELD, %d did not strike", len(plain.calls), len(all), len(sites), time.Since(began).Round(time.Millisecond), held, missed)
		})
	}
}

// run explores the cases, a few at a time.
func run(t *testing.T, v variant, all []rule) (held, missed int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, r := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			x := explore(t, v, &r)
			mu.Lock()
			defer mu.Unlock()
			if x.end == upload.Held {
				held++
			}
			if !x.fired {
				missed++
			}
			if len(x.wrong) > 0 {
				t.Errorf("%s: %s\n%s", r, strings.Join(x.wrong, "; "), x.trace)
			}
		})
	}
	wg.Wait()
	return held, missed
}
