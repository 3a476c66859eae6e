package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/worker"
)

// A load is one benchmark: an app of its own, whose one task does nothing but count itself.
type load struct {
	app     *umbel.App
	flags   *benchFlags
	log     *slog.Logger
	bar     *bar
	figures figures
	task    *umbel.Task[noop, struct{}]
	text    string // payload of every task
	run36   string // first part of every task's id

	sent    int          // ids given out so far, each of which may have a result
	started atomic.Int64 // since the phase began
	first   atomic.Int64 // when the phase's first task started, in ns after epoch
	last    atomic.Int64 // when the latest ended
	epoch   time.Time    // what these count from, on the monotonic clock
	each    atomic.Pointer[func(now time.Time)]
	target  atomic.Int64
	done    atomic.Pointer[chan struct{}] // closed when target tasks have run
}

type noop struct {
	Text string `json:"text"`
}

// stall ends a phase in which nothing moves any more.
const stall = 60 * time.Second

// warmUp is how many tasks are sent and run before anything counts.
const warmUp = 2000

func newLoad(c umbel.Config, f *benchFlags, log *slog.Logger, b *bar) *load {
	l := &load{flags: f, log: log, bar: b, epoch: time.Now(), text: randomText(f.payload), run36: uuid.NewString()[:24]}
	l.app = umbel.New("umbel-bench", umbel.WithConfig(c), umbel.WithLogger(log))
	l.task = umbel.Register(l.app, "umbel.bench.noop", l.noop)
	if f.prefetch == 0 {
		f.prefetch = 4 * f.concurrency
	}
	l.figures = figures{Tasks: f.tasks, Concurrency: f.concurrency, Prefetch: l.multiplier() * f.concurrency, Payload: f.payload,
		Senders: f.senders, Batch: f.batch}
	return l
}

// multiplier makes the prefetch that was asked for out of the concurrency, rounded up.
func (l *load) multiplier() int {
	return (l.flags.prefetch + l.flags.concurrency - 1) / l.flags.concurrency
}

// noop is the task.
func (l *load) noop(context.Context, noop) (struct{}, error) {
	now := time.Now()
	if each := l.each.Load(); each != nil {
		(*each)(now)
	}
	n := l.started.Add(1)
	since := now.Sub(l.epoch).Nanoseconds()
	if n == 1 {
		l.first.Store(since)
	}
	if n == l.target.Load() {
		l.last.Store(time.Since(l.epoch).Nanoseconds())
		close(*l.done.Load())
	}
	return struct{}{}, nil
}

// expect begins a phase of n tasks and returns what is closed when they have run.
func (l *load) expect(n int) <-chan struct{} {
	done := make(chan struct{})
	l.started.Store(0)
	l.done.Store(&done)
	l.target.Store(int64(n))
	return done
}

func (l *load) open(ctx context.Context) error {
	if _, err := l.app.Broker(ctx); err != nil {
		return errors.Join(connectFault(err), l.app.Close())
	}
	if _, err := l.app.Backend(ctx); err != nil && !errors.Is(err, umbel.ErrNoBackend) {
		return errors.Join(unavailable(err), l.app.Close())
	}
	return nil
}

// close deletes the queue, forgets the results, and disconnects.
func (l *load) close(ctx context.Context) error {
	errs := []error{l.forget(ctx), l.deleteQueue(ctx), l.app.Close()}
	l.bar.clear()
	return errors.Join(errs...)
}

func (l *load) deleteQueue(ctx context.Context) error {
	c, err := l.app.Config()
	if err != nil {
		return err
	}
	q, err := l.app.QueueNamed(c.TaskDefaultQueue)
	if err != nil {
		return err
	}
	b, err := l.app.Broker(ctx)
	if err != nil {
		return err
	}
	if err := b.Delete(ctx, q.Topology); err != nil {
		return fmt.Errorf("delete the queue of the benchmark: %w", err)
	}
	return nil
}

func (l *load) forget(ctx context.Context) error {
	b, err := l.app.Backend(ctx)
	if errors.Is(err, umbel.ErrNoBackend) {
		return nil
	}
	if err != nil {
		return err
	}
	l.bar.begin("forget", l.sent)
	for from := 0; from < l.sent; from += 1000 {
		ids := make([]string, 0, 1000)
		for i := from; i < min(from+1000, l.sent); i++ {
			ids = append(ids, l.id(i))
		}
		err := b.Forget(ctx, ids)
		if errors.Is(err, backend.ErrUnsupported) {
			return nil // it stores nothing
		}
		if err != nil {
			return fmt.Errorf("forget the results of the benchmark: %w", err)
		}
		l.bar.set(from + len(ids))
	}
	return nil
}

// id is the id of the i-th task: a UUID of this run with the number at its end, so that none need be remembered.
func (l *load) id(i int) string { return fmt.Sprintf("%s%012x", l.run36, i) }

func (l *load) run(ctx context.Context) error {
	for _, phase := range []struct {
		name string
		f    func(context.Context) error
	}{
		{"warm up", l.warmUp}, {"send", l.sendAll}, {"run", l.runAll}, {"latency", l.measureLatency},
	} {
		if err := phase.f(ctx); err != nil {
			return fmt.Errorf("bench: %s: %w", phase.name, err)
		}
	}
	_, rss := usage()
	l.figures.MaxRSS = float64(rss) / (1 << 20)
	return nil
}

func (l *load) warmUp(ctx context.Context) error {
	n := min(warmUp, l.flags.tasks)
	done := l.expect(n)
	if err := l.send(ctx, n, "warm up"); err != nil {
		return err
	}
	return l.work(ctx, func() error { return l.wait(ctx, done, n, "warm up") })
}

func (l *load) sendAll(ctx context.Context) error {
	began := time.Now()
	if err := l.send(ctx, l.flags.tasks, "send"); err != nil {
		return err
	}
	l.figures.Sent = float64(l.flags.tasks) / time.Since(began).Seconds()
	return nil
}

func (l *load) runAll(ctx context.Context) error {
	n := l.flags.tasks
	done := l.expect(n)
	before, _ := usage()
	err := l.work(ctx, func() error { return l.wait(ctx, done, n, "run") })
	if err != nil {
		return err
	}
	after, _ := usage()
	took := time.Duration(l.last.Load() - l.first.Load())
	l.figures.Run = float64(n) / max(took, time.Nanosecond).Seconds()
	l.figures.CPU = float64((after - before).Nanoseconds()) / 1e3 / float64(n)
	return nil
}

// measureLatency sends one task at a time, each after the one before has started, to a worker with nothing else to do.
func (l *load) measureLatency(ctx context.Context) error {
	n := min(l.flags.latency, l.flags.tasks)
	starts := make(chan time.Time, 1) // one task is under way at a time
	each := func(now time.Time) {
		select {
		case starts <- now:
		default: // delivered twice after a lost connection
		}
	}
	l.each.Store(&each)
	defer l.each.Store(nil)
	l.expect(-1)
	took := make([]time.Duration, 0, n)
	l.bar.begin("latency", n)
	err := l.work(ctx, func() error {
		idle := time.NewTimer(stall)
		defer idle.Stop()
		for range n {
			began := time.Now()
			if err := l.sendSome(ctx, l.sent, 1); err != nil {
				return err
			}
			l.sent++
			idle.Reset(stall)
			select {
			case at := <-starts:
				took = append(took, at.Sub(began))
				l.bar.set(len(took))
			case <-idle.C:
				return fmt.Errorf("a task has not started within %v", stall)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(took)
	l.figures.P50, l.figures.P99 = milliseconds(percentile(took, 50)), milliseconds(percentile(took, 99))
	return nil
}

// percentile is the smallest value that p per cent of the sorted values do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// send sends n tasks from all senders, each message confirmed.
func (l *load) send(ctx context.Context, n int, phase string) error {
	from := l.sent
	l.sent += n
	l.bar.begin(phase, n)
	var next, confirmed atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(l.flags.senders, n) {
		g.Go(func() error {
			for {
				at := int(next.Add(int64(l.flags.batch))) - l.flags.batch
				if at >= n {
					return nil
				}
				some := min(l.flags.batch, n-at)
				if err := l.sendSome(ctx, from+at, some); err != nil {
					return err
				}
				l.bar.set(int(confirmed.Add(int64(some))))
			}
		})
	}
	return g.Wait()
}

func (l *load) sendSome(ctx context.Context, from, n int) error {
	if n == 1 {
		_, err := l.task.Send(ctx, noop{l.text}, umbel.TaskID(l.id(from)))
		return err
	}
	calls := make([]umbel.Call, n)
	for i := range calls {
		calls[i] = umbel.Call{Name: l.task.Name(), Input: noop{l.text}, Options: []umbel.SendOption{umbel.TaskID(l.id(from + i))}}
	}
	_, err := l.app.SendMany(ctx, calls)
	return err
}

// work runs a worker around f.
func (l *load) work(ctx context.Context, f func() error) error {
	ready := make(chan struct{})
	w := worker.New(l.app, worker.Config{Pool: "goroutine", Concurrency: l.flags.concurrency, PrefetchMultiplier: l.multiplier(),
		Nodename: "bench@%h", Log: l.log, OnReady: func() { close(ready) }})
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	select {
	case <-ready:
	case err := <-ended:
		return errors.Join(err, ctx.Err())
	}
	err := f()
	if err != nil {
		w.Stop(worker.Cold)
	}
	w.Stop(worker.Warm)
	return errors.Join(err, <-ended)
}

// wait waits until the phase's tasks have run, and shows how many have.
func (l *load) wait(ctx context.Context, done <-chan struct{}, n int, phase string) error {
	l.bar.begin(phase, n)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	moved, at := time.Now(), int64(0)
	for {
		select {
		case <-done:
			l.bar.set(n)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-look.C:
			started := l.started.Load()
			l.bar.set(int(started))
			if started != at {
				moved, at = now, started
			} else if now.Sub(moved) > stall {
				return fmt.Errorf("%d of %d tasks have run, and none for %v", started, n, stall)
			}
		}
	}
}

// randomText is text that does not compress to nothing.
func randomText(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	var b strings.Builder
	b.Grow(n)
	for range n {
		b.WriteByte(letters[rand.IntN(len(letters))])
	}
	return b.String()
}
