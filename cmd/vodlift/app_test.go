package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cli runs the program as people would, from dir, and gives what it wrote and its exit status.
func cli(t *testing.T, ctx context.Context, dir string, env map[string]string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	m := Main{
		Stdout: &out, Stderr: &errs, Args: args, Dir: dir, Env: func(k string) string { return env[k] },
		CacheDir: func() (string, error) { return filepath.Join(dir, "cache"), nil }, Poll: 50 * time.Millisecond, Tune: quick,
	}
	status = m.Run(ctx)
	return out.String(), errs.String(), status
}

func TestACommandLineThatMakesNoSenseEndsWith2AndSaysWhy(t *testing.T) {
	cases := []struct {
		name string
		args []string
		want string
	}{
		{"no command", nil, "usage: vodlift COMMAND"},
		{"an unknown command, with the nearest", []string{"pubish", "x"}, `unknown command "pubish", did you mean publish?`},
		{"a start of a command", []string{"stat"}, "did you mean status?"},
		{"nothing near", []string{"frobnicate"}, `unknown command "frobnicate"` + "\n"},
		{"control characters in a command", []string{"a\x1b[2Jb"}, `\x1b`},
		{"an unknown flag, with the nearest", []string{"publish", "x", "--tilte", "a"}, "unknown flag --tilte, did you mean --title?"},
		{"a flag without its value", []string{"publish", "x", "--title"}, "a value is missing after --title"},
		{"a flag with a wrong value", []string{"status", "--days", "many"}, "for --days"},
		{"publish without a file", []string{"publish", "--to", "douyin/main"}, "want one FILE or s3://inbox/KEY, got 0 arguments"},
		{"publish of two files", []string{"publish", "a", "b", "--to", "douyin/main"}, "got 2 arguments"},
		{"publish to nobody", []string{"publish", "a"}, "say where to: --to ACCOUNT"},
		{"publish to what is no account", []string{"publish", "a", "--to", "Douyin"}, "want target/name"},
		{"a time that is none", []string{"publish", "a", "--to", "douyin/main", "--publish-at", "tomorrow"}, "--publish-at"},
		{"local without a kind", []string{"local"}, "say --demo, or name a data folder"},
		{"--once without --demo", []string{"local", "--data", "x", "--once"}, "--once is for --demo"},
		{"an address that others can reach", []string{"local", "--demo", "--bucket", "0.0.0.0:9000"}, "only this machine may reach it"},
		{"an address without a port", []string{"local", "--demo", "--api", "127.0.0.1"}, "want host:port"},
		{"resolve without a decision", []string{"resolve", "u1"}, "say either --published POST or --publish-again"},
		{"resolve with both decisions", []string{"resolve", "u1", "--published", "7", "--publish-again"}, "say either"},
		{"cancel of nothing", []string{"cancel"}, "want one ID"},
		{"status of two", []string{"status", "a", "b"}, "want one ID at most"},
		{"days out of range", []string{"status", "--days", "1000"}, "want 0 to 366"},
		{"help on what is not there", []string{"help", "statsu"}, "did you mean status?"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			out, errs, status := cli(t, t.Context(), t.TempDir(), nil, tc.args...)
			if status != exitUsage || !strings.Contains(errs, tc.want) || out != "" {
				t.Errorf("got status %d\nstdout %q\nstderr %q\nwant 2 and %q", status, out, errs, tc.want)
			}
		})
	}
}

func TestWithoutARunningStackEveryCommandSaysHowToStartOne(t *testing.T) {
	for _, args := range [][]string{{"status"}, {"held"}, {"cancel", "u123"}, {"pause", "global"}, {"bucket-keys"}} {
		_, errs, status := cli(t, t.Context(), t.TempDir(), nil, args...)
		if status != exitFailed || !strings.Contains(errs, "vodlift local --demo") || !strings.Contains(errs, "VODLIFT_DATA") {
			t.Errorf("%v: got status %d, %q", args, status, errs)
		}
	}
}

func TestHelpNamesEveryCommandAndEveryFlag(t *testing.T) {
	out, _, status := cli(t, t.Context(), t.TempDir(), nil, "help")
	for _, c := range commands() {
		if status != exitOK || !strings.Contains(out, "\n  "+c.name+" ") {
			t.Errorf("help does not name %s:\n%s", c.name, out)
		}
		one, _, status := cli(t, t.Context(), t.TempDir(), nil, "help", c.name)
		if status != exitOK || !strings.Contains(one, "usage: vodlift "+c.name) || c.name == "publish" && !strings.Contains(one, "--dry-run") {
			t.Errorf("help %s: status %d\n%s", c.name, status, one)
		}
		if same, _, status := cli(t, t.Context(), t.TempDir(), nil, c.name, "--help"); status != exitOK || same != one {
			t.Errorf("%s --help: status %d, other than help %s", c.name, status, c.name)
		}
	}
}

func TestVersionIsOneLine(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		out, _, status := cli(t, t.Context(), t.TempDir(), nil, arg)
		if status != exitOK || !strings.HasPrefix(out, "vodlift ") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: got %d %q", arg, status, out)
		}
	}
}

func TestFlagsMayFollowArgumentsAndTwoDashesEndThem(t *testing.T) {
	_, errs, status := cli(t, t.Context(), t.TempDir(), nil, "publish", "--to", "douyin/main", "no such.mp4", "--json")
	if status != exitFailed || !strings.Contains(errs, "file: there is no file") || !strings.Contains(errs, "no such.mp4") {
		t.Errorf("got %d %q", status, errs)
	}
	_, errs, status = cli(t, t.Context(), t.TempDir(), nil, "publish", "--to", "douyin/main", "--", "--json")
	if status != exitFailed || !strings.Contains(errs, "--json") || !strings.Contains(errs, "there is no file") {
		t.Errorf("after --: got %d %q", status, errs)
	}
}

func TestTextOfStrangersCannotSteerATerminal(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"plain text stays", "a video, 你好 🎬.mp4", "a video, 你好 🎬.mp4"},
		{"an escape sequence", "\x1b[2J", `\u001b[2J`},
		{"a line break", "a\nb", `a\nb`},
		{"bidi override", "a\u202egpj.exe", `a\u202egpj.exe`},
		{"isolate", "\u2066x\u2069", `\u2066x\u2069`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"bytes that are no text", "a\xffb", `a\xffb`},
		{"a real replacement character stays", "a\ufffdb", "a\ufffdb"},
		{"joined emoji stay", "👩\u200d🚀", "👩\u200d🚀"},
		{"C1 control", "a\u009bb", `a\u009bb`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got := shown(tc.in); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRowsAreCutByColumnsNotByBytes(t *testing.T) {
	cases := []struct {
		in   string
		n    int
		want string
	}{{"abc", 5, "abc  "}, {"abcdef", 4, "abc~"}, {"你好世界", 5, "你好~"}, {"你好世界", 6, "你好~ "}, {"e\u0301a", 2, "e\u0301a"}}
	for _, tc := range cases {
		if got := fit(tc.in, tc.n, true); got != tc.want || columns(got) != tc.n {
			t.Errorf("fit(%q, %d): got %q of %d columns, want %q", tc.in, tc.n, got, columns(got), tc.want)
		}
	}
}

func TestRowsAreDrawnInPlaceOnATerminalOnly(t *testing.T) {
	var out bytes.Buffer
	b := &board{w: &out, terminal: true, width: func() int { return 12 }}
	b.show([]string{"first row that is long", "second"})
	b.line("stays")
	b.clear()
	want := "first row ~\nsecond\n\r\x1b[2A\x1b[Jstays\nfirst row ~\nsecond\n\r\x1b[2A\x1b[J"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	b.terminal = false
	b.show([]string{"a"})
	b.line("b")
	if got := out.String(); got != "b\n" {
		t.Errorf("piped: got %q", got)
	}
}

func TestABarShowsTheShare(t *testing.T) {
	for _, tc := range []struct {
		done, all int64
		want      string
	}{{0, 10, "[----]"}, {5, 10, "[##--]"}, {10, 10, "[####]"}, {99, 100, "[###-]"}, {0, 0, "[####]"}} {
		if got := bar(tc.done, tc.all, 4); got != tc.want {
			t.Errorf("%d of %d: got %s, want %s", tc.done, tc.all, got, tc.want)
		}
	}
}
