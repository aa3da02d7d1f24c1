package tos

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestChunksInParallelAndOneOfTwoCloses(t *testing.T) {
	r := newRig(t)
	id := r.open()
	var all, list []string
	for n := range 20 {
		all = append(all, fmt.Sprintf("part%d", n))
		list = append(list, fmt.Sprintf("%d:%s", n+1, crc(all[n])))
	}
	var wg sync.WaitGroup
	for n, text := range all {
		wg.Go(func() {
			if a := r.chunk(id, n+1, text); a.err != nil || a.body.Success == nil || *a.body.Success != 0 {
				t.Error(n, a.raw, a.err)
			}
		})
	}
	wg.Wait()
	closed := make(chan bool, 4)
	for range cap(closed) {
		wg.Go(func() { closed <- *r.finish(id, strings.Join(list, ",")).body.Success == 0 })
	}
	wg.Wait()
	close(closed)
	good := 0
	for ok := range closed {
		if ok {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d closes succeeded, want 1", good)
	}
	r.stored(strings.Join(all, ""))
}
