package amqp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
)

// linked returns a RabbitMQ behind a link, and its URL through it.
func linked(t *testing.T) (r *testenv.Rabbit, link *faultnet.Link, url string) {
	r = testenv.RabbitMQ(t)
	link = faultnet.To(t, r.Addr())
	return r, link, r.URLAt("amqp", link.Addr())
}

func TestAHundredCutsInARowLoseNothing(t *testing.T) {
	t.Parallel()
	_, link, url := linked(t)
	b := open(t, url)
	hurry(b)
	declareQueue(t, b, "q", nil)
	var mu sync.Mutex
	seen := make(map[string]int)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 20})

	ctx, stop := context.WithCancel(t.Context())
	var all, sending sync.WaitGroup
	confirmed := make([]int, 4)
	for s := range confirmed {
		sending.Go(func() { // a sender that repeats what may not have arrived
			for i := 0; ctx.Err() == nil; i++ {
				for {
					err := b.Publish(t.Context(), message("q", fmt.Sprintf("%d-%d", s, i)))
					if err == nil {
						confirmed[s]++
						break
					}
					if !errors.Is(err, broker.ErrNotSent) && !errors.Is(err, broker.ErrUnconfirmed) {
						t.Errorf("publish: %v", err)
						return
					}
				}
			}
		})
	}
	done := make(chan struct{})
	all.Go(func() {
		stale := 0
		for {
			select {
			case d := <-in.deliveries:
				mu.Lock()
				seen[string(d.Body)]++
				mu.Unlock()
				if err := d.Ack(); errors.Is(err, broker.ErrStale) {
					stale++
				} else if err != nil {
					t.Errorf("ack: %v", err)
				}
			case <-done:
				t.Logf("%d acks came too late for their session", stale)
				return
			}
		}
	})
	cuts := 100
	if n, err := strconv.Atoi(os.Getenv("UMBEL_TEST_CUTS")); err == nil {
		cuts = n // the long form
	}
	for cut := range cuts {
		want := link.Accepted() + 2
		if n := link.Cut(); n != 2 {
			t.Errorf("cut %d found %d connections, want 2", cut, n)
		}
		in.state(broker.ConsumerLost)
		in.state(broker.ConsumerRestored)
		select {
		case <-link.Accepts(want):
		case <-time.After(patience):
			t.Fatalf("after cut %d only %d of %d connections came", cut, link.Accepted(), want)
		}
		// The publishing connection counts as open for the link before it does for us.
		if err := b.Publish(t.Context(), message("q", fmt.Sprint("cut ", cut))); err != nil && !errors.Is(err, broker.ErrUnconfirmed) {
			t.Fatalf("publish after cut %d: %v", cut, err)
		}
	}
	stop()
	sending.Wait()
	testenv.Await(t, "every confirmed message", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for s, n := range confirmed {
			for i := range n {
				if seen[fmt.Sprintf("%d-%d", s, i)] == 0 {
					return false
				}
			}
		}
		return true
	}, nil)
	close(done)
	all.Wait()
	total := 0
	for _, n := range confirmed {
		total += n
	}
	t.Logf("%d messages confirmed over %d cuts", total, cuts)
}

// hurry spares a test that cuts on purpose the pauses of a broker that flaps.
func hurry(b *Broker) {
	for _, l := range []*link{b.publishing, b.consuming} {
		l.mu.Lock()
		l.flap = time.Millisecond
		l.mu.Unlock()
	}
}

func TestAnAckFromBeforeACutNeverReachesTheNewSession(t *testing.T) {
	t.Parallel()
	_, link, url := linked(t)
	b := open(t, url)
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1})
	publish(t, b, message("q", "first"), message("q", "second"))
	old := in.next()
	link.Cut()
	in.state(broker.ConsumerLost)
	in.state(broker.ConsumerRestored)
	again := in.next()
	if string(again.Body) != "first" || !again.Redelivered {
		t.Errorf("after the cut came %q, redelivered %v; want first, redelivered", again.Body, again.Redelivered)
	}
	if again.Tag != old.Tag {
		t.Errorf("tags %d and %d: the test is meant for equal ones", old.Tag, again.Tag)
	}
	for range 2 {
		if err := old.Ack(); !errors.Is(err, broker.ErrStale) {
			t.Errorf("ack of the old delivery: %v, want ErrStale", err)
		}
	}
	if err := in.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	in = consume(t, b, broker.Subscription{Queue: "q", Prefetch: 2})
	for _, want := range []string{"first", "second"} {
		d := in.next()
		if string(d.Body) != want {
			t.Errorf("came %q, want %q: the stale ack removed a message", d.Body, want)
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
	}
}

// The link is cut after each so many bytes of a publish, and what Publish says is held against what the queue got.
func TestAPublishTellsTheTruthWhereverTheLinkIsCut(t *testing.T) {
	t.Parallel()
	r, link, url := linked(t)
	witness := open(t, r.URL())
	declareQueue(t, witness, "q", nil)
	b := open(t, url)
	hurry(b)
	kinds := make(map[string]int)
	check := func(where string, fault func()) {
		t.Helper()
		for { // a session stands, and the exchange is proven
			if err := b.Publish(t.Context(), message("q", "before")); err == nil {
				break
			} else if outcome(err) != "unconfirmed" {
				t.Fatal(err)
			}
		}
		fault()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		err := b.Publish(ctx, message("q", "cut"))
		link.Heal()
		publish(t, witness, message("q", "after"))
		in := consume(t, witness, broker.Subscription{Queue: "q"})
		came := 0
		for d := in.next(); ; d = in.next() {
			if err := d.Ack(); err != nil {
				t.Fatal(err)
			}
			if string(d.Body) == "after" {
				break
			}
			if string(d.Body) == "cut" {
				came++
			}
		}
		if err := in.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		kind := outcome(err)
		kinds[kind]++
		switch {
		case kind == "confirmed" && came == 1, kind == "not sent" && came == 0, kind == "unconfirmed" && came <= 1:
		default:
			t.Errorf("%s: %s (%v), and it came %d times", where, kind, err, came)
		}
	}
	for n := int64(0); n <= 96; n += 4 {
		check(fmt.Sprintf("cut after %d bytes sent", n), func() { link.CutAfterRequests(faultnet.Bytes(n)) })
	}
	for n := int64(0); n <= 24; n += 3 {
		check(fmt.Sprintf("cut after %d bytes received", n), func() { link.CutAfterReplies(faultnet.Bytes(n)) })
	}
	if kinds["unconfirmed"] == 0 || kinds["confirmed"] == 0 {
		t.Errorf("outcomes %v: the cuts did not hit where they should", kinds)
	}
	t.Logf("outcomes: %v", kinds)
}

func TestALostConfirmIsUnconfirmedAndTheMessageThere(t *testing.T) {
	t.Parallel()
	r, link, url := linked(t)
	witness := open(t, r.URL())
	declareQueue(t, witness, "q", nil)
	b := open(t, url)
	publish(t, b, message("q", "one"))
	link.DropReplies(faultnet.Now())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.Publish(ctx, message("q", "two")) }()
	in := consume(t, witness, broker.Subscription{Queue: "q"})
	in.next()
	if d := in.next(); string(d.Body) != "two" {
		t.Errorf("came %q, want two", d.Body)
	}
	cancel()
	if err := <-done; outcome(err) != "unconfirmed" {
		t.Errorf("publish: %v, want ErrUnconfirmed", err)
	}
	link.Heal()
	before := b.publishing.sessions.get()
	link.Cut()
	<-before.goneOrNil()
	publish(t, b, message("q", "three"))
}

func TestPublishWaitsForTheConnectionAsLongAsItsContext(t *testing.T) {
	t.Parallel()
	_, link, url := linked(t)
	b := open(t, url)
	declareQueue(t, b, "q", nil)
	publish(t, b, message("q", "one"))
	link.Down()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	<-b.publishing.sessions.get().goneOrNil()
	err := b.Publish(ctx, message("q", "two"))
	if outcome(err) != "not sent" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish while down: %v, want ErrNotSent with its deadline", err)
	}
	if !strings.Contains(fmt.Sprint(err), "amqp") || strings.ContainsAny(fmt.Sprint(err), "\n") {
		t.Errorf("publish while down: %v; want the cause, on one line", err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Publish(t.Context(), message("q", "three")) }()
	link.Up()
	if err := <-done; err != nil {
		t.Errorf("publish that waited: %v", err)
	}
}

// goneOrNil is the session's end; closed at once when there is no session.
func (s *session) goneOrNil() <-chan struct{} {
	if s == nil {
		c := make(chan struct{})
		close(c)
		return c
	}
	return s.gone
}

func TestTheFirstConsumeWaitsForTheBrokerToo(t *testing.T) {
	t.Parallel()
	r, link, url := linked(t)
	declareQueue(t, open(t, r.URL()), "q", nil)
	b := open(t, url)
	link.Down()
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := b.Consume(short, broker.Subscription{Queue: "q", Deliver: func(*broker.Delivery) {}}); !errors.As(err, new(*broker.OpenError)) {
		t.Errorf("consume while down: %v, want an *OpenError that says why", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := b.Consume(t.Context(), broker.Subscription{Queue: "q", Deliver: func(*broker.Delivery) {}})
		done <- err
	}()
	link.Up()
	if err := <-done; err != nil {
		t.Errorf("consume that waited: %v", err)
	}
}

func TestASilentBrokerIsLeftAfterOneAndAHalfHeartbeats(t *testing.T) {
	t.Parallel()
	_, link, url := linked(t)
	b := open(t, url, func(c *broker.Config) { c.Heartbeat = time.Second })
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1})
	publish(t, b, message("q", "one"))
	held := in.next()
	link.FreezeReplies() // half cut: what we send still arrives, and the broker's own heartbeat check is content
	err := in.state(broker.ConsumerLost)
	if err == nil || !strings.Contains(err.Error(), "heartbeat") {
		t.Errorf("lost because of %v, want the missing heartbeats", err)
	}
	link.Heal()
	link.Cut()
	in.state(broker.ConsumerRestored)
	if d := in.next(); string(d.Body) != "one" {
		t.Errorf("came %q, want one", d.Body)
	}
	if err := held.Ack(); !errors.Is(err, broker.ErrStale) {
		t.Errorf("ack: %v, want ErrStale", err)
	}
}

func TestAnIdleConnectionStaysThroughManyHeartbeats(t *testing.T) {
	t.Parallel()
	_, link, url := linked(t)
	b := open(t, url, func(c *broker.Config) { c.Heartbeat = time.Second })
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1, Deliver: nil})
	opened := link.Accepted()
	// There is no event in nothing happening: three times the limit must pass.
	time.Sleep(4 * time.Second)
	publish(t, b, message("q", "still there"))
	in.next()
	if n := link.Accepted(); n != opened {
		t.Errorf("%d connections, want the first %d", n, opened)
	}
}

// Handlers that take every processor, a consumer that stands still before a full window, and a flow in both directions: the
// heartbeats of either side are answered meanwhile.
func TestHeartbeatsDoNotDependOnTheLoad(t *testing.T) {
	t.Parallel()
	_, wire, url := linked(t)
	b := open(t, url, func(c *broker.Config) { c.Heartbeat = time.Second })
	for _, q := range []string{"busy", "stuck"} {
		declareQueue(t, b, q, nil)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // three times what either side allows of silence
	defer cancel()
	var all sync.WaitGroup
	release := make(chan struct{})
	stuck, err := b.Consume(t.Context(), broker.Subscription{Queue: "stuck", Deliver: func(*broker.Delivery) { <-release }})
	if err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int64
	_, err = b.Consume(t.Context(), broker.Subscription{Queue: "busy", Prefetch: 100, Deliver: func(d *broker.Delivery) {
		taken.Add(1)
		if err := d.Ack(); err != nil {
			t.Errorf("ack: %v", err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range runtime.GOMAXPROCS(0) + 1 { // handlers that compute
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_ = sha256.Sum256(make([]byte, 64<<10))
			}
		})
	}
	body := strings.Repeat("x", 16<<10)
	for range 2 {
		all.Go(func() {
			for ctx.Err() == nil {
				for _, q := range []string{"busy", "stuck"} {
					if err := b.Publish(t.Context(), message(q, body)); err != nil {
						t.Errorf("publish: %v", err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	close(release)
	if err := stuck.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := wire.Accepted(); n != 2 {
		t.Errorf("%d connections, want the first 2: one was taken for dead", n)
	}
	if taken.Load() == 0 {
		t.Error("nothing was delivered: there was no load")
	}
}

func TestReconnectingIsGivenUpWhenItIsBounded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*broker.Config){
		"after so many attempts": func(c *broker.Config) { c.MaxRetries = 3 },
		"at once":                func(c *broker.Config) { c.NoReconnect = true },
	} {
		t.Run(name, func(t *testing.T) {
			_, link, url := linked(t)
			b := open(t, url, change)
			declareQueue(t, b, "q", nil)
			in := consume(t, b, broker.Subscription{Queue: "q"})
			link.Down()
			select {
			case <-b.Done():
			case <-time.After(patience):
				t.Fatal("not given up")
			}
			if b.Err() == nil {
				t.Error("Err is nil")
			}
			if err := b.Publish(t.Context(), message("q", "x")); outcome(err) != "not sent" {
				t.Errorf("publish: %v, want ErrNotSent", err)
			}
			if _, err := b.Stat(t.Context(), "q"); !errors.Is(err, broker.ErrClosed) {
				t.Errorf("stat: %v, want ErrClosed", err)
			}
			in.state(broker.ConsumerLost)
			if err := in.state(broker.ConsumerFailed); err == nil {
				t.Error("the consumer failed without a reason")
			}
			t.Log(b.Err())
		})
	}
}

func TestTheNextURLOfTheListTakesOver(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	first, second := faultnet.To(t, r.Addr()), faultnet.To(t, r.Addr())
	first.Refuse(true)
	b := open(t, r.URLAt("amqp", first.Addr())+";"+r.URLAt("amqp", second.Addr()))
	declareQueue(t, b, "q", nil)
	if second.Accepted() != 1 {
		t.Fatalf("%d connections through the second URL, want 1", second.Accepted())
	}
	first.Up()
	before := b.publishing.sessions.get()
	second.Down()
	<-before.goneOrNil()
	publish(t, b, message("q", "x"))
	if first.Accepted() != 1 {
		t.Errorf("%d connections through the first URL, want 1", first.Accepted())
	}
}

func TestConsumingAndPublishingMayHaveTheirOwnURLs(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	write, dead, read := faultnet.To(t, r.Addr()), faultnet.To(t, r.Addr()), faultnet.To(t, r.Addr())
	dead.Refuse(true)
	b := open(t, r.URLAt("amqp", write.Addr()), func(c *broker.Config) {
		c.ReadURLs = []string{r.URLAt("amqp", dead.Addr()), r.URLAt("amqp", read.Addr())}
	})
	hurry(b)
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 5})
	publish(t, b, message("q", "x"))
	if err := in.next().Ack(); err != nil {
		t.Error(err)
	}
	if w, r := write.Accepted(), read.Accepted(); w != 1 || r != 1 {
		t.Errorf("%d connections to publish and %d to consume, want one each", w, r)
	}
	// Each comes back to its own.
	before := b.publishing.sessions.get()
	write.Cut()
	read.Cut()
	<-before.goneOrNil()
	publish(t, b, message("q", "y"))
	for string(in.next().Body) != "y" { // x comes again if its ack was still on the way
	}
	if w, r := write.Accepted(), read.Accepted(); w != 2 || r != 2 {
		t.Errorf("%d connections to publish and %d to consume after the loss, want two each", w, r)
	}
	if c, err := broker.Open(t.Context(), broker.Config{URLs: []string{"memory://x"}, ReadURLs: []string{"memory://y"}}); err == nil {
		c.Close()
		t.Error("a broker in memory has two addresses")
	}
}

func TestAChannelErrorIsOneSubscriptionsAffair(t *testing.T) {
	t.Parallel()
	_, link, url := linked(t)
	b := open(t, url)
	declareQueue(t, b, "a", nil)
	declareQueue(t, b, "b", nil)
	one := consume(t, b, broker.Subscription{Queue: "a", Prefetch: 5})
	two := consume(t, b, broker.Subscription{Queue: "b", Prefetch: 5})
	publish(t, b, message("a", "held"), message("b", "held"))
	lost, kept := one.next(), two.next()
	opened := link.Accepted()
	// 406, as RabbitMQ closes a channel whose delivery is not acked in time.
	if err := lost.Settler.(*settler).ch.Ack(1<<40, false); err != nil {
		t.Fatal(err)
	}
	if err := one.state(broker.ConsumerLost); !strings.Contains(fmt.Sprint(err), "406") {
		t.Errorf("lost because of %v, want the broker's 406", err)
	}
	one.state(broker.ConsumerRestored)
	if err := lost.Ack(); !errors.Is(err, broker.ErrStale) {
		t.Errorf("ack in the lost channel: %v, want ErrStale", err)
	}
	if d := one.next(); !d.Redelivered {
		t.Error("the held delivery did not come again")
	}
	if err := kept.Ack(); err != nil {
		t.Errorf("ack in the other channel: %v", err)
	}
	if len(two.states) > 0 {
		t.Errorf("the other subscription was told %v", <-two.states)
	}
	if link.Accepted() != opened {
		t.Error("a new connection was made")
	}
}

func TestTwoConnectionsWhateverTheLoad(t *testing.T) {
	t.Parallel()
	_, link, url := linked(t)
	b := open(t, url)
	if link.Accepted() != 1 {
		t.Errorf("%d connections after Open, want 1", link.Accepted())
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			q := fmt.Sprint("q", i)
			declareQueue(t, b, q, nil)
			in := consume(t, b, broker.Subscription{Queue: q, Prefetch: 5})
			for range 50 {
				publish(t, b, message(q, "x"))
				if err := in.next().Ack(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if link.Accepted() != 2 {
		t.Errorf("%d connections under load, want 2", link.Accepted())
	}
}

// A connection that is lost while it subscribes leaves its exclusive queue locked until the broker has noticed. Here somebody
// else holds it meanwhile.
func TestAQueueThatALostConnectionHoldsIsWaitedFor(t *testing.T) {
	t.Parallel()
	r, link, url := linked(t)
	mine := broker.Topology{Queues: []broker.Queue{{Name: "mine", Exclusive: true, AutoDelete: true}}}
	holder := open(t, r.URL())
	held, err := holder.Consume(t.Context(), broker.Subscription{Queue: "mine", NoAck: true, Declare: mine, Deliver: func(*broker.Delivery) {}})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, url)
	if c, err := b.Consume(t.Context(), broker.Subscription{Queue: "mine", NoAck: true, Declare: mine, Deliver: func(*broker.Delivery) {}}); err == nil {
		t.Errorf("a queue of another's was taken: %v", c.Close(t.Context()))
	}
	n := link.Accepted()
	link.CutAfterRequests(faultnet.Bytes(1))
	done := make(chan error, 1)
	go func() {
		c, err := b.Consume(t.Context(), broker.Subscription{Queue: "mine", NoAck: true, Declare: mine, Deliver: func(*broker.Delivery) {}})
		if err == nil {
			err = c.Close(context.Background())
		}
		done <- err
	}()
	<-link.Accepts(n + 1)
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(300 * time.Millisecond): // it has met the lock by now, or meets it later
	}
	if err := held.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
