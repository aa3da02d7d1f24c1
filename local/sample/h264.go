package sample

import "encoding/binary"

const (
	mbWidth, mbHeight = Width / 16, Height / 16

	profile       = 66   // baseline
	compatibility = 0xC0 // constrained: decodable by every profile
	level         = 31   // 3.1: up to 14 Mbit/s; these pictures need 9.3

	nalIDR, nalSPS, nalPPS = 0x65, 0x67, 0x68
	mbTypePCM              = 25
	sliceI                 = 7 // all slices of the picture are I
)

// bits writes the bit strings of H.264 headers.
type bits struct {
	b    []byte
	free uint // unused bits of the last byte
}

func (w *bits) u(n uint, v uint32) {
	for n > 0 {
		n--
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		w.free--
		w.b[len(w.b)-1] |= byte(v>>n&1) << w.free
	}
}

// ue writes an unsigned Exp-Golomb code.
func (w *bits) ue(v uint32) {
	length := uint(0)
	for (v+1)>>(length+1) != 0 {
		length++
	}
	w.u(length, 0)
	w.u(length+1, v+1)
}

// stop ends a payload: a one, then zeros to the end of the byte.
func (w *bits) stop() {
	w.u(1, 1)
	w.free = 0
}

// sps is the sequence parameter set: the size of the picture and how it is coded (7.3.2.1.1).
func sps() []byte {
	w := &bits{b: []byte{nalSPS, profile, compatibility, level}}
	w.ue(0) // seq_parameter_set_id
	w.ue(0) // log2_max_frame_num_minus4
	w.ue(2) // pic_order_cnt_type: output order is decoding order
	w.ue(1) // max_num_ref_frames
	w.u(1, 0)
	w.ue(mbWidth - 1)
	w.ue(mbHeight - 1)
	w.u(1, 1) // frame_mbs_only_flag
	w.u(1, 1) // direct_8x8_inference_flag
	w.u(1, 0) // no cropping
	w.u(1, 0) // no VUI
	w.stop()
	return w.b
}

// pps is the picture parameter set (7.3.2.2).
func pps() []byte {
	w := &bits{b: []byte{nalPPS}}
	w.ue(0)   // pic_parameter_set_id
	w.ue(0)   // seq_parameter_set_id
	w.u(1, 0) // CAVLC
	w.u(1, 0)
	w.ue(0) // one slice group
	w.ue(0)
	w.ue(0)
	w.u(3, 0) // no weighted prediction
	w.ue(0)   // QP offsets: zero, which se(v) writes as ue(v) does
	w.ue(0)
	w.ue(0)
	w.u(1, 1) // deblocking is controlled per slice
	w.u(1, 0)
	w.u(1, 0)
	w.stop()
	return w.b
}

// painter draws the frames of one seed. It keeps the gradients as rings, of which a row of a macroblock is a window.
type painter struct {
	seed uint64
	luma [2][220/2 + 16]byte // every second step, from step 0 and from step 1
	cb   [224 + 8]byte
}

func newPainter(seed uint64) *painter {
	p := &painter{seed: seed}
	for parity := range p.luma {
		for i := range p.luma[parity] {
			p.luma[parity][i] = byte(16 + (parity+2*i)%220)
		}
	}
	for i := range p.cb {
		p.cb[i] = byte(16 + i%224)
	}
	return p
}

// appendFrame appends the sample of one frame: length and one NAL unit with one slice. No emulation prevention is
// needed, since samples are at least 16 and headers never have two zero bytes in a row.
func (p *painter) appendFrame(dst []byte, frame int) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	w := &bits{b: append(dst, nalIDR)}
	w.ue(0)                 // first_mb_in_slice
	w.ue(sliceI)            // slice_type
	w.ue(0)                 // pic_parameter_set_id
	w.u(4, 0)               // frame_num
	w.ue(uint32(frame % 2)) // idr_pic_id: neighbours differ
	w.u(2, 0)               // dec_ref_pic_marking
	w.ue(0)                 // slice_qp_delta
	w.ue(1)                 // deblocking off: samples stay as they are
	for mb := range mbWidth * mbHeight {
		w.ue(mbTypePCM)
		w.free = 0 // pcm_alignment_zero_bits
		w.b = p.appendMacroblock(w.b, frame, mb%mbWidth*16, mb/mbWidth*16)
	}
	w.stop()
	binary.BigEndian.PutUint32(w.b[start:], uint32(len(w.b)-start-4))
	return w.b
}

const (
	stripe = Height - 16 // from here: 80 squares of 8 x 8 that spell seed and frame in bits
	square = 8
)

// appendMacroblock draws 16 x 16 samples of brightness and twice 8 x 8 of colour: moving gradients, which keep within
// 16..240. The stripe of squares below makes pictures of different seeds, and the frames of one, provably different.
func (p *painter) appendMacroblock(b []byte, frame, x0, y0 int) []byte {
	for y := y0; y < y0+16; y++ {
		if y >= stripe {
			for x := x0; x < x0+16; x += square {
				b = append(b, p.bit(frame, (y-stripe)/square*(Width/square)+x/square)...)
			}
			continue
		}
		at := (2*x0 + y + 7*frame + int(p.seed%220)) % 220
		b = append(b, p.luma[at%2][at/2:at/2+16]...)
	}
	for y := y0 / 2; y < y0/2+8; y++ {
		at := (x0/2 + y + 3*frame) % 224
		b = append(b, p.cb[at:at+8]...)
	}
	for y := y0 / 2; y < y0/2+8; y++ {
		v := byte(16 + (2*y+224-frame%224)%224)
		b = append(b, v, v, v, v, v, v, v, v)
	}
	return b
}

// bit is one row of the square for bit n: 64 of the seed, then 16 of the frame's number.
func (p *painter) bit(frame, n int) []byte {
	word := p.seed
	if n >= 64 {
		word, n = uint64(frame), n-64
	}
	if word>>uint(n)&1 == 1 {
		return []byte{235, 235, 235, 235, 235, 235, 235, 235}
	}
	return []byte{16, 16, 16, 16, 16, 16, 16, 16}
}
