// Package trail is middleware that tells the audit trail of tasks: on whose behalf a change is made while one runs, and how each run
// has ended.
package trail

import (
	"context"
	"encoding/json"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/examples/shop/store"
)

// A Trail is the middleware.
type Trail struct {
	app   *umbel.App
	store *store.Store
}

// New makes the middleware of an app, for App.Use.
func New(app *umbel.App, s *store.Store) *Trail { return &Trail{app: app, store: s} }

// WrapTask names the task, its worker and its arguments to whatever the task changes.
func (t *Trail) WrapTask(next umbel.Handler) umbel.Handler {
	return func(ctx context.Context, r *umbel.Request) (any, error) { return next(As(ctx, r), r) }
}

// As returns a context under which what is done is done by a task: for hooks that change something beside its handler.
func As(ctx context.Context, r *umbel.Request) context.Context { return store.As(ctx, by(r)) }

// TaskPostrun notes how a run has ended. A worker that dies in the middle notes nothing: the next run does.
func (t *Trail) TaskPostrun(ctx context.Context, r *umbel.Request, o *umbel.Outcome) {
	t.note(context.WithoutCancel(ctx), r, string(o.State))
}

// TaskRevoked notes a task that did not run because somebody revoked it, or because it came too late.
func (t *Trail) TaskRevoked(r *umbel.Request, expired bool) {
	outcome := string(umbel.Revoked)
	if expired {
		outcome = "EXPIRED"
	}
	t.note(context.Background(), r, outcome)
}

// note does not hold a task up for long: its own changes have their entries already.
func (t *Trail) note(ctx context.Context, r *umbel.Request, outcome string) {
	ctx, cancel := context.WithTimeout(As(ctx, r), 10*time.Second)
	defer cancel()
	if err := t.store.Note(ctx, store.TaskEnded, "task/"+r.ID, outcome); err != nil {
		t.app.Logger().Error("the audit trail misses the end of a task", "task", r.Name, "id", r.ID, "outcome", outcome, "error", err)
	}
}

// by is the actor of a task that runs.
func by(r *umbel.Request) store.Actor {
	a := store.Actor{Who: "task " + r.Name, From: r.Hostname, Task: r.ID}
	x := r.Document(umbel.Started, codec.Value{}, true).Extended
	if text, err := json.Marshal([]any{x.Args, x.Kwargs}); err == nil {
		a.Args = store.Hash(text)
	}
	return a
}
