package douyin

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// bytes draws n random bytes. Like crypto/rand, it treats a dead source as the end of the program.
func (s *Server) bytes(n int) []byte {
	b := make([]byte, n)
	s.randMu.Lock()
	defer s.randMu.Unlock()
	if _, err := io.ReadFull(s.o.Rand, b); err != nil {
		panic(fmt.Errorf("fake douyin: random source: %w", err))
	}
	return b
}

// opaque makes an id as in the samples of ref. A.5 and A.7: "@" and base64 of n bytes. It always holds + and /, and with
// n not divisible by 3 also =, so that a client that forgets to percent-encode fails every time and not now and then.
func (s *Server) opaque(n int) string {
	id := []byte("@" + base64.StdEncoding.EncodeToString(s.bytes(n)))
	id[4], id[7] = '+', '/'
	return string(id)
}

func (s *Server) itemID() string   { return s.opaque(64) }
func (s *Server) uploadID() string { return s.opaque(16) }
func (s *Server) imageID() string  { return s.opaque(40) }

// videoID looks like the sample of ref. A.4.
func (s *Server) videoID() string { return "v0200f450000" + hex.EncodeToString(s.bytes(10)) }

// publicID is the plain id that the list shows; not the upload's video_id (ref. A.7).
func (s *Server) publicID() string {
	digits := make([]byte, 18)
	for i, b := range s.bytes(len(digits)) {
		digits[i] = '0' + b%10
	}
	return "7" + string(digits)
}

// token values carry the prefixes of ref. A.2.
func (s *Server) token(prefix string) string { return prefix + hex.EncodeToString(s.bytes(20)) }

func (s *Server) openID() string { return "_000" + hex.EncodeToString(s.bytes(16)) }

// logID is the platform's name for one answer: the time, then random digits.
func (s *Server) logID() string {
	return s.o.Now().UTC().Format("20060102150405") + strings.ToUpper(hex.EncodeToString(s.bytes(9)))
}
