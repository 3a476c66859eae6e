package umbel

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/umbel-go/umbel/internal/routing"
)

func planOf(t *testing.T, c Config) *plan {
	t.Helper()
	p, err := New("test", WithConfig(c)).ready()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRouting(t *testing.T) {
	no := false
	topic := QueueConfig{Name: "metrics", Exchange: "telemetry", ExchangeType: "topic", RoutingKey: "cpu.#"}
	type want struct{ exchange, key, queue string }
	tests := map[string]struct {
		config  Config
		task    string
		options []SendOption
		want    want
	}{
		"nothing routes: the default queue, by the default exchange": {Config{}, "t", nil, want{"", "celery", "celery"}},
		"a default queue of another name":                            {Config{TaskDefaultQueue: "default"}, "t", nil, want{"", "default", "default"}},
		"by name":                                                    {Config{TaskRoutes: []RouteRule{{"a.b", map[string]any{"queue": "q"}}}}, "a.b", nil, want{"", "q", "q"}},
		"a name before a glob before it": {Config{TaskRoutes: []RouteRule{{"a.*", map[string]any{"queue": "glob"}}, {"a.b", map[string]any{"queue": "name"}}}},
			"a.b", nil, want{"", "name", "name"}},
		"globs in order, dots included": {Config{TaskRoutes: []RouteRule{{"a.*", map[string]any{"queue": "one"}}, {"*", map[string]any{"queue": "two"}}}},
			"a.b.c", nil, want{"", "one", "one"}},
		"by regular expression": {Config{TaskRoutes: []RouteRule{{`re:^a\.(b|c)$`, map[string]any{"queue": "re"}}}}, "a.c", nil, want{"", "re", "re"}},
		"the send over the route": {Config{TaskRoutes: []RouteRule{{"t", map[string]any{"queue": "route"}}}}, "t",
			[]SendOption{Queue("send")}, want{"", "send", "send"}},
		"a routing key alone does nothing on a direct queue, as in Celery": {
			Config{TaskRoutes: []RouteRule{{"t", map[string]any{"queue": "high", "routing_key": "high.priority"}}}}, "t", nil, want{"", "high", "high"}},
		"a topic queue by its binding": {Config{TaskQueues: []QueueConfig{topic}}, "t", []SendOption{Queue("metrics")}, want{"telemetry", "cpu.#", "metrics"}},
		"a topic queue by a key":       {Config{TaskQueues: []QueueConfig{topic}}, "t", []SendOption{Queue("metrics"), RoutingKey("cpu.load")}, want{"telemetry", "cpu.load", "metrics"}},
		"exchange and key as given":    {Config{}, "t", []SendOption{Exchange("x"), RoutingKey("k")}, want{"x", "k", ""}},
		"a missing queue that is the default": {Config{TaskCreateMissingQueues: &no, TaskDefaultQueue: "d",
			TaskQueues: []QueueConfig{{Name: "other"}}}, "t", nil, want{"", "d", "d"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := planOf(t, tt.config)
			o, err := p.layers(t.Context(), call{name: tt.task, options: tt.options})
			if err != nil {
				t.Fatal(err)
			}
			rt, err := p.router.resolve(o)
			if err != nil {
				t.Fatal(err)
			}
			got := want{rt.exchange, rt.routingKey, ""}
			if rt.queue != nil {
				got.queue = rt.queue.config.Name
			}
			if got != tt.want {
				t.Errorf("routed to %+v, want %+v", got, tt.want)
			}
			if len(tt.options) > 0 {
				return
			}
			app := New("test", WithConfig(tt.config))
			if queue, err := app.QueueOf(tt.task); err != nil || queue != tt.want.queue {
				t.Errorf("QueueOf says %q, %v, want %q", queue, err, tt.want.queue)
			}
		})
	}
}

func TestTheQueueOfATaskIsThatOfItsOptions(t *testing.T) {
	t.Parallel()
	app := New("test", WithConfig(Config{TaskRoutes: []RouteRule{{"a.*", map[string]any{"queue": "route"}}, {"x", map[string]any{"exchange": "e", "routing_key": "k"}}}}))
	Register(app, "a.own", func(context.Context, int) (int, error) { return 0, nil }, Queue("own"))
	for task, want := range map[string]string{"a.own": "own", "a.other": "route", "x": "", "b": "celery"} {
		if queue, err := app.QueueOf(task); err != nil || queue != want {
			t.Errorf("%s: %q, %v, want %q", task, queue, err, want)
		}
	}
}

func TestMissingQueue(t *testing.T) {
	no := false
	p := planOf(t, Config{TaskCreateMissingQueues: &no})
	o, _ := p.layers(t.Context(), call{name: "t", options: []SendOption{Queue("nowhere")}})
	_, err := p.router.resolve(o)
	var missing *QueueNotFoundError
	if !errors.As(err, &missing) || missing.Queue != "nowhere" {
		t.Errorf("error %v, want a QueueNotFoundError", err)
	}
}

func TestQueueDeclarations(t *testing.T) {
	p := planOf(t, Config{TaskQueueMaxPriority: 10, TaskQueues: []QueueConfig{
		{Name: "plain"}, {Name: "own", Exchange: "own", Arguments: map[string]any{"x-max-priority": 3}},
		{Name: "quorum", Arguments: map[string]any{"x-queue-type": "quorum"}},
	}})
	plain, _ := p.router.queue("plain")
	if a := plain.topology.Queues[0].Arguments["x-max-priority"]; a != 10 {
		t.Errorf("task_queue_max_priority is put on every queue without its own: got %v", a)
	}
	if plain.exchange != "celery" || plain.routingKey != "celery" {
		t.Errorf("a queue without exchange gets the default one and its key: got %q %q", plain.exchange, plain.routingKey)
	}
	own, _ := p.router.queue("own")
	if a := own.topology.Queues[0].Arguments["x-max-priority"]; a != 3 || own.routingKey != "own" {
		t.Errorf("own priority kept, key is the queue's name: got %v %q", a, own.routingKey)
	}
	quorum, _ := p.router.queue("quorum")
	if a, has := quorum.topology.Queues[0].Arguments["x-max-priority"]; has {
		t.Errorf("a quorum queue refuses x-max-priority: got %v", a)
	}
}

func TestRoutesThatReachNothingAreRefused(t *testing.T) {
	tests := map[string]struct {
		options map[string]any
		want    string
	}{
		// The guide's own route: Celery declares a direct exchange bound with the queue's name, publishes with another key, and loses every order.
		"the guide's dead-letter route": {map[string]any{"queue": "high_priority", "routing_key": "high.priority", "exchange": "high_priority", "exchange_type": "topic"},
			`exchange_type "topic" is not an option of a route`},
		"a key that the binding does not match": {map[string]any{"queue": "high_priority", "routing_key": "high.priority", "exchange": "high_priority"},
			`routing key "high.priority" does not match the binding of queue "high_priority"`},
		"the default exchange with another key": {map[string]any{"queue": "q", "exchange": "", "routing_key": "k"}, "routes by queue name only"},
		"dead-letter keys in a route":           {map[string]any{"queue": "q", "dead_letter_exchange": "dlx"}, "dead_letter_exchange without dead_letter_routing_key"},
		"an unknown option":                     {map[string]any{"que": "q"}, `unknown option "que"`},
		"a priority out of range":               {map[string]any{"priority": 300}, "0 to 255"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New("test", WithConfig(Config{TaskRoutes: []RouteRule{{"apps.orders.tasks.process_order", tt.options}}})).ready()
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "process_order") {
				t.Errorf("error %v, want one that names the rule and says %q", err, tt.want)
			}
		})
	}
}

func TestGlobIsFnmatch(t *testing.T) {
	for _, tt := range []struct {
		glob, task string
		want       bool
	}{
		{"a.*", "a.b.c", true}, {"a.*", "ab", false}, {"*", "", true}, {"a.?*", "a.", false}, {"a[bc]*", "acx", true},
		{"a[!b]*", "ab", false}, {"a[*", "a[x", true}, {"[z-a]*", "z", false}, {"a+*", "a+1", true},
	} {
		if got := routing.Glob(tt.glob).MatchString(tt.task); got != tt.want {
			t.Errorf("%q matches %q: %t, want %t", tt.glob, tt.task, got, tt.want)
		}
	}
}
