package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/broker"
)

// browser is the broker as a Browser, or the test is skipped.
func (e *env) browser() broker.Browser {
	e.Helper()
	b, ok := e.b.(broker.Browser)
	if !ok {
		e.Skip("it is no broker.Browser")
	}
	return b
}

// browse returns the bodies that were shown, joined by blanks; those in remove were removed.
func (e *env) browse(queue string, limit int, remove ...string) (shown string, more bool) {
	e.Helper()
	var bodies []string
	more, err := e.browser().Browse(e.ctx, queue, limit, func(m *broker.Message) (bool, error) {
		body := string(m.Body)
		bodies = append(bodies, body)
		for _, r := range remove {
			if r == body {
				return true, nil
			}
		}
		return false, nil
	})
	e.ok(err)
	return strings.Join(bodies, " "), more
}

// expectKept is expect for messages that were shown before: in their order, but in a quorum queue, which may put what it
// takes back behind the rest.
func (in *inbox) expectKept(bodies ...string) {
	in.e.Helper()
	if !in.e.quorum() {
		in.expect(bodies...)
		return
	}
	got := strings.Fields(in.bodies(len(bodies)))
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(bodies)); !slices.Equal(got, want) {
		in.e.Fatalf("delivered %q, want %q in any order", got, want)
	}
}

var browsing = []test{
	{"what waits in a queue can be looked at, and stays as it is", func(e *env) {
		q := e.queue(nil)
		m := text(q, "a")
		m.Headers = map[string]any{"name": "value", "number": int64(7)}
		m.Properties.CorrelationID = "id"
		e.publish(m)
		e.put(q, "b", "c")
		for range 3 {
			if got, more := e.browse(q, 10); got != "a b c" || more {
				e.Fatalf("shown %q, more %v", got, more)
			}
		}
		if got, more := e.browse(q, 2); got != "a b" || !more {
			e.Errorf("with a limit of 2: %q, more %v", got, more)
		}
		if got, more := e.browse(q, 3); got != "a b c" || more {
			e.Errorf("with a limit of all: %q, more %v", got, more)
		}
		_, err := e.browser().Browse(e.ctx, q, 1, func(got *broker.Message) (bool, error) {
			if got.Headers["name"] != "value" || got.Headers["number"] != int64(7) || got.Properties.CorrelationID != "id" || got.RoutingKey != q {
				e.Errorf("shown with headers %v, properties %+v, routing key %q", got.Headers, got.Properties, got.RoutingKey)
			}
			return false, nil
		})
		e.ok(err)
		e.ready(q, 3)
		e.consume(broker.Subscription{Queue: q}).expectKept("a", "b", "c")
	}},

	{"what is chosen is removed, and the rest keeps its order", func(e *env) {
		q := e.queue(nil)
		e.put(q, "a", "b", "c", "d", "e")
		if got, _ := e.browse(q, 4, "b", "d", "e"); got != "a b c d" {
			e.Errorf("shown %q", got)
		}
		e.ready(q, 3)
		e.consume(broker.Subscription{Queue: q}).expectKept("a", "c", "e")
	}},

	{"an error ends the look, and what was removed before is gone", func(e *env) {
		q := e.queue(nil)
		e.put(q, "a", "b", "c")
		boom := errors.New("boom")
		_, err := e.browser().Browse(e.ctx, q, 10, func(m *broker.Message) (bool, error) {
			if string(m.Body) == "b" {
				return true, boom
			}
			return true, nil
		})
		if !errors.Is(err, boom) {
			e.Errorf("Browse: %v, want the callback's own error", err)
		}
		e.ready(q, 2)
		e.consume(broker.Subscription{Queue: q}).expectKept("b", "c")
	}},

	{"a message may be published while another is looked at", func(e *env) {
		q, other := e.queue(nil), e.queue(nil)
		e.put(q, "a", "b")
		_, err := e.browser().Browse(e.ctx, q, 10, func(m *broker.Message) (bool, error) {
			return true, e.b.Publish(e.ctx, text(other, string(m.Body)+"'"))
		})
		e.ok(err)
		e.ready(q, 0)
		e.consume(broker.Subscription{Queue: other}).expect("a'", "b'")
	}},

	{"a queue that does not exist cannot be looked at", func(e *env) {
		_, err := e.browser().Browse(e.ctx, e.name("missing"), 10, func(*broker.Message) (bool, error) { return false, nil })
		if !errors.Is(err, broker.ErrNoQueue) {
			e.Errorf("Browse: %v, want ErrNoQueue", err)
		}
	}},

	{"many messages can be looked at", func(e *env) {
		q := e.queue(nil)
		const n = 300
		for i := range n {
			e.put(q, fmt.Sprint(i))
		}
		seen := 0
		_, err := e.browser().Browse(e.ctx, q, 1000, func(m *broker.Message) (bool, error) {
			if string(m.Body) != fmt.Sprint(seen) {
				e.Errorf("message %d is %q", seen, m.Body)
			}
			seen++
			return seen%2 == 0, nil
		})
		e.ok(err)
		if seen != n {
			e.Errorf("%d messages shown", seen)
		}
		e.ready(q, n/2)
	}},
}
