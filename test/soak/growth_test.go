package soak

import (
	"fmt"
	"syscall"
)

const (
	// moreGoroutines is what a worker may have at the end and not at the beginning: a parking queue for each of its two queues
	// is opened at first need, with six goroutines each. One goroutine for each lost connection would be more.
	moreGoroutines = 20

	// moreHeap is what a worker remembers of tasks that may come again: it is bounded, and small.
	moreHeap = 12 << 20
)

// measure asks the workers that are never killed.
func (l *lab) measure() map[string]stats {
	l.t.Helper()
	out := make(map[string]stats)
	for _, m := range l.members {
		if !m.spare {
			continue
		}
		s, err := m.process().stats()
		if err != nil {
			l.t.Fatal(err)
		}
		out[m.process().name] = s
	}
	return out
}

// checkGrowth compares idle workers with themselves.
func (l *lab) checkGrowth(before, after map[string]stats) {
	for _, m := range l.members {
		if m.spare {
			_ = m.process().cmd.Process.Signal(syscall.SIGUSR1) // its log tells what they are
		}
	}
	for name, a := range after {
		b := before[name]
		l.t.Logf("%s: %d goroutines and %s of heap before, %d and %s after", name, b.Goroutines, mib(b.Heap), a.Goroutines, mib(a.Heap))
		if a.Goroutines > b.Goroutines+moreGoroutines {
			l.t.Errorf("%s had %d goroutines when idle, and has %d", name, b.Goroutines, a.Goroutines)
		}
		if a.Heap > b.Heap+moreHeap {
			l.t.Errorf("%s had %s of heap when idle, and has %s", name, mib(b.Heap), mib(a.Heap))
		}
	}
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
