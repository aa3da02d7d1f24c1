package youku

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
)

// bytes draws n random bytes. Like crypto/rand, it treats a dead source as the end of the program.
func (s *Server) bytes(n int) []byte {
	b := make([]byte, n)
	s.randMu.Lock()
	defer s.randMu.Unlock()
	if _, err := io.ReadFull(s.o.Rand, b); err != nil {
		panic(fmt.Errorf("fake youku: random source: %w", err))
	}
	return b
}

// token looks like the samples of ref. 3.
func (s *Server) token() string { return hex.EncodeToString(s.bytes(16)) }

// uploadToken is opaque. It always holds + and / and =, so that a client that forgets to percent-encode fails every time
// and not now and then.
func (s *Server) uploadToken() string {
	t := []byte(base64.StdEncoding.EncodeToString(s.bytes(40)))
	t[4], t[7] = '+', '/'
	return string(t)
}

// videoID has the form of ref. 10, sample XMjg1MTcyNDQ0: "X" and base64 of a decimal number, here of ten digits. Called
// with s.mu held.
func (s *Server) videoID() string {
	for {
		digits := []byte("4")
		for _, b := range s.bytes(9) {
			digits = append(digits, '0'+b%10)
		}
		if id := "X" + base64.StdEncoding.EncodeToString(digits); s.st.byVideo[id] == nil {
			return id
		}
	}
}

// objectKey is a temporary key, nothing of which the caller chose (ref. 4.3).
func (s *Server) objectKey() string { return "tmp/" + hex.EncodeToString(s.bytes(16)) }
