package amqp

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

func TestEveryReturnFindsItsPublish(t *testing.T) {
	t.Parallel()
	b := open(t, testenv.RabbitMQ(t).URL())
	declareQueue(t, b, "q", nil)
	publish(t, b, message("q", "warm"))
	var all sync.WaitGroup
	for s := range 64 {
		all.Go(func() {
			for i := range 60 {
				m, want := message("q", "same"), "confirmed"
				m.Headers = taskHeaders()
				if (s+i)%3 == 0 {
					m.RoutingKey, want = "nowhere", string(broker.Unroutable)
				}
				m.Properties.CorrelationID = fmt.Sprintf("%d-%d", s, i%5)
				if got := outcome(b.Publish(t.Context(), m)); got != want {
					t.Errorf("message to %q: %s, want %s", m.RoutingKey, got, want)
				}
			}
		})
	}
	all.Wait()
	if s, err := b.Stat(t.Context(), "q"); err != nil || s.Ready != 64*40+1 {
		t.Errorf("the queue holds %d messages (%v), want %d", s.Ready, err, 64*40+1)
	}
	l := b.publishing.sessions.get().shared.lanes.get()
	if len(l.returned) > 0 || len(l.slots) > 0 {
		t.Errorf("%d returns and %d slots were left behind", len(l.returned), len(l.slots))
	}
}

func TestAReturnOfAnAbandonedPublishIsNotAnothers(t *testing.T) {
	t.Parallel()
	_, link, url := linked(t)
	b := open(t, url)
	publish(t, b, proving(t, b))
	link.FreezeReplies()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Publish(ctx, message("nowhere", "abandoned")) }()
	l := b.publishing.sessions.get().shared.lanes.get()
	testenv.Await(t, "the publish is on its way", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.last > 0 }, nil)
	cancel()
	if err := <-done; outcome(err) != "unconfirmed" {
		t.Errorf("abandoned publish: %v, want ErrUnconfirmed", err)
	}
	link.Thaw()
	publish(t, b, proving(t, b))
	testenv.Await(t, "the abandoned publish lets go", func() bool { return len(l.slots) == 0 }, nil)
	l.returnedMu.Lock()
	defer l.returnedMu.Unlock()
	if len(l.returned) > 0 {
		t.Errorf("%d returns were left behind", len(l.returned))
	}
}

// proving is a message that is taken, so that the default exchange is proven.
func proving(t *testing.T, b *Broker) *broker.Message {
	t.Helper()
	declareQueue(t, b, "q", nil)
	return message("q", "x")
}

func TestAFullQueueNacks(t *testing.T) {
	t.Parallel()
	b := open(t, testenv.RabbitMQ(t).URL())
	declareQueue(t, b, "full", protocol.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	publish(t, b, message("full", "fits"))
	for range 3 {
		if err := b.Publish(t.Context(), message("full", "does not")); outcome(err) != string(broker.Nacked) {
			t.Errorf("%v, want Nacked", err)
		}
	}
	errs := b.PublishBatch(t.Context(), []*broker.Message{message("full", "a"), message("nowhere", "b"), message("full", "c")})
	if len(errs) != 3 || outcome(errs[0]) != string(broker.Nacked) || outcome(errs[1]) != string(broker.Unroutable) || outcome(errs[2]) != string(broker.Nacked) {
		t.Errorf("batch: %v, want nacked, unroutable, nacked", errs)
	}
}

// Others publish all the while; none of them may notice what one sender is refused for.
func TestARefusalBlursNobodyElse(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	user := "limited-" + r.Vhost()
	r.User(user, "sekrit", ".*", "^(amq\\.default|q|allowed|missing)$", ".*")
	b := open(t, fmt.Sprintf("amqp://%s@%s/%s", url.UserPassword(user, "sekrit"), r.Addr(), url.PathEscape(r.Vhost())))
	owner := open(t, r.URL())
	declareQueue(t, owner, "q", nil)
	x := func(names ...string) (out []broker.Exchange) {
		for _, n := range names {
			out = append(out, broker.Exchange{Name: n, Type: broker.Fanout, Durable: true})
		}
		return out
	}
	if err := owner.Declare(t.Context(), broker.Topology{Exchanges: x("forbidden", "allowed"),
		Bindings: []broker.Binding{{Source: "forbidden", Queue: "q"}, {Source: "allowed", Queue: "q"}}}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for s := range 8 {
		others.Go(func() {
			for i := 0; ctx.Err() == nil || i == 0; i++ {
				m := message("q", "others")
				if s%2 == 0 {
					m.Exchange = "allowed"
				}
				if err := b.Publish(t.Context(), m); err != nil {
					t.Errorf("another's publish: %v", err)
					return
				}
			}
		})
	}
	for what, row := range map[string]struct {
		change func(*broker.Message)
		want   broker.Reason
		says   string
	}{
		"missing exchange":   {func(m *broker.Message) { m.Exchange = "missing" }, broker.NoExchange, "declare"},
		"forbidden exchange": {func(m *broker.Message) { m.Exchange = "forbidden" }, broker.NoPermission, "write permission"},
		"another's user id":  {func(m *broker.Message) { m.Properties.UserID = "root" }, PreconditionFailed, "user_id"},
		"broken CC header":   {func(m *broker.Message) { m.Headers = protocol.Table{"CC": "no array"} }, PreconditionFailed, "CC"},
		"too large":          {func(m *broker.Message) { m.Body = make([]byte, 128<<20+1) }, broker.TooLarge, "134217728"},
	} {
		if what == "too large" && testing.Short() {
			continue
		}
		for range 2 {
			m := message("q", "x")
			row.change(m)
			err := b.Publish(t.Context(), m)
			if outcome(err) != string(row.want) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%s: %v, want %q and %q in it", what, err, row.want, row.says)
			}
			if strings.Contains(fmt.Sprint(err), "sekrit") {
				t.Errorf("%s: the password is in %v", what, err)
			}
		}
	}
	var refused sync.WaitGroup // many at once, each exactly
	for range 32 {
		refused.Go(func() {
			m := message("q", "x")
			m.Exchange = "forbidden"
			if err := b.Publish(t.Context(), m); outcome(err) != string(broker.NoPermission) {
				t.Errorf("%v, want NoPermission", err)
			}
		})
	}
	refused.Wait()
	stop()
	others.Wait()
}

// An exchange that vanishes while many publish to it closes the lane they share. Whatever each is told must be true.
func TestAnExchangeDeletedUnderLoadLeavesTrueOutcomes(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	b, witness := open(t, r.URL()), open(t, r.URL())
	declareQueue(t, witness, "q", nil)
	x := broker.Topology{Exchanges: []broker.Exchange{{Name: "x", Type: broker.Fanout, Durable: true}}, Bindings: []broker.Binding{{Source: "x", Queue: "q"}}}
	var mu sync.Mutex
	told := make(map[string]string) // by body
	count := make(map[string]int)
	for round := range 10 {
		if err := witness.Declare(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		half := make(chan struct{}, 1)
		for s := range 16 {
			all.Go(func() {
				for i := range 20 {
					m := message("q", fmt.Sprintf("%d-%d-%d", round, s, i))
					if s%2 == 0 {
						m.Exchange = "x"
					}
					kind := outcome(b.Publish(t.Context(), m))
					mu.Lock()
					told[string(m.Body)] = kind
					count[kind]++
					mu.Unlock()
					if i == 8 {
						select {
						case half <- struct{}{}:
						default:
						}
					}
				}
			})
		}
		<-half
		if err := witness.Delete(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		all.Wait()
	}
	came := make(map[string]int)
	publish(t, witness, message("q", "end"))
	in := consume(t, witness, broker.Subscription{Queue: "q"})
	for d := in.next(); string(d.Body) != "end"; d = in.next() {
		came[string(d.Body)]++
	}
	for body, kind := range told {
		n := came[body]
		switch {
		case kind == "confirmed" && n == 1, kind == "unconfirmed" && n <= 1, kind == string(broker.NoExchange) && n == 0:
		default:
			t.Errorf("%s: %s, and it came %d times", body, kind, n)
		}
	}
	if count[string(broker.NoExchange)] == 0 {
		t.Errorf("outcomes %v: the exchange was never missing", count)
	}
	t.Logf("outcomes: %v", count)
}

// A RabbitMQ whose memory alarm is raised from the start: publishers are blocked, and nobody else is.
func TestABlockedBrokerRefusesInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a RabbitMQ of its own")
	}
	t.Parallel()
	r := testenv.OwnRabbitMQ(t, "vm_memory_high_watermark.absolute = 1KB", "max_message_size = 2097152")
	b := open(t, r.URL())
	declareQueue(t, b, "q", nil)
	consume(t, b, broker.Subscription{Queue: "q", Prefetch: 5})
	// RabbitMQ says that it blocks when it sees the first publish, and leaves the rest of that message unread.
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- b.Publish(ctx, message("q", "first")) }()
	s := b.publishing.sessions.get()
	in, cancelIn := context.WithTimeout(t.Context(), patience)
	defer cancelIn()
	if _, err := s.blocked.wait(in); err != nil {
		t.Fatal("not told of the alarm")
	}
	cancel()
	if err := <-first; outcome(err) != "unconfirmed" || !strings.Contains(err.Error(), "memory") {
		t.Errorf("first publish: %v, want ErrUnconfirmed because of memory", err)
	}
	s.prove("") // as it is on a connection that has published before the alarm
	short, cancelShort := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancelShort()
	err := b.Publish(short, message("q", "second"))
	if outcome(err) != string(broker.Blocked) || !strings.Contains(err.Error(), "memory") {
		t.Errorf("%v, want Blocked because of memory", err)
	}
	for _, err := range b.PublishBatch(short, []*broker.Message{message("q", "a"), message("q", "b")}) {
		if kind := outcome(err); kind != "not sent" && kind != string(broker.Blocked) {
			t.Errorf("batch: %v, want not sent or Blocked", err)
		}
	}
	declareQueue(t, b, "another", nil) // not held up by the alarm
	if _, err := b.Stat(t.Context(), "q"); err != nil {
		t.Error(err)
	}
	// The end of the alarm is simulated: the publish that waits must go out, whatever becomes of it.
	done := make(chan error, 1)
	wait, cancelWait := context.WithCancel(t.Context())
	go func() { done <- b.Publish(wait, message("q", "third")) }()
	s.block(amqp091.Blocking{Active: false})
	l := s.shared.lanes.get()
	testenv.Await(t, "the publish goes out", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.last > 0 }, nil)
	cancelWait()
	if err := <-done; outcome(err) != "unconfirmed" {
		t.Errorf("publish to a broker that does not read: %v, want ErrUnconfirmed", err)
	}
}

func TestAMessageAboveTheBrokersLimitIsTooLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a RabbitMQ of its own")
	}
	t.Parallel()
	r := testenv.OwnRabbitMQ(t, "max_message_size = 300000")
	b := open(t, r.URL())
	declareQueue(t, b, "q", nil)
	publish(t, b, message("q", "warm"))
	m := message("q", "")
	m.Body = make([]byte, 300_001)
	for range 3 { // below largeBody: the first closes the shared lane, and teaches the limit
		if err := b.Publish(t.Context(), m); outcome(err) != string(broker.TooLarge) {
			t.Errorf("%v, want TooLarge", err)
		}
		publish(t, b, message("q", "fine"))
	}
}

func TestPurgeDriftAndMissingQueuesAreTold(t *testing.T) {
	t.Parallel()
	b := open(t, testenv.RabbitMQ(t).URL())
	declareQueue(t, b, "q", protocol.Table{"x-max-priority": int32(5)})
	err := b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "q", Durable: true}}})
	if err == nil || !strings.Contains(err.Error(), "x-max-priority") {
		t.Errorf("%v, want a drift that names the argument", err)
	}
	if _, err := b.Consume(t.Context(), broker.Subscription{Queue: "missing", Deliver: func(*broker.Delivery) {}}); err == nil || strings.ContainsAny(err.Error(), "\n") {
		t.Errorf("%v, want one line", err)
	}
}
