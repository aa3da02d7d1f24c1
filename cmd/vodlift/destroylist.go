package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/local/cloud"
	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/upload"
)

// list says what would be done, what goes and what is kept.
func (d *demolition) list() {
	w := d.m.Stdout
	fmt.Fprintf(w, "The stack %s in %s, account %s, is %s.\n", shown(d.st.Name), d.a.Region, d.who, d.st.Status)
	if d.api != nil {
		d.listUnderWay()
	} else if !d.st.Leaving() {
		fmt.Fprintf(w, "\nIts API is left out: open sessions, callback addresses, logins and app keys stay as they are.\n")
	}
	if d.st.Deleted() {
		fmt.Fprintf(w, "\nThe stack is deleted already.\n")
	} else {
		d.listGoing()
	}
	fmt.Fprintf(w, "\nKept, or deleted only by name:\n")
	columnsTable(w, "  ", d.kept())
}

func (d *demolition) listUnderWay() {
	w, l := d.m.Stdout, d.leaving
	by := map[string]int{}
	for _, u := range l.Uploads {
		by[u.Stand]++
	}
	fmt.Fprintf(w, "\nFirst:\n")
	if l.Paused {
		fmt.Fprintf(w, "  everything is paused already\n")
	} else {
		fmt.Fprintf(w, "  everything is paused\n")
	}
	fmt.Fprintf(w, "  what brings videos in is switched off: %s\n", strings.Join(d.intake(), ", "))
	more := ""
	if l.More {
		more = " or more"
	}
	fmt.Fprintf(w, "  %d%s uploads are cancelled, and their sessions given up\n", by[console.LeaveCancel]+by[console.LeaveEnding], more)
	if n := by[console.LeavePosted]; n > 0 {
		fmt.Fprintf(w, "  %d uploads are public, or about to be; nobody watches them any more\n", n)
	}
	fmt.Fprintf(w, "  callback addresses are taken out of the platforms, where they have a call for it\n")
	fmt.Fprintf(w, "  logins are erased: %s\n", orText(strings.Join(words(l.Logins), ", "), "none"))
	fmt.Fprintf(w, "  keys are erased: %s\n", orText(strings.Join(l.Apps, ", "), "none"))
	fmt.Fprintf(w, "  the other schedules are switched off\n")
	if by[console.LeaveAsked] > 0 {
		d.listAsked(l)
	}
}

func words(as []upload.Account) []string {
	out := make([]string, 0, len(as))
	for _, a := range as {
		out = append(out, string(a))
	}
	return out
}

// listAsked shows the uploads that may be public without anybody knowing.
func (d *demolition) listAsked(l console.Leaving) {
	fmt.Fprintf(d.m.Stdout, "\nIn the way: the platform was asked to publish these, and what became of it is not known:\n")
	rows := [][]string{{"upload", "account", "status", "source"}}
	for _, u := range l.Uploads {
		if u.Stand == console.LeaveAsked {
			rows = append(rows, []string{u.ID, string(u.Account), statusWord(u.Status, u.Reason), u.Key})
		}
	}
	columnsTable(d.m.Stdout, "  ", rows)
	fmt.Fprintf(d.m.Stdout, "  Look at the account, then: %s resolve ID --published POST, or --publish-again if it is not there (while everything is paused that publishes nothing)\n", d.m.Name)
}

func (d *demolition) listGoing() {
	count := map[string]int{}
	for _, r := range d.st.Going(d.set.Kept) {
		count[r.Type]++
	}
	fmt.Fprintf(d.m.Stdout, "\nDeleted with the stack:\n")
	rows := [][]string{}
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		rows = append(rows, []string{fmt.Sprint(count[kind]), kind})
	}
	columnsTable(d.m.Stdout, "  ", rows)
}

// Prices of AWS in US dollars a month, as its pages had them in November 2026 for us-east-1; other regions differ a little.
const (
	priceTable  = 0.25 // for each GB of the table
	priceBackup = 0.20 // for each GB, point-in-time recovery
	priceBucket = 0.023
	priceKey    = 1.0
)

// kept is what outlives the stack, with what it costs and what becomes of it.
func (d *demolition) kept() [][]string {
	rows := [][]string{{"what", "name", "holds", "US$ a month, about", ""}}
	for _, r := range d.st.Kept(d.set.Kept) {
		row := []string{"", r.Physical, "-", "-", "kept"}
		switch r.Logical {
		case "Table":
			row[0], row[2], row[3] = "ledger", holds(d.table, "records"), dollars(float64(d.table.Bytes)/1e9*(priceTable+priceBackup))
			row[4] = fate(d.table, d.o.table != "", "--delete-table "+r.Physical)
		case "Inbox":
			row[0], row[2], row[3] = "inbox", holds(d.inbox, "files"), dollars(float64(d.inbox.Bytes)/1e9*priceBucket)
			if d.inbox.More {
				row[3] += " or more"
			}
			row[4] = fate(d.inbox, d.o.inbox != "", "--delete-inbox "+r.Physical)
		case "SealKey":
			row[0], row[3] = "key", dollars(priceKey)
			row[4] = fmt.Sprintf("kept; with it goes every sealed secret in backups, too: aws kms schedule-key-deletion --key-id %s --pending-window-in-days 30 --region %s", r.Physical, d.a.Region)
		default:
			row[0] = r.Logical
		}
		rows = append(rows, row)
	}
	return rows
}

func holds(h cloud.Holding, what string) string {
	if h.Gone {
		return "-"
	}
	more := ""
	if h.More {
		more = " or more"
	}
	return fmt.Sprintf("%d %s, %s%s", h.Items, what, size(h.Bytes), more)
}

func fate(h cloud.Holding, typed bool, flag string) string {
	switch {
	case h.Gone:
		return "gone"
	case typed:
		return "deleted, as you said"
	}
	return "kept; " + flag + " deletes it"
}

func dollars(f float64) string {
	if f < 0.005 {
		return "0.00"
	}
	return fmt.Sprintf("%.2f", f)
}
