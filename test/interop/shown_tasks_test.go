package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/umbel-go/umbel"
)

// registerStateTasks registers in Go what tasks.py has as state.*: a task for each way to end, and for each state on the way.
func registerStateTasks(app *umbel.App) {
	none := func(name string, f func(ctx context.Context, r *umbel.Request) (any, error), options ...umbel.TaskOption) {
		umbel.Register(app, "state."+name, func(ctx context.Context, _ struct{}) (any, error) { return f(ctx, umbel.RequestFrom(ctx)) }, options...)
	}
	fails := func(err error) func(context.Context, *umbel.Request) (any, error) {
		return func(context.Context, *umbel.Request) (any, error) { return nil, err }
	}
	hang := func(ctx context.Context, _ *umbel.Request) (any, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	umbel.Register(app, "state.ok", func(_ context.Context, in struct {
		X any `json:"x"`
	}) (map[string]any, error) {
		return map[string]any{"got": in.X}, nil
	})
	boom, again := valueError("boom"), valueError("again")
	none("fail", fails(boom))
	none("fail.late", fails(boom), umbel.AcksLate())
	none("fail.rejected", fails(boom), umbel.AcksLate(), umbel.AcksOnFailure(false))
	none("ignore", fails(umbel.Ignore))
	none("reject", fails(umbel.Reject(false, "no thanks")))
	none("reject.late", fails(umbel.Reject(false, "no thanks")), umbel.AcksLate())
	none("requeue.late", func(_ context.Context, r *umbel.Request) (any, error) {
		if !r.Redelivered {
			return nil, umbel.Reject(true, "not now")
		}
		return "the second time", nil
	}, umbel.AcksLate())

	once := umbel.Retry{Max: 1, Never: []error{again}}
	umbel.Register(app, "state.retry", func(_ context.Context, seconds int) (any, error) {
		return nil, umbel.RetryIn(time.Duration(seconds)*time.Second, again)
	}, once)
	umbel.Register(app, "state.retry.bare", func(_ context.Context, seconds int) (any, error) {
		return nil, umbel.RetryIn(time.Duration(seconds)*time.Second, nil)
	}, once)
	none("retry.auto", fails(again), umbel.Retry{Max: 1, Delay: 2 * time.Second})
	none("retry.once", func(_ context.Context, r *umbel.Request) (any, error) {
		if r.Retries == 0 {
			return nil, umbel.RetryIn(0, again)
		}
		return "the second time", nil
	}, once)

	none("hang", hang)
	none("hang.late", hang, umbel.AcksLate())
	umbel.Register(app, "state.wait", func(ctx context.Context, folder string) (string, error) {
		return "done", awaitFile(filepath.Join(folder, umbel.RequestFrom(ctx).ID))
	}, umbel.TrackStarted())
	umbel.Register(app, "state.progress", func(ctx context.Context, folder string) (string, error) {
		r := umbel.RequestFrom(ctx)
		if err := r.Progress(ctx, map[string]int{"done": 3, "of": 10}); err != nil {
			return "", err
		}
		return "done", awaitFile(filepath.Join(folder, r.ID))
	})

	lost := func(_ context.Context, r *umbel.Request) (any, error) {
		if r.Redelivered {
			return "the second time", nil
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	none("lost", lost)
	none("lost.late", lost, umbel.AcksLate())
	none("lost.again", lost, umbel.AcksLate(), umbel.RejectOnWorkerLost())

	none("unwanted", func(context.Context, *umbel.Request) (any, error) { return "nobody reads this", nil }, umbel.IgnoreResult())
	none("unwanted.fails", fails(boom), umbel.IgnoreResult())
	none("stored.fails", fails(boom), umbel.IgnoreResult(), umbel.StoreErrors())
	none("odd", func(context.Context, *umbel.Request) (any, error) { return make(chan int), nil })
	umbel.Register(app, "state.parent", func(ctx context.Context, in struct {
		Queue string `json:"queue"`
		Child string `json:"child"`
	}) (string, error) {
		_, err := app.Send(ctx, "state.ok", umbel.Args{1}, umbel.Queue(in.Queue), umbel.TaskID(in.Child))
		return "sent", err
	})
}

// awaitFile waits until a file is there: the word that a task in a process of its own hears, too.
func awaitFile(path string) error {
	deadline := time.Now().Add(time.Minute)
	for {
		_, err := os.Stat(path)
		switch {
		case err == nil:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("nobody made %s", path)
		}
		time.Sleep(20 * time.Millisecond) // a file tells nobody that it has come
	}
}
