package bench

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// mib in people's words.
func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// TestMemoryDoesNotGrow carries whole videos in a process of its own, with the most parts in flight that any platform gets,
// and asks the kernel for the most it ever had resident. The process holds all that a deployed uploadpart links, and SQLite besides.
func TestMemoryDoesNotGrow(t *testing.T) {
	beside(t)
	if runtime.GOOS != "linux" {
		t.Skip("VmHWM is Linux's: memory is NOT MEASURED here")
	}
	size, parts := int64(8<<20), []int64{1 << 20, 4 << 20}
	if *measure {
		size, parts = 1<<30, []int64{5 << 20, 64 << 20, 512 << 20}
	}
	depot := startDepot(t)
	for _, part := range parts {
		var got carried
		if err := spawn(t, "carry", job{Depot: depot, Dir: t.TempDir(), Size: size, Part: part, InFlight: 8, Name: fmt.Sprint("film", part)}).wait(&got); err != nil {
			t.Fatal(err)
		}
		if want := stateOf(t, depot, got.Upload); want.In != size || got.Sent != size {
			t.Errorf("%d bytes were sent and %d came, of %d", got.Sent, want.In, size)
		}
		if *measure { // the race detector takes memory of its own
			kept := got.Peak < 64<<20
			if !kept {
				t.Errorf("parts of %s: %s resident, 64 MiB are promised", mib(part), mib(got.Peak))
			}
			tell(t, Row{3, fmt.Sprintf("most memory resident of a process that carries %s in parts of %s, 8 in flight", mib(size), mib(part)), "< 64 MiB", mib(got.Peak), Judge(kept)})
		}
	}
}

// TestBytesSentOnce counts what arrives: the size exactly when nothing fails; after a kill -9 in the middle, again only
// the parts in flight and those whose receipts were not saved yet, and only the former where the platform lists parts.
func TestBytesSentOnce(t *testing.T) {
	beside(t)
	j := job{Size: 8 << 20, Part: 128 << 10, InFlight: 4, Lease: time.Second, Ranges: 1}
	rate := int64(1 << 20) // of one part
	if *measure {
		j.Size, j.Part, rate = 512<<20, 5<<20, 8<<20
	}
	flight := int64(j.InFlight) * j.Part
	unsaved := min(5*rate*int64(j.InFlight), 16*j.Part)
	for _, c := range []struct {
		name  string
		lists bool
		kill  bool
		most  int64
	}{
		{"nothing fails", false, false, 0},
		{"killed half way", false, true, flight + unsaved},
		{"killed half way, the platform lists its parts", true, true, flight},
	} {
		t.Run(c.name, func(t *testing.T) {
			beside(t)
			j := j
			j.Depot, j.Dir, j.Name, j.Lists = startDepot(t), t.TempDir(), "film", c.lists
			var got carried
			if c.kill {
				setRate(t, j.Depot, rate)
				j.Upload = killedHalfWay(t, j)
				setRate(t, j.Depot, 0)
			}
			if err := spawn(t, "carry", j).wait(&got); err != nil {
				t.Fatal(err)
			}
			d := stateOf(t, j.Depot, got.Upload)
			if size, sum, gap := d.content(); size != j.Size || gap || sum != (film{j.Size}).sum() {
				t.Errorf("another content arrived: %d bytes of %d", size, j.Size)
			}
			again := d.In - j.Size
			if again < 0 || again > c.most {
				t.Errorf("%d bytes were sent again, at most %d are promised", again, c.most)
			}
			if *measure {
				tell(t, Row{4, fmt.Sprintf("bytes sent beyond the size of %s in parts of %s, 4 in flight: %s", mib(j.Size), mib(j.Part), c.name),
					fmt.Sprintf("<= %s", mib(c.most)), fmt.Sprintf("%s (%d bytes)", mib(again), again), Judge(again <= c.most)})
			}
		})
	}
}

func setRate(t *testing.T, depot string, bps int64) {
	t.Helper()
	resp, err := new(http.Client).Post(fmt.Sprintf("%s/rate?bps=%d", depot, bps), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

// killedHalfWay opens an upload, lets a process carry it, and kills it once half of it has come.
func killedHalfWay(t *testing.T, j job) string {
	t.Helper()
	p, err := newPlant(j)
	if err != nil {
		t.Fatal(err)
	}
	id, _, err := p.open(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.db.Close(); err != nil {
		t.Fatal(err)
	}
	j.Upload = id
	c := spawn(t, "carry", j)
	ended := make(chan error, 1)
	go func() { ended <- c.cmd.Wait() }()
	for tick := time.NewTicker(5 * time.Millisecond); stateOf(t, j.Depot, id).In < j.Size/2; {
		select {
		case err := <-ended:
			t.Fatal("it ended by itself: ", err, c.err.String())
		case <-tick.C:
		}
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	return id
}
