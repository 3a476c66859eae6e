package main

import (
	"context"
	"sync"

	"github.com/umbel-go/umbel"
)

// A board counts what workers do, queue by queue. It is middleware: App.Use adds it, and workers of the same process
// tell it of every task.
type board struct {
	changed chan struct{} // gets a value after a change; cap 1, since one is enough to look

	mu     sync.Mutex // guards queues
	queues map[string]tally
}

// A tally is the counts of one queue.
type tally struct {
	running, done, retried, failed int
}

func newBoard() *board {
	return &board{changed: make(chan struct{}, 1), queues: make(map[string]tally)}
}

// TaskPrerun counts a task that begins.
func (b *board) TaskPrerun(_ context.Context, r *umbel.Request) {
	b.count(r.Queue, func(t *tally) { t.running++ })
}

// TaskPostrun counts a task that has ended, however.
func (b *board) TaskPostrun(_ context.Context, r *umbel.Request, _ *umbel.Outcome) {
	b.count(r.Queue, func(t *tally) { t.running-- })
}

// TaskSuccess counts a task that did what it should.
func (b *board) TaskSuccess(_ context.Context, r *umbel.Request, _ *umbel.Outcome) {
	b.count(r.Queue, func(t *tally) { t.done++ })
}

// TaskRetry counts a task that will be tried again.
func (b *board) TaskRetry(_ context.Context, r *umbel.Request, _ *umbel.Outcome) {
	b.count(r.Queue, func(t *tally) { t.retried++ })
}

// TaskFailure counts a task that is given up.
func (b *board) TaskFailure(_ context.Context, r *umbel.Request, _ *umbel.Outcome) {
	b.count(r.Queue, func(t *tally) { t.failed++ })
}

func (b *board) count(queue string, change func(*tally)) {
	b.mu.Lock()
	t := b.queues[queue]
	change(&t)
	b.queues[queue] = t
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// of is the tally of one queue.
func (b *board) of(queue string) tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.queues[queue]
}
