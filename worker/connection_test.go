package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/backend/memory"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// attempts is a log that tells of each attempt to connect that failed.
type attempts struct {
	slog.Handler
	failed chan string
}

func (a *attempts) Enabled(context.Context, slog.Level) bool { return true }
func (a *attempts) WithAttrs([]slog.Attr) slog.Handler       { return a }
func (a *attempts) WithGroup(string) slog.Handler            { return a }

func (a *attempts) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "cannot connect") {
		select {
		case a.failed <- r.Message:
		default:
		}
	}
	return nil
}

// connecting is a worker on its way to a broker: failed tells of attempts, ready of success, ended of the end of Run.
type connecting struct {
	app    *umbel.App
	failed chan string
	ready  chan struct{}
	ended  chan error
}

func connect(t *testing.T, c umbel.Config, middleware ...umbel.Middleware) *connecting {
	t.Helper()
	s := &connecting{failed: make(chan string, 100), ready: make(chan struct{}), ended: make(chan error, 1)}
	c.ResultBackend = "memory://" + strings.ReplaceAll(t.Name(), "/", "-")
	s.app = umbel.New("test", umbel.WithConfig(c), umbel.WithLogger(slog.New(&attempts{failed: s.failed})))
	for _, m := range middleware {
		s.app.Use(m)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.ended <- worker.New(s.app, worker.Config{OnReady: func() { close(s.ready) }}).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-stopped
		_ = s.app.Close()
	})
	return s
}

// within takes a value that a connecting worker must come to.
func within[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s: not within a minute", what)
	}
	return v
}

func TestEachConnectionSettingDoesWhatItSays(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) (*faultnet.Link, umbel.Config) {
		t.Parallel()
		rabbit := testenv.RabbitMQ(t)
		link := faultnet.To(t, rabbit.Addr())
		return link, umbel.Config{BrokerURL: []string{rabbit.URLAt("amqp", link.Addr())}, BrokerConnectionTimeout: 30 * time.Second}
	}
	wantStartError := func(t *testing.T, err error) {
		t.Helper()
		var start *worker.StartError
		if !errors.As(err, &start) || !strings.Contains(err.Error(), "amqp://") {
			t.Errorf("the worker ended with %v, want a StartError that names the broker", err)
		}
	}
	t.Run("the first connection is tried again by default", func(t *testing.T) {
		link, c := setup(t)
		link.Refuse(true)
		s := connect(t, c)
		within(t, "a failed attempt", s.failed)
		link.Up()
		within(t, "ready", s.ready)
	})
	t.Run("broker_connection_retry_on_startup false", func(t *testing.T) {
		link, c := setup(t)
		link.Refuse(true)
		c.BrokerConnectionRetryOnStartup = new(false)
		s := connect(t, c)
		wantStartError(t, within(t, "the end", s.ended))
		if len(s.failed) != 0 {
			t.Error("it tried again")
		}
	})
	t.Run("broker_connection_retry false holds for the start too", func(t *testing.T) {
		link, c := setup(t)
		link.Refuse(true)
		c.BrokerConnectionRetry = new(false)
		wantStartError(t, within(t, "the end", connect(t, c).ended))
	})
	t.Run("broker_connection_retry false ends the worker with its connection", func(t *testing.T) {
		link, c := setup(t)
		c.BrokerConnectionRetry = new(false)
		s := connect(t, c)
		within(t, "ready", s.ready)
		link.Cut()
		if err := within(t, "the end", s.ended); err == nil || !strings.Contains(err.Error(), "switched off") {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("broker_connection_max_retries at the start", func(t *testing.T) {
		link, c := setup(t)
		link.Refuse(true)
		c.BrokerConnectionMaxRetries = 2
		s := connect(t, c)
		wantStartError(t, within(t, "the end", s.ended))
		if n := len(s.failed); n != 1 { // the last one is the error
			t.Errorf("%d attempts were followed by another, want 1", n)
		}
	})
	t.Run("broker_connection_max_retries after a loss", func(t *testing.T) {
		link, c := setup(t)
		c.BrokerConnectionMaxRetries = 2
		s := connect(t, c)
		within(t, "ready", s.ready)
		link.Down()
		if err := within(t, "the end", s.ended); err == nil || !strings.Contains(err.Error(), "2 attempts") {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("broker_connection_timeout", func(t *testing.T) {
		t.Parallel()
		silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and never speaks
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = silent.Close() })
		s := connect(t, umbel.Config{BrokerURL: []string{"amqp://" + silent.Addr().String()},
			BrokerConnectionTimeout: 50 * time.Millisecond, BrokerConnectionRetryOnStartup: new(false)})
		if err := within(t, "the end", s.ended); err == nil || !strings.Contains(err.Error(), "50ms") {
			t.Errorf("ended with %v, want one that names the timeout", err)
		}
	})
	t.Run("broker_failover_strategy", func(t *testing.T) {
		t.Parallel()
		for strategy, shuffle := range map[string]bool{"": false, "round-robin": false, "shuffle": true} {
			c := umbel.Config{BrokerFailoverStrategy: strategy}.WithDefaults()
			if bc, err := c.BrokerConfig(); err != nil || bc.Shuffle != shuffle {
				t.Errorf("%q: shuffle %v, %v", strategy, bc.Shuffle, err)
			}
		}
	})
	t.Run("broker_url with several, the first of them dead", func(t *testing.T) {
		link, c := setup(t)
		dead := faultnet.To(t, "127.0.0.1:1")
		dead.Refuse(true)
		c.BrokerURL = append([]string{"amqp://" + dead.Addr()}, c.BrokerURL...)
		s := connect(t, c)
		within(t, "ready", s.ready)
		if link.Open() != 2 {
			t.Errorf("%d connections", link.Open())
		}
	})
}

// A witness is middleware that is told of the broker.
type witness chan broker.Condition

func (w witness) BrokerChanged(c broker.Condition) { w <- c }

func TestMiddlewareIsToldWhenTheBrokerIsLostAndBack(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	link := faultnet.To(t, rabbit.Addr())
	told := make(witness, 1000)
	s := connect(t, umbel.Config{BrokerURL: []string{rabbit.URLAt("amqp", link.Addr())}, BrokerConnectionTimeout: 30 * time.Second}, told)
	if c := within(t, "connected", told); !c.Connected {
		t.Errorf("at first told %+v", c)
	}
	within(t, "ready", s.ready)
	link.Down()
	c := within(t, "the loss", told)
	for ; c.Connected; c = within(t, "the loss", told) {
	}
	if c.Reason == nil {
		t.Error("lost for no reason")
	}
	if now, ok := s.app.BrokerCondition(); !ok || now.Connected {
		t.Errorf("asked: %+v, %v", now, ok)
	}
	link.Up()
	for c := within(t, "the return", told); !c.Connected; c = within(t, "the return", told) {
	}
}

// Promise 6: messages are ready, slots are free, and nothing is delivered, because the broker has lost the consumer.
func TestAWorkerWhoseConsumerTheBrokerHasLostGoesOn(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	app := rabbitApp(t, rabbit.URL(), umbel.Config{BrokerConsumerCheck: 100 * time.Millisecond})
	task := umbel.Register(app, "t", func(_ context.Context, n int) (int, error) { return n, nil }, umbel.AcksLate())
	start(t, app, worker.Config{Concurrency: 2})
	for n := range 3 {
		out := rabbit.Eval(`{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"` + rabbit.Vhost() + `">>, queue, <<"celery">>)),
			[gen_server2:call(amqqueue:get_pid(Q), {basic_cancel, element(1, C), element(2, C), undefined, <<"guest">>}, infinity)
				|| C <- rabbit_amqqueue:consumers(Q)].`)
		if !strings.Contains(out, "ok") {
			t.Fatalf("no consumer to lose: %s", out)
		}
		r, err := task.Send(deadline(t), n)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Get(deadline(t)); err != nil || got != n {
			t.Errorf("got %d, %v", got, err)
		}
	}
}
