package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// board is where progress is shown: rows that are drawn again in place on a terminal, plain lines elsewhere. Safe for
// concurrent use.
type board struct {
	w        io.Writer
	terminal bool
	width    func() int

	mu   sync.Mutex
	rows []string
}

// line writes one line that stays, above the rows.
func (b *board) line(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows := b.rows
	b.erase()
	fmt.Fprintf(b.w, "%s\n", shown(fmt.Sprintf(format, args...)))
	b.draw(rows)
}

// block writes lines that are safe already.
func (b *board) block(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows := b.rows
	b.erase()
	io.WriteString(b.w, text)
	b.draw(rows)
}

// show replaces the rows. Elsewhere than on a terminal it shows nothing.
func (b *board) show(rows []string) {
	if !b.terminal {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	b.draw(rows)
}

// clear takes the rows away.
func (b *board) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
}

func (b *board) erase() {
	if len(b.rows) > 0 {
		fmt.Fprintf(b.w, "\r\x1b[%dA\x1b[J", len(b.rows))
	}
	b.rows = nil
}

// draw writes rows, none wider than the terminal: a wrapped row could not be erased.
func (b *board) draw(rows []string) {
	var s strings.Builder
	for _, r := range rows {
		s.WriteString(fit(shown(r), b.width()-1, false))
		s.WriteByte('\n')
	}
	io.WriteString(b.w, s.String())
	b.rows = rows
}

// bar draws a share of n columns.
func bar(done, all int64, n int) string {
	full := n
	if all > 0 && done < all {
		full = int(float64(done) / float64(all) * float64(n))
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", n-full) + "]"
}
