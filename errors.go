package umbel

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Causes: why the context of a running task was cancelled, by context.Cause.
var (
	// ErrShutdown: the worker is in its cold shutdown. The task's message goes back to its queue if it is acked late.
	ErrShutdown = errors.New("worker is shutting down")

	// ErrRevoked: somebody revoked the task with terminate.
	ErrRevoked = errors.New("task was revoked")

	// ErrSoftTimeLimit: the task ran past its soft time limit. Celery: SoftTimeLimitExceeded.
	ErrSoftTimeLimit = errors.New("soft time limit exceeded")

	// ErrTimeLimit: the task ran past its hard time limit. Celery: TimeLimitExceeded.
	ErrTimeLimit = errors.New("time limit exceeded")
)

// Errors of clients.
var (
	// ErrNoBackend: result_backend is not set, so there are no results to ask for. Celery: DisabledBackend.
	ErrNoBackend = errors.New("no result backend is configured: set result_backend, for example to redis://localhost:6379/0")

	// ErrUnknownTask: nothing is stored under this id, and this process did not send it.
	ErrUnknownTask = errors.New("no task is known by this id: never sent, forgotten, or expired")

	// ErrTaskEnded: the task has ended, by itself or by its hard time limit, and its state can no longer change.
	ErrTaskEnded = errors.New("the task has ended: its state can no longer change")

	// ErrResultIgnored: the task was sent or registered with its result ignored, so there is none to wait for.
	ErrResultIgnored = errors.New("the result of this task is ignored (task_ignore_result or IgnoreResult): there is nothing to wait for")
)

// Ignore, returned by a handler, ends the task without a state: nothing is stored and the message is acked.
// Celery: raise Ignore().
var Ignore error = &ignoreError{}

type ignoreError struct{}

func (*ignoreError) Error() string { return "task ignored" }

// Reject, returned by a handler, gives its message back: to its queue with requeue, else to the queue's dead-letter
// exchange. It needs AcksLate, since a message that is acked already cannot be given back. Celery: raise Reject(reason, requeue).
func Reject(requeue bool, reason string) error { return &RejectError{Requeue: requeue, Reason: reason} }

// A RejectError is what Reject returns.
type RejectError struct {
	Requeue bool
	Reason  string
}

func (e *RejectError) Error() string {
	return fmt.Sprintf("reject requeue=%t: %s", e.Requeue, e.Reason)
}

// RetryIn, returned by a handler, runs the task again after d, whatever the task's retry policy says of err. The task
// fails with err when its retries are used up (Retry.Max, default 3). Celery: self.retry(countdown=…, exc=…).
func RetryIn(d time.Duration, err error) error { return &RetryError{In: d, Err: err} }

// A RetryError is what RetryIn returns.
type RetryError struct {
	In  time.Duration
	Err error // why; may be nil
}

func (e *RetryError) Error() string {
	if e.Err == nil {
		return e.wait()
	}
	return fmt.Sprintf("%s: %v", e.wait(), e.Err)
}

func (e *RetryError) wait() string {
	return fmt.Sprintf("Retry in %gs", e.In.Round(time.Millisecond).Seconds())
}

func (e *RetryError) Unwrap() error { return e.Err }

// Permanent marks an error that no retry can mend: the task fails at once.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// A MaxRetriesError is the failure of a task that asked for a retry without naming an error, when its retries are used
// up. Celery: MaxRetriesExceededError.
type MaxRetriesError struct{ Detail string }

func (e *MaxRetriesError) Error() string { return e.Detail }

// A ReturnError is the failure of a task whose return value cannot be encoded as a result. Celery: EncodeError.
type ReturnError struct{ Err error }

func (e *ReturnError) Error() string { return "the return value cannot be encoded: " + e.Err.Error() }
func (e *ReturnError) Unwrap() error { return e.Err }

// PythonException is kombu's class for it.
func (e *ReturnError) PythonException() (module, name string) {
	return "kombu.exceptions", "EncodeError"
}

// A PanicError is the failure of a handler that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// A TaskError is how a task ended that did not succeed, as its result says. Get returns it.
type TaskError struct {
	ID        string
	State     State
	Type      string // class of the exception, such as "ValueError"
	Module    string // where the class lives, such as "builtins"
	Message   string // the exception's arguments, readable
	Traceback string // as the worker stored it; "" when there is none
}

func (e *TaskError) Error() string {
	s := fmt.Sprintf("task %s: %s: %s", e.ID, e.State, e.Type)
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Is lets errors.Is find the cause: ErrRevoked, ErrTimeLimit, ErrSoftTimeLimit.
func (e *TaskError) Is(target error) bool {
	switch target {
	case ErrRevoked:
		return e.State == Revoked
	case ErrTimeLimit:
		return e.Type == "TimeLimitExceeded"
	case ErrSoftTimeLimit:
		return e.Type == "SoftTimeLimitExceeded"
	}
	return false
}

// A NotRegisteredError says that no task of this name is registered. Celery: NotRegistered.
type NotRegisteredError struct {
	Name    string
	Nearest string // the most similar name known, "" if none is near
}

func (e *NotRegisteredError) Error() string {
	s := fmt.Sprintf("task %q is not registered", e.Name)
	if e.Nearest != "" {
		s += fmt.Sprintf("; did you mean %q?", e.Nearest)
	}
	return s
}

// deadline adds what was being waited for to a context's error.
func waitError(ctx context.Context, what string) error {
	return fmt.Errorf("%s: %w", what, context.Cause(ctx))
}
