package tos

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSignatureHasTheRecordedForm(t *testing.T) {
	r := newRig(t)
	parts := strings.Split(r.sign, ":")
	if len(parts) != 4 || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(parts[0]) {
		t.Fatal("want <key>:<sig>:<deadline>:<object>")
	}
	deadline, err := base64.StdEncoding.DecodeString(parts[2])
	must(t, err)
	object, err := base64.StdEncoding.DecodeString(parts[3])
	must(t, err)
	if want := fmt.Sprintf("deadline: %d", r.clock.Now().Add(24*time.Hour).Unix()); string(deadline) != want || string(object) != oid {
		t.Errorf("got %q, %q", deadline, object)
	}
}

func TestWholeObject(t *testing.T) {
	for _, method := range []string{"POST", "PUT"} {
		r := newRig(t)
		for _, sum := range []string{"", crc("hello")} { // the seed leaves the checksum out
			a := r.whole("hello", func(q *http.Request) { q.Method = method }, head("Content-CRC32", sum)).want(t, "")
			if a.body.Payload.Key != oid || a.body.Payload.Hash != "3610a686" || !strings.Contains(a.raw, `"Version"`) {
				t.Error(a.raw)
			}
			r.stored("hello")
		}
		if e := r.s.Effects().Assets; len(e) != 1 || e[0].Size != 5 || e[0].Parts != 0 ||
			e[0].SHA256 != "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" {
			t.Errorf("%+v", e)
		}
	}
}

func TestChunks(t *testing.T) {
	for first, name := range []string{"from 0", "from 1"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a := r.do("POST", "?uploads", nil).want(t, "")
			id := a.body.Payload.UploadID
			if !regexp.MustCompile(`^\{"payload":\{"uploadID":"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"\},"success":0\}$`).MatchString(a.raw) {
				t.Error(a.raw)
			}
			r.chunk(id, first+2, "ij", func(q *http.Request) { q.Method = "POST" }).want(t, "") // any order, the last may be short
			r.chunk(id, first, "abcd", head("Content-Type", "application/octet-stream")).want(t, "")
			r.chunk(id, first+1, "efgh").want(t, "")
			r.stored("")
			if r.s.Uploads() != 1 {
				t.Error("no open upload")
			}
			a = r.finish(id, fmt.Sprintf("%d:%s,%d:%s,%d:%s", first, crc("abcd"), first+1, crc("efgh"), first+2, crc("ij"))).want(t, "")
			if a.body.Payload.Key != oid || a.body.Payload.UploadID != id || a.body.Payload.Hash != crc("abcdefghij") {
				t.Error(a.raw)
			}
			r.stored("abcdefghij")
			if e := r.s.Effects().Assets; len(e) != 1 || e[0].Parts != 3 || r.s.Uploads() != 0 {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestAChunkThatIsSentAgainReplaces(t *testing.T) {
	r := newRig(t)
	id := r.open()
	r.chunk(id, 1, "xxxxxx").want(t, "")
	r.chunk(id, 1, "abcd").want(t, "")
	r.finish(id, "1:"+crc("xxxxxx")).want(t, "crc")
	r.finish(id, "1:"+crc("abcd")).want(t, "")
	r.stored("abcd")
}

func TestTwoUploadsOfOneObjectDoNotMix(t *testing.T) {
	r := newRig(t)
	a, b := r.open(), r.open()
	r.chunk(a, 1, "aaaa").want(t, "")
	r.chunk(b, 1, "bbbb").want(t, "")
	r.finish(b, "1:"+crc("bbbb")).want(t, "")
	r.stored("bbbb")
	r.finish(a, "1:"+crc("aaaa")).want(t, "")
	r.stored("aaaa")
}

func TestTaken(t *testing.T) {
	for _, keep := range []bool{false, true} {
		r := newRig(t, func(o *Options) { o.KeepBytes = keep })
		r.whole("hello").want(t, "")
		must(t, r.s.Taken(oid))
		must(t, r.s.Taken(oid))
		if b, ok := r.s.Stat(oid); !ok || b.Size != 5 {
			t.Error("forgotten", b)
		}
		f, err := r.s.Open(oid)
		if (err == nil) != keep {
			t.Error(keep, err)
		}
		if err == nil {
			f.Close()
		}
	}
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	in := func(o *Options) { o.Dir = dir }
	r := newRig(t, in)
	id := r.open()
	r.chunk(id, 1, "abcd").want(t, "")
	must(t, r.s.Expire("another"))
	again := newRig(t, in) // the first is not closed: as after a kill
	again.chunk(id, 2, "ef").want(t, "")
	last := newRig(t, in)
	last.sign = r.sign // the key is the same
	last.finish(id, "1:"+crc("abcd")+",2:"+crc("ef")).want(t, "")
	after := newRig(t, in)
	after.stored("abcdef")
	after.finish(id, "1:"+crc("abcd")+",2:"+crc("ef")).want(t, "no_upload")
	if !after.s.st.Expired["another"] {
		t.Error("an expired signature lives again")
	}
}
