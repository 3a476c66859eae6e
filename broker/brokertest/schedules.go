package brokertest

import (
	"time"

	"github.com/umbel-go/umbel/broker"
)

// scheduler is the broker as a Scheduler, or the test is skipped.
func (e *env) scheduler() broker.Scheduler {
	e.Helper()
	e.delaying()
	s, ok := e.b.(broker.Scheduler)
	if !ok {
		e.Skip("it is no broker.Scheduler")
	}
	return s
}

var schedules = []test{
	{"delayed messages can be listed, in the order of their time", func(e *env) {
		s := e.scheduler()
		q, other := e.queue(nil), e.queue(nil)
		for i, d := range []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour} {
			m := later(q, d, []string{"third", "first", "second"}[i])
			m.Headers = map[string]any{"eta": m.NotBefore.UTC().Format(time.RFC3339Nano)}
			e.publish(m)
		}
		e.publish(later(other, time.Hour, "elsewhere"))
		list, more, err := s.Scheduled(e.ctx, q, 1000)
		e.ok(err)
		if more || len(list) != 3 {
			e.Fatalf("%d messages listed, more %v; want 3", len(list), more)
		}
		for i, want := range []string{"first", "second", "third"} {
			got, due := list[i], time.Until(list[i].Due)
			if string(got.Body) != want || got.Queue != q || got.Exchange != "" || got.RoutingKey != q ||
				due > time.Duration(i+1)*time.Hour+time.Second || due < time.Duration(i+1)*time.Hour-time.Minute {
				e.Errorf("listed %q to exchange %q key %q queue %q, due in %v; want %q", got.Body, got.Exchange, got.RoutingKey, got.Queue, due, want)
			}
		}
		if _, more, err := s.Scheduled(e.ctx, "", 2); err != nil || !more {
			e.Errorf("with a limit of 2: more %v, %v; want more", more, err)
		}
	}},

	{"what was listed comes when it is due", func(e *env) {
		s := e.scheduler()
		q := e.queue(nil)
		e.publish(later(q, time.Hour, "much later"))
		m := later(q, e.soon(2), "later")
		e.publish(m)
		if _, _, err := s.Scheduled(e.ctx, "", 1000); err != nil {
			e.Fatal(err)
		}
		d := e.consume(broker.Subscription{Queue: q}).next()
		e.due(m)
		if string(d.Body) != "later" {
			e.Errorf("delivered %q", d.Body)
		}
		e.ok(d.Ack())
	}},

	{"a delayed message can be removed by its id", func(e *env) {
		s := e.scheduler()
		q := e.queue(nil)
		e.publish(later(q, time.Hour, "much later"))
		gone, stays := later(q, e.soon(3), "gone"), later(q, e.soon(4), "stays")
		gone.Properties.CorrelationID, stays.Properties.CorrelationID = "gone-"+q, "stays-"+q
		e.publish(gone, stays)
		if n, err := s.Unschedule(e.ctx, "gone-"+q, 1000); n != 1 || err != nil {
			e.Fatalf("Unschedule: %d, %v; want 1", n, err)
		}
		if n, err := s.Unschedule(e.ctx, "gone-"+q, 1000); n != 0 || err != nil {
			e.Fatalf("Unschedule again: %d, %v; want 0", n, err)
		}
		e.consume(broker.Subscription{Queue: q}).expect("stays")
	}},
}
