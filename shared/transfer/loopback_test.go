package transfer_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/transfer"
	"github.com/vodlift/vodlift/shared/transfer/crc64x"
	"github.com/vodlift/vodlift/shared/upload"
)

// wire is a source and a target over HTTP on loopback, as plain as they can be.
type wire struct {
	target.Target
	url    string
	client *http.Client
}

func newWire(b *testing.B) wire {
	chunk := content(1 << 20)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		n, _ := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		for ; n > 0; n -= int64(len(chunk)) {
			_, _ = w.Write(chunk[:min(n, int64(len(chunk)))])
		}
	}))
	b.Cleanup(srv.Close)
	return wire{url: srv.URL, client: srv.Client()}
}

func (w wire) Stat(context.Context, source.Object) (source.Info, error) { return source.Info{}, nil }

func (w wire) Open(ctx context.Context, _ source.Object, _, size int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/?n=%d", w.url, size), nil)
	if err != nil {
		return nil, err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (w wire) put(ctx context.Context, body io.ReadCloser, size int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, w.url, body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (w wire) UploadPart(ctx context.Context, _ upload.Session, p target.Part) (upload.Receipt, error) {
	body, err := p.Open(ctx)
	if err != nil {
		return upload.Receipt{}, err
	}
	return upload.Receipt{Part: p.Number, Size: p.Size}, w.put(ctx, body, p.Size)
}

// summed is the bare copy's checksum.
type summed struct {
	io.ReadCloser
	sum uint64
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.sum = crc64x.Update(s.sum, p[:n])
	return n, err
}

// BenchmarkLoopback puts Carry beside a bare Go copy of the same parts with the same checksum (design 8: at least 0.95
// of it).
func BenchmarkLoopback(b *testing.B) {
	const partSize, parts, inFlight = 8 << 20, 16, 4
	b.Run("carry", func(b *testing.B) {
		w := newWire(b)
		j := flat(partSize, parts)
		j.Target, j.Source, j.InFlight = w, w, inFlight
		b.SetBytes(partSize * parts)
		b.ReportAllocs()
		for b.Loop() {
			if res, err := transfer.Carry(b.Context(), j); err != nil || res.Left != 0 {
				b.Fatal(res, err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		w := newWire(b)
		b.SetBytes(partSize * parts)
		b.ReportAllocs()
		for b.Loop() {
			g, ctx := errgroup.WithContext(b.Context())
			g.SetLimit(inFlight)
			for range parts {
				g.Go(func() error {
					body, err := w.Open(ctx, source.Object{}, 0, partSize)
					if err != nil {
						return err
					}
					return w.put(ctx, &summed{ReadCloser: body}, partSize)
				})
			}
			if err := g.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
