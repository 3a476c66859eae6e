package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// A screen shows text that changes: on a terminal in place, elsewhere as lines.
type screen struct {
	out   io.Writer
	live  bool // it is a terminal
	drawn int  // lines that the next drawing replaces
}

func newScreen(out io.Writer) *screen {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return &screen{out: out}
	}
	info, err := f.Stat()
	return &screen{out: out, live: err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeNamedPipe == 0}
}

// draw replaces what was drawn before, in one write so that it does not flicker.
func (s *screen) draw(lines []string) {
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	for _, l := range lines {
		fmt.Fprintf(&b, "\x1b[2K%s\n", l)
	}
	fmt.Fprint(s.out, b.String())
	s.drawn = len(lines)
}

// print writes below what was drawn.
func (s *screen) print(format string, a ...any) {
	fmt.Fprintf(s.out, format+"\n", a...)
	s.drawn = 0
}

// colour wraps text in a terminal's code: 1 bold, 2 faint, 31 red, 32 green, 33 yellow.
func (s *screen) colour(code int, text string) string {
	if !s.live || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, text)
}

// bar shows n of a whole.
func (s *screen) bar(n, of int) string {
	const width = 40
	full := 0
	if of > 0 {
		full = min(width, width*n/of)
	}
	return s.colour(32, strings.Repeat("━", full)) + s.colour(2, strings.Repeat("─", width-full))
}

// thousands writes 12345 as 12,345.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
