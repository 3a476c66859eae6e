package umbel

import (
	"strings"
	"testing"
)

func TestDeadLetterOptionDeclaresBothEnds(t *testing.T) {
	c, err := loadText(t, "task_queues:\n  orders: {dead_letter: true, queue_arguments: {x-queue-type: quorum}}\n  mail: {dead_letter: graves}\n  plain: {dead_letter: false}\n")
	if err != nil {
		t.Fatal(err)
	}
	c = c.WithDefaults()
	r, err := newRouter(&c, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"orders": "orders.dlq", "mail": "graves"} {
		q, err := r.queue(name)
		if err != nil {
			t.Fatal(err)
		}
		p := q.plan()
		work, keep := p.Topology.Queues[0], p.Topology.Queues[1]
		if p.DeadLetter != to || work.Name != name || work.Arguments["x-dead-letter-exchange"] != "dlx" || work.Arguments["x-dead-letter-routing-key"] != to {
			t.Errorf("%s: %+v", name, p)
		}
		if keep.Name != to || !keep.Durable || keep.Arguments["x-queue-type"] != work.Arguments["x-queue-type"] {
			t.Errorf("%s: kept in %+v", name, keep)
		}
		if b := p.Topology.Bindings[len(p.Topology.Bindings)-1]; b.Source != "dlx" || b.Queue != to || b.RoutingKey != to {
			t.Errorf("%s: bound by %+v", name, b)
		}
	}
	if q, _ := r.queue("plain"); len(q.topology.Queues) != 1 || q.topology.Queues[0].Arguments != nil {
		t.Errorf("plain: %+v", q.topology)
	}
}

func TestDeadLetterOptionRefusesWhatCannotWork(t *testing.T) {
	for text, want := range map[string]string{
		"task_queues: {orders: {dead_letter: orders}}":                                                 "cannot be its own dead_letter",
		"task_queues: {orders: {dead_letter: true, queue_arguments: {x-dead-letter-exchange: other}}}": "keep one",
		"task_queues: {orders: {dead_leter: true}}":                                                    "did you mean dead_letter?",
	} {
		if _, err := loadText(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
