package amqp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/faultnet"
	"github.com/umbel-go/umbel/internal/testenv"
)

// A journal is a log that a test reads.
type journal struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.Write(p)
}

// at returns the lines of a level.
func (j *journal) at(levels ...string) (out []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.lines.String()) {
		for _, level := range levels {
			if strings.Contains(line, "level="+level) {
				out = append(out, line)
			}
		}
	}
	return out
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// conditionsOf returns what a broker is told, and a wait for a condition.
func conditionsOf(t *testing.T, c *broker.Config) (await func(what string, ok func(broker.Condition) bool) broker.Condition) {
	changes := make(chan broker.Condition, 1000)
	c.Changed = func(c broker.Condition) { changes <- c }
	return func(what string, ok func(broker.Condition) bool) broker.Condition {
		t.Helper()
		limit := time.After(patience)
		for {
			select {
			case c := <-changes:
				if ok(c) {
					return c
				}
			case <-limit:
				t.Fatalf("never told: %s", what)
			}
		}
	}
}

// A real alarm: publishing waits or is refused in time, consuming goes on, and everybody is told. Then the broker stops in
// order, and that is no more than routine.
func TestAnAlarmAndAnOrderlyStopAreStatesAndNotFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a RabbitMQ of its own")
	}
	t.Parallel()
	r := testenv.OwnRabbitMQ(t)
	var await func(string, func(broker.Condition) bool) broker.Condition
	log := &journal{}
	b := open(t, r.URL(), func(c *broker.Config) {
		await = conditionsOf(t, c)
		c.Log = log.logger()
		c.ConnectTimeout = 30 * time.Second
	})
	declareQueue(t, b, "q", nil)
	publish(t, b, message("q", "one"), message("q", "two"), message("q", "three"))
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1})
	held := in.next()
	if c := b.Condition(); !c.Connected || c.Blocked != "" || c.Blocks != 0 || c.Losses != 0 {
		t.Errorf("before the alarm: %+v", c)
	}

	r.Ctl("set_vm_memory_high_watermark", "0.00001")
	sent := make(chan error, 1)
	go func() { sent <- b.Publish(t.Context(), message("q", "patient")) }() // RabbitMQ blocks who publishes
	c := await("the alarm", func(c broker.Condition) bool { return c.Blocked != "" })
	if !strings.Contains(c.Blocked, "memory") || c.Since.IsZero() || c.Blocks != 1 || !c.Connected {
		t.Errorf("in the alarm: %+v", c)
	}
	if now := b.Condition(); now.Blocked != c.Blocked {
		t.Errorf("asked in the alarm: %+v", now)
	}
	for _, want := range []string{"two", "three"} { // acks are heard, and deliveries come
		if err := held.Ack(); err != nil {
			t.Fatal(err)
		}
		if held = in.next(); string(held.Body) != want {
			t.Errorf("delivered %q in the alarm, want %s", held.Body, want)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := b.Publish(short, message("q", "refused")); outcome(err) != string(broker.Blocked) {
		t.Errorf("publish with a deadline: %v, want Blocked", err)
	}
	late := make(chan error, 1)
	go func() { late <- b.Publish(t.Context(), message("q", "more patient")) }()
	r.Ctl("set_vm_memory_high_watermark", "0.4")
	if c := await("the end of the alarm", func(c broker.Condition) bool { return c.Blocked == "" }); c.Blocks != 1 || !c.Since.IsZero() {
		t.Errorf("after the alarm: %+v", c)
	}
	for _, c := range []chan error{sent, late} {
		if err := <-c; err != nil {
			t.Errorf("publish that waited: %v", err)
		}
	}
	for _, want := range []string{"patient", "more patient"} {
		if err := held.Ack(); err != nil {
			t.Fatal(err)
		}
		if held = in.next(); string(held.Body) != want {
			t.Errorf("after the alarm came %q, want %q: what was refused must not arrive", held.Body, want)
		}
	}
	if warned := log.at("WARN", "ERROR"); len(warned) != 1 || !strings.Contains(warned[0], "alarm") {
		t.Errorf("log of the alarm: %q", warned)
	}

	r.Stop()
	c = await("the loss", func(c broker.Condition) bool { return !c.Connected })
	if c.Reason == nil {
		t.Error("lost without a reason")
	}
	r.Start()
	if c.Losses == 0 {
		t.Errorf("%+v: a loss is not counted", c)
	}
	await("the return", func(c broker.Condition) bool { return c.Connected })
	in.state(broker.ConsumerLost)
	in.state(broker.ConsumerRestored)
	if d := in.next(); string(d.Body) != "more patient" {
		t.Errorf("after the restart came %q", d.Body)
	}
	if warned := log.at("WARN", "ERROR"); len(warned) != 1 {
		t.Errorf("an orderly stop was more than routine: %q", warned[1:])
	}
	if info := log.at("INFO"); !strings.Contains(strings.Join(info, ""), "the broker has closed the connection") {
		t.Errorf("an orderly stop was not told: %q", info)
	}
}

// 320, by an operator's hand, and 541, as a broker says it that has broken inside.
func TestWhatTheBrokerClosesIsConnectedAgainAtOnceAndNoFault(t *testing.T) {
	t.Parallel()
	r, wire, url := linked(t)
	log := &journal{}
	b := open(t, url, func(c *broker.Config) { c.Log = log.logger() })
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1})
	// A link that fell into its backoff would stay there.
	for _, l := range []*link{b.publishing, b.consuming} {
		l.mu.Lock()
		l.wait = backoff{first: 1000 * time.Hour, most: 1000 * time.Hour}
		l.mu.Unlock()
	}
	for round, close := range []func(){
		func() {
			testenv.Await(t, "two connections", func() bool { return len(r.Connections()) == 2 }, nil)
			r.CloseConnections()
		},
		func() { wire.Say(closeFrame(541, "INTERNAL_ERROR")) },
	} {
		opened := wire.Accepted()
		close()
		if err := in.state(broker.ConsumerLost); !errors.Is(err, broker.ErrMaintenance) {
			t.Errorf("round %d: lost because of %v, want broker.ErrMaintenance", round, err)
		}
		in.state(broker.ConsumerRestored)
		select {
		case <-wire.Accepts(opened + 2):
		case <-time.After(patience):
			t.Fatalf("round %d: %d connections", round, wire.Accepted()-opened)
		}
		publish(t, b, message("q", "again"))
		if err := in.next().Ack(); err != nil {
			t.Error(err)
		}
	}
	if warned := log.at("WARN", "ERROR"); len(warned) != 0 {
		t.Errorf("more than routine: %q", warned)
	}
}

// closeFrame is connection.close.
func closeFrame(code uint16, text string) []byte {
	payload := []byte{0, 10, 0, 50, byte(code >> 8), byte(code), byte(len(text))}
	payload = append(append(payload, text...), 0, 0, 0, 0)
	return append(append([]byte{1, 0, 0, 0, 0, 0, byte(len(payload))}, payload...), 0xCE)
}

// A link that finds the broker wakes the other, however long that meant to wait.
func TestALinkThatIsBackWakesItsSibling(t *testing.T) {
	t.Parallel()
	for name, awake := range map[string]func(*Broker) (early, late *link){
		"the consuming one first":  func(b *Broker) (_, _ *link) { return b.consuming, b.publishing },
		"the publishing one first": func(b *Broker) (_, _ *link) { return b.publishing, b.consuming },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, wire, url := linked(t)
			b := open(t, url)
			declareQueue(t, b, "q", nil)
			in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1})
			early, late := awake(b)
			late.mu.Lock()
			late.wait = backoff{first: 1000 * time.Hour, most: 1000 * time.Hour}
			late.mu.Unlock()
			wire.Down()
			in.state(broker.ConsumerLost)
			testenv.Await(t, "a failed attempt of both", func() bool { return isPassing(early.why()) && isPassing(late.why()) }, nil)
			wire.Up()
			in.state(broker.ConsumerRestored)
			publish(t, b, message("q", "x"))
			in.next()
		})
	}
}

func TestShuffleTriesTheListInEveryOrder(t *testing.T) {
	t.Parallel()
	b := &Broker{endpoints: []*endpoint{{host: "a"}, {host: "b"}, {host: "c"}}, config: broker.Config{Shuffle: true}}
	l := &link{broker: b, endpoints: b.endpoints, latest: &b.latest}
	orders := make(map[string]int)
	for range 600 {
		order := ""
		for _, e := range l.order() {
			order += e.host
		}
		orders[order]++
	}
	for _, want := range []string{"abc", "acb", "bac", "bca", "cab", "cba"} {
		if orders[want] < 40 { // of 100 expected: one run in 10^12 has fewer
			t.Errorf("order %s came %d times in 600", want, orders[want])
		}
	}
	if len(orders) != 6 {
		t.Errorf("orders %v", orders)
	}
}

func TestRoundRobinGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	a, b, c := &endpoint{host: "a"}, &endpoint{host: "b"}, &endpoint{host: "c"}
	of := &Broker{endpoints: []*endpoint{a, b, c}}
	one, two := &link{broker: of, endpoints: of.endpoints, latest: &of.latest}, &link{broker: of, endpoints: of.endpoints, latest: &of.latest}
	hosts := func(l *link) (s string) {
		for _, e := range l.order() {
			s += e.host
		}
		return s
	}
	if got := hosts(one); got != "abc" {
		t.Errorf("at the start %s", got)
	}
	one.connected(b)
	if got := hosts(one) + " " + hosts(two); got != "bca bca" {
		t.Errorf("after b was reached by one of the links: %s", got)
	}
}

// Every URL of a shuffled list that is dead is passed over, at the start and after a loss.
func TestAShuffledListFindsTheBrokerThatLives(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	links := []*faultnet.Link{faultnet.To(t, r.Addr()), faultnet.To(t, r.Addr()), faultnet.To(t, r.Addr())}
	urls := make([]string, len(links))
	for i, l := range links {
		urls[i] = r.URLAt("amqp", l.Addr())
		l.Refuse(i != 0)
	}
	b := open(t, "", func(c *broker.Config) { c.URLs, c.Shuffle = urls, true })
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1})
	for i := 1; i < len(links); i++ {
		links[i].Up()
		links[i-1].Down()
		in.state(broker.ConsumerLost)
		in.state(broker.ConsumerRestored)
		publish(t, b, message("q", "x"))
		if err := in.next().Ack(); err != nil {
			t.Error(err)
		}
		if links[i].Accepted() < 2 {
			t.Errorf("%d connections through the one that lives", links[i].Accepted())
		}
	}
}
