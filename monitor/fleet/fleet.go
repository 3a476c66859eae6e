// Package fleet is how things are now: workers as their heartbeats tell, queues as the broker tells, and what is wrong, in words.
package fleet

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/internal/management"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/scaling"
)

// A Config says what to watch.
type Config struct {
	Store    *history.Store
	Recorder *history.Recorder
	Broker   broker.Broker

	// Queues are those that the settings speak of. Others are found through events and the management API.
	Queues []string

	// Wanted are those among them that ought to exist.
	Wanted []string

	// DeadLetters are the queues among them that keep what failed for good.
	DeadLetters []string

	// Paused are the queues that are paused, as far as that is recorded; nil: nobody knows.
	Paused func(context.Context) ([]string, error)

	// Management is RabbitMQ's management API; nil: none.
	Management *management.Client

	// Forget is how long a worker that is gone is shown. Defaults to a day. Flower: purge_offline_workers.
	Forget time.Duration

	// Every is how often queues are looked at. Defaults to 10 s.
	Every time.Duration

	// ManageEvery is how often the management API is asked: for all queues at once, which costs a broker with many of them dear,
	// so that AWS wants it no more than once a minute. Defaults to a minute, or to Every where that is set.
	ManageEvery time.Duration

	// Control asks workers what they have to do, for how many there should be; nil: messages decide.
	Control *umbel.Control

	// Scaling is what is wanted of the workers of each queue.
	Scaling scaling.Config

	// Advise is how often workers are asked for that. Defaults to 15 s.
	Advise time.Duration

	// Log defaults to nowhere.
	Log *slog.Logger
}

// queuesMost bounds the queues that are looked at.
const queuesMost = 500

// growthSamples is how many looks back a queue is compared with: 5 minutes of them.
const growthSamples = 30

// A Fleet is what is known of workers and queues. Its methods may be called from many goroutines.
type Fleet struct {
	config Config
	state  *event.State
	begun  time.Time
	asked  time.Time // when the management API last answered; owner: the goroutine that looks

	mu         sync.Mutex // guards what follows
	lost       time.Time  // since when events are missed; zero: they are not
	reason     string
	queues     map[string]*Queue
	alerts     []Alert
	cluster    *Cluster
	clusterErr string
	confirms   confirms
	paused     map[string]bool // queues, as the result store has it
	advice     *scaling.Advice
	crews      map[string]Crew // by queue, as workers said last; nil: it is not known
}

// A Queue is what the broker told last.
type Queue struct {
	Name       string
	Exists     bool
	Ready      int
	Unsettled  int // -1: not told
	Consumers  int
	DeadLetter bool      // it keeps what failed for good
	Paused     bool      // for the whole fleet
	Wanted     bool      // the settings name it
	Used       time.Time // when somebody told last that a task was sent there
	Seen       time.Time
	Error      string

	// By the management API only: zero values otherwise.
	Type      string
	Policy    string
	Bytes     int64
	Publish   float64 // messages a second
	Deliver   float64
	Ack       float64
	Told      bool      // the management API told
	Oldest    time.Time // when the message that waits in front was sent; zero: not told
	Arguments map[string]any

	before []int           // Ready of the latest looks
	ages   []time.Duration // of the oldest message, at the latest looks that told
	fresh  bool            // Oldest is of this look
}

func (c Config) withDefaults() Config {
	c.Forget = cmp.Or(c.Forget, 24*time.Hour)
	c.ManageEvery = cmp.Or(c.ManageEvery, c.Every, time.Minute)
	c.Every = cmp.Or(c.Every, 10*time.Second)
	c.Advise = cmp.Or(c.Advise, adviseEvery)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// New makes a fleet with the workers that the history remembers.
func New(ctx context.Context, c Config) (*Fleet, error) {
	c = c.withDefaults()
	f := &Fleet{config: c, begun: time.Now(), queues: make(map[string]*Queue), state: event.NewState(event.StateConfig{MaxTasks: 1})}
	for _, name := range c.Queues {
		f.queues[name] = &Queue{Name: name, Unsettled: -1, DeadLetter: slices.Contains(c.DeadLetters, name), Wanted: slices.Contains(c.Wanted, name)}
	}
	known, err := c.Store.Workers(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range known {
		f.state.Apply(&protocol.Event{Hostname: w.Hostname, PID: w.PID, Clock: w.Clock, Body: &protocol.WorkerStatus{Kind: protocol.TypeWorkerHeartbeat,
			Freq: w.Freq, Active: w.Active, Processed: w.Processed, LoadAvg: w.LoadAvg, Ident: w.Ident, Version: w.Version, System: w.System}}, w.LastHeard)
	}
	return f, nil
}

// Apply takes events: heartbeats, and signs of life.
func (f *Fleet) Apply(events []*protocol.Event, at time.Time) {
	said := ""
	for _, e := range events {
		switch b := e.Body.(type) {
		case *protocol.WorkerStatus:
			f.state.Apply(e, at)
		case *protocol.TaskSent:
			f.queue(b.Queue, at)
		default:
			if e.Hostname != said { // once a message is enough
				said = e.Hostname
				f.state.Apply(e, at)
			}
		}
	}
}

// queue begins to watch a queue that an event names.
func (f *Fleet) queue(name string, at time.Time) {
	if name == "" || len(name) > 255 || delays(name) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.queues[name] == nil && len(f.queues) < queuesMost {
		f.queues[name] = &Queue{Name: name, Unsettled: -1}
	}
	if q := f.queues[name]; q != nil {
		q.Used = at
	}
}

// Link tells the fleet what became of the monitor's own connection.
func (f *Fleet) Link(s broker.ConsumerState, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s == broker.ConsumerRestored {
		f.lost, f.reason = time.Time{}, ""
		return
	}
	if f.lost.IsZero() {
		f.lost = time.Now()
	}
	if err != nil {
		f.reason = err.Error()
	}
}

// Run looks at queues and judges until ctx ends.
func (f *Fleet) Run(ctx context.Context) error {
	advised := make(chan struct{})
	go func() { defer close(advised); f.advise(ctx) }()
	defer func() { <-advised }()
	tick := time.NewTicker(f.config.Every)
	defer tick.Stop()
	for {
		f.look(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// mustAsk reports whether it is time to ask the management API again: at the look that is nearest to ManageEvery.
func (f *Fleet) mustAsk(now time.Time) bool {
	return now.Sub(f.asked) >= f.config.ManageEvery-f.config.Every/2
}

// look is one round.
func (f *Fleet) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, max(f.config.Every, 5*time.Second))
	defer cancel()
	now := time.Now()
	if f.config.Management != nil && f.mustAsk(now) && f.manage(ctx) {
		f.asked = now
	}
	f.LookAtPauses(ctx)
	for _, q := range f.Queues() {
		f.stat(ctx, q.Name, now)
	}
	alive := 0
	workers := f.Workers()
	for i := range workers {
		if workers[i].Alive(now) {
			alive++
		}
	}
	f.config.Recorder.Gauge(history.MetricWorkers, "", now, float64(alive))
	if err := f.config.Store.SaveWorkers(ctx, f.kept(ctx, workers, now), now); err != nil && ctx.Err() == nil {
		f.config.Log.Error("cannot remember workers", "error", err)
	}
	alerts := f.judge(ctx, now)
	f.mu.Lock()
	f.alerts = alerts
	f.mu.Unlock()
}

// LookAtPauses learns which queues are paused. Where the result store does not tell, what was known stands.
func (f *Fleet) LookAtPauses(ctx context.Context) {
	if f.config.Paused == nil {
		return
	}
	list, err := f.config.Paused(ctx)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paused = make(map[string]bool)
	for _, name := range list {
		f.paused[name] = true
	}
}

// kept leaves out workers that went long ago.
func (f *Fleet) kept(ctx context.Context, list []event.Worker, now time.Time) []event.Worker {
	var out []event.Worker
	for _, w := range list {
		if w.LastHeard.IsZero() || now.Sub(w.LastHeard) < f.config.Forget {
			out = append(out, w)
		} else if err := f.config.Store.ForgetWorker(ctx, w.Hostname); err != nil && ctx.Err() == nil {
			f.config.Log.Error("cannot forget a worker", "worker", w.Hostname, "error", err)
		}
	}
	return out
}

func (f *Fleet) stat(ctx context.Context, name string, now time.Time) {
	s, err := f.config.Broker.Stat(ctx, name)
	if ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	q := f.queues[name]
	if q == nil {
		f.mu.Unlock()
		return
	}
	q.Seen, q.Error = now, ""
	switch {
	case errors.Is(err, broker.ErrNoQueue):
		q.Exists, q.Ready, q.Unsettled, q.Consumers = false, 0, -1, 0
	case err != nil:
		q.Error = err.Error()
	default:
		q.Exists, q.Ready, q.Consumers = true, s.Ready, s.Consumers
		if s.Unsettled >= 0 {
			q.Unsettled = s.Unsettled
		}
		q.before = append(q.before, s.Ready)
		if len(q.before) > growthSamples+1 {
			q.before = q.before[1:]
		}
		q.age(now)
	}
	ready, unsettled, consumers, ok := q.Ready, q.Unsettled, q.Consumers, err == nil
	oldest := time.Duration(-1)
	if len(q.ages) > 0 {
		oldest = q.ages[len(q.ages)-1]
	}
	f.mu.Unlock()
	if !ok {
		return
	}
	r := f.config.Recorder
	r.Gauge(history.MetricReady, name, now, float64(ready))
	r.Gauge(history.MetricConsumers, name, now, float64(consumers))
	if oldest >= 0 {
		r.Gauge(history.MetricOldest, name, now, oldest.Seconds())
	}
	if unsettled >= 0 {
		r.Gauge(history.MetricUnsettled, name, now, float64(unsettled))
	}
}

// age notes how old the oldest message is. f.mu is held.
func (q *Queue) age(now time.Time) {
	if q.Ready == 0 || q.Oldest.IsZero() {
		q.ages = nil
		return
	}
	if !q.fresh { // the management API has not been asked since
		return
	}
	q.fresh = false
	q.ages = append(q.ages, max(now.Sub(q.Oldest), 0))
	if len(q.ages) > growthSamples+1 {
		q.ages = q.ages[1:]
	}
}

// Queues are copies of the queues by name, without those that only keep messages until their time.
func (f *Fleet) Queues() []Queue {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Queue, 0, len(f.queues))
	for _, q := range f.queues {
		c := *q
		c.before, c.ages, c.Paused = nil, nil, f.paused[q.Name]
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Queue) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Workers are the workers by name, without those that went long ago.
func (f *Fleet) Workers() []event.Worker {
	now := time.Now()
	return slices.DeleteFunc(f.state.Workers(), func(w event.Worker) bool {
		return !w.LastHeard.IsZero() && now.Sub(w.LastHeard) > f.config.Forget
	})
}

// Events is the number of events that were heard since the monitor began.
func (f *Fleet) Events() int64 { return f.config.Recorder.Events() }

// Begun is when the monitor began to listen.
func (f *Fleet) Begun() time.Time { return f.begun }

// Connected reports whether events are heard.
func (f *Fleet) Connected() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost.IsZero()
}

// Broker is what the management API told of the broker, nil without one, and why it did not answer.
func (f *Fleet) Broker() (*Cluster, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cluster, f.clusterErr
}

// Managed reports whether there is a management API to ask.
func (f *Fleet) Managed() bool { return f.config.Management != nil }

// ErrNoManagement: no management API was named.
var ErrNoManagement = errors.New("this monitor was started without --broker_api")

// Alerts are what is wrong now, the worst first.
func (f *Fleet) Alerts() []Alert {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.alerts)
}
