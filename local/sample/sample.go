// Package sample makes videos: real MP4 files that every player shows, from nothing but Go, the same bytes every time.
//
// It exists so that the demo and the tests of large files need no binary in the repository and no tool on the machine.
// The picture is coded as H.264 in its plainest form: constrained baseline, every frame an IDR picture, every macroblock
// I_PCM, that is samples as they are (ITU-T H.264, 7.3.5). That makes size exact and encoding a copy. The file is ISO
// BMFF with the index in front (ISO/IEC 14496-12 and -15). It knows nothing of buckets or platforms.
package sample

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// What every sample has in common.
const (
	Width     = 320
	Height    = 240
	FrameRate = 10 // frames a second

	minFrames = 110
	maxFrames = 1 << 20 // about 121 GB
)

// Write writes the sample of the demo: 11 seconds, some 12.7 MB. It returns the number of bytes written.
func Write(w io.Writer) (size int64, err error) { return WriteSeed(w, 0, 0) }

// WriteSeed writes a video of at least minBytes (and never less than Write's) whose bytes depend on seed: different
// seeds give different pictures, the same seed always the same file. It streams; memory does not grow with minBytes.
func WriteSeed(w io.Writer, seed uint64, minBytes int64) (size int64, err error) {
	m, err := plan(minBytes)
	if err != nil {
		return 0, err
	}
	bw := bufio.NewWriterSize(&counter{w: w, n: &size}, 256<<10)
	if _, err := bw.Write(m.head()); err != nil {
		return size, fmt.Errorf("sample: %w", err)
	}
	p, frame := newPainter(seed), make([]byte, 0, m.sampleSize)
	for i := range m.frames {
		frame = p.appendFrame(frame[:0], i)
		if len(frame) != m.sampleSize {
			return size, fmt.Errorf("sample: frame %d has %d bytes instead of %d", i, len(frame), m.sampleSize)
		}
		if _, err := bw.Write(frame); err != nil {
			return size, fmt.Errorf("sample: %w", err)
		}
	}
	if err := bw.Flush(); err != nil {
		return size, fmt.Errorf("sample: %w", err)
	}
	return size, nil
}

// Size tells how many bytes WriteSeed writes for minBytes.
func Size(minBytes int64) (int64, error) {
	m, err := plan(minBytes)
	if err != nil {
		return 0, err
	}
	return int64(len(m.head())) + m.payload(), nil
}

// File writes the sample of the demo to path. The file appears whole or not at all; a file of that name is replaced.
func File(path string) error { return FileSeed(path, 0, 0) }

// FileSeed is File with WriteSeed's choices.
func FileSeed(path string, seed uint64, minBytes int64) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".sample-*")
	if err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err := WriteSeed(f, seed, minBytes); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	return nil
}

// plan chooses the number of frames. The head grows with it, so frames alone reach minBytes.
func plan(minBytes int64) (movie, error) {
	size := len(newPainter(0).appendFrame(nil, 0))
	frames := max(minFrames, (minBytes+int64(size)-1)/int64(size))
	if frames > maxFrames {
		return movie{}, fmt.Errorf("sample: %d bytes are more than this format is made for", minBytes)
	}
	return movie{frames: int(frames), sampleSize: size}, nil
}

type counter struct {
	w io.Writer
	n *int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	*c.n += int64(n)
	return n, err
}
