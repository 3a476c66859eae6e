package worker

import (
	"context"
	"errors"
	"time"

	"github.com/umbel-go/umbel"
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
	stored   chan bool // cap 1; not nil: told whether it was stored, in place of a settlement
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
	case f.endings <- e:
	case <-f.stopped:
		// The worker has left without this task, whose handler took too long. A late-acked message went back.
		f.worker.log.Error("result is lost: the task ended after its worker had stopped", "id", e.document.TaskID, "state", e.document.Status)
		if e.stored != nil {
			e.stored <- false
		}
	}
}

func (f *finisher) settle(e ending) {
	if e.stored != nil {
		e.stored <- true
		return
	}
	if e.run != nil {
		f.worker.settleRun(e.run, e.how)
		return
	}
	f.worker.settle(e.delivery, e.how)
}

// run writes until close has been called and everything is written.
func (f *finisher) run() {
	defer close(f.stopped)
	batch := make([]ending, 0, endingBatch)
	docs := make([]*protocol.Result, 0, endingBatch)
	for {
		select {
		case e := <-f.endings:
			batch = append(batch[:0], e)
		case <-f.stop:
			select {
			case e := <-f.endings:
				batch = append(batch[:0], e)
			default:
				return
			}
		}
		for len(batch) < endingBatch {
			select {
			case e := <-f.endings:
				batch = append(batch, e)
				continue
			default:
			}
			break
		}
		docs = docs[:0]
		for _, e := range batch {
			docs = append(docs, e.document)
		}
		f.write(batch, docs)
		clear(batch)
		clear(docs)
	}
}

// write stores a batch and settles what was stored; what was not is tried again.
func (f *finisher) write(batch []ending, docs []*protocol.Result) {
	w := f.worker
	for n := 1; len(batch) > 0; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), storeWait)
		errs := w.results.Store(ctx, docs)
		cancel()
		if errs == nil {
			for _, e := range batch {
				f.settle(e)
			}
			return
		}
		var first error
		var again []ending
		var againDocs []*protocol.Result
		for i, e := range batch {
			switch {
			case errs[i] == nil:
				f.settle(e)
			case permanent(errs[i]):
				w.log.Error("result cannot be stored, ever", "id", e.document.TaskID, "state", e.document.Status, "error", errs[i])
				if doc := unstorable(e.document, errs[i]); doc != nil {
					again, againDocs = append(again, ending{e.delivery, e.run, doc, e.how, e.stored}), append(againDocs, doc)
				} else {
					f.settle(e)
				}
			default:
				first = errs[i]
				again, againDocs = append(again, e), append(againDocs, e.document)
			}
		}
		batch, docs = again, againDocs
		if first == nil {
			continue
		}
		wait := backoff(n)
		w.log.Error("cannot store results; trying again", "results", len(batch), "error", first, "wait", wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-w.stage.cold:
			f.abandon(batch, first)
			return
		}
	}
}

// storeWait bounds one attempt to store a batch.
const storeWait = 30 * time.Second

// abandon ends what could not be stored before the worker had to leave: late-acked messages go back to their queues,
// results of early-acked ones are lost, and said to be.
func (f *finisher) abandon(batch []ending, err error) {
	for _, e := range batch {
		if e.stored != nil {
			e.stored <- false // whose run is then given back
			continue
		}
		if e.how == settleNothing {
			f.worker.log.Error("result is lost: the store was away until the worker had to stop", "id", e.document.TaskID,
				"state", e.document.Status, "error", err)
			continue
		}
		e.how = settleRequeue
		f.settle(e)
	}
}

// permanent reports an error that a later attempt would meet again.
func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// unstorable is what is stored in place of a document that the store will not take; nil when that was it already.
func unstorable(doc *protocol.Result, err error) *protocol.Result {
	if doc.Status == umbel.Failure {
		return nil
	}
	exc := namedException("kombu.exceptions", "EncodeError", "the result could not be stored: "+err.Error())
	out := *doc
	out.Status, out.Result, out.Extended = umbel.Failure, exc.Value(), nil
	return &out
}

// close writes what is left and returns. Nobody may call end afterwards.
func (f *finisher) close() {
	close(f.stop)
	<-f.stopped
}
