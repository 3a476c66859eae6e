package setting

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// readOne reads one setting written as YAML.
func readOne(t *testing.T, name, text string) (any, *reader) {
	t.Helper()
	s, ok := Lookup(name)
	if !ok {
		t.Fatalf("no setting %s", name)
	}
	n, problems := readYAML("f.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	r := &reader{setting: s, spelt: name}
	return r.value(n), r
}

func texts(r *reader) string {
	var all []string
	for _, p := range r.problems {
		all = append(all, p.String())
	}
	return strings.Join(append(all, r.warnings...), "\n")
}

func opt(kv ...any) map[string]any {
	m := make(map[string]any)
	for i := 0; i < len(kv); i += 2 {
		m[kv[i].(string)] = kv[i+1]
	}
	return m
}

func TestRoutes(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []Route
	}{
		"a queue's name":           {"{a: q}", []Route{{"a", opt("queue", "q")}}},
		"options":                  {"{a: {queue: q, priority: 5, routing_key: a.b}}", []Route{{"a", opt("queue", "q", "priority", int64(5), "routing_key", "a.b")}}},
		"exact names before globs": {"{'a.*': q, 're:^b': r, a.b: s}", []Route{{"a.b", opt("queue", "s")}, {"a.*", opt("queue", "q")}, {"re:^b", opt("queue", "r")}}},
		"order of globs":           {"{'z.*': q, 'a.*': r}", []Route{{"z.*", opt("queue", "q")}, {"a.*", opt("queue", "r")}}},
		"several routers":          {"[{a: q}, {b: r}]", []Route{{"a", opt("queue", "q")}, {"b", opt("queue", "r")}}},
		"pairs":                    {"[[['a.*', {queue: q}], [b, r]]]", []Route{{"b", opt("queue", "r")}, {"a.*", opt("queue", "q")}}},
		"one pair":                 {"[a, {queue: q}]", []Route{{"a", opt("queue", "q")}}},
		"null is no route":         {"{a: null, b: q}", []Route{{"b", opt("queue", "q")}}},
		"times as text":            {"{a: {expires: 2026-01-01T00:00:00, queue: q}}", []Route{{"a", opt("expires", "2026-01-01T00:00:00", "queue", "q")}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, r := readOne(t, "task_routes", c.text)
			if texts(r) != "" || !reflect.DeepEqual(got, c.want) {
				t.Errorf("read %v, want %v\n%s", got, c.want, texts(r))
			}
		})
	}
	for name, c := range map[string]struct{ text, want string }{
		"misspelt option":   {"{a: {que: q}}", "f.yaml:1: task_routes: a: unknown route option que: did you mean queue?"},
		"priority too high": {"{a: {queue: q,\n priority: 300}}", `f.yaml:2: task_routes: a: priority: "300" is not a whole number from 0 to 255`},
		"queue is a list":   {"{a: {queue: [q]}}", "f.yaml:1: task_routes: a: queue: a list is not text"},
		"route is a list":   {"{a: [q]}", "f.yaml:1: task_routes: a: a list is not a queue's name or a map of options"},
		"python router":     {"shop.routers.route", `f.yaml:1: task_routes: "shop.routers.route" names a Python router, which cannot be called: write its routes as a map`},
		"listed router":     {"[shop.route]", `f.yaml:1: task_routes: "shop.route" names a Python router, which cannot be called: write its routes as a map`},
		"bad expression":    {"{'re:(': q}", "f.yaml:1: task_routes: re:(: not a regular expression"},
		"a number":          {"{a: true}", `f.yaml:1: task_routes: a: "true" is not a queue's name or a map of options`},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := readOne(t, "task_routes", c.text)
			if got := texts(r); !strings.HasPrefix(got, c.want) || len(r.problems) != 1 {
				t.Errorf("problems are\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestDeadLettersInRoutesAreTakenWithAWarning(t *testing.T) {
	got, r := readOne(t, "task_routes", "{a: {queue: q, dead_letter_exchange: dlx, dead_letter_routing_key: q.dlq}}")
	if want := "f.yaml:1: task_routes: a: dead_letter_routing_key: " + deadLetterInRoutes; texts(r) != want || len(r.problems) != 0 {
		t.Errorf("said\n%s\nwant\n%s", texts(r), want)
	}
	if want := []Route{{"a", map[string]any{"queue": "q", "dead_letter_exchange": "dlx", "dead_letter_routing_key": "q.dlq"}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("read %v", got)
	}
}

func TestQueues(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []Queue
	}{
		"map: the key is the queue's name": {"{q: {}}", []Queue{{Name: "q", RoutingKey: "q"}}},
		"map without options":              {"{q: }", []Queue{{Name: "q", RoutingKey: "q"}}},
		"map with exchange":                {"{q: {exchange: e, exchange_type: topic, binding_key: 'q.#'}}", []Queue{{Name: "q", Exchange: "e", ExchangeType: "topic", RoutingKey: "q.#"}}},
		"routing key over binding key":     {"{q: {binding_key: b, routing_key: r}}", []Queue{{Name: "q", RoutingKey: "r"}}},
		"list of names":                    {"[a, b]", []Queue{{Name: "a"}, {Name: "b"}}},
		"list of maps":                     {"[{name: a, routing_key: k}]", []Queue{{Name: "a", RoutingKey: "k"}}},
		"durable sets both":                {"[{name: a, durable: false}]", []Queue{{Name: "a", Durable: new(false), ExchangeDurable: new(false)}}},
		"unless given":                     {"[{name: a, queue_durable: true, durable: false}]", []Queue{{Name: "a", Durable: new(true), ExchangeDurable: new(false)}}},
		"auto delete":                      {"[{name: a, auto_delete: true, exchange_auto_delete: false}]", []Queue{{Name: "a", AutoDelete: new(true), ExchangeAutoDelete: new(false)}}},
		"exchange as a map":                {"[{name: a, exchange: {name: e, type: fanout, durable: false, arguments: {x: 1}}}]", []Queue{{Name: "a", Exchange: "e", ExchangeType: "fanout", ExchangeDurable: new(false), ExchangeArguments: opt("x", int64(1))}}},
		"arguments in seconds":             {"[{name: a, expires: 60, message_ttl: 1.5, max_length: 10, max_length_bytes: 20, max_priority: 9, exclusive: true, delivery_mode: 1, queue_arguments: {x-queue-type: quorum, x-expires: 1}}]", []Queue{{Name: "a", Exclusive: true, DeliveryMode: 1, Arguments: opt("x-queue-type", "quorum", "x-expires", int64(60000), "x-message-ttl", int64(1500), "x-max-length", int64(10), "x-max-length-bytes", int64(20), "x-max-priority", int64(9))}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, r := readOne(t, "task_queues", c.text)
			if texts(r) != "" || !reflect.DeepEqual(got, c.want) {
				t.Errorf("read %+v, want %+v\n%s", got, c.want, texts(r))
			}
		})
	}
	for name, c := range map[string]struct{ text, want string }{
		"no name":         {"[{routing_key: a}]", "f.yaml:1: task_queues: a queue has no name"},
		"twice":           {"[a, {name: a}]", `f.yaml:1: task_queues: queue "a" is declared twice`},
		"misspelt":        {"{q: {max_prioritty: 3}}", "f.yaml:1: task_queues: queue q: unknown option max_prioritty: did you mean max_priority?"},
		"wrong type":      {"{q: {durable: maybe}}", `f.yaml:1: task_queues: queue "q": durable: "maybe" is not true or false`},
		"priority":        {"{q: {max_priority: 256}}", `f.yaml:1: task_queues: queue "q": max_priority: "256" is not a whole number in range`},
		"arguments":       {"{q: {queue_arguments: [1]}}", `f.yaml:1: task_queues: queue "q": queue_arguments: a list is not a map`},
		"not a map":       {"{q: 5}", `f.yaml:1: task_queues: queue "q": "5" is not a map of options`},
		"a single name":   {"q", `f.yaml:1: task_queues: "q" is not a map of queue name to options, or a list of queues`},
		"ttl is no time":  {"{q: {message_ttl: soon}}", `f.yaml:1: task_queues: queue "q": message_ttl: "soon" is not a number of seconds`},
		"exchange option": {"{q: {exchange: {typ: fanout}}}", "f.yaml:1: task_queues: queue q: unknown option typ: did you mean type?"},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := readOne(t, "task_queues", c.text)
			if got := texts(r); got != c.want {
				t.Errorf("problems are\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// What Plain writes, queues reads back.
func TestQueuesSurviveBeingWritten(t *testing.T) {
	text := "[{name: a, exchange: e, exchange_type: topic, routing_key: k, queue_arguments: {x-max-priority: 3}, durable: false, queue_auto_delete: true, exclusive: true, delivery_mode: 2}]"
	v, r := readOne(t, "task_queues", text)
	q := v.([]Queue)[0]
	plainQueue := q.Plain()
	n := &Node{Kind: Mapping}
	for _, k := range keys(plainQueue) {
		n.Members = append(n.Members, Member{Name: k, Value: nodeOf(plainQueue[k])})
	}
	again := r.queue("a", n)
	if texts(r) != "" || !reflect.DeepEqual(again, q) {
		t.Errorf("read back %+v, want %+v\n%s", again, q, texts(r))
	}
}

// nodeOf is the node that a file would give for a plain value.
func nodeOf(v any) *Node {
	switch v := v.(type) {
	case string:
		return &Node{Kind: String, Text: v}
	case bool:
		if v {
			return &Node{Kind: Boolean, Text: "true"}
		}
		return &Node{Kind: Boolean, Text: "false"}
	case uint8:
		return &Node{Kind: Integer, Text: string('0' + rune(v))}
	case int64:
		return &Node{Kind: Integer, Text: string('0' + rune(v))}
	case map[string]any:
		n := &Node{Kind: Mapping}
		for k, x := range v {
			n.Members = append(n.Members, Member{Name: k, Value: nodeOf(x)})
		}
		return n
	}
	return &Node{}
}

func TestRetryPolicy(t *testing.T) {
	got, r := readOne(t, "task_publish_retry_policy", "{max_retries: null, interval_start: 1, interval_max: 5s}")
	if want := (RetryPolicy{MaxRetries: -1, IntervalStart: time.Second, IntervalStep: 200 * time.Millisecond, IntervalMax: 5 * time.Second}); got != want || texts(r) != "" {
		t.Errorf("read %+v, want %+v: %s", got, want, texts(r))
	}
	for text, want := range map[string]string{
		"{max_retries: 1.5}":    `f.yaml:1: task_publish_retry_policy: max_retries: "1.5" is not a whole number`,
		"{interval_start: -1}":  "f.yaml:1: task_publish_retry_policy: interval_start: a wait cannot be negative",
		"{interval_step: soon}": `f.yaml:1: task_publish_retry_policy: "soon" is not a time: write seconds, or a duration such as 90s, 15m or 24h`,
		"{retries: 3}":          "f.yaml:1: task_publish_retry_policy: the policy: unknown option retries: known are max_retries, interval_start, interval_step, interval_max",
		"3":                     `f.yaml:1: task_publish_retry_policy: "3" is not a map of max_retries, interval_start, interval_step and interval_max`,
	} {
		if _, r := readOne(t, "task_publish_retry_policy", text); texts(r) != want {
			t.Errorf("%s: %s\nwant %s", text, texts(r), want)
		}
	}
}

func TestPools(t *testing.T) {
	for name, want := range map[string]string{"prefork": "process", "processes": "process", "process": "process", "threads": "goroutine",
		"eventlet": "goroutine", "gevent": "goroutine", "goroutine": "goroutine", "solo": "solo", "Solo": "solo"} {
		got, r := readOne(t, "worker_pool", name)
		if got != want || len(r.problems) != 0 || (len(r.warnings) == 1) != (!strings.EqualFold(name, want) && want == "goroutine") {
			t.Errorf("%s is read as %v: %s", name, got, texts(r))
		}
	}
	for name, want := range map[string]string{
		"goroutines": `f.yaml:1: worker_pool: "goroutines" is not goroutine, solo or process: did you mean goroutine?`,
		"[a]":        "f.yaml:1: worker_pool: a list is not the name of a pool: goroutine, solo or process",
	} {
		if got, r := readOne(t, "worker_pool", name); got != nil || texts(r) != want {
			t.Errorf("%s: %v %s", name, got, texts(r))
		}
	}
}
