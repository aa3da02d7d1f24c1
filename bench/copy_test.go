package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vodlift/vodlift/shared/transfer/crc64x"
)

// bare is the yardstick: the same parts, as many in flight, each a ranged GET whose body is the PUT's, with the same
// checksum compared with the depot's; no ledger, no lease, no retry.
func bare(ctx context.Context, c *http.Client, j job) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(j.InFlight)
	for n := 1; int64(n-1)*j.Part < j.Size; n++ {
		g.Go(func() error {
			off := int64(n-1) * j.Part
			size := min(j.Part, j.Size-off)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/films/%d/%s.mp4", j.Depot, j.Size, j.Name), nil)
			if err != nil {
				return err
			}
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+size-1))
			resp, err := c.Do(req)
			if err != nil {
				return err
			}
			body := &summed{ReadCloser: resp.Body}
			sum, err := put(ctx, c, j.Depot, j.Name, n, size, body)
			if err == nil && sum != body.sum {
				err = fmt.Errorf("part %d arrived damaged", n)
			}
			return err
		})
	}
	return g.Wait()
}

// summed takes the checksum in passing.
type summed struct {
	io.ReadCloser
	sum uint64
}

// Read is io.Reader's.
func (s *summed) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.sum = crc64x.Update(s.sum, p[:n])
	return n, err
}

func bareClient(inFlight int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * inFlight, DisableCompression: true}}
}

// beBare is a process that makes one bare copy.
func beBare(in []byte) error {
	var j job
	if err := json.Unmarshal(in, &j); err != nil {
		return err
	}
	began := time.Now()
	if err := bare(context.Background(), bareClient(j.InFlight), j); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(carried{Seconds: time.Since(began).Seconds()})
}

// cost is what something took: time on the wall, and of processors.
type cost struct{ wall, cpu float64 }

func used(ru *syscall.Rusage) float64 {
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()
}

// timed runs fn in this process.
func timed(t testing.TB, fn func() error) cost {
	t.Helper()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	began := time.Now()
	if err := fn(); err != nil {
		t.Fatal(err)
	}
	wall := time.Since(began).Seconds()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	return cost{wall, used(&after) - used(&before)}
}

func sizes(small, real job) (job, int) {
	if *measure {
		return real, *pairs
	}
	return small, 1
}

// TestOneRangeBesideABareCopy carries one range from source to sink, in turn with a bare copy of the same parts.
func TestOneRangeBesideABareCopy(t *testing.T) {
	beside(t)
	for _, c := range []struct {
		name string
		disk bool
	}{{"the ledger in memory", false}, {"the ledger on disk", true}} {
		t.Run(c.name, func(t *testing.T) {
			j, n := sizes(job{Size: 3<<20 + 5, Part: 1 << 20, InFlight: 4}, job{Size: 256 << 20, Part: 8 << 20, InFlight: 4})
			j.Depot = startDepot(t)
			if c.disk {
				j.Dir = t.TempDir()
			}
			p, err := newPlant(j)
			if err != nil {
				t.Fatal(err)
			}
			defer p.db.Close()
			plain := bareClient(j.InFlight)
			want := film{j.Size}.sum()
			var walls, cpus, rates []float64
			for i := range n + 1 {
				j.Name = fmt.Sprintf("take%d", i)
				id, ranges, err := p.open(t.Context(), j)
				if err != nil || len(ranges) != 1 {
					t.Fatal(ranges, err)
				}
				run := map[bool]func() error{
					true:  func() error { return p.carry(t.Context(), id, ranges) },
					false: func() error { return bare(t.Context(), plain, j) },
				}
				took := map[bool]cost{}
				for _, ours := range [][]bool{{true, false}, {false, true}}[i%2] { // who is first changes
					took[ours] = timed(t, run[ours])
				}
				if err := p.whole(t.Context(), id); err != nil {
					t.Error(err)
				}
				for _, session := range []string{id, j.Name} {
					size, sum, gap := stateOf(t, j.Depot, session).content()
					if size != j.Size || gap || sum != want {
						t.Errorf("%d bytes arrived of %d, with sum %016x, want %016x", size, j.Size, sum, want)
					}
				}
				if i == 0 {
					continue // connections and pools are warm from now on
				}
				walls = append(walls, took[false].wall/took[true].wall)
				cpus = append(cpus, took[true].cpu/took[false].cpu)
				rates = append(rates, float64(j.Size)/took[true].wall/1e6)
			}
			if !*measure {
				return
			}
			tell(t, Row{1, "one range of 256 MiB in parts of 8 MiB, 4 in flight, " + c.name + ": speed beside a bare copy", ">= 0.95",
				fmt.Sprintf("%s; %.0f MB/s", Spread(walls), Median(rates)), Judge(Median(walls) >= 0.95)})
			tell(t, Row{1, "the same: processor time beside a bare copy", "", Spread(cpus), Told})
		})
	}
}

// TestWholeCopyBesideRclone runs the same copy as processes: ours (a new ledger, ingest, open, one range), a bare one, and
// rclone between the same two ends.
func TestWholeCopyBesideRclone(t *testing.T) {
	beside(t)
	j, n := sizes(job{Size: 3 << 20, Part: 1 << 20, InFlight: 4}, job{Size: 1 << 30, Part: 8 << 20, InFlight: 4})
	j.Depot = startDepot(t)
	version := ""
	if *measure {
		n = max(3, n/2)
		out, err := exec.Command(*rclone, "version").Output()
		if err != nil {
			t.Log("there is no rclone (-rclone): it is not compared with")
			tell(t, Row{2, "the whole copy beside rclone", "faster", "no rclone here", Told})
		}
		version, _, _ = strings.Cut(string(out), "\n")
	}
	var walls, cpus, ourRates []float64
	for i := range n {
		j.Name = fmt.Sprintf("take%d", i)
		ours := spawned(t, "carry", j)
		bare := spawned(t, "bare", j)
		ourRates = append(ourRates, bare.wall/ours.wall)
		if version == "" {
			continue
		}
		theirs := rcloned(t, j, fmt.Sprintf("rclone%d", i))
		walls = append(walls, theirs.wall/ours.wall)
		cpus = append(cpus, theirs.cpu/ours.cpu)
	}
	if !*measure {
		return
	}
	tell(t, Row{2, "the same copy of 1 GiB as a process, its start, ledger and all: speed beside a bare copy's process", "", Spread(ourRates), Told})
	if version != "" {
		tell(t, Row{2, "the same copy beside " + version + " (chunks of 8 MiB, 4 at a time): how many times as fast", "> 1", Spread(walls), Judge(Median(walls) > 1)})
		tell(t, Row{2, "the same: processor time of rclone beside ours", "", Spread(cpus), Told})
	}
}

// spawned runs a child to its end.
func spawned(t *testing.T, role string, j job) cost {
	t.Helper()
	began := time.Now()
	c := spawn(t, role, j)
	var got carried
	if err := c.wait(&got); err != nil {
		t.Fatal(err)
	}
	wall := time.Since(began).Seconds()
	return cost{wall, used(c.cmd.ProcessState.SysUsage().(*syscall.Rusage))}
}

// rcloned copies with rclone: two remotes, so that the bytes pass through it.
func rcloned(t *testing.T, j job, to string) cost {
	t.Helper()
	cmd := exec.Command(*rclone, "copyto", fmt.Sprintf("src:films/%d/%s.mp4", j.Size, j.Name), "dst:sink/"+to, "--config", "", "--retries", "1",
		"--s3-chunk-size", fmt.Sprintf("%dB", j.Part), "--s3-upload-concurrency", fmt.Sprint(j.InFlight), "--multi-thread-streams", fmt.Sprint(j.InFlight), "--s3-upload-cutoff", "0", "--ignore-checksum")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()} // no settings of whoever runs this
	for _, r := range []string{"SRC", "DST"} {
		for k, v := range map[string]string{"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": j.Depot, "ACCESS_KEY_ID": "access", "SECRET_ACCESS_KEY": "secret",
			"FORCE_PATH_STYLE": "true", "NO_CHECK_BUCKET": "true", "DISABLE_CHECKSUM": "true", "REGION": "us-east-1"} {
			cmd.Env = append(cmd.Env, "RCLONE_CONFIG_"+r+"_"+k+"="+v)
		}
	}
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rclone: %v: %s", err, out)
	}
	wall := time.Since(began).Seconds()
	if size, sum, gap := stateOf(t, j.Depot, to).content(); size != j.Size || gap || sum != (film{j.Size}).sum() {
		t.Fatalf("rclone copied %d bytes of %d", size, j.Size)
	}
	return cost{wall, used(cmd.ProcessState.SysUsage().(*syscall.Rusage))}
}
