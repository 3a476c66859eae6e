package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// A kind is a sort of task and what must become of it.
type kind struct {
	name  string
	share int         // of all tasks, in parts
	ends  umbel.State // every task of it, whatever happens
	dead  bool        // it is then among the dead letters
	tries int         // attempts that it takes when none is cut short
	send  func(r *rand.Rand) []umbel.SendOption
}

var kinds = []kind{
	{name: "quick", share: 50, ends: umbel.Success, tries: 1},
	{name: "retry", share: 12, ends: umbel.Success, tries: 3},
	{name: "countdown", share: 12, ends: umbel.Success, tries: 1, send: func(r *rand.Rand) []umbel.SendOption {
		return []umbel.SendOption{umbel.Countdown(time.Duration(1+r.IntN(8)) * time.Second)}
	}},
	{name: "long", share: 10, ends: umbel.Success, tries: 1},
	{name: "fail", share: 8, ends: umbel.Failure, dead: true, tries: 2},
	{name: "reject", share: 4, ends: umbel.Failure, dead: true, tries: 1},
	{name: "expire", share: 4, ends: umbel.Revoked, send: func(*rand.Rand) []umbel.SendOption {
		return []umbel.SendOption{umbel.Countdown(5 * time.Second), umbel.ExpiresIn(2 * time.Second)}
	}},
}

func kindNamed(name string) kind {
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	panic("soak: no kind " + name)
}

// draw chooses a kind by the shares.
func draw(r *rand.Rand) kind {
	all := 0
	for _, k := range kinds {
		all += k.share
	}
	n := r.IntN(all)
	for _, k := range kinds {
		if n -= k.share; n < 0 {
			return k
		}
	}
	panic("unreachable")
}

// Queues of the lab.
const (
	queueA = "soak.a"
	queueB = "soak.b"
	dead   = "soak.dead"

	parkings = queueA + ".parking.*" // those of queueA
)

var errTransient = errors.New("not this time")

// register makes the kinds known as tasks. start is told of every start before anything else happens.
func register(app *umbel.App, start func(*umbel.Request)) {
	task := func(name string, run func(ctx context.Context, r *umbel.Request) (int, error), options ...umbel.TaskOption) {
		umbel.Register(app, "soak."+name, func(ctx context.Context, n int) (int, error) {
			r := umbel.RequestFrom(ctx)
			start(r)
			return run(ctx, r)
		}, append(options, umbel.AcksLate(), umbel.RejectOnWorkerLost())...)
	}
	soon := umbel.Retry{Max: 5, Delay: time.Second}
	task("quick", func(context.Context, *umbel.Request) (int, error) { return 1, nil })
	task("retry", func(_ context.Context, r *umbel.Request) (int, error) {
		if r.Retries < 2 {
			return 0, errTransient
		}
		return 1, nil
	}, soon)
	task("countdown", func(context.Context, *umbel.Request) (int, error) { return 1, nil })
	task("long", func(ctx context.Context, _ *umbel.Request) (int, error) {
		select { // stands for work
		case <-time.After(700*time.Millisecond + rand.N(2*time.Second)):
			return 1, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
	task("fail", func(_ context.Context, r *umbel.Request) (int, error) {
		if r.Retries < 1 {
			return 0, errTransient
		}
		return 0, umbel.Permanent(errors.New("never"))
	}, soon)
	task("reject", func(context.Context, *umbel.Request) (int, error) { return 0, umbel.Reject(false, "not wanted") })
	task("expire", func(context.Context, *umbel.Request) (int, error) { return 1, nil })
}

// registerSlow makes more tasks known, which only the kill points send: "slow" runs, the first time, until its delivery has
// been renewed, and "hang" for ever; "orphan" takes its process with it, in a pool of processes.
func registerSlow(app *umbel.App, start func(*umbel.Request), renewed <-chan struct{}) {
	for _, name := range []string{"slow", "hang"} {
		umbel.Register(app, "soak."+name, func(ctx context.Context, _ int) (int, error) {
			r := umbel.RequestFrom(ctx)
			start(r)
			if r.Redelivered {
				return 1, nil
			}
			if name == "hang" {
				renewed = nil
			}
			select {
			case <-renewed:
				return 1, nil
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}, umbel.AcksLate(), umbel.RejectOnWorkerLost())
	}
	umbel.Register(app, "soak.orphan", func(ctx context.Context, _ int) (int, error) {
		start(umbel.RequestFrom(ctx))
		if worker.InChild() {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return 1, nil
	}, umbel.AcksLate(), umbel.RejectOnWorkerLost())
}
