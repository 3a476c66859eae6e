package umbel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A Result is a handle on one sent task whose output type is known.
type Result[Out any] struct{ *AsyncResult }

// Get waits until the task has ended and returns its result. A task that did not succeed gives a *TaskError. Give ctx a
// deadline: a task that nobody runs never ends. Celery: AsyncResult.get.
func (r *Result[Out]) Get(ctx context.Context) (Out, error) {
	var out Out
	err := r.AsyncResult.Get(ctx, &out)
	return out, err
}

// An AsyncResult is a handle on one task by its id. Celery: AsyncResult.
type AsyncResult struct {
	app     *App
	id      string
	name    string
	sent    bool // by this process: without a document it is pending, not unknown
	ignored bool // its result is not stored

	eager *protocol.Result     // how an eager task ended
	run   *eager               // that it belonged to
	tuple protocol.ResultTuple // where it stands in its workflow
}

// Result is a handle on a task by its id, sent by whomever.
func (a *App) Result(id string) *AsyncResult { return &AsyncResult{app: a, id: id} }

// ID is the task's id.
func (r *AsyncResult) ID() string { return r.id }

// Name is the task's name, "" when the handle was made from an id.
func (r *AsyncResult) Name() string { return r.name }

// Document reads what is stored for the task. With nothing stored, a task sent by this process is a document of state
// PENDING, and any other id is ErrUnknownTask.
func (r *AsyncResult) Document(ctx context.Context) (*protocol.Result, error) {
	if r.eager != nil {
		return r.eager, nil
	}
	b, err := r.app.Backend(ctx)
	if err != nil {
		return nil, err
	}
	doc, err := b.Get(ctx, r.id)
	if errors.Is(err, backend.ErrNotFound) {
		if r.sent {
			return &protocol.Result{TaskID: r.id, Status: Pending, Result: codec.JSON([]byte("null"))}, nil
		}
		return nil, fmt.Errorf("result of task %s: %w", r.id, ErrUnknownTask)
	}
	if err != nil {
		return nil, fmt.Errorf("result of task %s: %w", r.id, err)
	}
	return doc, nil
}

// State is the task's state now: Unknown for an id that has no document and was not sent by this process.
func (r *AsyncResult) State(ctx context.Context) (State, error) {
	doc, err := r.Document(ctx)
	if errors.Is(err, ErrUnknownTask) {
		return Unknown, nil
	}
	if err != nil {
		return "", err
	}
	return doc.Status, nil
}

// Ready reports whether the task has ended, well or not.
func (r *AsyncResult) Ready(ctx context.Context) (bool, error) {
	s, err := r.State(ctx)
	return s.Ready(), err
}

// Wait waits until the task has ended, however, and returns its document.
func (r *AsyncResult) Wait(ctx context.Context) (*protocol.Result, error) {
	var last *protocol.Result
	err := r.Watch(ctx, func(doc *protocol.Result) { last = doc })
	if err != nil {
		return nil, err
	}
	return last, nil
}

// Watch calls f with every state of the task from now on, progress included, until it has ended. f is called from one
// goroutine at a time, the last time with the final state, before Watch returns.
func (r *AsyncResult) Watch(ctx context.Context, f func(*protocol.Result)) error {
	if r.ignored {
		return fmt.Errorf("wait for task %s: %w", r.id, ErrResultIgnored)
	}
	if r.eager != nil {
		f(r.eager)
		return nil
	}
	b, err := r.app.Backend(ctx)
	if err != nil {
		return err
	}
	// Holds what came between two looks; when a slow f lets it fill up, progress is dropped, never the final state.
	docs := make(chan *protocol.Result, 64)
	final := make(chan *protocol.Result, 1)
	stop, err := b.Watch(ctx, []string{r.id}, func(doc *protocol.Result) {
		if doc.Status.Ready() {
			select {
			case final <- doc:
			default:
			}
			return
		}
		select {
		case docs <- doc:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("wait for task %s: %w", r.id, err)
	}
	defer stop()
	for {
		select {
		case doc := <-docs:
			f(doc)
		case doc := <-final:
			for {
				select {
				case earlier := <-docs:
					f(earlier)
					continue
				default:
				}
				break
			}
			f(doc)
			return nil
		case <-ctx.Done():
			return waitError(ctx, fmt.Sprintf("wait for task %s", r.id))
		}
	}
}

// Get waits until the task has ended and decodes its result into out, a pointer, or drops it when out is nil. A task that
// did not succeed gives a *TaskError.
func (r *AsyncResult) Get(ctx context.Context, out any) error {
	doc, err := r.Wait(ctx)
	if err != nil {
		return err
	}
	if doc.Status != Success {
		return newTaskError(doc)
	}
	if out == nil {
		return nil
	}
	if err := doc.Result.Decode(out); err != nil {
		return fmt.Errorf("result of task %s: %w", r.id, err)
	}
	return nil
}

// Forget removes the stored result. Celery: AsyncResult.forget.
func (r *AsyncResult) Forget(ctx context.Context) error {
	b, err := r.app.Backend(ctx)
	if err != nil {
		return err
	}
	if err := b.Forget(ctx, []string{r.id}); err != nil {
		return fmt.Errorf("forget result of task %s: %w", r.id, err)
	}
	return nil
}

func newTaskError(doc *protocol.Result) *TaskError {
	e := &TaskError{ID: doc.TaskID, State: doc.Status, Traceback: doc.Traceback}
	exc, err := protocol.DecodeException(doc.Result)
	if err != nil {
		e.Type, e.Message = "Exception", fmt.Sprintf("(its error could not be read: %v)", err)
		return e
	}
	e.Type, e.Module = exc.Type, exc.Module
	parts := make([]string, len(exc.Message))
	for i, m := range exc.Message {
		var s string
		if m.Decode(&s) != nil {
			s = string(appendOrNull(nil, m))
		}
		parts[i] = s
	}
	e.Message = strings.Join(parts, ", ")
	return e
}
