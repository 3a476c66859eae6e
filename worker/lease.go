package worker

// The lease: a broker may end a consumer whose delivery stays unsettled for too long (RabbitMQ's consumer_timeout, 30
// minutes unless somebody changed it). Before that,
//
//	a late-acked task that runs       is renewed: its message is parked anew, the old delivery acked (parking.go)
//	a delivery that waits for a slot  goes back to its queue, for whoever has a slot free
//	one that waits for its turn, or   goes back as well, unless its time comes soon
//	for an ETA that is near
//
// at half of the broker's limit, so that whatever fails is tried again several times. The limit is a setting, the queue's own
// argument where it has one, or what the broker says when it has struck after all.
//
// When every slot has a renewed task the worker pauses: what it took now would only wait. It goes on when one ends.

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

type lease struct {
	worker  *Worker
	limit   atomic.Int64 // of the broker, ns; 0: none known
	parked  atomic.Int64 // running tasks whose delivery is a parked copy, as of the latest look
	paused  atomic.Bool
	wake    chan struct{}   // cap 1: the limit is another, or a slot is free again
	ctx     context.Context // ends with close; a cold shutdown does not end it, tasks still run then
	cancel  context.CancelFunc
	stopped chan struct{}
}

const (
	leaseLook      = time.Minute           // longest time between two looks
	leaseLookLeast = 20 * time.Millisecond // shortest, for brokers whose limit is a moment
	leaseAtOnce    = 32                    // renewals under way at a time: each waits for a confirm

	// handBackMost is how often a message may come back by rejecting it. Quorum queues count that, and bury a message
	// that came back too often (RabbitMQ 4: 20 times); from here on a copy goes to the end of the queue instead.
	handBackMost = 10

	pauseWait = 5 * time.Second // bounds what pausing asks of the broker
)

func newLease(w *Worker) *lease {
	l := &lease{worker: w, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(w.base))
	if d := w.settings.BrokerConsumerTimeout; d != umbel.Never {
		l.limit.Store(int64(d))
	}
	return l
}

// ackLimit is how long the broker lets a delivery of this queue stay unsettled; 0 when that is not known to be bounded.
func (c *consumer) ackLimit() time.Duration {
	limit := time.Duration(c.worker.lease.limit.Load())
	if c.ownLimit > 0 && (limit == 0 || c.ownLimit < limit) {
		return c.ownLimit
	}
	return limit
}

// ownAckLimit is the queue's argument x-consumer-timeout.
func ownAckLimit(q umbel.QueuePlan) time.Duration {
	for _, d := range q.Topology.Queues {
		if d.Name != q.Name {
			continue
		}
		switch ms := d.Arguments["x-consumer-timeout"].(type) {
		case int:
			return time.Duration(ms) * time.Millisecond
		case int64:
			return time.Duration(ms) * time.Millisecond
		}
	}
	return 0
}

// learn takes note of why a consumer was lost. It runs on the driver's goroutine.
func (l *lease) learn(queue string, err error) {
	var late *broker.AckTimeoutError
	if !errors.As(err, &late) {
		return
	}
	had := time.Duration(l.limit.Load())
	limit := late.Limit
	if limit <= 0 {
		if limit = had / 2; limit == 0 {
			limit = 15 * time.Minute
		}
	}
	if had == 0 || limit < had {
		l.limit.Store(int64(limit))
		l.worker.log.Error("the broker's ack timeout is shorter than this worker was told; it is known now: set broker_consumer_timeout",
			"queue", queue, "timeout", limit, "was", had)
	}
	signal(l.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run looks after the deliveries until close.
func (l *lease) run() {
	defer close(l.stopped)
	timer := time.NewTimer(l.pace())
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-l.wake:
		case <-l.ctx.Done():
			return
		}
		l.look(l.ctx)
		timer.Reset(l.pace())
	}
}

// pace is how long to wait before the next look.
func (l *lease) pace() time.Duration {
	pace := leaseLook
	for _, c := range l.worker.allConsumers() {
		if limit := c.ackLimit(); limit > 0 {
			pace = min(pace, limit/8)
		}
	}
	return max(pace, leaseLookLeast)
}

// close ends it; renewals under way are given up.
func (l *lease) close() {
	l.cancel()
	<-l.stopped
}

func (l *lease) look(ctx context.Context) {
	var (
		old    []*run
		parked int64
		now    = time.Now()
	)
	for _, c := range l.worker.allConsumers() {
		half := c.ackLimit() / 2
		waited := 0
		for _, r := range c.ledger.list() {
			switch r.state.Load() {
			case runWaiting:
				if half > 0 && now.Sub(r.at) >= half && r.withdraw() {
					l.handBack(ctx, r)
					waited++
				}
			case runTaken:
				bearer, ok := l.worker.inflight.bearer(r)
				if !ok || bearer.stale() {
					continue
				}
				if half > 0 && now.Sub(bearer.since()) >= half {
					old = append(old, r)
				}
				if bearer.isParked() && !r.ended.Load() {
					parked++
				}
			}
		}
		if half > 0 {
			late := l.worker.delay.takeOut(c, func(r *run) bool {
				return now.Sub(r.at) >= half && r.due.Sub(r.at) > half+half/2
			})
			for _, r := range late {
				l.handBack(ctx, r)
			}
			waited += len(late)
		}
		if waited > 0 {
			l.worker.pool.sift()
			l.worker.log.Info("tasks waited too long for a slot or their turn; handed back before the broker's ack timeout",
				"queue", c.queue.Name, "tasks", waited, "timeout", 2*half)
		}
	}
	l.parked.Store(parked)
	if l.paused.Load() && parked < l.worker.pool.size.Load() {
		l.resume()
	}
	l.renewAll(ctx, old)
}

// handBack returns a delivery that has waited too long.
func (l *lease) handBack(ctx context.Context, r *run) {
	d := r.delivery
	if d.Deliveries < handBackMost {
		l.worker.giveBack(d)
		return
	}
	m := copyOf(d)
	m.RoutingKey = d.Queue
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	if err := l.worker.app.Publish(ctx, m); err != nil {
		l.worker.twins.leave(r, !errors.Is(err, broker.ErrNotSent))
		l.worker.giveBack(d)
		return
	}
	if !l.worker.settle(d, settleAck) {
		l.worker.twins.leave(r, true)
	}
}

// renewAll renews runs, several at a time, and returns when all have been tried.
func (l *lease) renewAll(ctx context.Context, runs []*run) {
	var (
		all  sync.WaitGroup
		room = make(chan struct{}, leaseAtOnce)
	)
	for _, r := range runs {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			l.renew(ctx, r)
		})
	}
	all.Wait()
}

// renew gives a running task a new delivery in place of the one that is too old.
func (l *lease) renew(ctx context.Context, r *run) {
	w := l.worker
	ctx, cancel := context.WithTimeout(ctx, parkWait)
	defer cancel()
	old, ok := w.inflight.bearer(r)
	if !ok || old.stale() {
		return
	}
	log := w.log.With("task", r.request.DisplayName(), "id", r.task.ID, "queue", old.delivery.Queue)
	lot, err := r.consumer.lot(ctx)
	if err != nil {
		log.Error("cannot renew the delivery of a running task: the broker may end its consumer and hand the task out again", "error", err)
		return
	}
	w.cross("renew")
	c, err := lot.take(ctx, old.delivery, protocol.Table{headerStarts: int64(max(startsOf(old.delivery), 1))})
	if err != nil {
		if !errors.Is(err, broker.ErrNotSent) { // a second message may come
			w.twins.add(r)
			w.twins.keep(r)
		}
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			log.Error("cannot renew the delivery of a running task; trying again", "error", err)
		}
		return
	}
	if !old.isParked() && l.parked.Add(1) >= w.pool.size.Load() {
		l.pause(ctx) // before the ack makes room
	}
	if !old.narrows && r.consumer.home.prefetchNow() > 0 {
		r.consumer.home.narrow(ctx)
		defer r.consumer.home.widenAgain()
	}
	copied := &run{delivery: c.delivery, consumer: lot.consumer, epoch: c.epoch, print: r.print, task: r.task, known: r.known, request: r.request,
		at: time.Now(), again: true, narrows: r.consumer.home.prefetchNow() > 0}
	w.twins.add(r)
	if !w.inflight.replace(r, old, copied) { // it has ended meanwhile, or the message has come again
		w.settle(c.delivery, settleAck)
		if copied.narrows {
			r.consumer.home.unrenewed()
		}
		l.freed()
		return
	}
	w.cross("parked")
	if !w.settle(old.delivery, settleAck) {
		w.twins.keep(r)
	}
	w.cross("acked")
	if err := old.consumer.sub.Flush(ctx); err != nil && ctx.Err() == nil {
		w.twins.keep(r)
	}
	w.cross("renewed")
	w.meter.renewed()
	log.Debug("delivery of a running task was renewed", "age", time.Since(old.at).Round(time.Millisecond))
}

// pause stops all queues until a slot is free.
func (l *lease) pause(ctx context.Context) {
	if l.paused.Swap(true) {
		return
	}
	l.worker.log.Info("every slot is taken by a long task: consuming is paused until one ends")
	ctx, cancel := context.WithTimeout(ctx, pauseWait)
	defer cancel()
	for _, c := range l.worker.activeConsumers() {
		c.pauseNow(ctx, pausedByLease)
	}
}

func (l *lease) resume() {
	l.paused.Store(false)
	l.worker.log.Info("a slot is free again: consuming goes on")
	for _, c := range l.worker.activeConsumers() {
		c.resume(pausedByLease)
	}
}

// freed tells that a slot has become free. It is called at the end of every task.
func (l *lease) freed() {
	if l != nil && l.paused.Load() {
		signal(l.wake)
	}
}
