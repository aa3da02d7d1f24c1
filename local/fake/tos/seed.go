package tos

import (
	"cmp"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/vodlift/vodlift/local/fake"
)

// File is an object's bytes. The caller closes it. An alias, so that who looks through an interface need not name it.
type File = interface {
	io.ReaderAt
	io.ReadCloser
}

// Stat describes a complete object; ok is false where there is none, or only chunks of one.
func (s *Server) Stat(name string) (b fake.Blob, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.st.Objects[name]; o != nil {
		return o.Blob, true
	}
	return fake.Blob{}, false
}

// Open opens the bytes of a complete object: until it is Taken, or after that too with Options.KeepBytes.
func (s *Server) Open(name string) (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.st.Objects[name]
	if o == nil {
		return nil, errors.New("fake tos: no such object")
	}
	return os.Open(s.path("objects", o.File))
}

// Taken says that the platform has taken over an object: without Options.KeepBytes only its hash stays.
func (s *Server) Taken(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.st.Objects[name]
	if o == nil || o.Taken || s.o.KeepBytes {
		return nil
	}
	o.Taken = true
	if err := s.save(); err != nil {
		return err
	}
	return os.Remove(s.path("objects", o.File))
}

// Expire ends the life of every signature for an object.
func (s *Server) Expire(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Expired[name] = true
	return s.save()
}

// Uploads counts the uploads in chunks that were opened and never closed.
func (s *Server) Uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, u := range s.st.Uploads {
		if !u.Closed {
			n++
		}
	}
	return n
}

// Effects lists the objects as assets, oldest first. Storage makes no posts.
func (s *Server) Effects() fake.Effects {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := fake.Effects{Posts: []fake.Post{}, Assets: []fake.Asset{}}
	for name, o := range s.st.Objects {
		e.Assets = append(e.Assets, fake.Asset{ID: name, Title: name, Size: o.Size, SHA256: o.SHA256, Time: o.Created, Parts: o.Parts})
	}
	slices.SortFunc(e.Assets, func(a, b fake.Asset) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	return e
}

// Inject arms a fault; see fake.Fault. Op is one of Ops.
func (s *Server) Inject(f fake.Fault) error { return s.panel.Inject(f) }

// ClearFaults disarms all faults.
func (s *Server) ClearFaults() { s.panel.ClearFaults() }

// Faults lists the faults still armed.
func (s *Server) Faults() []fake.Fault { return s.panel.Faults() }

// Requests lists the logged requests after number n.
func (s *Server) Requests(n int64) []fake.Request { return s.panel.Requests(n) }

// Counters sums up requests per operation.
func (s *Server) Counters() map[string]fake.Counter { return s.panel.Counters() }
