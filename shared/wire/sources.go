package wire

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/oss"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/ossource"
	"github.com/vodlift/vodlift/shared/token"
)

// OSSKey names the record with the access key that objects of OSS are read with (oss:GetObject on the named buckets).
const OSSKey = "oss"

// sources reads each object where its bucket is: in OSS if it is one of those, else in S3.
type sources struct {
	source.Source
	oss map[string]source.Source
}

// withOSS adds buckets of OSS, by name with their endpoints, to s3. Their key is a sealed record, read at the first use and
// then once a minute.
func withOSS(s3 source.Source, buckets map[string]string, key func(context.Context) (token.AppKey, error), client *http.Client, now func() time.Time) (source.Source, error) {
	if len(buckets) == 0 {
		return s3, nil
	}
	out := sources{Source: s3, oss: map[string]source.Source{}}
	fresh := &freshKey{load: key, now: now}
	clock := oss.NewClock(now)
	for name, endpoint := range buckets {
		c, err := oss.New(oss.Config{Endpoint: endpoint, Bucket: name}, fresh.get, client, &oss.Options{Clock: clock})
		if err != nil {
			return nil, fault.Wrap("wire.withOSS", err)
		}
		out.oss[name] = ossource.New(c)
	}
	return out, nil
}

// freshKey keeps a key for a minute: parts ask for it with every request.
type freshKey struct {
	load func(context.Context) (token.AppKey, error)
	now  func() time.Time

	mu   sync.Mutex
	have oss.Credential
	at   time.Time
}

func (f *freshKey) get(ctx context.Context) (oss.Credential, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.have.ID != "" && f.now().Sub(f.at) < time.Minute {
		return f.have, nil
	}
	k, err := f.load(ctx)
	if err != nil {
		return oss.Credential{}, err
	}
	f.have, f.at = oss.Credential{ID: k.ID, Secret: k.Secret}, f.now()
	return f.have, nil
}

func (s sources) of(o source.Object) source.Source {
	if in, ok := s.oss[o.Bucket]; ok {
		return in
	}
	return s.Source
}

// Stat implements source.Source.
func (s sources) Stat(ctx context.Context, o source.Object) (source.Info, error) {
	return s.of(o).Stat(ctx, o)
}

// Open implements source.Source.
func (s sources) Open(ctx context.Context, o source.Object, offset, size int64) (io.ReadCloser, error) {
	return s.of(o).Open(ctx, o, offset, size)
}
