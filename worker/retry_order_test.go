package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// A retry in the order of its effects: state RETRY, the next attempt, the ack.

// twice registers a task that succeeds at its second attempt, and counts starts.
func twice(app *umbel.App, options ...umbel.TaskOption) (*umbel.Task[int, int], *atomic.Int32) {
	var starts atomic.Int32
	options = append(options, umbel.Retry{Delay: time.Second})
	return umbel.Register(app, "twice", func(ctx context.Context, n int) (int, error) {
		starts.Add(1)
		if umbel.RequestFrom(ctx).Retries == 0 {
			return 0, errBoom
		}
		return n, nil
	}, options...), &starts
}

// retryless is a store that is away for RETRY documents.
type retryless struct {
	backend.Backend
	away atomic.Bool
}

func (s *retryless) Store(ctx context.Context, docs []*protocol.Result) []error {
	for _, d := range docs {
		if d.Status == umbel.Retrying && s.away.Load() {
			errs := make([]error, len(docs))
			for i := range errs {
				errs[i] = errors.New("away")
			}
			return errs
		}
	}
	return s.Backend.Store(ctx, docs)
}

func TestTheNextAttemptWaitsForStateRETRY(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, umbel.Config{})
		task, starts := twice(app, umbel.AcksLate())
		store := &retryless{}
		store.Backend, _ = app.Backend(t.Context())
		store.away.Store(true)
		w, stop := start(t, app, worker.Config{Concurrency: 1})
		worker.SetResults(w, store)
		r, err := task.Send(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if n := starts.Load(); n != 1 {
			t.Errorf("%d starts while state RETRY cannot be stored, want 1: what the next attempt stores would be overwritten", n)
		}
		store.away.Store(false)
		if n, err := r.Get(t.Context()); n != 7 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheNextAttemptOfAnEarlyAckedTaskDoesNotWaitLongForStateRETRY(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp(t, umbel.Config{})
		task, starts := twice(app)
		store := &retryless{}
		store.Backend, _ = app.Backend(t.Context())
		store.away.Store(true)
		w, stop := start(t, app, worker.Config{Concurrency: 1})
		worker.SetResults(w, store)
		if _, err := task.Send(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := starts.Load(); n != 2 {
			t.Errorf("%d starts, want 2: an acked message that waits is nowhere but here", n)
		}
		store.away.Store(false)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// blocking is a broker under an alarm, as RabbitMQ is when its disk is full: it delivers and refuses.
type blocking struct {
	broker.Broker
	alarm *atomic.Bool
}

func (b blocking) Publish(ctx context.Context, m *broker.Message) error {
	if b.alarm.Load() {
		return &broker.RefusedError{Reason: broker.Blocked, RoutingKey: m.RoutingKey}
	}
	return b.Broker.Publish(ctx, m)
}

// newBlocking is an app on such a broker.
func newBlocking(t *testing.T, c umbel.Config) (*umbel.App, *atomic.Bool) {
	t.Helper()
	var alarm atomic.Bool
	scheme := fmt.Sprintf("blocking%d", spaces.Add(1))
	broker.Register(func(ctx context.Context, c broker.Config) (broker.Broker, error) {
		c.URLs = []string{"memory://" + scheme}
		b, err := memory.Open(ctx, c)
		return blocking{b, &alarm}, err
	}, scheme)
	app := newApp(t, c)
	settings, _ := app.Config()
	settings.BrokerURL = []string{scheme + "://"}
	if err := app.Configure(*settings); err != nil {
		t.Fatal(err)
	}
	return app, &alarm
}

func TestTheNextAttemptWaitsForTheEndOfAnAlarm(t *testing.T) {
	for name, options := range map[string][]umbel.TaskOption{"acked late": {umbel.AcksLate()}, "acked early": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app, alarm := newBlocking(t, umbel.Config{})
				task, starts := twice(app, options...)
				r, err := task.Send(t.Context(), 7)
				if err != nil {
					t.Fatal(err)
				}
				alarm.Store(true)
				_, stop := start(t, app, worker.Config{Concurrency: 1})
				time.Sleep(10 * time.Minute)
				if n := starts.Load(); n != 1 {
					t.Errorf("%d starts during an alarm, want 1", n)
				}
				alarm.Store(false)
				if n, err := r.Get(t.Context()); n != 7 || err != nil {
					t.Errorf("%d, %v", n, err)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestADeadLetterWaitsForTheEndOfAnAlarm(t *testing.T) {
	for name, options := range map[string][]umbel.TaskOption{"acked late": {umbel.AcksLate()}, "acked early": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app, alarm := newBlocking(t, umbel.Config{TaskDefaultQueue: "orders", TaskQueues: []umbel.QueueConfig{{Name: "orders", DeadLetter: "orders.dlq"}}})
				task := umbel.Register(app, "fails", func(context.Context, int) (int, error) { return 0, errBoom }, options...)
				r, err := task.Send(t.Context(), 7)
				if err != nil {
					t.Fatal(err)
				}
				alarm.Store(true)
				_, stop := start(t, app, worker.Config{Concurrency: 1})
				time.Sleep(10 * time.Minute)
				if s, err := r.State(t.Context()); s != umbel.Pending || err != nil {
					t.Errorf("state %s, %v during the alarm: its message is kept nowhere yet", s, err)
				}
				alarm.Store(false)
				if _, err := r.Get(t.Context()); !errors.As(err, new(*umbel.TaskError)) {
					t.Errorf("%v, want the task's failure", err)
				}
				b, err := app.Broker(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				letters := make(chan *broker.Delivery, 2)
				kept, err := b.Consume(t.Context(), broker.Subscription{Queue: "orders.dlq", Deliver: func(d *broker.Delivery) { letters <- d }})
				if err != nil {
					t.Fatal(err)
				}
				if d := <-letters; d.Headers[umbel.HeaderDeadReason] != "failed" {
					t.Errorf("headers %v", d.Headers)
				}
				if err := errors.Join(kept.Close(t.Context()), stop()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// refusing is a broker that refuses some messages for good.
type refusing struct {
	broker.Broker
	refuses func(m *broker.Message) bool
}

func (b refusing) Publish(ctx context.Context, m *broker.Message) error {
	if b.refuses(m) {
		return &broker.RefusedError{Reason: broker.TooLarge, RoutingKey: m.RoutingKey}
	}
	return b.Broker.Publish(ctx, m)
}

func TestARetryThatIsRefusedForGoodEndsItsTaskAndAllThatFollows(t *testing.T) {
	nextAttempt := func(m *broker.Message) bool {
		return m.Headers["retries"] == int64(1) || m.Headers["retries"] == int32(1)
	}
	for name, c := range map[string]struct {
		options []umbel.TaskOption
		refuses func(m *broker.Message) bool
		reason  any // in the dead letter
		letters bool
	}{
		"acked late":  {[]umbel.TaskOption{umbel.AcksLate()}, nextAttempt, umbel.DeadFailed, true},
		"acked early": {nil, nextAttempt, umbel.DeadFailed, true},
		"acked late, its dead letter is refused as well": {[]umbel.TaskOption{umbel.AcksLate()},
			func(m *broker.Message) bool { return nextAttempt(m) || m.RoutingKey == "orders.dlq" }, nil, true}, // the broker does it
		"acked early, its dead letter is refused as well": {nil,
			func(m *broker.Message) bool { return nextAttempt(m) || m.RoutingKey == "orders.dlq" }, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApp(t, umbel.Config{TaskDefaultQueue: "orders", TaskQueues: []umbel.QueueConfig{{Name: "orders", DeadLetter: "orders.dlq"}}})
				app.DialBroker(func(ctx context.Context, conf broker.Config) (broker.Broker, error) {
					b, err := memory.Open(ctx, conf)
					return refusing{b, c.refuses}, err
				})
				task, starts := twice(app, c.options...)
				told := make(chan string, 1)
				umbel.Register(app, "errback", func(ctx context.Context, _ umbel.Args) (int, error) {
					told <- umbel.RequestFrom(ctx).ParentID
					return 0, nil
				})
				_, stop := start(t, app, worker.Config{Concurrency: 1})
				r, err := task.Send(t.Context(), 7, umbel.LinkError(app.Signature("errback", nil)))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := r.Get(t.Context()); err == nil || !strings.Contains(err.Error(), "publish the next attempt") {
					t.Errorf("%v, want the refusal", err)
				}
				<-told // virtual time stands still for ever when nobody tells
				if n := starts.Load(); n != 1 {
					t.Errorf("%d starts, want 1", n)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
				b, err := app.Broker(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				letters := make(chan *broker.Delivery, 2)
				kept, err := b.Consume(t.Context(), broker.Subscription{Queue: "orders.dlq", Deliver: func(d *broker.Delivery) { letters <- d }})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if n := len(letters); n > 1 || (n == 1) != c.letters {
					t.Fatalf("%d dead letters", n)
				}
				if c.letters {
					if d := <-letters; d.Headers[umbel.HeaderDeadReason] != c.reason {
						t.Errorf("headers %v", d.Headers)
					}
				}
				if err := kept.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
