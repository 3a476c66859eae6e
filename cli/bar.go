package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// A bar shows how far something is, on a terminal. On anything else it shows nothing.
type bar struct {
	w   io.Writer // nil: nobody watches
	ink paint

	mu    sync.Mutex // guards what follows and the line itself
	what  string
	of    int
	begun time.Time
	shown time.Time
}

// barEvery is how often the line is drawn anew.
const barEvery = 80 * time.Millisecond

func newBar(w io.Writer, ink paint, wanted bool) *bar {
	if !wanted || !terminal(w) {
		w = nil
	}
	return &bar{w: w, ink: ink}
}

// begin starts over with another task of so many steps.
func (b *bar) begin(what string, of int) {
	if b.w == nil {
		return
	}
	b.mu.Lock()
	b.what, b.of, b.begun, b.shown = what, of, time.Now(), time.Time{}
	b.mu.Unlock()
	b.set(0)
}

// set shows that n steps are done.
func (b *bar) set(n int) {
	if b.w == nil {
		return
	}
	if !b.mu.TryLock() {
		return // another is drawing; what is measured does not wait for it
	}
	defer b.mu.Unlock()
	now := time.Now()
	if n < b.of && now.Sub(b.shown) < barEvery {
		return
	}
	b.shown = now
	const width = 32
	full := width
	if b.of > 0 {
		full = min(width, width*n/b.of)
	}
	rate := ""
	if took := now.Sub(b.begun).Seconds(); took > 0.2 {
		rate = thousands(float64(n)/took) + "/s"
	}
	fmt.Fprintf(b.w, "\r\x1b[K%-8s %s%s %3d%%  %s", b.what, b.ink.green(strings.Repeat("━", full)),
		b.ink.faint(strings.Repeat("─", width-full)), 100*n/max(b.of, 1), rate)
}

// clear takes the line away.
func (b *bar) clear() {
	if b.w == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	fmt.Fprint(b.w, "\r\x1b[K")
}
