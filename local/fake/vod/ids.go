package vod

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// bytes draws n random bytes. Like crypto/rand, it treats a dead source as the end of the program.
func (s *Server) bytes(n int) []byte {
	b := make([]byte, n)
	s.randMu.Lock()
	defer s.randMu.Unlock()
	if _, err := io.ReadFull(s.o.Rand, b); err != nil {
		panic(fmt.Errorf("fake vod: random source: %w", err))
	}
	return b
}

// id is 32 lower-case hex digits, the form of the ids of videos, images and jobs.
func (s *Server) id() string { return hex.EncodeToString(s.bytes(16)) }

func (s *Server) requestID() string { return rpc.RequestID([16]byte(s.bytes(16))) }

// below draws a number from 0 to n-1.
func (s *Server) below(n int) int {
	b := s.bytes(8)
	var x uint64
	for _, c := range b {
		x = x<<8 | uint64(c)
	}
	return int(x % uint64(max(n, 1))) //nolint:gosec // less than n
}

// videoKey has the form of the seed's sample, sv/<id>/<id>.mp4 (ref. a.4).
func (s *Server) videoKey(ext string) string {
	name := hex.EncodeToString(s.bytes(4)) + "-" + hex.EncodeToString(s.bytes(6))[:11]
	return "sv/" + name + "/" + name + "." + ext
}

// imageKey has the form of the seed's sample, image/cover/<ID>-6-2.jpg (ref. a.4).
func (s *Server) imageKey(kind, ext string) string {
	return "image/" + kind + "/" + strings.ToUpper(s.id()) + "-6-2." + ext
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
