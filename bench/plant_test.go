package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source"
	"github.com/vodlift/vodlift/shared/source/s3source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/target"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/wire"
	"github.com/vodlift/vodlift/shared/workflow"
)

// job is what a process that carries is told.
type job struct {
	Depot    string
	Dir      string // of the ledger; empty: in memory
	Size     int64
	Part     int64
	Ranges   int // at most; 1 = one range
	InFlight int
	Lists    bool
	Lease    time.Duration // 0 = as deployed
	Upload   string        // carry this one on; empty: a new one
	Name     string
}

// carried is what it answers.
type carried struct {
	Upload  string
	Seconds float64 // in uploadpart alone
	Peak    int64   // resident, bytes
	Sent    int64
}

// plant is the deployed steps over a ledger of its own, with a depot as bucket and as platform.
type plant struct {
	*wire.App
	db   *sqlite.DB
	sent atomic.Int64
}

// nobody starts and wakes nothing, and tells nobody: the benchmark takes the steps itself.
type nobody struct{}

func (nobody) Start(context.Context, string, []byte) error { return nil }
func (nobody) Wake(context.Context, string) error          { return workflow.ErrGone }
func (nobody) Send(context.Context, state.Outgoing) error  { return nil }

func newPlant(j job) (*plant, error) {
	p := &plant{}
	dir := j.Dir
	var err error
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bench-"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir) // the key is in memory by then
		p.db, err = sqlite.OpenMemory(nil)
	} else {
		p.db, err = sqlite.Open(filepath.Join(dir, "table.db"), nil)
	}
	if err != nil {
		return nil, err
	}
	keys, err := token.FileKey(filepath.Join(dir, "seal.key"), nil)
	if err != nil {
		return nil, errors.Join(err, p.db.Close())
	}
	log := slog.New(slog.DiscardHandler)
	client := transport.New(transport.Options{AllowLoopback: true, MaxResponse: 4 << 20, Log: log})
	bucket := s3.New(s3.Options{BaseEndpoint: &j.Depot, Region: "us-east-1", UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("access", "secret", "")})
	set := workflow.Settings{Plan: upload.Settings{MinRange: ceil(j.Size, int64(max(1, j.Ranges)))}}
	if j.Lease > 0 {
		set.LeaseRenew, set.PartRest = j.Lease/3, j.Lease/3
	}
	p.App = wire.New(wire.Engines{
		Table: p.db, Cipher: token.NewSealer(keys, nil), Source: s3source.New(bucket), Starter: nobody{}, Waker: nobody{}, Outside: nobody{},
		HTTP: client, Log: log, Steps: set, Ledger: state.Settings{PoolGlobal: 1e6, PoolAccount: 1e6, Lease: j.Lease},
		Routes:   manifest.Routes{{Bucket: "films", Accounts: []upload.Account{"mem/a"}, Sidecar: manifest.SidecarNever}},
		Progress: func(_ string, n int64) { p.sent.Add(n) },
		Targets: map[string]target.Opener{"mem": &sink{addr: j.Depot, http: client, lists: j.Lists, limits: upload.Limits{
			MinPart: 1, MinLastPart: 1, WantPart: j.Part, MaxParts: 10_000, InFlight: j.InFlight}}},
	})
	return p, nil
}

func ceil(a, b int64) int64 { return (a + b - 1) / b }

// open takes an upload from its object to its wave: the ranges to carry.
func (p *plant) open(ctx context.Context, j job) (id string, ranges []int, err error) {
	id = j.Upload
	gen := 1
	if id == "" {
		in, err := p.Ingest(ctx, source.Object{Bucket: "films", Key: fmt.Sprintf("%d/%s.mp4", j.Size, j.Name)})
		if err != nil || len(in.Uploads) != 1 {
			return "", nil, fmt.Errorf("ingest: %+v, %w", in, err)
		}
		id = in.Uploads[0]
	} else {
		u, err := p.Ledger.Upload(ctx, id)
		if err != nil {
			return id, nil, err
		}
		if gen = u.Gen; u.Plan != nil && u.Live { // as a machine whose function died: it runs the range again
			for r := range u.Plan.Ranges {
				ranges = append(ranges, r+1)
			}
			return id, ranges, nil
		}
	}
	o, err := p.Open(ctx, workflow.Step{V: 1, Upload: id, Gen: gen})
	if err != nil || o.Next != "carry" {
		return id, nil, fmt.Errorf("open: %+v, %w", o, err)
	}
	return id, o.Ranges, nil
}

// carry carries the ranges, one after the other, each until it is done, as the machine's loop does.
func (p *plant) carry(ctx context.Context, id string, ranges []int) error {
	for _, r := range ranges {
		for {
			res, err := p.Carry(ctx, workflow.RangeStep{Step: workflow.Step{V: 1, Upload: id, Gen: 1}, Range: r})
			if err != nil {
				return err
			}
			if res.Done {
				break
			}
			time.Sleep(time.Duration(res.Wait) * time.Second)
		}
	}
	return nil
}

// whole makes sure that the ledger has a receipt of every part.
func (p *plant) whole(ctx context.Context, id string) error {
	u, err := p.Ledger.Upload(ctx, id)
	if err != nil {
		return err
	}
	rs, err := p.Ledger.Receipts(ctx, id, u.Session, 1, u.Plan.Parts)
	if err != nil || len(rs) != u.Plan.Parts {
		return fmt.Errorf("%d receipts of %d, %w", len(rs), u.Plan.Parts, err)
	}
	return nil
}

// beCarry is a process that only carries, and says what it took.
func beCarry(in []byte) error {
	var j job
	if err := json.Unmarshal(in, &j); err != nil {
		return err
	}
	p, err := newPlant(j)
	if err != nil {
		return err
	}
	ctx := context.Background()
	id, ranges, err := p.open(ctx, j)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := p.carry(ctx, id, ranges); err != nil {
		return err
	}
	took := time.Since(began)
	if err := errors.Join(p.whole(ctx, id), p.db.Close()); err != nil {
		return err
	}
	peak, err := peakOf("self")
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(carried{Upload: id, Seconds: took.Seconds(), Peak: peak, Sent: p.sent.Load()})
}

// peakOf is the most memory that a process ever had resident, in bytes.
func peakOf(pid string) (int64, error) {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("the kernel tells no VmHWM")
}
