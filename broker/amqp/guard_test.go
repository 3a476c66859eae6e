package amqp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// forget makes RabbitMQ lose a consumer without a word to its client. With stuck its channel answers nothing any more; the
// connection does.
func forget(r *testenv.Rabbit, queue, tag string, stuck bool) {
	last := ""
	if stuck {
		last = "sys:suspend(Ch),"
	}
	out := r.Eval(fmt.Sprintf(`
		{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"%s">>, queue, <<"%s">>)),
		[Ch] = [element(1, C) || C <- rabbit_amqqueue:consumers(Q), element(2, C) =:= <<"%s">>],
		case amqqueue:get_type(Q) of
			rabbit_classic_queue -> gen_server2:call(amqqueue:get_pid(Q), {basic_cancel, Ch, <<"%s">>, undefined, <<"guest">>}, infinity);
			rabbit_quorum_queue -> {ok, _, _} = ra:process_command(amqqueue:get_pid(Q), rabbit_fifo:make_checkout({<<"%s">>, Ch}, cancel, #{}))
		end, %s forgotten.`, r.Vhost(), queue, tag, tag, tag, last))
	if !strings.Contains(out, "forgotten") {
		panic(out)
	}
}

func guarded(c *broker.Config) { c.ConsumerCheck = 100 * time.Millisecond }

func TestAConsumerThatTheBrokerHasForgottenIsRenewed(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "quorum"} {
		for _, holds := range []bool{false, true} {
			name := kind + ", nothing held"
			if holds {
				name = kind + ", one held"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := testenv.RabbitMQ(t)
				b := open(t, r.URL(), guarded)
				declareQueue(t, b, "q", protocol.Table{"x-queue-type": kind})
				in := consume(t, b, broker.Subscription{Queue: "q", Tag: "mine", Prefetch: 5})
				publish(t, b, message("q", "first"))
				first := in.next()
				if !holds {
					if err := first.Ack(); err != nil {
						t.Fatal(err)
					}
					if err := in.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				forget(r, "q", "mine", false)
				publish(t, b, message("q", "second"), message("q", "third"))
				for _, want := range []string{"second", "third"} {
					d := in.next()
					for string(d.Body) == "first" { // a new channel was needed: what was held came again
						d = in.next()
					}
					if string(d.Body) != want {
						t.Errorf("came %q, want %s", d.Body, want)
					}
					if err := d.Ack(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// A channel that swallows what is asked of it is left, and if need be its connection.
func TestAConsumerWhoseRenewalGetsNoAnswerTakesAnotherConnection(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	b := open(t, r.URL(), guarded)
	b.answer = 3 * time.Second
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Tag: "mine", Prefetch: 5})
	publish(t, b, message("q", "held"))
	in.next()
	forget(r, "q", "mine", true)
	publish(t, b, message("q", "more"))
	in.state(broker.ConsumerLost)
	in.state(broker.ConsumerRestored)
	came := []string{string(in.next().Body), string(in.next().Body)}
	if slices.Sort(came); came[0] != "held" || came[1] != "more" {
		t.Errorf("came %q, want held and more", came)
	}
}

// Where messages wait for good reasons the consumer stays as it is.
func TestAConsumerThatHasNoRoomOrNoMessagesIsLeftAlone(t *testing.T) {
	t.Parallel()
	_, wire, url := linked(t)
	var mu sync.Mutex
	methods := make(map[string]int)
	counter := &methodCounter{rest: make(map[int][]byte), seen: func(class, method uint16) {
		mu.Lock()
		defer mu.Unlock()
		methods[fmt.Sprint(class, ".", method)]++
	}}
	wire.Tap(counter.sent)
	b := open(t, url, guarded)
	for _, q := range []string{"full", "paused", "stuck", "empty"} {
		declareQueue(t, b, q, nil)
	}
	full := consume(t, b, broker.Subscription{Queue: "full", Prefetch: 2})
	paused := consume(t, b, broker.Subscription{Queue: "paused", Prefetch: 2})
	if err := paused.SetPrefetch(t.Context(), broker.Paused); err != nil {
		t.Fatal(err)
	}
	empty := consume(t, b, broker.Subscription{Queue: "empty", Prefetch: 2})
	release, entered := make(chan struct{}), make(chan struct{}, 10)
	stuck, err := b.Consume(t.Context(), broker.Subscription{Queue: "stuck", Prefetch: 5, Deliver: func(*broker.Delivery) { entered <- struct{}{}; <-release }})
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		publish(t, b, message("full", "x"), message("paused", "x"), message("stuck", "x"))
	}
	full.next()
	full.next()
	<-entered
	mu.Lock()
	consumes := methods["60.20"]
	mu.Unlock()
	// There is no event in nothing happening. The empty queue is looked at four times in this time; a consumer that the guard
	// took for lost would have been renewed after a quarter of a second.
	asked := func() int { mu.Lock(); defer mu.Unlock(); return methods["50.10"] }
	before := asked()
	testenv.Await(t, "three looks at the empty queue", func() bool { return asked() >= before+3 }, nil)
	mu.Lock()
	if methods["60.20"] != consumes {
		t.Errorf("%d consumers were started, want %d", methods["60.20"], consumes)
	}
	mu.Unlock()
	for name, in := range map[string]*inbox{"full": full, "paused": paused, "empty": empty} {
		if len(in.states) > 0 {
			t.Errorf("%s: told %v", name, <-in.states)
		}
	}
	close(release)
	if err := stuck.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// What an empty queue costs: looks at ever longer intervals, and none while deliveries come.
func TestTheGuardAsksLessAndLess(t *testing.T) {
	t.Parallel()
	_, wire, url := linked(t)
	var mu sync.Mutex
	var asked []time.Time
	counter := &methodCounter{rest: make(map[int][]byte), seen: func(class, method uint16) {
		mu.Lock()
		defer mu.Unlock()
		if class == 50 && method == 10 {
			asked = append(asked, time.Now())
		}
	}}
	b := open(t, url, guarded)
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 2})
	wire.Tap(counter.sent)
	begun := time.Now()
	testenv.Await(t, "five looks", func() bool { mu.Lock(); defer mu.Unlock(); return len(asked) >= 5 }, nil)
	mu.Lock()
	defer mu.Unlock()
	// 0.1, 0.2, 0.4, 0.8 and 1.6 s after one another, or more on a slow machine, and never less.
	if took := asked[4].Sub(begun); took < 3*time.Second {
		t.Errorf("five looks within %v, want at least 3.1 s", took)
	}
	if len(in.states) > 0 {
		t.Errorf("told %v", <-in.states)
	}
}

// A methodCounter reads the methods that clients send.
type methodCounter struct {
	mu   sync.Mutex
	rest map[int][]byte
	seen func(class, method uint16)
}

func (c *methodCounter) sent(conn int, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := append(c.rest[conn], p...)
	b = bytes.TrimPrefix(b, []byte("AMQP\x00\x00\x09\x01"))
	for len(b) >= 8 && b[0] != 'A' {
		size := int(binary.BigEndian.Uint32(b[3:7]))
		if len(b) < size+8 {
			break
		}
		if b[0] == 1 {
			c.seen(binary.BigEndian.Uint16(b[7:]), binary.BigEndian.Uint16(b[9:]))
		}
		b = b[size+8:]
	}
	c.rest[conn] = bytes.Clone(b)
}
