package worker

// Admission: the gate between the broker and the pool.
//
//	delivery → decode header → known? → revoked? → ended here before? → expired? → due (or back into the broker's delay)? → its turn (rate limit)? → ready
//
// Owner: the driver's goroutine of the queue. It may wait only for room in ready, which holds back this queue alone.
// Celery: celery/worker/strategy.py, celery/worker/request.py.

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

func (w *Worker) admit(c *consumer, d *broker.Delivery) {
	w.stats.received.Add(1)
	c.home.meter.delivered()
	if w.stage.stopping() {
		w.giveBack(d)
		return
	}
	epoch := c.epoch.Load()
	again := handedOut(d)
	if again && d.Headers[headerReject] != nil {
		w.settle(d, settleReject) // its outcome was decided while it was parked
		return
	}
	t, err := protocol.DecodeTask(&d.Envelope, w.decode)
	if err != nil {
		w.refuse(c.queue, d, err)
		return
	}
	k := w.tasks[t.Name]
	if k == nil {
		w.refuseUnknown(c.queue, d, t)
		return
	}
	r := &run{delivery: d, consumer: c, epoch: epoch, came: epoch, task: t, known: k, print: fingerprint(d), at: time.Now(), again: again}
	k.meterReceived()
	r.request = umbel.NewRequest(t, r.report)
	r.request.Queue, r.request.Exchange, r.request.RoutingKey = d.Queue, d.Exchange, d.RoutingKey
	r.request.Redelivered, r.request.Hostname = again, w.node
	if w.discard(r) {
		return
	}
	if w.postpones(t) {
		w.postpone(r)
		return
	}
	w.app.NotifyReceived(r.request)
	if w.log.Enabled(context.Background(), slog.LevelInfo) {
		w.log.Info("task received", "task", r.request.DisplayName(), "id", t.ID)
	}
	if again && w.done(r) {
		return
	}
	if w.expired(r) {
		return
	}
	w.tellReceived(r)
	c.ledger.add(r)
	if w.mustWait(r) {
		w.await(r)
		return
	}
	w.submit(r)
}

// submit hands a run to the pool.
func (w *Worker) submit(r *run) {
	w.waiting.add(r)
	w.pool.submit(r)
}

// hold counts a run in or out of those that wait.
func (w *Worker) hold(r *run, delta int) {
	if r.limited {
		r.consumer.holdTurn(delta)
	} else {
		r.consumer.hold(delta)
	}
}

// mustWait reports whether a run must wait before it may start, and until when: for its ETA, then for its turn under the
// task's rate limit.
func (w *Worker) mustWait(r *run) bool {
	if eta := r.task.ETA; !eta.IsZero() && r.due.Before(eta) && time.Until(eta) > 0 {
		r.due = eta
		return true
	}
	if r.limited {
		return false
	}
	r.limited = true
	now := time.Now()
	if r.paces = w.seriesOf(r); r.paces != nil {
		r.due = now.Add(noTurnYet)
	} else {
		r.due = r.known.limit.turn(now)
	}
	return r.due.After(now)
}

// await puts a run that must wait where it does.
func (w *Worker) await(r *run) {
	w.hold(r, +1)
	paced := r.paces != nil // from add on it may be somebody else's
	w.delay.add(r)
	if paced {
		signal(w.pacer.wanted)
	}
}

// done takes a redelivered message whose task has ended here, or is still running: nothing is run again.
func (w *Worker) done(r *run) bool {
	switch {
	case w.inflight.join(r):
		w.log.Info("task is still running here from before its connection was lost", "task", r.request.DisplayName(), "id", r.task.ID)
	case w.finished.take(r.mark()):
		w.log.Info("task had ended here, or begun if it is acked early, when its connection was lost; acked without running again", "task", r.request.DisplayName(), "id", r.task.ID)
		w.ackAgain(r)
	default:
		return false
	}
	return true
}

// due runs on delay's goroutine when a held delivery's time has come.
func (w *Worker) due(r *run) {
	w.hold(r, -1)
	if r.stale() {
		r.over()
		return
	}
	if w.postpones(r.task) { // the broker did not take it back when it came
		w.postpone(r)
		return
	}
	if r.limited && r.paces == nil {
		r.known.limit.used(r.due)
	}
	if w.mustWait(r) { // its ETA has come, its turn has not
		w.await(r)
		return
	}
	w.submit(r)
}

// expired ends a run whose time to start has passed: REVOKED, and acked.
func (w *Worker) expired(r *run) bool {
	if r.task.Expires.IsZero() || time.Now().Before(r.task.Expires) {
		return false
	}
	w.stats.revoked.Add(1)
	w.log.Info("discarding expired task", "task", r.request.DisplayName(), "id", r.task.ID, "expires", r.task.Expires)
	w.app.NotifyRevoked(r.request, true)
	w.concludeAside(r, w.revokedDocument(r, "expired"), settleAck, revokedFor("expired"))
	return true
}

// giveBack returns a delivery to its queue untouched.
func (w *Worker) giveBack(d *broker.Delivery) {
	w.settle(d, settleRequeue)
}

// settle settles a delivery and reports whether it could: not when its connection is gone, and the broker hands the message
// out again.
func (w *Worker) settle(d *broker.Delivery, how settlement) bool {
	if p, is := d.Settler.(*parkedSettler); is && how != settleAck {
		return p.parking.leave(d, how)
	}
	var err error
	switch how {
	case settleAck:
		err = d.Ack()
	case settleReject:
		err = d.Reject(false)
	case settleRequeue, settleReturn:
		err = d.Reject(true)
	}
	if err == nil {
		return true
	}
	if !errors.Is(err, broker.ErrStale) {
		w.log.Error("cannot settle delivery", "id", d.Properties.CorrelationID, "queue", d.Queue, "error", err)
	}
	return false
}

// A settlement is what becomes of a delivery at its end.
type settlement int

const (
	settleNothing settlement = iota // settled before
	settleAck
	settleReject  // dropped, or to the queue's dead-letter exchange
	settleRequeue // back to its queue, as if it had not been started
	settleReturn  // back to its queue, this start counted (poison.go)
)
