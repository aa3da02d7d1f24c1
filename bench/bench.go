// Package bench measures the promises of speed and cost (docs/speed.md): what a range costs beside a bare copy, how much
// memory and how many bytes a transfer takes, how fast a function starts, what publications cost, how long a call of
// the apps takes.
//
// It exists because a promise that nobody measures is a hope. Machines differ and are shared, so speeds are ratios of
// two things that ran side by side in one run, and what can be counted (bytes, writes, transitions) is counted, not
// timed. A plain go test runs everything at tiny sizes and judges only what can be counted; -measure takes the real
// sizes and prints the table. Nothing that is deployed imports this package.
package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Verdict is what a measurement says of its promise.
type Verdict string

// The verdicts.
const (
	Kept   Verdict = "kept"
	Missed Verdict = "missed"
	// Told is for a figure that nobody promised.
	Told Verdict = "-"
)

// Judge gives Kept or Missed.
func Judge(kept bool) Verdict {
	if kept {
		return Kept
	}
	return Missed
}

// Row is one line of the table.
type Row struct {
	Order    int // of the promise in docs/speed.md
	What     string
	Promise  string // empty: none
	Measured string
	Verdict  Verdict
}

// Table writes the rows as a Markdown table, by order, then as they came.
func Table(w io.Writer, rows []Row) error {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.Order, b.Order) })
	var b strings.Builder
	b.WriteString("| what | promise | measured | |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(r.What), cell(r.Promise), cell(r.Measured), r.Verdict)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "\n", " ") }

// Median is the middle of xs, the mean of the two middle ones where their number is even; 0 of none.
func Median(xs []float64) float64 { return Quantile(xs, 0.5) }

// Quantile is the q-th quantile of xs, interpolated; 0 of none.
func Quantile(xs []float64, q float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	xs = slices.Sorted(slices.Values(xs))
	at := q * float64(len(xs)-1)
	low := int(at)
	high := min(low+1, len(xs)-1)
	return xs[low] + (xs[high]-xs[low])*(at-float64(low))
}

// Spread is the least, the median and the greatest of xs, for people.
func Spread(xs []float64) string {
	return fmt.Sprintf("%.2f (%.2f to %.2f, %d pairs)", Median(xs), Quantile(xs, 0), Quantile(xs, 1), len(xs))
}
