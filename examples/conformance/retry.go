package main

import (
	"context"
	"sync"
	"time"

	"github.com/umbel-go/umbel"
)

func registerRetries(app *umbel.App) {
	var mu sync.Mutex
	runs := 0 // of retry with a value, over all messages, as the Python task counts
	register(app, "retry", func(_ context.Context, in struct {
		Value any `json:"return_value,omitempty"`
	}) (any, error) {
		if truth(in.Value) {
			mu.Lock()
			defer mu.Unlock()
			if runs++; runs == 4 {
				runs = 0
				return in.Value, nil
			}
		}
		return nil, umbel.RetryIn(5*time.Second, &expected{})
	}, umbel.Retry{Max: 3, Delay: time.Second, OnFunc: func(error) bool { return false }})

	once := umbel.Retry{Max: 1, OnFunc: func(error) bool { return false }}
	retryOnce := func(name string, result func(ctx context.Context, r *umbel.Request) any, options ...umbel.TaskOption) {
		register(app, name, func(ctx context.Context, in umbel.Args) (any, error) {
			r := umbel.RequestFrom(ctx)
			if r.Retries > 0 {
				return result(ctx, r), nil
			}
			wait := 0.1
			if n := len(in); n > 0 {
				if kw, ok := in[n-1].(umbel.Kwargs); ok && kw["countdown"] != nil {
					var err error
					if wait, err = float(kw["countdown"]); err != nil {
						return nil, err
					}
				}
			}
			return nil, umbel.RetryIn(time.Duration(wait*float64(time.Second)), nil)
		}, append(options, once)...)
	}
	retryOnce("retry_once", func(_ context.Context, r *umbel.Request) any { return r.Retries }, umbel.ExpiresIn(2*time.Minute))
	retryOnce("retry_once_priority", func(ctx context.Context, _ *umbel.Request) any { return priority(ctx, nil) })
	retryOnce("retry_once_headers", func(_ context.Context, r *umbel.Request) any { return r.Headers() })

	register(app, "retry_unpickleable", func(_ context.Context, in struct {
		Foo   any            `json:"foo"`
		Bar   any            `json:"bar"`
		Retry map[string]any `json:"retry_kwargs"`
	}) (any, error) {
		wait := time.Second
		if c := in.Retry["countdown"]; c != nil {
			f, err := float(c)
			if err != nil {
				return nil, err
			}
			wait = time.Duration(f * float64(time.Second))
		}
		return nil, umbel.RetryIn(wait, unpickleable{in.Foo})
	}, umbel.Retry{Delay: time.Second, OnFunc: func(error) bool { return false }})
	umbel.Register(app, "auto_retry_class_task", func(ctx context.Context, _ umbel.Args) (int, error) {
		if n := umbel.RequestFrom(ctx).Retries; n > 0 {
			return n, nil
		}
		return 0, valueError("")
	}, umbel.Retry{Max: 1, Backoff: time.Second, Jitter: true})
}
