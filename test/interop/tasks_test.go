package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/testenv"
)

// An OrderError is an error of the application's own: Python's caller catches a class of its name.
type OrderError struct{ Order int }

func (e *OrderError) Error() string { return fmt.Sprintf("order %d is closed", e.Order) }

// A valueError says which class of Python's it is.
type valueError string

func (e valueError) Error() string { return string(e) }

func (valueError) PythonException() (module, name string) { return "builtins", "ValueError" }

type order struct {
	ID    int64   `json:"order_id"`
	Total float64 `json:"total"`
	Note  string  `json:"note,omitempty"`
}

// typed is a task's input with every type that JSON does not have.
type typed struct {
	At    time.Time     `json:"at"`
	Day   umbel.Date    `json:"day"`
	Price umbel.Decimal `json:"price"`
	Key   uuid.UUID     `json:"key"`
}

func (v typed) String() string {
	return fmt.Sprintf("%s %04d-%02d-%02d %s %s", v.At.Format(time.RFC3339Nano), v.Day.Year, v.Day.Month, v.Day.Day, v.Price, v.Key)
}

// registerTasks registers the Go side. redis is where a client says that a task may go on.
func registerTasks(app *umbel.App, redis *testenv.RedisServer) {
	registerWorkflowTasks(app)
	registerCanvasTasks(app)
	umbel.Register(app, "go.echo", func(_ context.Context, in umbel.Args) (map[string]any, error) {
		out := map[string]any{"args": in, "kwargs": map[string]any{}}
		if n := len(in); n > 0 {
			if kw, ok := in[n-1].(umbel.Kwargs); ok {
				out["args"], out["kwargs"] = in[:n-1], kw
			}
		}
		return out, nil
	})
	process := func(_ context.Context, o order) (map[string]any, error) {
		return map[string]any{"order": o.ID, "total": o.Total, "note": o.Note}, nil
	}
	umbel.Register(app, "go.order", process)
	umbel.Register(app, "go.routed.order", process)
	umbel.Register(app, "go.quorum", process, umbel.AcksLate())
	umbel.Register(app, "go.nap", func(ctx context.Context, _ int) (string, error) { <-ctx.Done(); return "woken", ctx.Err() })
	umbel.Register(app, "go.typed", func(_ context.Context, v typed) (string, error) { return v.String(), nil })
	umbel.Register(app, "go.bytes", func(_ context.Context, b []byte) (string, error) { return fmt.Sprintf("%q", b), nil })
	umbel.Register(app, "go.returns.typed", func(context.Context, struct{}) (typed, error) {
		return typed{At: time.Date(2026, 11, 23, 10, 0, 9, 163799000, time.UTC), Day: umbel.Date{Year: 2026, Month: 2, Day: 3},
			Price: "1234567890.10", Key: uuid.MustParse("12345678-1234-5678-1234-567812345678")}, nil
	})
	umbel.Register(app, "go.fail", func(_ context.Context, kind string) (any, error) {
		switch kind {
		case "own":
			return nil, fmt.Errorf("processing: %w", &OrderError{Order: 7})
		case "value":
			return nil, valueError("boom")
		case "panic":
			panic("ouch")
		case "ignore":
			return nil, umbel.Ignore
		case "reject":
			return nil, umbel.Reject(false, "no thanks")
		}
		return nil, errors.New("plain words")
	})
	umbel.Register(app, "go.fail.unwanted", func(context.Context, struct{}) (any, error) {
		return nil, errors.New("stored all the same")
	}, umbel.IgnoreResult(), umbel.StoreErrors())
	umbel.Register(app, "go.ignored", func(context.Context, struct{}) (string, error) { return "nobody reads this", nil },
		umbel.IgnoreResult())
	umbel.Register(app, "go.started", func(ctx context.Context, _ struct{}) (string, error) {
		return "done", awaitWord(redis, umbel.RequestFrom(ctx).ID)
	}, umbel.TrackStarted())
	umbel.Register(app, "go.progress", progress(redis))
	umbel.Register(app, "go.request", request)
	umbel.Register(app, "go.now", func(context.Context, struct{}) (float64, error) {
		return float64(time.Now().UnixMicro()) / 1e6, nil
	})
	umbel.Register(app, "go.sleep", func(ctx context.Context, seconds float64) (string, error) {
		select {
		case <-time.After(time.Duration(seconds * float64(time.Second))):
			return "slept", nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	})
	umbel.Register(app, "go.retry", func(ctx context.Context, times int) (int, error) {
		if n := umbel.RequestFrom(ctx).Retries; n < times {
			return 0, umbel.RetryIn(0, errors.New("again"))
		}
		return umbel.RequestFrom(ctx).Retries, nil
	}, umbel.Retry{Max: 5})
	die := func(_ context.Context, how string) (string, error) {
		switch how {
		case "exit":
			os.Exit(3)
		case "kill":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		select {}
	}
	umbel.Register(app, "shared.die", die)
	umbel.Register(app, "shared.die.late", die, umbel.AcksLate())
	umbel.Register(app, "shared.survive", func(_ context.Context, text string) (string, error) {
		if os.Getenv("INTEROP_HANG") != "" {
			fmt.Fprintln(os.Stderr, "survive: started")
			select {}
		}
		return "go saw " + text, nil
	}, umbel.AcksLate())
}

func progress(redis *testenv.RedisServer) func(context.Context, struct{}) (string, error) {
	return func(ctx context.Context, _ struct{}) (string, error) {
		r := umbel.RequestFrom(ctx)
		if err := r.Progress(ctx, map[string]int{"done": 3, "of": 10}); err != nil {
			return "", err
		}
		if err := awaitWord(redis, r.ID); err != nil {
			return "", err
		}
		if err := r.UpdateState(ctx, "PACKING", []any{"box", 7}); err != nil {
			return "", err
		}
		return "packed", awaitWord(redis, r.ID)
	}
}

// awaitWord waits until a client says that the task may go on.
func awaitWord(redis *testenv.RedisServer, id string) error {
	word, err := redis.Try("BLPOP", "go-on-"+id, "30")
	if err == nil && word == nil {
		err = errors.New("nobody said to go on")
	}
	return err
}

// request returns what a task sees of its message.
func request(ctx context.Context, in umbel.Args) (map[string]any, error) {
	r := umbel.RequestFrom(ctx)
	t := r.Task()
	out := map[string]any{
		"id": r.ID, "task": r.Name, "retries": r.Retries, "root_id": r.RootID, "parent_id": r.ParentID, "group": r.Group,
		"shadow": r.Shadow, "origin": r.Origin, "queue": r.Queue, "exchange": r.Exchange, "routing_key": r.RoutingKey,
		"priority": r.Priority, "redelivered": r.Redelivered, "hard": r.TimeLimit.Seconds(), "soft": r.SoftTimeLimit.Seconds(),
		"headers": r.Headers(), "argsrepr": t.ArgsRepr, "kwargsrepr": t.KwargsRepr, "lang": t.Lang, "version": t.Version,
		"correlation_id": t.Properties.CorrelationID, "reply_to": t.Properties.ReplyTo, "delivery_mode": t.Properties.DeliveryMode,
		"content_type": t.Properties.ContentType, "stamps": t.Stamps, "stamped_headers": t.StampedHeaders,
		"expiration": t.Properties.Expiration, "args": len(in),
	}
	if !r.ETA.IsZero() {
		out["eta"] = r.ETA.UTC().Format(time.RFC3339)
	}
	if !r.Expires.IsZero() {
		out["expires"] = r.Expires.UTC().Format(time.RFC3339)
	}
	if c, ok := t.Headers["compression"]; ok {
		out["compression"] = codec.Repr(c)
	}
	return out, nil
}
