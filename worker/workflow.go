package worker

// What follows from a run besides its own result: callbacks, the next step of its chain, its part of a chord, errbacks.
//
//	SUCCESS   publish callbacks and the next step ─► store ─► chord ─► ack
//	FAILURE   store ─► chord ─► mark the rest of the chain, errbacks ─► ack
//
// Each step is confirmed before the next begins. What cannot be sent for now is tried again until the worker is in its
// cold shutdown; a late-acked message then goes back, and the next run does all of it again, with the same ids.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A conclusion is how a run ended, for those who wait for it to go on.
type conclusion struct {
	state     umbel.State
	value     codec.Value // of a success
	exception *protocol.Exception
	traceback string
	runtime   time.Duration // of a success
	reason    string        // of a revocation
}

// conclude ends a run for good: document, what follows, settlement. It may wait; the caller is a slot, or a goroutine of
// the worker's own.
func (w *Worker) conclude(r *run, doc *protocol.Result, how settlement, c conclusion) {
	how = w.bury(r, how, c)
	w.concluded(r, c)
	body, err := r.task.DecodeBody(w.decode)
	if err != nil || !umbel.Follows(&body.Embed) {
		w.finisher.end(r, doc, how)
		return
	}
	stored, ok := w.finisher.store(doc)
	if !ok {
		w.giveUp(r)
		return
	}
	if stored != doc && c.exception == nil { // the store would never take its value
		if exc, err := protocol.DecodeException(stored.Result); err == nil {
			c, how = failureOf(exc, ""), w.failureSettlement(r)
			w.concluded(r, c)
		}
	}
	value := c.value
	if c.exception != nil {
		value = c.exception.Value()
	}
	ok = w.persist(r, "complete its part of a chord", func(ctx context.Context) error {
		return w.app.JoinChord(ctx, r.request, &body.Embed, c.state, value)
	})
	if ok && c.exception != nil {
		ok = w.persist(r, "tell what would have followed it", func(ctx context.Context) error {
			return w.app.FailRest(ctx, r.request, &body.Embed, umbel.Fault{State: c.state, Exception: c.exception, Traceback: c.traceback})
		})
	}
	if !ok {
		w.giveUp(r)
		return
	}
	w.settleRun(r, how)
}

// concludeAside is conclude for goroutines that must not wait.
func (w *Worker) concludeAside(r *run, doc *protocol.Result, how settlement, c conclusion) {
	if !w.leads(r) && r.consumer.queue.DeadLetter == "" {
		w.concluded(r, c)
		w.finisher.end(r, doc, how)
		return
	}
	w.aside.Go(func() { w.conclude(r, doc, how, c) })
}

// proceed publishes what follows from a success, before it is stored. When it cannot be, err is why the task has failed in
// spite of its success; ok is false when the run has been given up instead.
func (w *Worker) proceed(r *run, value codec.Value) (ok bool, err error) {
	body, err := r.task.DecodeBody(w.decode)
	if err != nil || len(body.Embed.Callbacks) == 0 && len(body.Embed.Chain) == 0 {
		return true, nil
	}
	if !w.persist(r, "publish what follows it", func(ctx context.Context) error {
		err = w.app.Continue(ctx, r.request, &body.Embed, value)
		if umbel.Resendable(err) {
			return err
		}
		return nil
	}) {
		w.giveUp(r)
		return false, nil
	}
	return true, err
}

// persist repeats f until it succeeds, and reports whether it did before the worker had to leave. An error that a later
// attempt would meet again ends it too: the rest of the workflow cannot be told, and the log says so.
func (w *Worker) persist(r *run, what string, f func(ctx context.Context) error) bool {
	for n := 1; ; n++ {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.base), publishWait)
		err := f(ctx)
		cancel()
		if err == nil {
			return true
		}
		log := w.log.With("task", r.request.DisplayName(), "id", r.task.ID, "error", err)
		if hopeless(err) || n >= workflowTries && !umbel.Resendable(err) {
			log.Error("task cannot " + what + "; the rest of its workflow may never run")
			return true
		}
		wait := backoff(n)
		log.Error("task cannot "+what+" for now; trying again", "wait", wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-w.stage.cold:
			return false
		}
	}
}

// hopeless reports an error that follows from the settings: no attempt fares better.
func hopeless(err error) bool {
	return errors.Is(err, backend.ErrUnsupported) || errors.Is(err, umbel.ErrNoBackend)
}

// workflowTries is how often what follows a task is tried when nothing says that another attempt may fare better: a result
// store that is away for a moment says so in many ways.
const workflowTries = 8

// giveUp hands a run back whose consequences could not be made sure of before the worker had to leave.
func (w *Worker) giveUp(r *run) {
	if r.acked {
		w.log.Error("what follows a task is lost: the broker or the result store was away until the worker had to stop",
			"task", r.request.DisplayName(), "id", r.task.ID)
		return
	}
	w.settleRun(r, settleRequeue)
}

// store stores a document and returns what is stored when it is: the document, or what stands for it when the store can
// never take it. ok is false when the worker had to leave before.
func (f *finisher) store(doc *protocol.Result) (stored *protocol.Result, ok bool) {
	if doc == nil || f.worker.results == nil {
		return doc, true
	}
	told := f.storing(doc)
	select {
	case stored = <-told:
	case <-f.stopped: // it may have taken the ending in its last breath, or never
		select {
		case stored = <-told:
		default:
		}
	}
	return stored, stored != nil
}

// storing hands a document over and returns where it will be said what was stored; nothing comes once f has stopped.
func (f *finisher) storing(doc *protocol.Result) <-chan *protocol.Result {
	told := make(chan *protocol.Result, 1)
	f.take(ending{document: doc, stored: told})
	return told
}

// failureOf is the conclusion of a failure.
func failureOf(exc *protocol.Exception, traceback string) conclusion {
	return conclusion{state: umbel.Failure, exception: exc, traceback: traceback}
}

// revokedFor is the conclusion of a revocation.
func revokedFor(reason string) conclusion {
	exc := namedException("celery.exceptions", "TaskRevokedError", reason)
	return conclusion{state: umbel.Revoked, exception: &exc, reason: reason}
}

// refuseRun ends a task that is known by its message only, with all that would have followed it.
func (w *Worker) refuseRun(d *broker.Delivery, t *protocol.Task, doc *protocol.Result, exc *protocol.Exception, how settlement) {
	body, err := t.DecodeBody(w.decode)
	if err != nil || !umbel.Follows(&body.Embed) {
		w.finisher.refuse(d, doc, how)
		return
	}
	w.aside.Go(func() {
		r := &run{delivery: d, task: t, request: umbel.NewRequest(t, nil)}
		if _, ok := w.finisher.store(doc); !ok {
			w.settle(d, settleRequeue)
			return
		}
		ok := w.persist(r, "tell what would have followed it", func(ctx context.Context) error {
			if err := w.app.JoinChord(ctx, r.request, &body.Embed, umbel.Failure, exc.Value()); err != nil {
				return err
			}
			return w.app.FailRest(ctx, r.request, &body.Embed, umbel.Fault{State: umbel.Failure, Exception: exc,
				Traceback: fmt.Sprintf("%s\n", exc.Error())})
		})
		if !ok {
			how = settleRequeue
		}
		w.settle(d, how)
	})
}

// leads reports whether anything follows a run that needs its value.
func (w *Worker) leads(r *run) bool {
	body, err := r.task.DecodeBody(w.decode)
	return err == nil && umbel.Follows(&body.Embed)
}
