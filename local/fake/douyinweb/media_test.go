package douyinweb

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

func box(kind string, payload ...[]byte) []byte {
	p := slices.Concat(payload...)
	return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(8+len(p))), []byte(kind), p)
}

// movieOf is the least MP4 that says how long and how large it is (ISO/IEC 14496-12).
func movieOf(seconds, width, height uint32) string {
	mvhd := make([]byte, 100)
	binary.BigEndian.PutUint32(mvhd[12:], 1000)
	binary.BigEndian.PutUint32(mvhd[16:], seconds*1000)
	tkhd := make([]byte, 84)
	binary.BigEndian.PutUint32(tkhd[76:], width<<16)
	binary.BigEndian.PutUint32(tkhd[80:], height<<16)
	return string(slices.Concat(box("ftyp", []byte("isom")), box("moov", box("mvhd", mvhd), box("trak", box("tkhd", tkhd)))))
}

func TestConfirmSaysWhatTheVideoIs(t *testing.T) {
	r := newRig(t)
	u := r.slot()
	r.send(u, movieOf(12, 720, 1280))
	a := r.confirm(u, u.confirmBody()).want(t, 2000)
	if a.str("data.video.width") != "720" || a.str("data.video.height") != "1280" || a.str("data.video.duration") != "12" || a.str("data.poster.height") != "1280" {
		t.Error(a.raw)
	}
	if d := r.s.st.Slots[u.vid].Duration; d != 12*time.Second {
		t.Error(d)
	}
}
