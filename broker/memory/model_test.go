package memory

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/umbel-go/umbel/broker"
)

// TestQueueAgreesWithAModel drives one queue and one consumer through random operations and holds every delivery against
// a model that is a sorted slice.
func TestQueueAgreesWithAModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := &desk{T: t, b: mustOpen(t), ctx: t.Context()}
		defer d.b.Close()
		d.queue("q", nil)
		m := &model{limit: rapid.IntRange(0, 4).Draw(r, "prefetch")}
		in := make(chan *broker.Delivery, 1000)
		subscribe := func() broker.Consumer {
			c, err := d.b.Consume(d.ctx, broker.Subscription{Queue: "q", Prefetch: m.limit, Deliver: func(d *broker.Delivery) { in <- d }})
			d.ok(err)
			return c
		}
		c := subscribe()
		sent := 0
		pick := func(r *rapid.T) int {
			if len(m.held) == 0 {
				r.Skip("nothing is held")
			}
			return rapid.IntRange(0, len(m.held)-1).Draw(r, "which")
		}
		r.Repeat(map[string]func(*rapid.T){
			"publish": func(r *rapid.T) {
				msg := message("q", fmt.Sprint(sent))
				msg.Properties.Priority, msg.Properties.HasPriority = uint8(rapid.IntRange(0, 3).Draw(r, "priority")), true
				m.add(entry{arrival: sent, priority: msg.Properties.Priority})
				sent++
				d.ok(d.b.Publish(d.ctx, msg))
			},
			"ack": func(r *rapid.T) {
				e := m.settle(pick(r))
				d.ok(e.delivery.Ack())
			},
			"requeue": func(r *rapid.T) {
				e := m.settle(pick(r))
				m.add(e)
				d.ok(e.delivery.Reject(true))
			},
			"drop": func(r *rapid.T) {
				e := m.settle(pick(r))
				d.ok(e.delivery.Reject(false))
			},
			"set prefetch": func(r *rapid.T) {
				m.limit = rapid.IntRange(0, 4).Draw(r, "prefetch")
				d.ok(c.SetPrefetch(d.ctx, m.limit))
			},
			"close and consume again": func(*rapid.T) {
				d.ok(c.Close(d.ctx))
				for len(m.held) > 0 {
					m.add(m.settle(0))
				}
				c = subscribe()
			},
			"purge": func(r *rapid.T) {
				n, err := d.b.Purge(d.ctx, "q")
				if err != nil || n != len(m.ready) {
					r.Fatalf("Purge: %d, %v; the model has %d ready", n, err, len(m.ready))
				}
				m.ready = nil
			},
			"": func(r *rapid.T) { // after every step: what the model hands out must come, in that order, and nothing else
				for m.mayTake() {
					want := m.take()
					got := d.next(in)
					if string(got.Body) != fmt.Sprint(want.arrival) || got.Deliveries != want.handed || got.Redelivered != (want.handed > 0) {
						r.Fatalf("delivered %s after %d deliveries (redelivered %v), the model says %d after %d", got.Body, got.Deliveries, got.Redelivered, want.arrival, want.handed)
					}
					want.handed++
					want.delivery = got
					m.held = append(m.held, want)
				}
				d.stat("q", len(m.ready), len(m.held), 1)
				if len(in) > 0 {
					r.Fatalf("delivered %s, the model hands out nothing", (<-in).Body)
				}
			},
		})
	})
}

func mustOpen(t *testing.T) *Broker {
	t.Helper()
	b, err := Open(t.Context(), broker.Config{URLs: []string{"memory://"}})
	if err != nil {
		t.Fatal(err)
	}
	return b.(*Broker)
}

type entry struct {
	arrival  int
	priority uint8
	handed   int
	delivery *broker.Delivery
}

type model struct {
	limit       int
	ready, held []entry
}

func (m *model) add(e entry) {
	m.ready = append(m.ready, e)
	slices.SortFunc(m.ready, func(a, b entry) int {
		if a.priority != b.priority {
			return int(b.priority) - int(a.priority)
		}
		return a.arrival - b.arrival
	})
}

func (m *model) mayTake() bool {
	return len(m.ready) > 0 && (m.limit == 0 || len(m.held) < m.limit)
}

func (m *model) take() entry {
	e := m.ready[0]
	m.ready = m.ready[1:]
	return e
}

func (m *model) settle(i int) entry {
	e := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	return e
}
