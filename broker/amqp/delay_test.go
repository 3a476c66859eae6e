package amqp

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/delayed"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

func TestDelayKeysAreCelerys(t *testing.T) {
	zeros := strings.Repeat("0.", 25)
	for key, want := range map[string]int64{
		zeros + "1.0.1.celery":                          5, // as captured from Celery 5.6, countdown=5
		zeros + "0.1.0.celery":                          2,
		zeros + "0.0.0.celery":                          0,
		strings.Repeat("1.", delayed.Levels) + "celery": delayMost,
	} {
		if got := delayKey(want, "celery"); got != key {
			t.Errorf("delay of %d s: key %s, want %s", want, got, key)
		}
		steps, way, ok := parseDelayKey(key)
		if steps != want || way != "celery" || !ok {
			t.Errorf("%s: read as %d s to %q, %v", key, steps, way, ok)
		}
	}
	if got := delayKey(1<<40, "q"); got != delayKey(delayMost, "q") {
		t.Errorf("a delay beyond the layout's: %s, want its longest", got)
	}
	for _, key := range []string{"", "celery", "0.1.celery", strings.Repeat("2.", delayed.Levels) + "x", strings.Repeat("10", delayed.Levels)} {
		if _, _, ok := parseDelayKey(key); ok {
			t.Errorf("%q was read as a delayed message's key", key)
		}
	}
}

func TestWaysBackAreOneWordAndNoTwoAlike(t *testing.T) {
	seen := make(map[string]string)
	for _, name := range []string{"celery", "a.celery", "b.a.celery", "a%2Ecelery", "a%252Ecelery", "*", "#", "#.celery", "", "grün",
		strings.Repeat("long.", 50), strings.Repeat("long.", 50) + "x"} {
		way := delayed.Way(delayed.QueueWay, name)
		if strings.Contains(way, ".") || len(way)+delayed.Digits > shortString {
			t.Errorf("way to %q is %q: it must be one word that fits", name, way)
		}
		if other, dup := seen[way]; dup {
			t.Errorf("queues %q and %q have one way, %q", name, other, way)
		}
		seen[way] = name
		if got := wayQueue(way); !strings.HasPrefix(way, delayed.HashWay) && got != name {
			t.Errorf("way %q is read as that of %q, want %q", way, got, name)
		}
	}
}

// The layout is compared with what a Celery 5.6 worker declared, as RabbitMQ lists it.
func TestDelayTopologyIsCelerys(t *testing.T) {
	for _, kind := range []string{quorumQueue, classicQueue} {
		want := celerysDelayTopology(t, kind)
		got := delayed.Topology(kind)
		if len(got.Exchanges) != delayed.Levels+1 || len(got.Queues) != delayed.Levels || len(got.Bindings) != 2*delayed.Levels {
			t.Fatalf("%d exchanges, %d queues, %d bindings", len(got.Exchanges), len(got.Queues), len(got.Bindings))
		}
		lines := make(map[string]bool)
		for _, q := range got.Queues {
			if !q.Durable || q.Exclusive || q.AutoDelete {
				t.Errorf("queue %s is not a lasting one", q.Name)
			}
			lines["queue "+q.Name+" "+arguments(q.Arguments)] = true
		}
		for _, x := range got.Exchanges {
			if !x.Durable || x.AutoDelete || x.Type != broker.Topic || x.Arguments != nil {
				t.Errorf("exchange %s is not a lasting topic exchange", x.Name)
			}
			lines["exchange "+x.Name] = true
		}
		for _, b := range got.Bindings {
			lines["binding "+b.Source+" "+b.Queue+b.Exchange+" "+b.RoutingKey] = true
		}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("%s layout (-Celery's, +ours):\n%s", kind, diff)
		}
	}
}

// celerysDelayTopology reads the captured layout; Celery's other queue type differs in two arguments.
func celerysDelayTopology(t *testing.T, kind string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("testdata/celery_delayed.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if kind == classicQueue {
			line = strings.ReplaceAll(line, " x-dead-letter-strategy=at-least-once", "")
			line = strings.ReplaceAll(line, "x-queue-type=quorum", "x-queue-type=classic")
		}
		lines[line] = true
	}
	return lines
}

func arguments(t protocol.Table) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		out = append(out, fmt.Sprintf("%s=%v", name, t[name]))
	}
	return strings.Join(out, " ")
}

func TestACelerySenderReachesAQueueThroughTheLayout(t *testing.T) {
	r := testenv.RabbitMQ(t)
	b := open(t, r.URL())
	topology := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "celery", Type: broker.Topic, Durable: true}},
		Queues:    []broker.Queue{{Name: "celery", Durable: true, Arguments: protocol.Table{"x-queue-type": quorumQueue}}},
		Bindings:  []broker.Binding{{Source: "celery", Queue: "celery", RoutingKey: "celery"}},
	}
	in := consume(t, b, broker.Subscription{Queue: "celery", Prefetch: 10, Declare: topology})
	// As Celery 5.6 publishes countdown=2.9.
	due := time.Now().Add(2900 * time.Millisecond)
	m := message("", "from python")
	m.Exchange, m.RoutingKey = "celery_delayed_27", strings.Repeat("0.", 26)+"1.0.celery"
	m.Headers = protocol.Table{"eta": due.UTC().Format(time.RFC3339Nano)}
	publish(t, b, m)
	d := in.next()
	if early := time.Until(due); early > delayStep {
		t.Errorf("delivered %v early", early)
	}
	if string(d.Body) != "from python" || d.Headers["x-death"] != nil || d.Headers["x-first-death-queue"] != nil || d.Headers["eta"] == nil {
		t.Errorf("delivered %q with headers %v", d.Body, d.Headers)
	}
	if err := d.Ack(); err != nil {
		t.Fatal(err)
	}
	// And ours, to the same exchange, takes Celery's way.
	ours := message("", "from go")
	ours.Exchange, ours.RoutingKey, ours.NotBefore = "celery", "celery", time.Now().Add(1500*time.Millisecond)
	publish(t, b, ours)
	d = in.next()
	if early := time.Until(ours.NotBefore); early > delayStep {
		t.Errorf("delivered %v early", early)
	}
	if _, way, ok := parseDelayKey(d.RoutingKey); string(d.Body) != "from go" || !ok || way != "celery" {
		t.Errorf("delivered %q with routing key %s", d.Body, d.RoutingKey)
	}
	if err := d.Ack(); err != nil {
		t.Fatal(err)
	}
}

func TestALayoutOfTheOtherTypeServesToo(t *testing.T) {
	r := testenv.RabbitMQ(t)
	first := open(t, r.URL(), func(c *broker.Config) { c.DelayQueueType = classicQueue })
	declareQueue(t, first, "q", nil)
	send := func(b *Broker, body string) {
		t.Helper()
		m := message("q", body)
		m.NotBefore = time.Now().Add(1300 * time.Millisecond)
		publish(t, b, m)
	}
	send(first, "warm")
	second := open(t, r.URL())
	in := consume(t, second, broker.Subscription{Queue: "q"})
	in.next()
	send(second, "quorum was wanted")
	if d := in.next(); string(d.Body) != "quorum was wanted" {
		t.Errorf("delivered %q", d.Body)
	}
}

func TestALayoutThatWasDeletedIsMadeAgain(t *testing.T) {
	r := testenv.RabbitMQ(t)
	b, other := open(t, r.URL()), open(t, r.URL())
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q"})
	send := func(body string) {
		t.Helper()
		m, late := message("q", body), message("q", body+" in a batch")
		m.NotBefore = time.Now().Add(1200 * time.Millisecond)
		late.NotBefore = m.NotBefore
		publish(t, b, m)
		if errs := b.PublishBatch(t.Context(), []*broker.Message{late}); errs != nil {
			t.Fatal(errs)
		}
		in.next()
		in.next()
	}
	send("first")
	if err := other.Delete(t.Context(), delayed.Topology(quorumQueue)); err != nil {
		t.Fatal(err)
	}
	send("second")
}

func TestALayoutDeletedWhileItsWaysAreNoLongerFreshIsMadeAgain(t *testing.T) {
	r := testenv.RabbitMQ(t)
	b, other := open(t, r.URL()), open(t, r.URL())
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q"})
	for range 2 {
		m := message("q", "late")
		m.NotBefore = time.Now().Add(1200 * time.Millisecond)
		publish(t, b, m)
		in.next()
		if err := other.Delete(t.Context(), delayed.Topology(quorumQueue)); err != nil {
			t.Fatal(err)
		}
		w := b.ways
		w.mu.Lock()
		clear(w.seen) // as it is wayFresh later
		w.mu.Unlock()
	}
}
