package umbel

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// An Outcome is how one run of a task ended.
type Outcome struct {
	// State is Success, Failure, Retrying, Ignored, Rejected or Revoked.
	State State

	Value     any           // what the handler returned, on Success
	Encoded   codec.Value   // Value as its result will be stored; nothing where no result is wanted
	Err       error         // why, otherwise
	Traceback string        // on Failure and Retrying
	Delay     time.Duration // until the next attempt, on Retrying
	Requeue   bool          // on Rejected
	Cause     error         // on Retrying: what went wrong, without the wish to retry; may be nil
	Expected  bool          // the error is one the task lists as Expected
	Runtime   time.Duration
}

// Execute runs a task in this goroutine: middleware, handler, and what its error means. It stores, acks and publishes
// nothing; that is its caller's business. A panic is an outcome, never the caller's.
//
// Its frame and that of call lie under every handler that waits: what comes before and after the handler is elsewhere.
func (a *App) Execute(ctx context.Context, d *Definition, r *Request, body *protocol.Body) *Outcome {
	r.Prepare(a, body)
	ctx = context.WithValue(ctx, requestKey{}, r)
	a.prerun(ctx, r)
	start := time.Now()
	value, err := a.call(ctx, d, r)
	o := d.conclude(ctx, r, value, err)
	o.Runtime = time.Since(start)
	a.postrun(ctx, r, o)
	return o
}

func (a *App) prerun(ctx context.Context, r *Request) {
	for _, m := range a.hooks.prerun {
		a.callHook("TaskPrerun", func() { m.TaskPrerun(ctx, r) })
	}
}

func (a *App) postrun(ctx context.Context, r *Request, o *Outcome) {
	h := &a.hooks
	switch o.State {
	case Success:
		for _, m := range h.success {
			a.callHook("TaskSuccess", func() { m.TaskSuccess(ctx, r, o) })
		}
	case Failure:
		for _, m := range h.failure {
			a.callHook("TaskFailure", func() { m.TaskFailure(ctx, r, o) })
		}
	case Retrying:
		for _, m := range h.retry {
			a.callHook("TaskRetry", func() { m.TaskRetry(ctx, r, o) })
		}
	}
	for _, m := range h.postrun {
		a.callHook("TaskPostrun", func() { m.TaskPostrun(ctx, r, o) })
	}
}

func (a *App) callHook(name string, f func()) {
	defer a.guard(name)
	f()
}

func (a *App) call(ctx context.Context, d *Definition, r *Request) (value any, err error) {
	defer caught(&err)
	if len(a.hooks.wrap) == 0 {
		return d.run(ctx, r.body)
	}
	return a.wrapped(d)(ctx, r)
}

// caught makes a panic an error.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = &PanicError{Value: p, Stack: debug.Stack()}
	}
}

// wrapped is a task's function within its middleware.
func (a *App) wrapped(d *Definition) Handler {
	h := func(ctx context.Context, r *Request) (any, error) { return d.run(ctx, r.body) }
	for i := len(a.hooks.wrap) - 1; i >= 0; i-- {
		h = a.hooks.wrap[i].WrapTask(h)
	}
	return h
}

// conclude decides what becomes of a task that has returned.
func (d *Definition) conclude(ctx context.Context, r *Request, value any, err error) (o *Outcome) {
	defer func() {
		// An error may panic when it is asked what it is: a nil pointer in an error, a method of the user's own.
		if p := recover(); p != nil {
			o = d.failure(r, &PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	o = d.outcome(ctx, r, value, err)
	if o.State == Success && r.encode != nil {
		if o.Encoded, err = r.encodeValue(o.Value); err != nil { // it ran, but what it returned cannot be told to anybody
			o = d.failure(r, &ReturnError{Err: err})
		}
	}
	return o
}

// outcome decides what a handler's error means.
func (d *Definition) outcome(ctx context.Context, r *Request, value any, err error) *Outcome {
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), ErrRevoked) {
		// Whatever it returns: nothing may follow from a task that was terminated. Celery kills its process.
		return &Outcome{State: Revoked, Err: ErrRevoked}
	}
	if err == nil {
		return &Outcome{State: Success, Value: value}
	}
	var (
		reject *RejectError
		retry  *RetryError
		ignore *ignoreError
	)
	switch {
	case errors.As(err, &ignore), errors.Is(err, Ignore):
		return &Outcome{State: Ignored, Err: err}
	case errors.As(err, &reject):
		return &Outcome{State: Rejected, Err: err, Requeue: reject.Requeue}
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		// The handler passed on the cancellation: what matters is why it was cancelled.
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
	}
	policy := d.options.retry
	if errors.As(err, &retry) {
		if policy.Left(r.Retries) {
			return &Outcome{State: Retrying, Err: err, Cause: retry.Err, Delay: retry.In, Traceback: traceback(r.Name, err)}
		}
		if err = retry.Err; err == nil {
			err = &MaxRetriesError{Detail: fmt.Sprintf("Can't retry %s[%s] args:%s kwargs:%s",
				r.Name, r.ID, r.task.ArgsRepr, r.task.KwargsRepr)}
		}
		return d.failure(r, err)
	}
	if policy != nil && policy.Covers(err) && policy.Left(r.Retries) {
		delay := policy.DelayFor(r.Retries)
		again := &RetryError{In: delay, Err: err}
		return &Outcome{State: Retrying, Delay: delay, Cause: err, Err: again, Traceback: traceback(r.Name, again)}
	}
	return d.failure(r, err)
}

func (d *Definition) failure(r *Request, err error) *Outcome {
	o := &Outcome{State: Failure, Err: err, Traceback: traceback(r.Name, err)}
	for _, e := range d.options.expected {
		o.Expected = o.Expected || matches(err, e)
	}
	return o
}
