package worker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// The postponer sends what is due later back into the broker's delay, so that the future does not live in this process: a
// producer that does not delay by itself (Celery on classic queues) puts ETA tasks straight onto the work queue. Each goes
// as it came, to the queue it came from; it is published first and acked when that is confirmed.
//
// One goroutine takes as many at a time as have gathered while the last ones were on their way.
type postponer struct {
	worker  *Worker
	runs    chan *run // consumers and delay send, run receives
	stop    chan struct{}
	stopped chan struct{}

	wide map[*consumer]bool // whose prefetch is widened for a crowd; owned by run
}

const (
	// postponeAfter is how far ahead an ETA must be for its task to go back. What a broker has delayed comes up to a second
	// early: it must not go back again for that, and what is due so soon is hardly worth the way.
	postponeAfter = 2 * time.Second

	postponeRoom  = 512               // runs that wait for the batch before them; a queue that brings more is held back
	postponeBatch = 128               // largest batch in one round: so many may come twice when the connection is lost in it
	postponeWiden = 2 * postponeBatch // one batch on its way, one gathering

	// postponeIdle is how long a widened prefetch stays after the last run: widening and narrowing start a new consumer.
	postponeIdle = 2 * time.Second

	// postponeAgain is how long a task waits here whose way back was refused, before it is tried again.
	postponeAgain = 5 * time.Second
)

func newPostponer(w *Worker) *postponer {
	return &postponer{worker: w, runs: make(chan *run, postponeRoom), stop: make(chan struct{}), stopped: make(chan struct{}),
		wide: make(map[*consumer]bool)}
}

// postpones reports whether a task belongs into the broker's delay.
func (w *Worker) postpones(t *protocol.Task) bool {
	if t.ETA.IsZero() || !w.broker.Traits().Delay {
		return false
	}
	now := time.Now()
	return t.ETA.Sub(now) > postponeAfter && (t.Expires.IsZero() || now.Before(t.Expires))
}

// postpone hands a run to the postponer. It may wait for room.
func (w *Worker) postpone(r *run) {
	select {
	case w.postponer.runs <- r:
	case <-w.postponer.stopped:
		if r.withdraw() {
			w.giveBack(r.delivery)
		}
	}
}

// run sends back until close has been called; what is left then goes to its queue untouched.
func (p *postponer) run() {
	defer close(p.stopped)
	batch := make([]*run, 0, postponeBatch)
	idle := time.NewTimer(postponeIdle)
	defer idle.Stop()
	for {
		select {
		case r := <-p.runs:
			batch = append(batch[:0], r)
			idle.Reset(postponeIdle)
		case <-idle.C:
			p.narrow()
			continue
		case <-p.stop:
			p.giveBack()
			return
		}
		for more := true; more && len(batch) < postponeBatch; {
			select {
			case r := <-p.runs:
				batch = append(batch, r)
			default:
				more = false
			}
		}
		p.widen(batch)
		p.send(batch)
		clear(batch)
	}
}

// widen lets a queue bring more at a time when a batch is all that its prefetch lets through: confirms take the time of a
// round, however many they are.
func (p *postponer) widen(batch []*run) {
	seen := make(map[*consumer]int)
	for _, r := range batch {
		seen[r.consumer]++
	}
	for c, n := range seen {
		if n > 1 && 2*n >= p.worker.prefetch && !p.wide[c] {
			p.wide[c] = true
			c.hold(+postponeWiden)
		}
	}
}

func (p *postponer) narrow() {
	for c := range p.wide {
		c.hold(-postponeWiden)
	}
	clear(p.wide)
}

func (p *postponer) giveBack() {
	for {
		select {
		case r := <-p.runs:
			if r.withdraw() {
				p.worker.giveBack(r.delivery)
			}
		default:
			return
		}
	}
}

// send publishes a batch and acks what was confirmed. What was not waits here and is tried again.
func (p *postponer) send(batch []*run) {
	w := p.worker
	batch = slices.DeleteFunc(batch, func(r *run) bool { return !r.claim() || p.gone(r) }) // handed back meanwhile
	if len(batch) == 0 {
		return
	}
	messages := make([]*broker.Message, len(batch))
	for i, r := range batch {
		m := &broker.Message{Envelope: r.delivery.Envelope, RoutingKey: r.delivery.Queue, NotBefore: r.task.ETA}
		m.Properties.Expiration = "" // began to count when it was first sent; the task's header has the time itself
		messages[i] = m
	}
	ctx, cancel := context.WithTimeout(w.base, publishWait)
	defer cancel()
	errs := w.broker.PublishBatch(ctx, messages)
	var first error
	for i, r := range batch {
		if errs != nil && errs[i] != nil {
			if first == nil {
				first = errs[i]
			}
			if !r.stale() {
				p.keep(r)
			} else {
				r.over()
			}
			continue
		}
		w.log.Debug("task goes back until its ETA", "task", r.task.Name, "id", r.task.ID, "eta", r.task.ETA)
		r.over()
		t := r.mark()
		if err := r.delivery.Ack(); err == nil {
			r.consumer.postponed.add(t)
		} else {
			w.postponed.add(t)
			if !errors.Is(err, broker.ErrStale) {
				w.log.Error("cannot settle delivery", "id", t.id, "queue", r.delivery.Queue, "error", err)
			}
		}
	}
	if first != nil {
		w.log.Warn("tasks with an ETA wait in this worker: the broker did not take them back; trying again", "error", first, "wait", postponeAgain)
	}
}

// gone reports whether a run need not be sent back any more. It is asked as late as can be: a batch may take long, and
// when the connection is lost in it what was in it comes again.
func (p *postponer) gone(r *run) bool {
	switch {
	case r.stale(): // the broker hands it out again
	case r.delivery.Redelivered && p.worker.postponed.take(r.mark()):
		p.worker.settle(r.delivery, settleAck) // it went back, and only its ack did not arrive
	default:
		return false
	}
	r.over()
	return true
}

// keep holds a run for a while, in delay.
func (p *postponer) keep(r *run) {
	if r.due.IsZero() {
		p.worker.app.NotifyReceived(r.request)
		r.consumer.ledger.add(r)
	}
	r.due = time.Now().Add(postponeAgain)
	if eta := r.task.ETA; eta.Before(r.due) {
		r.due = eta
	}
	r.consumer.hold(+1)
	p.worker.delay.add(r)
}

// close waits for the batch that is on its way and gives back the rest. Nobody may call postpone afterwards.
func (p *postponer) close() {
	close(p.stop)
	<-p.stopped
}
