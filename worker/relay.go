package worker

// The relay: a child's broker is its parent's connection, so that a worker has as many connections with children as without.
// What children send, the parent publishes; only who consumes, as rpc:// does for its replies, gets a connection of its own.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/envelope"
	"github.com/umbel-go/umbel/internal/procpool"
	"github.com/umbel-go/umbel/protocol"
)

// A relay is a broker.Broker that asks the parent process.
type relay struct {
	parent *procpool.Session
	config broker.Config
	traits broker.Traits

	mu     sync.Mutex // guards what follows
	direct broker.Broker
	closed bool
	done   chan struct{}
}

func openRelay(ctx context.Context, parent *procpool.Session, c broker.Config) (broker.Broker, error) {
	r := &relay{parent: parent, config: c, done: make(chan struct{})}
	t, err := r.ask(ctx, protocol.Table{"what": askTraits})
	if err != nil {
		return nil, err
	}
	r.traits = traitsOf(t.table("traits"))
	return r, nil
}

// What a child asks.
const (
	askTraits  = "traits"
	askPublish = "publish"
	askDeclare = "declare"
)

// relayBatch bounds what goes into one question, in messages and bytes.
const (
	relayBatch = 500
	relayBytes = 16 << 20
)

func (r *relay) ask(ctx context.Context, question protocol.Table) (fields, error) {
	if deadline, has := ctx.Deadline(); has {
		question["wait"] = int64(max(time.Until(deadline), time.Millisecond))
	}
	b, err := envelope.AppendTable(nil, question)
	if err != nil {
		return nil, err
	}
	answer, err := r.parent.Ask(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("ask the parent process: %w", err)
	}
	t, err := readFields(answer)
	if err != nil {
		return nil, err
	}
	return t, brokerError(t.table("error"))
}

func (r *relay) Publish(ctx context.Context, m *broker.Message) error {
	if errs := r.PublishBatch(ctx, []*broker.Message{m}); errs != nil {
		return errs[0]
	}
	return nil
}

func (r *relay) PublishBatch(ctx context.Context, batch []*broker.Message) []error {
	errs := make([]error, len(batch))
	failed := false
	for from := 0; from < len(batch); {
		to, size := from, 0
		for to < len(batch) && to-from < relayBatch && (to == from || size+len(batch[to].Body) <= relayBytes) {
			size += len(batch[to].Body)
			to++
		}
		r.publish(ctx, batch[from:to], errs[from:to])
		from = to
	}
	for _, err := range errs {
		failed = failed || err != nil
	}
	if !failed {
		return nil
	}
	return errs
}

func (r *relay) publish(ctx context.Context, batch []*broker.Message, errs []error) {
	all := func(err error) {
		for i := range errs {
			errs[i] = err
		}
	}
	list := make([]any, len(batch))
	for i, m := range batch {
		head, err := envelope.Encode(m)
		if err != nil {
			all(fmt.Errorf("%w: %w", broker.ErrNotSent, err))
			return
		}
		t := protocol.Table{"head": head, "body": m.Body}
		if !m.NotBefore.IsZero() {
			t["not before"] = m.NotBefore
		}
		list[i] = t
	}
	answer, err := r.ask(ctx, protocol.Table{"what": askPublish, "messages": list})
	if err != nil {
		if !errors.Is(err, broker.ErrNotSent) && !errors.Is(err, broker.ErrUnconfirmed) {
			err = fmt.Errorf("%w: %w", broker.ErrUnconfirmed, err) // the question may have gone through
		}
		all(err)
		return
	}
	got := answer.list("errors")
	if len(got) != len(errs) {
		all(fmt.Errorf("%w: the parent process answered for %d messages of %d", broker.ErrUnconfirmed, len(got), len(errs)))
		return
	}
	for i := range errs {
		t, _ := got[i].(protocol.Table)
		errs[i] = brokerError(fields(t))
	}
}

func (r *relay) Declare(ctx context.Context, t broker.Topology) error {
	_, err := r.ask(ctx, protocol.Table{"what": askDeclare, "topology": topologyTable(t)})
	return err
}

func (r *relay) Traits() broker.Traits { return r.traits }

// own is a connection of this process's own.
func (r *relay) own(ctx context.Context) (broker.Broker, error) {
	if !r.traits.Durable && !r.traits.Remote {
		return nil, errors.New("the broker lives in the memory of the parent process: a child can send to it and no more")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, broker.ErrClosed
	}
	if r.direct == nil {
		b, err := broker.Open(ctx, r.config)
		if err != nil {
			return nil, err
		}
		r.direct = b
	}
	return r.direct, nil
}

func (r *relay) Consume(ctx context.Context, s broker.Subscription) (broker.Consumer, error) {
	b, err := r.own(ctx)
	if err != nil {
		return nil, err
	}
	return b.Consume(ctx, s)
}

func (r *relay) Delete(ctx context.Context, t broker.Topology) error {
	b, err := r.own(ctx)
	if err != nil {
		return err
	}
	return b.Delete(ctx, t)
}

func (r *relay) Stat(ctx context.Context, queue string) (broker.QueueStat, error) {
	b, err := r.own(ctx)
	if err != nil {
		return broker.QueueStat{}, err
	}
	return b.Stat(ctx, queue)
}

func (r *relay) Purge(ctx context.Context, queue string) (int, error) {
	b, err := r.own(ctx)
	if err != nil {
		return 0, err
	}
	return b.Purge(ctx, queue)
}

func (r *relay) Done() <-chan struct{} { return r.done }
func (r *relay) Err() error            { return nil }

func (r *relay) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	close(r.done)
	if r.direct != nil {
		return r.direct.Close()
	}
	return nil
}
