package event

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// Bounds of what waits to be sent. Beyond them the oldest goes: who listens wants to know how things are now.
const (
	waitingMost = 20_000  // events
	bytesMost   = 8 << 20 // of text
	batchMost   = 200     // events in one message
	batchBytes  = 128 << 10
)

// pace is the least time between two rounds of publishing: an event that comes alone is sent at once, and a busy worker
// sends few large messages.
const pace = 10 * time.Millisecond

// publishWait bounds one round.
const publishWait = 30 * time.Second

// A DispatcherConfig says who speaks, and to what.
type DispatcherConfig struct {
	Config

	// Broker carries the events. Required.
	Broker broker.Broker

	// Hostname is the sender's: a node name, or gen<pid>@host. Required.
	Hostname string

	// Clock numbers the events. Defaults to one of the dispatcher's own.
	Clock *Clock

	// Log is told of events that are lost. Defaults to nowhere.
	Log *slog.Logger
}

// A Dispatcher sends events, in the order of their clock, from a bounded buffer. It begins switched off, and costs one
// atomic load then. Its methods may be called from many goroutines, and none but Close waits for the broker.
type Dispatcher struct {
	config DispatcherConfig
	pid    int
	on     atomic.Bool
	lost   atomic.Int64

	mu      sync.Mutex // guards what follows
	waiting []*parcel
	events  int // in waiting
	bytes   int // in waiting
	closing bool

	wake    chan struct{} // 1: something waits, or closing has changed
	hurry   chan struct{} // closed by Close: no more pauses
	leave   context.Context
	giveUp  context.CancelFunc
	stopped chan struct{}
}

// A parcel is one message in the making.
type parcel struct {
	key  string
	list bool   // of events, for a batch
	text []byte // JSON, without a list's brackets
	n    int    // events
	full bool   // tried already: nothing is added
}

// NewDispatcher makes a dispatcher that is switched off; Run sends.
func NewDispatcher(c DispatcherConfig) *Dispatcher {
	c.Config = c.Config.withDefaults()
	if c.Clock == nil {
		c.Clock = new(Clock)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	d := &Dispatcher{config: c, pid: os.Getpid(), wake: make(chan struct{}, 1), hurry: make(chan struct{}), stopped: make(chan struct{})}
	d.leave, d.giveUp = context.WithCancel(context.Background())
	return d
}

// Enabled reports whether events are wanted. Ask before gathering what an event would say.
func (d *Dispatcher) Enabled() bool { return d.on.Load() }

// Enable switches events on and reports whether they were off.
func (d *Dispatcher) Enable() (changed bool) { return d.on.CompareAndSwap(false, true) }

// Disable switches events off and reports whether they were on. What waits is still sent.
func (d *Dispatcher) Disable() (changed bool) { return d.on.CompareAndSwap(true, false) }

// Lost is how many events could not be sent.
func (d *Dispatcher) Lost() int64 { return d.lost.Load() }

// Clock numbers the events that are sent.
func (d *Dispatcher) Clock() *Clock { return d.config.Clock }

// Send sends one event if events are switched on.
func (d *Dispatcher) Send(body protocol.EventBody) {
	if d.on.Load() {
		d.SendAlways(body)
	}
}

// SendAlways sends one event though events are switched off: somebody has asked for this one. Events of tasks travel in
// lists, all others one by one, task-sent among them.
func (d *Dispatcher) SendAlways(body protocol.EventBody) {
	typ := body.Type()
	group := protocol.EventGroup(typ)
	list := group == "task" && typ != protocol.TypeTaskSent
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		d.lost.Add(1)
		return
	}
	p := d.parcel(typ, group, list)
	was := len(p.text)
	if p.n > 0 {
		p.text = append(p.text, ", "...)
	}
	now := time.Now()
	_, east := now.Zone()
	text, err := protocol.AppendEvent(p.text, &protocol.Event{Hostname: d.config.Hostname, UTCOffset: hoursWest(east), PID: d.pid,
		Clock: d.config.Clock.Forward(), Timestamp: protocol.UnixSeconds(now), Body: body})
	if err != nil {
		p.text = p.text[:was]
		d.lost.Add(1)
		return
	}
	p.text = text
	p.n++
	d.events++
	d.bytes += len(p.text) - was
	for len(d.waiting) > 1 && (d.events > waitingMost || d.bytes > bytesMost) {
		d.drop()
	}
	d.signal()
}

// hoursWest is the offset as C counts it, whole hours rounded towards the west.
func hoursWest(east int) int {
	hours := -east / 3600
	if -east%3600 < 0 {
		hours--
	}
	return hours
}

// parcel is where the next event of a type goes. mu is held.
func (d *Dispatcher) parcel(typ, group string, list bool) *parcel {
	if n := len(d.waiting); list && n > 0 {
		if p := d.waiting[n-1]; p.list && !p.full && p.n < batchMost && len(p.text) < batchBytes && p.key == protocol.EventBatchKey(group) {
			return p
		}
	}
	p := &parcel{key: protocol.EventRoutingKey(typ), list: list}
	if list {
		p.key = protocol.EventBatchKey(group)
	}
	d.waiting = append(d.waiting, p)
	return p
}

// drop gives up the oldest. mu is held.
func (d *Dispatcher) drop() {
	p := d.waiting[0]
	d.waiting[0] = nil
	d.waiting = d.waiting[1:]
	d.events -= p.n
	d.bytes -= len(p.text)
	d.lost.Add(int64(p.n))
}

func (d *Dispatcher) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take empties the buffer.
func (d *Dispatcher) take() (parcels []*parcel, closing bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	parcels, d.waiting = d.waiting, nil
	d.events, d.bytes = 0, 0
	return parcels, d.closing
}

// putBack returns what did not leave to the head of the line, as much as there is room for.
func (d *Dispatcher) putBack(parcels []*parcel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(parcels, d.waiting...)
	for _, p := range parcels {
		p.full = true
		d.events += p.n
		d.bytes += len(p.text)
	}
	for len(d.waiting) > 1 && (d.events > waitingMost || d.bytes > bytesMost) {
		d.drop()
	}
}

// Run sends until Close. It must be called once.
func (d *Dispatcher) Run() {
	defer close(d.stopped)
	declared, told := false, false
	for tries := 0; ; {
		parcels, closing := d.take()
		if len(parcels) == 0 {
			if closing {
				return
			}
			<-d.wake
			continue
		}
		again, err := d.publish(parcels, &declared)
		if err != nil && !told {
			told = true
			d.config.Log.Warn("events cannot be sent for now; they are kept, as many as there is room for", "error", err)
		}
		if len(again) == 0 {
			if told && err == nil {
				told = false
				d.config.Log.Info("events are sent again", "lost", d.lost.Load())
			}
			tries = 0
			d.pause(pace)
			continue
		}
		if d.leave.Err() != nil {
			for _, p := range again {
				d.lost.Add(int64(p.n))
			}
			continue
		}
		d.putBack(again)
		tries = min(tries+1, 10)
		d.pause(min(pace<<tries, 5*time.Second))
	}
}

// pause waits, unless the dispatcher is to close.
func (d *Dispatcher) pause(t time.Duration) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.hurry:
		if t > pace { // the broker is away: do not spin until Close gives up
			select {
			case <-timer.C:
			case <-d.leave.Done():
			}
		}
	}
}

// publish sends parcels and returns those that did not leave. That nobody listens is no error.
func (d *Dispatcher) publish(parcels []*parcel, declared *bool) (again []*parcel, err error) {
	ctx, cancel := context.WithTimeout(d.leave, publishWait)
	defer cancel()
	if !*declared {
		err := d.config.Broker.Declare(ctx, broker.Topology{Exchanges: []broker.Exchange{d.config.exchange()}})
		var drift *broker.DriftError
		if err != nil && !errors.As(err, &drift) {
			return parcels, err
		}
		*declared = true
	}
	batch, sent := make([]*broker.Message, 0, len(parcels)), make([]*parcel, 0, len(parcels))
	for _, p := range parcels {
		text := p.text
		if p.list {
			text = append(append(append(make([]byte, 0, len(text)+2), '['), text...), ']')
		}
		env, err := protocol.EncodeEvents(text, d.config.Hostname, d.config.Serializer)
		if err != nil {
			d.lost.Add(int64(p.n))
			d.config.Log.Error("events cannot be encoded", "error", err)
			continue
		}
		batch = append(batch, &broker.Message{Envelope: *env, Exchange: d.config.Exchange, RoutingKey: p.key})
		sent = append(sent, p)
	}
	for i, e := range d.config.Broker.PublishBatch(ctx, batch) {
		var refused *broker.RefusedError
		switch {
		case e == nil, errors.As(e, &refused) && refused.Reason == broker.Unroutable: // nobody listens to this kind
		case errors.As(e, &refused) && refused.Reason == broker.NoExchange:
			*declared = false
			again, err = append(again, sent[i]), e
		case errors.Is(e, broker.ErrNotSent) && !errors.Is(e, broker.ErrClosed):
			again, err = append(again, sent[i]), e
		default:
			d.lost.Add(int64(sent[i].n))
			err = e
		}
	}
	return again, err
}

// Close sends what waits, as long as ctx allows, and ends Run, which must have been called. Events that come later are
// lost.
func (d *Dispatcher) Close(ctx context.Context) {
	d.mu.Lock()
	first := !d.closing
	d.closing = true
	d.mu.Unlock()
	if first {
		close(d.hurry)
	}
	d.signal()
	select {
	case <-d.stopped:
	case <-ctx.Done():
		d.giveUp()
		<-d.stopped
	}
	d.giveUp()
}
