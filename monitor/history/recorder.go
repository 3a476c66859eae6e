package history

import (
	"container/list"
	"context"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/protocol"
)

const (
	// flushEvery is how long an event waits at most before it is written.
	flushEvery = 250 * time.Millisecond

	// flushMost is how many events one transaction takes: enough to be cheap, few enough to be short.
	flushMost = 4000

	// roomMost is how many events may wait for the writer, about 20 MiB; then the broker keeps them.
	roomMost = 2 * flushMost

	// diskPatience bounds one attempt to read or write.
	diskPatience = 20 * time.Second

	// recentMost and recentBytes bound the tasks that are remembered so that their next event needs no look at the disk.
	recentMost  = 20_000
	recentBytes = 48 << 20
)

// A RecorderConfig says how events become history.
type RecorderConfig struct {
	// Mask hides secrets in an event before anything of it is kept; name is the task's, "" where it is not known. Defaults to
	// nothing.
	Mask func(e *protocol.Event, name string)

	// Now is the clock by which a recorder takes up the counts of before. Defaults to time.Now; others are for tests.
	Now func() time.Time

	// Changed, when set, is told of tasks that were written, on the recorder's goroutine; the tasks must not be changed.
	Changed func([]*Task)
}

// A Recorder writes events into a history. One at a time.
type Recorder struct {
	store  *Store
	config RecorderConfig
	in     chan heard
	points *counter

	recent map[string]*list.Element // of *entry by id; owned by Run, as order and bytes
	order  list.List                // used last in front
	bytes  int
	dirty  []*entry // changed, and not on disk

	events, lag atomic.Int64
}

type heard struct {
	event *protocol.Event
	at    time.Time
}

type entry struct {
	Task
	known mark // its texts that are in the index
	size  int
	dirty bool
}

// NewRecorder makes a recorder for a store.
func NewRecorder(s *Store, c RecorderConfig) *Recorder {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Recorder{store: s, config: c, in: make(chan heard, roomMost), points: newCounter(s), recent: make(map[string]*list.Element)}
}

// Record takes events that were heard at a time. It waits while the disk does not keep up, and gives up when ctx ends.
func (r *Recorder) Record(ctx context.Context, events []*protocol.Event, at time.Time) {
	for _, e := range events {
		if event.TaskID(e.Body) == "" || protocol.EventGroup(e.Type()) != "task" {
			continue
		}
		select {
		case r.in <- heard{e, at}:
		case <-ctx.Done():
			return
		}
	}
}

// Events is the number of events that were written.
func (r *Recorder) Events() int64 { return r.events.Load() }

// Lag is how long the first event of the latest transaction had waited to be written.
func (r *Recorder) Lag() time.Duration { return time.Duration(r.lag.Load()) }

// Gauge adds a sample of something that is measured, not counted: a queue's depth.
func (r *Recorder) Gauge(metric, label string, at time.Time, value float64) {
	r.points.gauge(metric, label, at, value)
}

// Run writes until ctx ends, and then what was taken before.
func (r *Recorder) Run(ctx context.Context) error {
	if err := r.points.load(context.WithoutCancel(ctx), r.config.Now()); err != nil {
		return err
	}
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		var batch []heard
		select {
		case h := <-r.in:
			batch = r.gather(ctx, h, tick.C)
		case <-tick.C:
		case <-ctx.Done():
			return r.finish(ctx)
		}
		r.write(ctx, batch)
	}
}

// gather takes what comes until the tick, or as much as one transaction takes.
func (r *Recorder) gather(ctx context.Context, first heard, tick <-chan time.Time) []heard {
	batch := append(make([]heard, 0, 256), first)
	for len(batch) < flushMost {
		select {
		case h := <-r.in:
			batch = append(batch, h)
		case <-tick:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
	return batch
}

// finish writes what is left. A disk that fails now is not tried again.
func (r *Recorder) finish(ctx context.Context) error {
	for len(r.in) > 0 {
		var batch []heard
		for len(batch) < flushMost && len(r.in) > 0 {
			batch = append(batch, <-r.in)
		}
		r.write(ctx, batch)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diskPatience)
	defer cancel()
	return r.points.flush(ctx, time.Now(), true)
}

// write folds a batch and puts it on disk.
func (r *Recorder) write(ctx context.Context, batch []heard) {
	if len(batch) > 0 {
		if !r.insist(ctx, func(ctx context.Context) error { return r.recall(ctx, batch) }) {
			return
		}
		r.fold(batch)
	}
	if !r.insist(ctx, r.flush) {
		return
	}
	if len(batch) > 0 {
		r.events.Add(int64(len(batch)))
		r.lag.Store(int64(time.Since(batch[0].at)))
	}
	r.forget()
}

// insist tries until it works or ctx ends; meanwhile events wait at the broker. What has begun is finished whatever ctx says.
func (r *Recorder) insist(ctx context.Context, f func(context.Context) error) bool {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		disk, cancel := context.WithTimeout(context.WithoutCancel(ctx), diskPatience)
		err := f(disk)
		cancel()
		if err == nil {
			return true
		}
		r.store.config.Log.Error("cannot write the history: events wait", "error", err, "again_in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
	}
}

// recall reads the tasks of a batch that were heard of before and are no longer remembered.
func (r *Recorder) recall(ctx context.Context, batch []heard) error {
	var ids []string
	asked := make(map[string]bool)
	for _, h := range batch {
		id := event.TaskID(h.event.Body)
		if r.recent[id] == nil && !asked[id] {
			asked[id] = true
			ids = append(ids, id)
		}
	}
	found, err := r.store.Tasks(ctx, ids)
	if err != nil {
		return err
	}
	for _, t := range found {
		if r.recent[t.UUID] == nil {
			r.remember(&entry{Task: *t, known: t.mark()}) // what is on disk is in the index
		}
	}
	return nil
}

func (r *Recorder) remember(en *entry) *entry {
	en.size = en.Task.size()
	r.bytes += en.size
	r.recent[en.UUID] = r.order.PushFront(en)
	return en
}

// fold takes a batch into memory.
func (r *Recorder) fold(batch []heard) {
	for _, h := range batch {
		var en *entry
		if e := r.recent[event.TaskID(h.event.Body)]; e != nil {
			r.order.MoveToFront(e)
			en = e.Value.(*entry)
		} else {
			en = r.remember(&entry{Task: Task{Seq: r.store.seq(h.at), Task: event.Task{UUID: event.TaskID(h.event.Body), State: protocol.Pending}}})
		}
		if r.config.Mask != nil {
			r.config.Mask(h.event, en.Name)
		}
		en.apply(h.event)
		r.points.count(&en.Task, h)
		size := en.Task.size()
		r.bytes += size - en.size
		en.size = size
		if !en.dirty {
			en.dirty = true
			r.dirty = append(r.dirty, en)
		}
	}
}

// flush writes what has changed.
func (r *Recorder) flush(ctx context.Context) error {
	if len(r.dirty) > 0 {
		rows, texts := make([][]any, len(r.dirty)), [][]any(nil)
		_, indexed := r.store.db.since()
		var undo []func()
		for i, en := range r.dirty {
			if text := en.news(en.known); indexed && text != "" {
				texts = append(texts, []any{en.Seq*partsMost + int64(min(en.parts, partsMost-1)), text})
				was := en.known
				undo = append(undo, func() { en.known, en.parts = was, en.parts-1 })
				en.known, en.parts = en.mark(), en.parts+1
			}
			rows[i] = en.row()
		}
		err := r.store.db.write(ctx, func(t tx) error {
			if err := t.many(put, rows); err != nil || len(texts) == 0 {
				return err
			}
			return r.store.db.index(t, texts)
		})
		if err != nil {
			for _, f := range undo {
				f()
			}
			return err
		}
		changed := make([]*Task, len(r.dirty))
		for i, en := range r.dirty {
			en.dirty = false
			t := en.Task
			t.Trail = append([]Step(nil), t.Trail...)
			changed[i] = &t
		}
		clear(r.dirty)
		r.dirty = r.dirty[:0]
		if r.config.Changed != nil {
			r.config.Changed(changed)
		}
	}
	return r.points.flush(ctx, time.Now(), false)
}

// forget drops the tasks that were not heard of for longest. All are on disk.
func (r *Recorder) forget() {
	for r.order.Len() > recentMost || r.bytes > recentBytes && r.order.Len() > 0 {
		en := r.order.Remove(r.order.Back()).(*entry)
		delete(r.recent, en.UUID)
		r.bytes -= en.size
	}
}
