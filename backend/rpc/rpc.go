package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/watch"
	"github.com/umbel-go/umbel/protocol"
)

func init() { backend.Register(Open, "rpc") }

// A Backend sends documents through the broker and keeps those that came for this process.
type Backend struct {
	broker     broker.Broker // its opener's, not closed by us
	queue      string
	expires    time.Duration
	timeout    time.Duration
	serializer string
	accept     codec.Accept
	mode       uint8
	log        *slog.Logger
	board      *watch.Board
	arrivals   *arrivals

	opening  chan struct{}   // cap 1: held by the one who opens or closes the consumer
	consumer broker.Consumer // guarded by opening; nil until the reply queue is first wanted

	failed atomic.Bool // the broker has given the consumer up

	life context.Context // ends with Close
	end  context.CancelFunc
	once sync.Once
	err  error // of Close
}

var _ backend.Backend = (*Backend)(nil)

// Open readies the backend over c.Broker. The reply queue is declared when ReplyTo or Watch first wants it, so a worker
// that sends no tasks has none.
func Open(_ context.Context, c backend.Config) (backend.Backend, error) {
	c = c.WithDefaults()
	if c.Broker == nil {
		return nil, errors.New("open result backend rpc://: it sends results through the broker, and there is none")
	}
	if _, rest, _ := strings.Cut(c.URL, "://"); strings.Trim(rest, "/") != "" {
		return nil, fmt.Errorf("open result backend %s: rpc:// takes nothing after it: it uses the broker of broker_url", broker.MaskURL(c.URL))
	}
	if unknown := slices.Sorted(maps.Keys(c.Options)); len(unknown) > 0 {
		return nil, fmt.Errorf("open result backend rpc://: result_backend_transport_options: %q means nothing to it", unknown[0])
	}
	b := &Backend{
		broker: c.Broker, queue: uuid.NewString(), expires: max(c.Expires, 0), timeout: c.ConnectTimeout,
		serializer: c.Serializer, accept: c.Accept, mode: protocol.Transient, log: c.Log,
		board: watch.New(), opening: make(chan struct{}, 1),
	}
	b.life, b.end = context.WithCancel(context.Background())
	if c.Persistent {
		b.mode = protocol.Persistent
	}
	b.arrivals = newArrivals(b.expires, b.board, c.Log)
	return b, nil
}

// Store sends each document to its ReplyTo. One without is awaited by nobody, and one whose queue is gone no longer: both
// are dropped, as Celery does, the latter with a line in the log at level debug.
func (b *Backend) Store(ctx context.Context, docs []*protocol.Result) []error {
	var errs []error
	fail := func(i int, err error) {
		if errs == nil {
			errs = make([]error, len(docs))
		}
		errs[i] = fmt.Errorf("send result of task %q: %w", docs[i].TaskID, err)
	}
	batch := make([]*broker.Message, 0, len(docs))
	origin := make([]int, 0, len(docs)) // of each message in docs
	closed := b.open()
	for i, r := range docs {
		if closed != nil {
			fail(i, closed)
			continue
		}
		if r.ReplyTo == "" {
			continue
		}
		m, err := b.message(r)
		if err != nil {
			fail(i, backend.Unstorable(err))
			continue
		}
		batch, origin = append(batch, m), append(origin, i)
	}
	if len(batch) == 0 {
		return errs
	}
	for k, err := range b.broker.PublishBatch(ctx, batch) {
		if err == nil {
			continue
		}
		var refused *broker.RefusedError
		if errors.As(err, &refused) && refused.Reason == broker.Unroutable {
			r := docs[origin[k]]
			b.log.Debug("nobody awaits this result any more: its reply queue is gone", "task_id", r.TaskID, "state", r.Status, "reply_to", r.ReplyTo)
			continue
		}
		if refused != nil && refused.Reason == broker.TooLarge {
			err = backend.Unstorable(err)
		}
		fail(origin[k], err)
	}
	return errs
}

// message is what Celery sends: no headers, priority 0.
func (b *Backend) message(r *protocol.Result) (*broker.Message, error) {
	e, err := protocol.EncodeResult(r, b.serializer)
	if err != nil {
		return nil, err
	}
	id := r.CorrelationID
	if id == "" {
		id = r.TaskID
	}
	return &broker.Message{
		RoutingKey: r.ReplyTo,
		Envelope: protocol.Envelope{
			Properties: protocol.Properties{
				ContentType: e.ContentType, ContentEncoding: e.ContentEncoding, DeliveryMode: b.mode,
				HasPriority: true, CorrelationID: id,
			},
			Headers: protocol.Table{},
			Body:    e.Body,
		},
	}, nil
}

// Get answers from what has arrived in this process. It is ErrUnsupported where nothing can have arrived, since this
// process has never asked for results.
func (b *Backend) Get(ctx context.Context, id string) (*protocol.Result, error) {
	found, err := b.GetMany(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	if r := found[id]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("read result of task %q: it has not arrived at the process that sent the task: %w", id, backend.ErrNotFound)
}

// GetMany is Get of many.
func (b *Backend) GetMany(ctx context.Context, ids []string) (map[string]*protocol.Result, error) {
	if err := b.open(); err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	if !b.arrivals.expected() {
		return nil, fmt.Errorf("read results: rpc:// stores nothing, it sends results to the process that sent the task, and this one has sent none: "+
			"use redis:// or a database to read them from anywhere: %w", backend.ErrUnsupported)
	}
	return b.arrivals.get(ids), ctx.Err()
}

// Watch tells of what has arrived and of what arrives. It opens the reply queue if that is not open yet.
func (b *Backend) Watch(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error) {
	if err := b.consume(ctx); err != nil {
		return nil, fmt.Errorf("watch results: %w", err)
	}
	w, err := b.arrivals.watch(ids, notify)
	if err != nil {
		return nil, fmt.Errorf("watch results: %w", err)
	}
	return w.Stop, nil
}

// Forget drops what has arrived.
func (b *Backend) Forget(_ context.Context, ids []string) error {
	if err := b.open(); err != nil {
		return fmt.Errorf("forget results: %w", err)
	}
	b.arrivals.forget(ids)
	return nil
}

// Cleanup drops what arrived and was not asked for in time. Nothing is kept elsewhere.
func (b *Backend) Cleanup(context.Context) (int, error) {
	if err := b.open(); err != nil {
		return 0, fmt.Errorf("clean up results: %w", err)
	}
	return b.arrivals.cleanup(), nil
}

// ReplyTo opens the reply queue, the first time within Config.ConnectTimeout, and names it. When that fails the log says
// so, and Watch, which tries again, returns the error to whoever waits.
func (b *Backend) ReplyTo() string {
	ctx, cancel := context.WithTimeoutCause(context.Background(), b.timeout, fmt.Errorf("no answer within %v", b.timeout))
	defer cancel()
	if err := b.consume(ctx); err != nil && !errors.Is(err, watch.ErrClosed) {
		b.log.Error("results of what is sent now will not arrive", "error", err)
	}
	return b.queue
}

// Traits of rpc:// are those of the broker, but nothing is stored.
func (b *Backend) Traits() backend.Traits {
	t := b.broker.Traits()
	return backend.Traits{Remote: t.Remote, VirtualTime: t.VirtualTime}
}

// consume declares the reply queue and takes its messages, once.
func (b *Backend) consume(ctx context.Context) error {
	if err := b.open(); err != nil {
		return err
	}
	select {
	case b.opening <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-b.life.Done():
		return watch.ErrClosed
	}
	defer func() { <-b.opening }()
	if err := b.open(); err != nil { // closed while we waited
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.life, cancel)()
	if b.consumer != nil {
		if !b.failed.Load() {
			return nil
		}
		b.consumer.Close(ctx) // there is nothing left of it at the broker
		b.consumer = nil
		b.failed.Store(false)
	}
	b.arrivals.expect() // before the first message can come
	c, err := b.broker.Consume(ctx, broker.Subscription{
		Queue: b.queue, NoAck: true, Declare: broker.Topology{Queues: []broker.Queue{b.declaration()}},
		Deliver: b.deliver, Notify: b.lost,
	})
	if err != nil {
		return fmt.Errorf("open reply queue %q: %w", b.queue, err)
	}
	b.consumer = c
	return nil
}

// declaration is the reply queue as Celery after 5.6.2 declares it: durable, because RabbitMQ 4.3 refuses a shared queue
// that is not; gone with its consumer, and after the life of a result in any case. Only the sender declares it.
func (b *Backend) declaration() broker.Queue {
	q := broker.Queue{Name: b.queue, Durable: true, AutoDelete: true}
	if ms := b.expires.Milliseconds(); ms > math.MaxInt32 {
		q.Arguments = protocol.Table{"x-expires": ms}
	} else if ms > 0 {
		q.Arguments = protocol.Table{"x-expires": int32(ms)}
	}
	return q
}

// deliver takes one reply, on the consumer's goroutine.
func (b *Backend) deliver(d *broker.Delivery) {
	p := d.Properties
	err := b.accept.Check(p.ContentType)
	var r *protocol.Result
	if err == nil {
		r, err = protocol.DecodeResult(p.ContentType, p.ContentEncoding, d.Body)
	}
	if err != nil {
		b.log.Warn("a result that arrived cannot be read", "correlation_id", p.CorrelationID, "error", err)
		return
	}
	if r.TaskID == "" {
		r.TaskID = p.CorrelationID
	}
	r.CorrelationID = p.CorrelationID
	b.arrivals.add(r, len(d.Body))
}

// lost is told of the consumer's state.
func (b *Backend) lost(s broker.ConsumerState, err error) {
	switch s {
	case broker.ConsumerLost:
		b.log.Warn("the reply queue is lost with its connection: results sent until it is back never arrive", "queue", b.queue, "error", err)
	case broker.ConsumerRestored:
		b.log.Info("the reply queue is back", "queue", b.queue)
	case broker.ConsumerFailed:
		b.failed.Store(true)
		b.log.Error("the reply queue cannot be restored: results no longer arrive", "queue", b.queue, "error", err)
	}
}

func (b *Backend) open() error {
	if b.life.Err() != nil {
		return watch.ErrClosed
	}
	return nil
}

// Close stops consuming, with which the reply queue is gone, and ends all watches. The broker stays open.
func (b *Backend) Close() error {
	b.once.Do(func() {
		b.end()
		b.opening <- struct{}{} // whoever held it was interrupted
		defer func() { <-b.opening }()
		if b.consumer != nil {
			ctx, cancel := context.WithTimeoutCause(context.Background(), b.timeout, fmt.Errorf("no answer within %v", b.timeout))
			defer cancel()
			if err := b.consumer.Close(ctx); err != nil && !errors.Is(err, broker.ErrClosed) {
				b.err = fmt.Errorf("close reply queue %q: %w", b.queue, err)
			}
		}
		b.board.Close()
	})
	return b.err
}
