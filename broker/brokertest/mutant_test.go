package brokertest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/broker/brokertest"
	"github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/protocol"
)

// The suite is worth what it catches. Each mutant is a correct broker with one thing broken, and the test of the suite
// that must fail for it. The suite runs in a process of its own, as a failing test cannot be caught in this one.

const mutantVariable = "UMBEL_BROKERTEST_MUTANT"

var mutants = []struct {
	name   string
	caught string // by this test
	spoil  func(*mutant)
}{
	{"nothing is broken", "", func(*mutant) {}},
	{"loses a message now and then", "many senders and consumers lose and double nothing", func(m *mutant) {
		m.publish = func(ctx context.Context, msg *broker.Message) error {
			if m.count.Add(1)%50 == 0 {
				return nil
			}
			return m.Broker.Publish(ctx, msg)
		}
	}},
	{"doubles a message now and then", "many senders and consumers lose and double nothing", func(m *mutant) {
		m.publish = func(ctx context.Context, msg *broker.Message) error {
			if m.count.Add(1)%50 == 0 {
				m.Broker.Publish(ctx, msg)
			}
			return m.Broker.Publish(ctx, msg)
		}
	}},
	{"confirms what was refused", "an unroutable message is refused", func(m *mutant) {
		m.publish = func(ctx context.Context, msg *broker.Message) error {
			err := m.Broker.Publish(ctx, msg)
			if refused := (*broker.RefusedError)(nil); errors.As(err, &refused) {
				return nil
			}
			return err
		}
	}},
	{"takes a missing exchange for an unroutable message", "a missing exchange is refused and harms nobody else", func(m *mutant) {
		m.publish = func(ctx context.Context, msg *broker.Message) error {
			err := m.Broker.Publish(ctx, msg)
			if refused := (*broker.RefusedError)(nil); errors.As(err, &refused) {
				refused.Reason = broker.Unroutable
			}
			return err
		}
	}},
	{"returns the bare error of a context", "a publish whose context is over was not sent", func(m *mutant) {
		m.publish = func(ctx context.Context, msg *broker.Message) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return m.Broker.Publish(ctx, msg)
		}
	}},
	{"says not sent of what it sends", "a publish cancelled midway tells what became of it", func(m *mutant) {
		m.publish = func(ctx context.Context, msg *broker.Message) error {
			err := m.Broker.Publish(ctx, msg)
			if err == nil && m.count.Add(1)%10 == 0 {
				return broker.ErrNotSent
			}
			return err
		}
	}},
	{"mixes up the errors of a batch", "a batch tells each message's own outcome in order", func(m *mutant) {
		m.batch = func(ctx context.Context, batch []*broker.Message) []error {
			errs := m.Broker.PublishBatch(ctx, batch)
			slices.Reverse(errs)
			return errs
		}
	}},
	{"sends a batch backwards", "a queue keeps the order of one sender", func(m *mutant) {
		m.batch = func(ctx context.Context, batch []*broker.Message) []error {
			batch = slices.Clone(batch)
			slices.Reverse(batch)
			return m.Broker.PublishBatch(ctx, batch)
		}
	}},
	{"widens integers in headers", "every header survives", func(m *mutant) {
		m.deliver = func(d *broker.Delivery) { d.Headers["int32"] = int64(-7) }
	}},
	{"drops the correlation id", "every property survives", func(m *mutant) {
		m.deliver = func(d *broker.Delivery) { d.Properties.CorrelationID = "" }
	}},
	{"cuts long bodies", "a body of any size survives", func(m *mutant) {
		m.deliver = func(d *broker.Delivery) { d.Body = d.Body[:min(len(d.Body), 1<<20-1)] }
	}},
	{"has no prefetch limit", "the prefetch limit is never passed", func(m *mutant) {
		m.subscribe = func(s *broker.Subscription) { s.Prefetch = 0 }
	}},
	{"lets one too many out", "the broker hands out as many as the prefetch limit and no more", func(m *mutant) {
		m.subscribe = func(s *broker.Subscription) { s.Prefetch++ }
	}},
	{"takes SetPrefetch for done", "the prefetch limit grows while running", func(m *mutant) { m.setPrefetch = false }},
	{"forgets that it redelivers", "a rejected message comes again, marked and counted", func(m *mutant) {
		m.deliver = func(d *broker.Delivery) { d.Redelivered = false }
	}},
	{"counts deliveries from one", "a rejected message comes again, marked and counted", func(m *mutant) {
		m.deliver = func(d *broker.Delivery) { d.Deliveries++ }
	}},
	{"never acknowledges", "an acknowledged message is off the queue", func(m *mutant) {
		m.settler = func(s broker.Settler) broker.Settler { return deaf{s} }
	}},
	{"settles twice", "a delivery is settled once", func(m *mutant) {
		m.settler = func(s broker.Settler) broker.Settler { return forgiving{s} }
	}},
	{"goes on after Stop", "after Stop nothing is delivered and what is held can be settled", func(m *mutant) { m.stop = false }},
	{"keeps what Close should give back", "Close gives back what is unsettled at once", func(m *mutant) { m.giveBack = false }},
	{"shares an exclusive queue", "an exclusive consumer shares with nobody", func(m *mutant) {
		m.subscribe = func(s *broker.Subscription) { s.Exclusive = false }
	}},
	{"knows no priority", "a higher priority goes first, and equals in order", func(m *mutant) {
		m.publish = func(ctx context.Context, msg *broker.Message) error {
			flat := *msg
			flat.Properties.Priority = 0
			return m.Broker.Publish(ctx, &flat)
		}
	}},
	{"knows no expiration", "a message is dropped when its expiration has passed", func(m *mutant) {
		m.publish = func(ctx context.Context, msg *broker.Message) error {
			eternal := *msg
			eternal.Properties.Expiration = ""
			return m.Broker.Publish(ctx, &eternal)
		}
	}},
	{"knows no delay", "a delayed message comes when it is due and not before", func(m *mutant) {
		m.publish = func(ctx context.Context, msg *broker.Message) error {
			now := *msg
			now.NotBefore = now.NotBefore.AddDate(-1, 0, 0)
			return m.Broker.Publish(ctx, &now)
		}
	}},
	{"buries without a word", "a message rejected for good goes to the dead-letter exchange", func(m *mutant) {
		m.deliver = func(d *broker.Delivery) { delete(d.Headers, "x-death") }
	}},
	{"sees no drift", "a queue declared otherwise has drifted", func(m *mutant) {
		m.declare = func(ctx context.Context, t broker.Topology) error {
			err := m.Broker.Declare(ctx, t)
			if drift := (*broker.DriftError)(nil); errors.As(err, &drift) {
				return nil
			}
			return err
		}
	}},
	{"loses the pattern of a topic", "a topic exchange sends by pattern", func(m *mutant) {
		m.declare = func(ctx context.Context, t broker.Topology) error {
			for i := range t.Bindings {
				t.Bindings[i].RoutingKey = strings.ReplaceAll(t.Bindings[i].RoutingKey, "*", "#")
			}
			return m.Broker.Declare(ctx, t)
		}
	}},
	{"keeps a loss to itself", "a consumer that declares its queue survives its deletion", func(m *mutant) {
		m.subscribe = func(s *broker.Subscription) { s.Notify = nil }
	}},
	{"miscounts what it purges", "Purge removes what is ready and leaves what is handed out", func(m *mutant) { m.purged = 1 }},
	{"works after Close", "after Close nothing is sent and everything else is ErrClosed", func(m *mutant) { m.close = false }},
	{"leaves a goroutine", "open, work and close leave no goroutine behind", func(m *mutant) {
		go func() { select {} }()
	}},
}

// TestTheSuiteCatchesEveryMutant runs one test of the suite for each mutant, which must fail.
func TestTheSuiteCatchesEveryMutant(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			run := "^TestMutant$"
			if m.caught != "" {
				run += "/^" + strings.NewReplacer(" ", "_", "'", ".").Replace(m.caught) + "$"
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", run, "-test.v", "-test.timeout", "60s")
			cmd.Env = append(os.Environ(), mutantVariable+"="+m.name)
			out, err := cmd.CombinedOutput()
			if m.caught == "" {
				if err != nil {
					t.Errorf("the suite fails a correct broker: %v\n%s", err, out)
				}
				return
			}
			failed := "--- FAIL: TestMutant/" + strings.ReplaceAll(m.caught, " ", "_")
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !strings.Contains(string(out), failed) {
				t.Errorf("test %q does not catch it (%v):\n%s", m.caught, err, out)
			}
		})
	}
}

// TestMutant runs the suite over the mutant that the environment names.
func TestMutant(t *testing.T) {
	name := os.Getenv(mutantVariable)
	if name == "" {
		t.Skip(mutantVariable + " is not set: TestTheSuiteCatchesEveryMutant sets it")
	}
	for _, m := range mutants {
		if m.name != name {
			continue
		}
		open := func(t *testing.T) broker.Broker {
			b, err := memory.Open(t.Context(), broker.Config{URLs: []string{"memory://"}})
			if err != nil {
				t.Fatal(err)
			}
			spoiled := &mutant{Broker: b, setPrefetch: true, stop: true, giveBack: true, close: true}
			t.Cleanup(func() { b.Close() }) // also when the mutant does not
			m.spoil(spoiled)
			return spoiled
		}
		suite := brokertest.Suite{Open: open, Counts: true, Bubble: m.name != "leaves a goroutine"}
		suite.Run(t)
		return
	}
	t.Fatalf("no mutant is named %q", name)
}

// A mutant passes every call on, but for what its mutation replaces.
type mutant struct {
	broker.Broker
	count atomic.Int64

	publish     func(context.Context, *broker.Message) error
	batch       func(context.Context, []*broker.Message) []error
	declare     func(context.Context, broker.Topology) error
	subscribe   func(*broker.Subscription)
	deliver     func(*broker.Delivery)
	settler     func(broker.Settler) broker.Settler
	setPrefetch bool
	stop        bool
	giveBack    bool
	close       bool
	purged      int
}

func (m *mutant) Publish(ctx context.Context, msg *broker.Message) error {
	if m.publish != nil {
		return m.publish(ctx, msg)
	}
	return m.Broker.Publish(ctx, msg)
}

func (m *mutant) PublishBatch(ctx context.Context, batch []*broker.Message) []error {
	if m.batch != nil {
		return m.batch(ctx, batch)
	}
	return m.Broker.PublishBatch(ctx, batch)
}

func (m *mutant) Declare(ctx context.Context, t broker.Topology) error {
	if m.declare != nil {
		return m.declare(ctx, t)
	}
	return m.Broker.Declare(ctx, t)
}

func (m *mutant) Purge(ctx context.Context, queue string) (int, error) {
	n, err := m.Broker.Purge(ctx, queue)
	return n + m.purged, err
}

func (m *mutant) Close() error {
	if m.close {
		return m.Broker.Close()
	}
	return nil
}

func (m *mutant) Consume(ctx context.Context, s broker.Subscription) (broker.Consumer, error) {
	if m.subscribe != nil {
		m.subscribe(&s)
	}
	if deliver := s.Deliver; deliver != nil {
		s.Deliver = func(d *broker.Delivery) {
			if d.Headers == nil {
				d.Headers = protocol.Table{}
			}
			if m.deliver != nil {
				m.deliver(d)
			}
			if m.settler != nil {
				d.Settler = m.settler(d.Settler)
			}
			deliver(d)
		}
	}
	c, err := m.Broker.Consume(ctx, s)
	if err != nil {
		return nil, err
	}
	return &consumer{Consumer: c, m: m}, nil
}

type consumer struct {
	broker.Consumer
	m *mutant
}

func (c *consumer) SetPrefetch(ctx context.Context, n int) error {
	if !c.m.setPrefetch {
		return nil
	}
	return c.Consumer.SetPrefetch(ctx, n)
}

func (c *consumer) Stop(ctx context.Context) error {
	if !c.m.stop {
		return nil
	}
	return c.Consumer.Stop(ctx)
}

func (c *consumer) Close(ctx context.Context) error {
	if !c.m.giveBack {
		return c.Consumer.Stop(ctx)
	}
	return c.Consumer.Close(ctx)
}

// deaf hears no Ack.
type deaf struct{ broker.Settler }

func (deaf) Ack(uint64) error { return nil }

// forgiving takes a second settlement for the first.
type forgiving struct{ broker.Settler }

func (f forgiving) Ack(tag uint64) error { return forgive(f.Settler.Ack(tag)) }

func (f forgiving) Reject(tag uint64, requeue bool) error {
	return forgive(f.Settler.Reject(tag, requeue))
}

func forgive(err error) error {
	if errors.Is(err, broker.ErrSettled) {
		return nil
	}
	return err
}
