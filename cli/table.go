package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table is text in columns. Columns whose heading begins with a blank are numbers, set to the right.
type table struct {
	heads []string
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer, ink paint) {
	width := make([]int, len(t.heads))
	for i, h := range t.heads {
		width[i] = utf8.RuneCountInString(strings.TrimSpace(h))
	}
	for _, r := range t.rows {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	heads := make([]string, len(t.heads))
	for i, h := range t.heads {
		heads[i] = strings.TrimSpace(h)
	}
	fmt.Fprintln(w, ink.faint(t.line(heads, width)))
	for _, r := range t.rows {
		fmt.Fprintln(w, t.line(r, width))
	}
}

func (t *table) line(cells []string, width []int) string {
	var b strings.Builder
	for i, c := range cells {
		pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
		if strings.HasPrefix(t.heads[i], " ") {
			b.WriteString(pad + c)
		} else {
			b.WriteString(c + pad)
		}
		if i < len(cells)-1 {
			b.WriteString("  ")
		}
	}
	return strings.TrimRight(b.String(), " ")
}
