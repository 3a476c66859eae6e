package cli

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// paint colours text, when it is on.
type paint struct{ on bool }

// painter is on for a terminal, unless colours are unwanted: by -C, by NO_COLOR, or by the terminal's own nature.
func painter(w io.Writer, off bool) paint {
	return paint{on: !off && terminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p paint) bold(s string) string  { return p.wrap("1", s) }
func (p paint) faint(s string) string { return p.wrap("2", s) }
func (p paint) red(s string) string   { return p.wrap("1;31", s) }
func (p paint) green(s string) string { return p.wrap("32", s) }

func (p paint) wrap(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// terminal reports whether somebody watches w.
func terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}
