package umbel

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// Tasks that every app has, because workflows are made of them. Celery: celery/app/builtins.py.

// BuiltinTasks are the tasks that every app has; workers run them.
func (a *App) BuiltinTasks() []*Definition {
	out := make([]*Definition, 0, len(a.own))
	for _, d := range a.own {
		out = append(out, d)
	}
	return out
}

func (a *App) builtin() map[string]*Definition {
	own := make(map[string]*Definition)
	add := func(name string, run func(ctx context.Context, body *protocol.Body) (any, error)) *Definition {
		own[name] = &Definition{name: name, input: shapeOf(argsType), output: reflect.TypeFor[any](), run: run}
		return own[name]
	}
	a.addWorkflowTasks(add)
	add("celery.accumulate", accumulated)
	add("celery.backend_cleanup", func(ctx context.Context, _ *protocol.Body) (any, error) {
		b, err := a.Backend(ctx)
		if err != nil {
			return nil, err
		}
		_, err = b.Cleanup(ctx)
		return nil, err
	})
	add(chordCheck, a.runChordCheck)
	own[chordCheck].options.retry = &Retry{Max: NoLimit, Backoff: time.Second, BackoffMax: time.Minute, Jitter: true}
	add("celery.map", func(ctx context.Context, body *protocol.Body) (any, error) {
		return a.runMap(ctx, body, func(item codec.Value) ([]codec.Value, error) { return []codec.Value{item}, nil })
	})
	add("celery.starmap", func(ctx context.Context, body *protocol.Body) (any, error) {
		return a.runMap(ctx, body, elementsOf)
	})
	return own
}

// accumulated returns its arguments, or one of them. Celery: celery.accumulate.
func accumulated(_ context.Context, body *protocol.Body) (any, error) {
	for _, kw := range body.Kwargs {
		if kw.Name != "index" || kw.Value.IsNull() {
			continue
		}
		var i int
		if err := kw.Value.Decode(&i); err != nil {
			return nil, &ArgumentError{Task: "celery.accumulate", Field: "index", Reason: err.Error()}
		}
		if i < 0 || i >= len(body.Args) {
			return nil, &ArgumentError{Task: "celery.accumulate", Field: "index", Reason: fmt.Sprintf("%d is out of range: there are %d arguments", i, len(body.Args))}
		}
		return body.Args[i], nil
	}
	return body.Args, nil
}

// runMap calls the named task for each item, here: not as messages.
func (a *App) runMap(ctx context.Context, body *protocol.Body, args func(codec.Value) ([]codec.Value, error)) (any, error) {
	named := argumentsOf(body, "task", "it")
	s, err := readSignature(named["task"])
	if err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	items, err := elementsOf(named["it"])
	if err != nil {
		return nil, fmt.Errorf("it: %w", err)
	}
	if s == nil {
		return nil, errors.New("the task to call is missing")
	}
	d, err := a.Lookup(s.Task())
	if err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, item := range items {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		in, err := args(item)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		if out[i], err = d.run(ctx, &protocol.Body{Args: joinArgs(s, in), Kwargs: s.kwargs}); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return out, nil
}
