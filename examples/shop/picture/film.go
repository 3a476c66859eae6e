package main

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A film is what a terminal showed, and when.
type film struct {
	frames []frame
}

type frame struct {
	at   time.Duration
	rows [][]span
}

func (f *film) last() time.Duration { return f.frames[len(f.frames)-1].at }

func (f *film) add(at time.Duration, rows [][]span) {
	copied := slices.Clone(rows)
	for i := range copied {
		copied[i] = slices.Clone(copied[i])
	}
	f.frames = append(f.frames, frame{at, copied})
}

// Measures, in pixels.
const (
	cell, line = 8.4, 19.0 // of a character
	margin     = 18.0
	size       = 14 // of the font
)

// hold is how long the last frame is shown before the film begins again.
const hold = 8 * time.Second

var colours = map[int]string{0: "#d8dee4", 1: "#ffffff", 2: "#7d8590", 31: "#ff7b72", 32: "#7ee787", 33: "#e3b341"}

// svg draws the frames one below the other and lets a window of one frame's height jump from each to the next. Where
// nothing moves (print, reduced motion) the window stands on the last.
func (f *film) svg() []byte {
	rows, columns := 0, 80
	for _, fr := range f.frames {
		rows = max(rows, len(fr.rows))
		for _, r := range fr.rows {
			columns = max(columns, width(r))
		}
	}
	w, h := float64(columns)*cell+2*margin, float64(rows)*line+2*margin
	end := f.last() + hold

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="%d">`+"\n", w, h, w, h, size)
	fmt.Fprintf(&b, "<title>The shop's demo in a terminal</title>\n<style>\n")
	for _, look := range []int{0, 1, 2, 31, 32, 33} {
		fmt.Fprintf(&b, ".l%d{fill:%s}", look, colours[look])
	}
	fmt.Fprintf(&b, "\n.l1{font-weight:bold}\n")
	last := float64(len(f.frames)-1) * h
	fmt.Fprintf(&b, ".film{transform:translateY(-%gpx);animation:film %.2fs step-end infinite}\n@keyframes film{", last, end.Seconds())
	for i, fr := range f.frames {
		fmt.Fprintf(&b, "%.3f%%{transform:translateY(-%gpx)}", 100*fr.at.Seconds()/end.Seconds(), float64(i)*h)
	}
	fmt.Fprintf(&b, "100%%{transform:translateY(-%gpx)}}\n@media (prefers-reduced-motion:reduce){.film{animation:none}}\n</style>\n", last)

	ids := f.define(&b)
	fmt.Fprintf(&b, `<rect width="%g" height="%g" rx="8" fill="#0d1117"/>`+"\n"+`<g class="film">`+"\n", w, h)
	for i, fr := range f.frames {
		for j, r := range fr.rows {
			if text := draw(r); text != "" {
				fmt.Fprintf(&b, `<use href="#r%d" x="%g" y="%g"/>`, ids[text], margin, float64(i)*h+margin+float64(j)*line+size)
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("</g>\n</svg>\n")
	return []byte(b.String())
}

// define writes every row that is shown somewhere, once, and returns their numbers.
func (f *film) define(b *strings.Builder) map[string]int {
	ids := make(map[string]int)
	b.WriteString("<defs>\n")
	for _, fr := range f.frames {
		for _, r := range fr.rows {
			text := draw(r)
			if _, known := ids[text]; known || text == "" {
				continue
			}
			ids[text] = len(ids)
			fmt.Fprintf(b, `<g id="r%d">%s</g>`+"\n", ids[text], text)
		}
	}
	b.WriteString("</defs>\n")
	return ids
}

// draw is a row as text elements. What stands in a column of its own gets one of its own, so that columns are straight
// whatever the font's characters measure, and nothing depends on how a viewer treats blanks.
func draw(row []span) string {
	var b strings.Builder
	column := 0
	for _, s := range row {
		for _, word := range strings.SplitAfter(s.text, "  ") {
			n := utf8.RuneCountInString(word)
			lead := n - utf8.RuneCountInString(strings.TrimLeft(word, " "))
			if text := strings.TrimSpace(word); text != "" {
				fmt.Fprintf(&b, `<text class="l%d" x="%.1f" textLength="%.1f">%s</text>`, s.look, float64(column+lead)*cell,
					float64(utf8.RuneCountInString(text))*cell, html.EscapeString(text))
			}
			column += n
		}
	}
	return b.String()
}

func width(row []span) int {
	n := 0
	for _, s := range row {
		n += utf8.RuneCountInString(s.text)
	}
	return n
}
