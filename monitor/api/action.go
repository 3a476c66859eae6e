package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/history"
)

// answerWithin is how long a worker has to answer a command, and actWithin how long any action may take.
const (
	answerWithin = 3 * time.Second
	actWithin    = 20 * time.Second
)

// A command is what a worker can be told, with the arguments it takes by Celery's names.
type command struct {
	scope access.Scope
	args  []string
	cast  bool // workers do not answer
}

var commands = map[string]command{
	"pool_grow":       {access.Workers, []string{"n"}, false},
	"pool_shrink":     {access.Workers, []string{"n"}, false},
	"autoscale":       {access.Workers, []string{"max", "min"}, false},
	"pool_restart":    {access.Workers, nil, false},
	"add_consumer":    {access.Workers, []string{"queue"}, false},
	"cancel_consumer": {access.Workers, []string{"queue"}, false},
	"rate_limit":      {access.Workers, []string{"task_name", "rate_limit"}, false},
	"time_limit":      {access.Workers, []string{"task_name", "soft", "hard"}, false},
	"enable_events":   {access.Workers, nil, false},
	"disable_events":  {access.Workers, nil, false},
	"shutdown":        {access.Admin, nil, true},
}

// errUnheard: a worker did not answer.
var errUnheard = errors.New("the worker did not answer: it is gone, or too busy")

// A refusal is what a worker said against a command.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// done adds an action to the audit log, and answers. What cannot be written down is told.
func (a *API) done(w http.ResponseWriter, r *http.Request, act history.Act, text string, err error) {
	a.finish(w, r, act, err, map[string]string{"message": text})
}

// finish is done with an answer of more than a message.
func (a *API) finish(w http.ResponseWriter, r *http.Request, act history.Act, err error, answer any) {
	act.Outcome = "done"
	if err != nil {
		act.Outcome = "failed: " + err.Error()
	}
	noted := a.note(r, act)
	var no *refusal
	var refused *broker.RefusedError
	switch {
	case errors.As(err, &no):
		fail(w, http.StatusConflict, no.text)
	case errors.Is(err, errUnheard):
		fail(w, http.StatusGatewayTimeout, err.Error())
	case errors.Is(err, broker.ErrNoQueue):
		fail(w, http.StatusNotFound, "there is no such queue")
	case errors.As(err, &refused):
		fail(w, http.StatusConflict, err.Error())
	case err != nil:
		fail(w, http.StatusBadGateway, err.Error())
	case noted != nil:
		fail(w, http.StatusInternalServerError, "it is done, but could not be written into the audit log")
	default:
		reply(w, http.StatusOK, answer)
	}
}

// revoke keeps a task from starting, or ends it.
func (a *API) revoke(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Terminate bool   `json:"terminate"`
		Signal    string `json:"signal"`
	}
	if !Decode(w, r, &in) {
		return
	}
	id := r.PathValue("id")
	a.done(w, r, history.Act{Action: "revoke", Target: id, Detail: fmt.Sprintf("terminate: %t", in.Terminate)}, "revoked "+id,
		a.Revoke(r.Context(), id, in.Terminate, in.Signal))
}

// Revoke revokes a task.
func (a *API) Revoke(ctx context.Context, id string, terminate bool, signal string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actWithin) // a browser that has gone does not undo it
	defer cancel()
	var options []umbel.RevokeOption
	if terminate {
		options = append(options, umbel.Terminate())
	}
	if signal != "" {
		options = append(options, umbel.Signal(signal))
	}
	return a.App.Revoke(ctx, []string{id}, options...)
}

// tell sends a command to one worker.
func (a *API) tell(w http.ResponseWriter, r *http.Request) {
	name, method := r.PathValue("name"), r.PathValue("command")
	c, ok := commands[method]
	if !ok {
		fail(w, http.StatusNotFound, "there is no such command")
		return
	}
	if !access.From(r.Context()).May(c.scope) {
		a.Forbid(w, r, http.StatusForbidden)
		return
	}
	in := make(map[string]any)
	if !Decode(w, r, &in) {
		return
	}
	for k := range in {
		if !slices.Contains(c.args, k) {
			fail(w, http.StatusBadRequest, fmt.Sprintf("argument %q is none of %v", k, c.args))
			return
		}
	}
	text, err := a.Command(r.Context(), name, method, in)
	a.done(w, r, history.Act{Action: method, Target: name, Detail: detail(in, c.args)}, text, err)
}

func detail(in map[string]any, order []string) string {
	var b strings.Builder
	for _, k := range order {
		if v, ok := in[k]; ok {
			fmt.Fprintf(&b, "%s: %v; ", k, v)
		}
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// Command tells one worker something, and returns what it answered.
func (a *API) Command(ctx context.Context, worker, method string, args map[string]any) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actWithin)
	defer cancel()
	for k, v := range args {
		if n, ok := v.(float64); ok && n == float64(int64(n)) {
			args[k] = int64(n) // JSON has one kind of number; Python's pools want whole ones
		}
	}
	to := a.App.Control().To(worker).Timeout(answerWithin)
	if commands[method].cast {
		return method + " sent", to.Cast(ctx, method, args)
	}
	replies, err := to.Call(ctx, method, args)
	if err != nil {
		return "", err
	}
	if len(replies) == 0 {
		return "", errUnheard
	}
	text, failed, ok := replies[0].Outcome()
	if !ok {
		return "done", nil
	}
	if failed {
		return "", &refusal{text}
	}
	return text, nil
}

// purge removes what waits in a queue. The queue's name is typed once more.
func (a *API) purge(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Confirm string `json:"confirm"`
	}
	if !Decode(w, r, &in) {
		return
	}
	name := r.PathValue("name")
	if in.Confirm != name {
		fail(w, http.StatusBadRequest, "confirm is not the name of the queue")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actWithin)
	defer cancel()
	n := 0
	b, err := a.App.Broker(ctx)
	if err == nil {
		n, err = b.Purge(ctx, name)
	}
	text := fmt.Sprintf("removed %d messages", n)
	a.done(w, r, history.Act{Action: "purge", Target: name, Detail: text}, text, err)
}
