package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
)

type handler[In, Out any] = func(context.Context, In) (Out, error)

type pair struct {
	X any `json:"x"`
	Y any `json:"y"`
}

type triple struct {
	X any `json:"x"`
	Y any `json:"y"`
	Z any `json:"z,omitempty"`
}

type paused struct {
	Numbers []any    `json:"numbers"`
	Pause   *float64 `json:"pause_time"`
}

// An expected error is ExpectedException of the tests' module.
type expected struct{ args []any }

func (e *expected) Error() string { return strings.TrimSuffix(fmt.Sprintln(e.args...), "\n") }

// PythonException names the class.
func (e *expected) PythonException() (string, string) { return module, "ExpectedException" }

// PythonArgs are what it is made with.
func (e *expected) PythonArgs() []any { return e.args }

type valueError string

func (e valueError) Error() string { return string(e) }

// PythonException names the class.
func (valueError) PythonException() (string, string) { return "builtins", "ValueError" }

// unpickleable is what Celery stores for an exception that pickle cannot rebuild.
type unpickleable struct{ foo any }

func (e unpickleable) Error() string { return fmt.Sprintf("UnpickleableException('%v')", e.foo) }

// PythonException names Celery's wrapper.
func (unpickleable) PythonException() (string, string) {
	return "celery.utils.serialization", "UnpickleableExceptionWrapper"
}

// PythonArgs are the module, class, arguments and text of what is wrapped.
func (e unpickleable) PythonArgs() []any {
	return []any{module, "UnpickleableException", []any{e.foo}, e.Error()}
}

func registerPlain(app *umbel.App) {
	register(app, "identity", func(_ context.Context, in struct {
		X any `json:"x"`
	}) (any, error) {
		return in.X, nil
	})
	register(app, "add", func(_ context.Context, in triple) (any, error) {
		sum, err := plus(in.X, in.Y)
		if err != nil || !truth(in.Z) {
			return sum, err
		}
		return plus(sum, in.Z)
	})
	register(app, "mul", func(_ context.Context, in pair) (any, error) { return times(in.X, in.Y) })
	add := func(_ context.Context, in pair) (any, error) { return plus(in.X, in.Y) }
	register(app, "add_not_typed", add)
	register(app, "add_ignore_result", add, umbel.IgnoreResult())
	register(app, "write_to_file_and_return_int", func(_ context.Context, in struct {
		File string `json:"file_name"`
		I    int64  `json:"i"`
	}) (int64, error) {
		f, err := os.OpenFile(in.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return 0, err
		}
		_, err = fmt.Fprintln(f, in.I)
		return in.I, errors.Join(err, f.Close())
	})
	register(app, "raise_error", func(context.Context, umbel.Args) (any, error) { return nil, valueError("deliberate error") })
	register(app, "delayed_sum", func(ctx context.Context, in paused) (any, error) {
		if err := sleep(ctx, seconds(in.Pause, 1)); err != nil {
			return nil, err
		}
		return total(in.Numbers)
	})
	register(app, "delayed_sum_with_soft_guard", func(ctx context.Context, in paused) (any, error) {
		if err := sleep(ctx, seconds(in.Pause, 1)); errors.Is(err, umbel.ErrSoftTimeLimit) {
			return 0, nil
		} else if err != nil {
			return nil, err
		}
		return total(in.Numbers)
	})
	register(app, "tsum", func(_ context.Context, nums []any) (any, error) { return total(nums) })
	register(app, "xsum", func(_ context.Context, nums []any) (any, error) {
		flat := make([]any, len(nums))
		for i, n := range nums {
			flat[i] = n
			if list, ok := n.([]any); ok {
				var err error
				if flat[i], err = total(list); err != nil {
					return nil, err
				}
			}
		}
		return total(flat)
	})
	register(app, "return_exception", func(_ context.Context, e any) ([]any, error) { return []any{e, true}, nil })
	register(app, "sleeping", func(ctx context.Context, in umbel.Args) (any, error) {
		if len(in) == 0 {
			return nil, &umbel.ArgumentError{Task: "sleeping", Field: "i", Reason: "missing"}
		}
		f, err := float(in[0])
		if err != nil {
			return nil, err
		}
		return nil, sleep(ctx, time.Duration(f*float64(time.Second)))
	})
	register(app, "print_unicode", func(_ context.Context, in struct {
		Log   *string `json:"log_message"`
		Print *string `json:"print_message"`
	}) (any, error) {
		text := func(s *string, otherwise string) string {
			if s == nil {
				return otherwise
			}
			return *s
		}
		slog.Warn(text(in.Log, "hå它 valmuefrø"))
		fmt.Println(text(in.Print, "hiöäüß"))
		return nil, nil
	})
	register(app, "fail", func(_ context.Context, in umbel.Args) (any, error) {
		return nil, &expected{append([]any{"Task expected to fail"}, in...)}
	})
	register(app, "fail_unpickleable", func(_ context.Context, in struct {
		Foo any `json:"foo"`
		Bar any `json:"bar"`
	}) (any, error) {
		return nil, unpickleable{in.Foo}
	})
	register(app, "replaced_with_me", func(context.Context, struct{}) (bool, error) { return true, nil })
	register(app, "reject_without_requeue", func(context.Context, struct{}) (any, error) {
		return nil, umbel.Reject(false, "rejected")
	})
	// Celery's has a soft limit of 2 s and a hard one of 1 s: the one who sends it is refused. Here Register would refuse.
	register(app, "soft_time_limit_must_exceed_time_limit", func(context.Context, struct{}) (any, error) { return nil, nil })
	type point struct {
		Data struct {
			X int64 `json:"x"`
			Y int64 `json:"y"`
		} `json:"data"`
	}
	for _, name := range []string{"add_pydantic", "add_pydantic_string_annotations"} {
		register(app, name, func(_ context.Context, in point) (map[string]int64, error) {
			return map[string]int64{"result": in.Data.X + in.Data.Y}, nil
		})
	}
	umbel.Register(app, "celery.ping", func(context.Context, struct{}) (string, error) { return "pong", nil })
}

func seconds(s *float64, otherwise float64) time.Duration {
	if s != nil {
		otherwise = *s
	}
	return time.Duration(otherwise * float64(time.Second))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
