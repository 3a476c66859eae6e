package worker

import (
	"context"
	"errors"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// The finisher stores results and then settles deliveries: in batches as large as what has gathered while the last batch
// was being written, so that a busy worker writes few large ones and an idle one writes at once.
//
// While the store is away it goes on trying: slots wait for it when endings is full, deliveries stay unsettled, and
// nothing is acked whose result is not stored.
type finisher struct {
	worker  *Worker
	endings chan ending // slots and consumers send, run receives
	stop    chan struct{}
	stopped chan struct{}
}

// An ending is a result to store and what then becomes of the delivery.
type ending struct {
	delivery *broker.Delivery
	run      *run             // nil: it never was a task
	document *protocol.Result // nil: none to store
	how      settlement
	replaced bool                  // the document stands for one that the store will never take
	stored   chan *protocol.Result // cap 1; not nil: told what was stored, nil for nothing, in place of a settlement
}

const (
	endingRoom  = 1024 // endings that wait for the store before slots wait too
	endingBatch = 512  // largest batch in one write
)

func newFinisher(w *Worker) *finisher {
	return &finisher{worker: w, endings: make(chan ending, endingRoom), stop: make(chan struct{}), stopped: make(chan struct{})}
}

// end stores the document, if any, and then settles the run's delivery, unless that was done before.
func (f *finisher) end(r *run, doc *protocol.Result, how settlement) {
	if r.acked {
		how = settleNothing
	}
	f.take(ending{delivery: r.delivery, run: r, document: doc, how: how})
}

// refuse is end for a delivery that never became a run.
func (f *finisher) refuse(d *broker.Delivery, doc *protocol.Result, how settlement) {
	f.take(ending{delivery: d, document: doc, how: how})
}

func (f *finisher) take(e ending) {
	if e.document == nil || f.worker.results == nil {
		f.settle(e)
		return
	}
	select {
	case <-f.stopped:
		f.lost(e)
		return
	default:
	}
	select {
	case f.endings <- e:
	case <-f.stopped:
		f.lost(e)
	}
}

// lost says so of a result that comes after the worker has left without its task, whose handler took too long. A
// late-acked message went back.
func (f *finisher) lost(e ending) {
	f.worker.log.Error("result is lost: the task ended after its worker had stopped", "id", e.document.TaskID, "state", e.document.Status)
	if e.stored != nil {
		e.stored <- nil
	}
}

// settle settles an ending's delivery.
func (f *finisher) settle(e ending) {
	if e.stored != nil {
		e.stored <- e.document
		return
	}
	if e.run != nil {
		f.worker.settleRun(e.run, e.how)
		return
	}
	f.worker.settle(e.delivery, e.how)
}

// run writes until close has been called and everything is written. What could not be stored waits for its next attempt
// while others are written: one document that the store cannot take must not hold up the rest.
func (f *finisher) run() {
	defer close(f.stopped)
	var (
		batch = make([]ending, 0, endingBatch)
		again []ending // to be tried again
		tries int      // in vain, one after the other
		timer = time.NewTimer(time.Hour)
	)
	defer timer.Stop()
	for {
		incoming, stop := f.endings, f.stop
		if len(again) >= endingRoom {
			incoming = nil // slots wait
		}
		if len(again) > 0 {
			stop = nil
		}
		batch = batch[:0]
		select {
		case e := <-incoming:
			batch = f.gather(append(batch, e))
		case <-timer.C:
			batch, again = append(batch, again...), nil
		case <-f.worker.stage.cold:
			if len(again) > 0 {
				f.abandon(again)
				again = nil
				continue
			}
			if batch = f.rest(batch); len(batch) == 0 {
				return
			}
		case <-stop:
			if batch = f.gather(batch); len(batch) == 0 {
				return
			}
		}
		failed := f.write(batch)
		clear(batch)
		if len(failed) == 0 {
			tries = 0
			continue
		}
		if len(again) == 0 {
			tries++
			timer.Reset(backoff(tries))
		}
		again = append(again, failed...)
	}
}

// gather takes what else is waiting, as much as goes into one batch.
func (f *finisher) gather(batch []ending) []ending {
	for len(batch) < endingBatch {
		select {
		case e := <-f.endings:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// rest waits, once the shutdown is cold, for the next endings or for close.
func (f *finisher) rest(batch []ending) []ending {
	select {
	case e := <-f.endings:
		return f.gather(append(batch, e))
	case <-f.stop:
		return f.gather(batch)
	}
}

// write stores a batch, settles what was stored and returns what is to be tried again.
func (f *finisher) write(batch []ending) (again []ending) {
	var replaced []ending
	w := f.worker
	docs := make([]*protocol.Result, len(batch))
	for i, e := range batch {
		docs[i] = e.document
	}
	// In a cold shutdown the attempt that is under way gets a moment, not the whole of its time.
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	defer context.AfterFunc(w.base, func() { time.AfterFunc(coldStoreWait, cancel) })()
	errs := w.results.Store(ctx, docs)
	var first error
	for i, e := range batch {
		switch {
		case errs == nil || errs[i] == nil:
			f.settle(e)
		case errors.Is(errs[i], backend.ErrUnstorable):
			if f.replace(&e, errs[i]) {
				replaced = append(replaced, e)
			} else {
				f.settle(e)
			}
		default:
			first = errs[i]
			again = append(again, e)
		}
	}
	if first != nil {
		w.meter.storeFailed()
		w.log.Error("cannot store results; they are tried again", "results", len(again), "error", first)
	}
	if len(replaced) > 0 { // which happens once to each
		again = append(again, f.write(replaced)...)
	}
	return again
}

// coldStoreWait is what is left to an attempt to store when the shutdown becomes cold.
const coldStoreWait = time.Second

// storeWait bounds one attempt to store a batch.
const storeWait = 30 * time.Second

// abandon ends what could not be stored before the worker had to leave: late-acked messages go back to their queues,
// results of early-acked ones are lost, and said to be.
func (f *finisher) abandon(batch []ending) {
	for _, e := range batch {
		if e.stored != nil {
			e.stored <- nil // whose run is then given back
			continue
		}
		if e.how == settleNothing {
			f.worker.log.Error("result is lost: the store was away until the worker had to stop", "id", e.document.TaskID,
				"state", e.document.Status)
			continue
		}
		e.how = settleRequeue
		f.settle(e)
	}
}

// replace puts a short FAILURE that says why in the place of a document that the store will never take: every task ends,
// also for those who wait for it. It returns false where nothing is left to try: the store refused that as well, or the
// state is one that another will follow.
func (f *finisher) replace(e *ending, err error) bool {
	doc := e.document
	f.worker.log.Error("result cannot be stored, ever", "id", doc.TaskID, "state", doc.Status, "error", err)
	if e.replaced || !doc.Status.Ready() {
		return false
	}
	out := *doc
	out.Extended, out.Children, out.StampedHeaders, out.Stamps, out.Extra = nil, nil, nil, nil, nil
	out.Traceback, out.HasTraceback = "", false
	if doc.Status == umbel.Success {
		out.Status = umbel.Failure
		if e.run != nil && e.how == settleAck {
			e.how = f.worker.failureSettlement(e.run)
		}
	}
	exc := namedException("kombu.exceptions", "EncodeError", "the result could not be stored: "+err.Error())
	out.Result = exc.Value()
	e.document, e.replaced = &out, true
	if e.run != nil && out.Status == umbel.Failure {
		f.worker.concluded(e.run, failureOf(&exc, ""))
	}
	return true
}

// close writes what is left and returns. Nobody may call end afterwards.
func (f *finisher) close() {
	close(f.stop)
	<-f.stopped
}
