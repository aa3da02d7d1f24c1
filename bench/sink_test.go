package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/upload"
)

// sink is a platform at its cheapest: a part is one PUT to a depot, which answers with its CRC64. What a transfer costs
// beside it is our own.
type sink struct {
	addr   string
	http   *http.Client
	limits upload.Limits
	lists  bool // it can say which parts it has
}

var (
	_ target.Target     = (*sink)(nil)
	_ target.PartLister = lister{}
	_ target.Opener     = (*sink)(nil)
)

// OpenTarget is target.Opener's.
func (s *sink) OpenTarget(context.Context, upload.Account) (target.Target, int64, error) {
	if s.lists {
		return lister{s}, 0, nil
	}
	return s, 0, nil
}

// Limits is target.Opener's.
func (s *sink) Limits(upload.Account) (upload.Limits, error) { return s.limits, nil }

// Init names the session after the upload, so that a test knows it.
func (s *sink) Init(_ context.Context, v upload.Video, _ upload.Plan) (upload.Session, error) {
	return upload.Session{ID: v.Upload, Opened: time.Now()}, nil
}

func (s *sink) UploadPart(ctx context.Context, sess upload.Session, p target.Part) (upload.Receipt, error) {
	body, err := p.Open(ctx)
	if err != nil {
		return upload.Receipt{}, err
	}
	sum, err := put(ctx, s.http, s.addr, sess.ID, p.Number, p.Size, body)
	if err != nil {
		return upload.Receipt{}, fault.Newf(fault.Retryable, "sink.UploadPart", "%w", err)
	}
	return upload.Receipt{Part: p.Number, Size: p.Size, CRC64: sum}, nil
}

// put sends one part and gives the sum that the depot took.
func put(ctx context.Context, c *http.Client, addr, session string, n int, size int64, body io.ReadCloser) (uint64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, fmt.Sprintf("%s/sink/%s?partNumber=%d", addr, session, n), body)
	if err != nil {
		return 0, err
	}
	req.ContentLength = size
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %s, %v", resp.Status, err)
	}
	return strconv.ParseUint(resp.Header.Get("X-Crc64"), 10, 64)
}

func (s *sink) Complete(context.Context, upload.Session, []upload.Receipt) (upload.Asset, error) {
	return upload.Asset{ID: "asset"}, nil
}

func (s *sink) Publish(context.Context, upload.Video, upload.Session, upload.Asset) (upload.Post, error) {
	return upload.Post{ID: "post", At: time.Now()}, nil
}

func (s *sink) Abort(context.Context, upload.Session) error { return nil }

// lister is a sink that lists its parts.
type lister struct{ *sink }

// ListParts asks the depot.
func (l lister) ListParts(ctx context.Context, sess upload.Session) ([]upload.Receipt, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.addr+"/state?session="+sess.ID, nil)
	if err != nil {
		return nil, err
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return nil, fault.Newf(fault.Retryable, "sink.ListParts", "%w", err)
	}
	defer resp.Body.Close()
	var d delivery
	if err := json.NewDecoder(resp.Body).Decode(&d); err != nil {
		return nil, fault.Newf(fault.Retryable, "sink.ListParts", "%w", err)
	}
	var rs []upload.Receipt
	for n, p := range d.Parts {
		rs = append(rs, upload.Receipt{Part: n, Size: p.Size, CRC64: p.CRC64})
	}
	return rs, nil
}
