package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"
)

// A tape records what a worker does to the outside on behalf of the messages of one queue, in its order.
type tape struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (t *tape) note(format string, args ...any) {
	t.mu.Lock()
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
	t.mu.Unlock()
}

func (t *tape) play() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, ", ")
}

// recording is a broker whose publishings and settlements are on tape. What refuse names is refused for good.
type recording struct {
	broker.Broker
	tape   *tape
	refuse func(*broker.Message) error
}

func (b *recording) Publish(ctx context.Context, m *broker.Message) error {
	if b.refuse != nil {
		if err := b.refuse(m); err != nil {
			b.tape.note("refused %s", m.RoutingKey)
			return err
		}
	}
	b.tape.mu.Lock() // what follows from the message comes after it
	defer b.tape.mu.Unlock()
	err := b.Broker.Publish(ctx, m)
	if err == nil && !strings.Contains(m.Exchange, "pidbox") {
		queue, _, parked := strings.Cut(m.RoutingKey, ".parking.")
		if parked {
			queue = "parking"
		}
		b.tape.lines = append(b.tape.lines, "send to "+queue)
	}
	return err
}

func (b *recording) PublishBatch(ctx context.Context, batch []*broker.Message) []error {
	errs := make([]error, len(batch))
	failed := false
	for i, m := range batch {
		errs[i] = b.Publish(ctx, m)
		failed = failed || errs[i] != nil
	}
	if !failed {
		return nil
	}
	return errs
}

func (b *recording) Consume(ctx context.Context, s broker.Subscription) (broker.Consumer, error) {
	if deliver := s.Deliver; s.Queue == "work" || strings.HasPrefix(s.Queue, "work.parking.") {
		s.Deliver = func(d *broker.Delivery) {
			d.Settler = &recordingSettler{d.Settler, b.tape}
			deliver(d)
		}
	}
	return b.Broker.Consume(ctx, s)
}

type recordingSettler struct {
	broker.Settler
	tape *tape
}

func (s *recordingSettler) Ack(tag uint64) error {
	s.tape.note("ack")
	return s.Settler.Ack(tag)
}

func (s *recordingSettler) Reject(tag uint64, requeue bool) error {
	if requeue {
		s.tape.note("requeue")
	} else {
		s.tape.note("reject")
	}
	return s.Settler.Reject(tag, requeue)
}

// recordingStore is a result store whose writings are on tape.
type recordingStore struct {
	backend.Backend
	tape *tape
}

func (s *recordingStore) Store(ctx context.Context, docs []*protocol.Result) []error {
	errs := s.Backend.Store(ctx, docs)
	for _, d := range docs {
		s.tape.note("store %s", d.Status)
	}
	return errs
}

// refuseRetries refuses every next attempt, but not what is made of it as a dead letter.
func refuseRetries(m *broker.Message) error {
	if n := m.Headers["retries"]; n == nil || fmt.Sprint(n) == "0" || m.Exchange != "" {
		return nil
	}
	return &broker.RefusedError{Reason: broker.TooLarge, RoutingKey: m.RoutingKey}
}

// Promises 2 and 3, word by word: what follows from a task, in which order, and the state that each way out leaves. With acks
// late the ack is last, whatever else there is; acks early it is first. "send to work" is a next
// attempt; a message that was handed out before is parked, so that its starts are counted.
func TestWhatFollowsFromATaskAndInWhichOrder(t *testing.T) {
	late, yes, no := umbel.AcksLate(), true, false
	buried := umbel.Config{TaskQueues: []umbel.QueueConfig{{Name: "work", DeadLetter: "graves"}}}
	fails := func(context.Context, int) (any, error) { return nil, errBoom }
	first := func(err error) func(ctx context.Context, n int) (any, error) { // err, and then a success
		var starts atomic.Int32
		return func(ctx context.Context, _ int) (any, error) {
			if starts.Add(1) == 1 {
				return nil, err
			}
			return nil, nil
		}
	}
	hangs := func(n int32) func(ctx context.Context, _ int) (any, error) { // past its limit, n times
		var starts atomic.Int32
		return func(ctx context.Context, _ int) (any, error) {
			if starts.Add(1) <= n {
				time.Sleep(time.Minute)
			}
			return nil, nil
		}
	}
	for name, c := range map[string]struct {
		config  umbel.Config
		options []umbel.TaskOption
		do      func(context.Context, int) (any, error)
		send    []umbel.SendOption
		refuse  func(*broker.Message) error
		want    string
		state   umbel.State
		busy    bool // the slot is, for a minute
	}{
		"success, early":                  {do: first(nil), want: "ack, store SUCCESS", state: umbel.Success},
		"success, late":                   {do: first(nil), options: []umbel.TaskOption{late}, want: "store SUCCESS, ack", state: umbel.Success},
		"success, late for the whole app": {do: first(nil), config: umbel.Config{TaskAcksLate: true}, want: "store SUCCESS, ack", state: umbel.Success},
		"success, early over a late app": {do: first(nil), config: umbel.Config{TaskAcksLate: true}, options: []umbel.TaskOption{umbel.AcksEarly()},
			want: "ack, store SUCCESS", state: umbel.Success},
		"success, late, with a callback": {do: first(nil), options: []umbel.TaskOption{late}, send: []umbel.SendOption{umbel.Link(umbel.New("other").Signature("after", nil).Set(umbel.Queue("elsewhere")))},
			want: "send to elsewhere, store SUCCESS, ack", state: umbel.Success},

		"failure, early": {do: fails, want: "ack, store FAILURE", state: umbel.Failure},
		"failure, late":  {do: fails, options: []umbel.TaskOption{late}, want: "store FAILURE, ack", state: umbel.Failure},
		"failure, late, not acked": {do: fails, options: []umbel.TaskOption{late, umbel.AcksOnFailure(false)},
			want: "store FAILURE, reject", state: umbel.Failure},
		"failure, late, the app acks neither failure nor timeout": {do: fails, config: umbel.Config{TaskAcksOnFailureOrTimeout: &no}, options: []umbel.TaskOption{late},
			want: "store FAILURE, reject", state: umbel.Failure},
		"failure, late, the task acks though the app does not": {do: fails, config: umbel.Config{TaskAcksOnFailureOrTimeout: &no}, options: []umbel.TaskOption{late, umbel.AcksOnFailure(true)},
			want: "store FAILURE, ack", state: umbel.Failure},
		"failure, late, the app acks failures alone": {do: fails, config: umbel.Config{TaskAcksOnFailureOrTimeout: &no, TaskAcksOnFailure: &yes}, options: []umbel.TaskOption{late},
			want: "store FAILURE, ack", state: umbel.Failure},
		"failure, early, dead letter": {do: fails, config: buried, want: "ack, send to graves, store FAILURE", state: umbel.Failure},
		"failure, late, dead letter": {do: fails, config: buried, options: []umbel.TaskOption{late, umbel.AcksOnFailure(false)},
			want: "send to graves, store FAILURE, ack", state: umbel.Failure},
		"failure, late, with an errback": {do: fails, options: []umbel.TaskOption{late}, send: []umbel.SendOption{umbel.LinkError(umbel.New("other").Signature("sorry", nil).Set(umbel.Queue("elsewhere")))},
			want: "store FAILURE, send to elsewhere, ack", state: umbel.Failure},

		"hard limit, late": {do: hangs(1), options: []umbel.TaskOption{late, umbel.TimeLimit(time.Second)}, want: "store FAILURE, ack", state: umbel.Failure},
		"hard limit, late, not acked": {do: hangs(1), options: []umbel.TaskOption{late, umbel.TimeLimit(time.Second), umbel.AcksOnTimeout(false)},
			want: "store FAILURE, requeue, send to parking, ack, store SUCCESS, ack", state: umbel.Success},
		"hard limit, late, never acked": {do: hangs(9), config: umbel.Config{TaskAcksOnFailureOrTimeout: &no}, options: []umbel.TaskOption{late, umbel.TimeLimit(time.Second)},
			want: "store FAILURE, requeue, send to parking, ack, store FAILURE, send to work, ack, send to parking, ack, store FAILURE, send to work, ack, store FAILURE, reject", state: umbel.Failure},

		"ignored, early":           {do: first(umbel.Ignore), want: "ack", state: umbel.Pending},
		"ignored, late":            {do: first(umbel.Ignore), options: []umbel.TaskOption{late}, want: "ack", state: umbel.Pending},
		"rejected, early":          {do: first(umbel.Reject(false, "no")), want: "ack, store FAILURE", state: umbel.Failure},
		"rejected, late":           {do: first(umbel.Reject(false, "no")), options: []umbel.TaskOption{late}, want: "store FAILURE, reject", state: umbel.Failure},
		"rejected, late, buried":   {do: first(umbel.Reject(false, "no")), config: buried, options: []umbel.TaskOption{late}, want: "send to graves, store FAILURE, ack", state: umbel.Failure},
		"requeued, early":          {do: first(umbel.Reject(true, "later")), want: "ack, send to work, ack, store SUCCESS", state: umbel.Success},
		"requeued, late":           {do: first(umbel.Reject(true, "later")), options: []umbel.TaskOption{late}, want: "requeue, send to parking, ack, store SUCCESS, ack", state: umbel.Success},
		"retried, early":           {do: first(umbel.RetryIn(time.Hour, errBoom)), want: "ack, store RETRY, send to work, ack, store SUCCESS", state: umbel.Success},
		"retried, late":            {do: first(umbel.RetryIn(time.Hour, errBoom)), options: []umbel.TaskOption{late}, want: "store RETRY, send to work, ack, store SUCCESS, ack", state: umbel.Success},
		"retried by policy, late":  {do: first(errBoom), options: []umbel.TaskOption{late, umbel.Retry{Delay: time.Hour}}, want: "store RETRY, send to work, ack, store SUCCESS, ack", state: umbel.Success},
		"retries used up, late":    {do: fails, options: []umbel.TaskOption{late, umbel.Retry{Max: 1, Delay: time.Hour}}, want: "store RETRY, send to work, ack, store FAILURE, ack", state: umbel.Failure},
		"retry refused, early":     {do: first(umbel.RetryIn(time.Hour, errBoom)), refuse: refuseRetries, want: "ack, store RETRY, refused work, store FAILURE", state: umbel.Failure},
		"retry refused, late":      {do: first(umbel.RetryIn(time.Hour, errBoom)), refuse: refuseRetries, options: []umbel.TaskOption{late}, want: "store RETRY, refused work, store FAILURE, reject", state: umbel.Failure},
		"retry refused, late, dlq": {do: first(umbel.RetryIn(time.Hour, errBoom)), refuse: refuseRetries, config: buried, options: []umbel.TaskOption{late}, want: "store RETRY, refused work, send to graves, store FAILURE, ack", state: umbel.Failure},
		"retry refused, early, dlq": {do: first(umbel.RetryIn(time.Hour, errBoom)), refuse: refuseRetries, config: buried,
			want: "ack, store RETRY, refused work, send to graves, store FAILURE", state: umbel.Failure},
		"retry refused, late, with an errback": {do: first(umbel.RetryIn(time.Hour, errBoom)), refuse: refuseRetries, options: []umbel.TaskOption{late},
			send: []umbel.SendOption{umbel.LinkError(umbel.New("other").Signature("sorry", nil).Set(umbel.Queue("elsewhere")))},
			want: "store RETRY, refused work, store FAILURE, send to elsewhere, reject", state: umbel.Failure},

		"expired": {do: first(nil), send: []umbel.SendOption{umbel.ExpiresIn(time.Second)}, want: "store REVOKED, ack", state: umbel.Revoked, busy: true},
		"expired, buried": {do: first(nil), config: buried, send: []umbel.SendOption{umbel.ExpiresIn(time.Second)},
			want: "send to graves, store REVOKED, ack", state: umbel.Revoked, busy: true},
		"unencodable, late": {do: func(context.Context, int) (any, error) { return func() {}, nil }, options: []umbel.TaskOption{late}, want: "store FAILURE, ack", state: umbel.Failure},
		"panics, late":      {do: func(context.Context, int) (any, error) { panic("ouch") }, options: []umbel.TaskOption{late}, want: "store FAILURE, ack", state: umbel.Failure},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.config.TaskDefaultQueue = "work"
				app := newApp(t, c.config)
				var tape tape
				rec := &recording{tape: &tape, refuse: c.refuse}
				app.DialBroker(func(ctx context.Context, bc broker.Config) (b broker.Broker, err error) {
					rec.Broker, err = memory.Open(ctx, bc)
					return rec, err
				})
				task := umbel.Register(app, "task", c.do, c.options...)
				umbel.Register(app, "busy", func(context.Context, struct{}) (any, error) { time.Sleep(time.Minute); return nil, nil }, umbel.IgnoreResult(), umbel.AcksEarly())
				store, err := app.Backend(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w, stop := start(t, app, worker.Config{Concurrency: 1})
				worker.SetResults(w, &recordingStore{store, &tape})
				before := "send to work, "
				if c.busy {
					if _, err := app.Send(t.Context(), "busy", nil); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					before = "send to work, ack, send to work, "
				}
				r, err := task.Send(t.Context(), 1, c.send...)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(6 * time.Hour) // a virtual while: results are kept for a day
				if got := strings.TrimPrefix(tape.play(), before); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				if got, err := r.State(t.Context()); got != c.state || err != nil {
					t.Errorf("ends as %s, %v; want %s", got, err, c.state)
				}
				s, err := rec.Stat(t.Context(), "work")
				if err != nil || s.Ready+max(s.Unsettled, 0) != 0 {
					t.Errorf("%+v, %v: nothing may be left in the queue", s, err)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A part of a chord whose next attempt can never be sent is a part that has failed: the chord must not wait for it.
func TestAChordHearsOfAPartWhoseRetryIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, umbel.Config{})
		numbers(app)
		umbel.Register(app, "again", func(context.Context, umbel.Args) (any, error) { return nil, umbel.RetryIn(time.Hour, errBoom) }, umbel.AcksLate())
		app.DialBroker(func(ctx context.Context, bc broker.Config) (broker.Broker, error) {
			b, err := memory.Open(ctx, bc)
			return &recording{Broker: b, tape: &tape{}, refuse: refuseRetries}, err
		})
		_, stop := start(t, app, worker.Config{Concurrency: 2})
		part := app.Signature("again", umbel.Args{1})
		r, err := umbel.Chord(umbel.Group(app.Signature("add", umbel.Args{1}), part), app.Signature("add", nil)).Send(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var failed *umbel.TaskError
		if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Type != "ChordError" || !strings.Contains(failed.Message, "too large") || !strings.Contains(failed.Message, "boom") {
			t.Errorf("%v, want a ChordError that says why there was no next attempt, and why one was wanted", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
