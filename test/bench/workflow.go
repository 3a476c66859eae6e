package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/umbel-go/umbel"
)

const links = 100 // of a chain

// umbelWorkflows times chains of a hundred tasks one after the other, and a chord, from Send to the result.
func umbelWorkflows(ctx context.Context, b *brief, _ *tally) error {
	app := newApp(settings(b))
	defer app.Close()
	part := umbel.Register(app, "bench.part", func(_ context.Context, n int) (int, error) { return n, nil })
	total := umbel.Register(app, "bench.total", func(_ context.Context, in []int) (int, error) { return len(in), nil })
	err := working(ctx, app, b, func() error {
		took := make([]time.Duration, 11)
		steps := make([]umbel.Step, links)
		for i := range steps {
			steps[i] = part.S()
		}
		steps[0] = part.S(1)
		for i := range took {
			began := time.Now()
			r, err := umbel.Chain(steps...).Send(ctx)
			if err == nil {
				err = r.Get(ctx, nil)
			}
			if err != nil {
				return err
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		say("chain", float64(took[len(took)/2].Nanoseconds()))
		members := make([]umbel.Step, b.n)
		for i := range members {
			members[i] = part.S(i)
		}
		began := time.Now()
		r, err := umbel.ChordOf(umbel.Group(members...), total.S()).Send(ctx)
		if err != nil {
			return err
		}
		if n, err := r.Get(ctx); err != nil || n != b.n {
			return fmt.Errorf("the chord gave %d, %w", n, err)
		}
		say("chord", float64(time.Since(began).Nanoseconds()))
		return nil
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

//go:embed celery_canvas.py
var celeryCanvas []byte

// workflows measures chains and a chord, by Umbel's worker or by Celery's.
func workflows(contender string) func(context.Context, *meter, string) (figures, error) {
	return func(ctx context.Context, m *meter, _ string) (figures, error) {
		if err := redisDo(m.redis, "FLUSHALL", "+OK"); err != nil {
			return nil, err
		}
		b := m.brief(contender, m.flags.chord, concurrency)
		b.results = "redis://" + m.redis + "/0"
		if err := declare(ctx, b); err != nil {
			return nil, err
		}
		var worker, client *child
		var err error
		if contender == "celery-workflows" {
			worker, client, err = startCelerysWorkflows(b)
		} else {
			client, err = m.start(b)
		}
		if err != nil {
			return nil, err
		}
		got := figures{}
		for _, name := range []string{"chain", "chord"} {
			ns, err := client.await(ctx, name)
			if err != nil {
				client.kill()
				if worker != nil {
					worker.kill()
				}
				return nil, err
			}
			got[name] = ns / 1e6
		}
		if worker != nil {
			client.kill() // it has ended by itself
			client = worker
		}
		if err := client.stop(); err != nil {
			return nil, err
		}
		return got, m.drop(ctx, b, 0)
	}
}

func startCelerysWorkflows(b *brief) (worker, client *child, err error) {
	file := filepath.Join(b.dir, "celery_canvas.py")
	if err := os.WriteFile(file, celeryCanvas, 0o600); err != nil {
		return nil, nil, err
	}
	env := []string{"PYTHONPATH=" + b.dir, "PYTHONDONTWRITEBYTECODE=1", "C_FORCE_ROOT=1", "BENCH_AMQP=" + b.amqp, "BENCH_QUEUE=" + b.queue,
		"BENCH_RESULTS=" + b.results, fmt.Sprint("BENCH_N=", b.n)}
	worker, err = startChild(b.name, python, []string{"-m", "celery", "-A", "celery_canvas", "worker", "--pool", "prefork", "-c", fmt.Sprint(processes),
		"-Q", b.queue, "-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"}, env)
	if err != nil {
		return nil, nil, err
	}
	if client, err = startChild(b.name+"'s client", python, []string{file}, env); err != nil {
		worker.kill()
	}
	return worker, client, err
}
