package soak

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
)

// Each step between publish, run, result, retry, dead letter and ack is crossed by kill -9 at that very point. A crossing
// says who is killed where, one after the other, and what has come of the task once a worker that nobody kills has taken
// over: never lost, ended as it must, and started at most once more for each kill.
type crossing struct {
	name   string
	kind   string      // of the task; "quick" when not given
	kills  []killPoint // a worker for each, in turn
	sender *killPoint  // the producer is killed, and another one sends the same id again
	args   []string    // of the worker that ends it
	victim []string    // of those that are killed
	refuse []string    // addresses for which the broker refuses messages for good
	send   func(w *bench, id string)

	starts string      // by attempt: "0×2 1×1"; "-" when it is another task that is cut short
	state  umbel.State // Success when not given
	dead   int         // dead letters
	then   string      // starts of the callback, when there is one
}

var crossings = []crossing{
	// Publishing.
	{name: "before a producer has published", sender: &killPoint{"publish", "soak.*", "before"}, starts: "0×1"},
	{name: "after a producer has published, before it knows", sender: &killPoint{"publish", "soak.*", "after"}, starts: "0×2"}, // it repeats

	// Running.
	{name: "between delivery and start", kills: []killPoint{{"received", queueA, ""}}, starts: "0×1"},
	{name: "in the task", kills: []killPoint{{"run", "soak.quick", ""}}, starts: "0×2"},
	{name: "in the task, as often as task_delivery_limit allows", starts: "0×3", state: umbel.Failure, dead: 1,
		kills: []killPoint{{"run", "soak.quick", ""}, {"run", "soak.quick", ""}, {"run", "soak.quick", ""}}},

	// A start that is counted: the copy is parked, then the original acked.
	{name: "before the counted copy is parked", starts: "0×2",
		kills: []killPoint{{"run", "soak.quick", ""}, {"publish", parkings, "before"}}},
	{name: "between parked copy and ack of the original", starts: "0×3", // both messages are left, and each is run
		kills: []killPoint{{"run", "soak.quick", ""}, {"publish", parkings, "after"}}},
	{name: "between ack of the original and start", starts: "0×2",
		kills: []killPoint{{"run", "soak.quick", ""}, {"ack", queueA, "after"}}},
	{name: "between result and ack of the parked copy", starts: "0×3",
		kills: []killPoint{{"run", "soak.quick", ""}, {"ack", parkings, "before"}}},

	// Result and ack.
	{name: "between task and result", kills: []killPoint{{"store", "SUCCESS", "before"}}, starts: "0×2"},
	{name: "between result and ack", kills: []killPoint{{"store", "SUCCESS", "after"}}, starts: "0×2"},
	{name: "between result and ack, where the result store is asked", kills: []killPoint{{"store", "SUCCESS", "after"}}, starts: "0×1",
		args: []string{"worker_deduplicate_successful_tasks=true"}},
	{name: "at the ack", kills: []killPoint{{"ack", queueA, "before"}}, starts: "0×2"},
	{name: "after the ack", kills: []killPoint{{"ack", queueA, "after"}}, starts: "0×1"},

	// A retry: state RETRY is stored, the next attempt is confirmed, then this one is acked.
	{name: "before state RETRY", kind: "retry", kills: []killPoint{{"store", "RETRY", "before"}}, starts: "0×2 1×1 2×1"},
	{name: "between state RETRY and the next attempt", kind: "retry", kills: []killPoint{{"publish", "delay:" + queueA, "before"}}, starts: "0×2 1×1 2×1"},
	{name: "between the next attempt and the ack", kind: "retry", kills: []killPoint{{"publish", "delay:" + queueA, "after"}}, starts: "0×2 1×2 2×2"},
	{name: "after a retry's ack", kind: "retry", kills: []killPoint{{"ack", queueA, "after"}}, starts: "0×1 1×1 2×1"},

	// A dead letter: it is confirmed, state FAILURE is stored, then the task is acked.
	{name: "before the dead letter", kind: "reject", kills: []killPoint{{"publish", dead, "before"}}, starts: "0×2", state: umbel.Failure, dead: 1},
	{name: "between dead letter and state FAILURE", kind: "reject", kills: []killPoint{{"publish", dead, "after"}}, starts: "0×2", state: umbel.Failure, dead: 2},
	{name: "between state FAILURE and ack", kind: "reject", kills: []killPoint{{"store", "FAILURE", "after"}}, starts: "0×2", state: umbel.Failure, dead: 2},
	{name: "after a failure's ack", kind: "reject", kills: []killPoint{{"ack", queueA, "after"}}, starts: "0×1", state: umbel.Failure, dead: 1},

	// A retry that the broker refuses for good ends its task, as one that has failed.
	{name: "before the dead letter of a refused retry", kind: "retry", refuse: []string{"delay:" + queueA},
		kills: []killPoint{{"publish", dead, "before"}}, starts: "0×2", state: umbel.Failure, dead: 1},
	{name: "between the dead letter of a refused retry and state FAILURE", kind: "retry", refuse: []string{"delay:" + queueA},
		kills: []killPoint{{"publish", dead, "after"}}, starts: "0×2", state: umbel.Failure, dead: 2},
	{name: "after state FAILURE, retry and dead letter refused", kind: "retry", refuse: []string{"delay:" + queueA, dead},
		kills: []killPoint{{"store", "FAILURE", "after"}}, starts: "0×2", state: umbel.Failure, dead: 1}, // by the broker, from its queue

	// Renewal before the broker's ack timeout: the copy of a running task is parked, then the original acked.
	{name: "before a running task's copy is parked", kind: "hang", victim: impatient, kills: []killPoint{{"publish", parkings, "before"}}, starts: "0×2"},
	{name: "between a running task's copy and the ack of its original", kind: "hang", victim: impatient,
		kills: []killPoint{{"publish", parkings, "after"}}, starts: "0×3"},
	{name: "after the ack of a running task's original", kind: "hang", victim: impatient, kills: []killPoint{{"ack", queueA, "after"}}, starts: "0×2"},
	{name: "between result and ack of a renewed task", kind: "slow", victim: impatient, kills: []killPoint{{"ack", parkings, "before"}}, starts: "0×2"},
	{name: "after the ack of a renewed task", kind: "slow", victim: impatient, kills: []killPoint{{"ack", parkings, "after"}}, starts: "0×1"},

	// A counted start whose process is lost goes back to its queue by a new message, then the parked copy is acked.
	{name: "before a lost task is given back", kind: "orphan", victim: processes, kills: []killPoint{{"received", queueA, ""}, {"publish", queueA, "before"}}, starts: "0×2"},
	{name: "between a lost task is given back and the ack of its copy", kind: "orphan", victim: processes,
		kills: []killPoint{{"received", queueA, ""}, {"publish", queueA, "after"}}, starts: "0×3"},

	// States on the way, and ways out without a run.
	{name: "before state STARTED", victim: tracked, kills: []killPoint{{"store", "STARTED", "before"}}, starts: "0×1"},
	{name: "between state STARTED and start", victim: tracked, kills: []killPoint{{"store", "STARTED", "after"}}, starts: "0×1"},
	{name: "between state REVOKED of an expired task and its ack", send: sendExpired, kills: []killPoint{{"store", "REVOKED", "after"}}, starts: "", state: umbel.Revoked, dead: 2},
	{name: "before the dead letter of what is no task", kind: "nobody", kills: []killPoint{{"publish", dead, "before"}}, starts: "", state: umbel.Failure, dead: 1},
	{name: "between the dead letter of what is no task and its ack", kind: "nobody", kills: []killPoint{{"publish", dead, "after"}}, starts: "", state: umbel.Failure, dead: 2},
	{name: "between the dead letter of poison and state FAILURE", starts: "0×3", state: umbel.Failure, dead: 2,
		kills: []killPoint{{"run", "soak.quick", ""}, {"run", "soak.quick", ""}, {"run", "soak.quick", ""}, {"publish", dead, "after"}}},

	// A callback: it is confirmed, then the result is stored and the task acked.
	{name: "before the callback", send: sendLinked, kills: []killPoint{{"publish", queueB, "before"}}, starts: "0×2", then: "0×1"},
	{name: "between callback and result", send: sendLinked, kills: []killPoint{{"publish", queueB, "after"}}, starts: "0×2", then: "0×2"},

	// A chord: its part's result is stored, the part counted, the body confirmed when it was the last, then it is acked. The
	// chord's first part is the task.
	{name: "before a chord's part is counted", send: sendChord, victim: single, kills: []killPoint{{"part", "SUCCESS", "before"}}, starts: "0×2", then: "0×1"},
	{name: "between a chord's part is counted and its ack", send: sendChord, victim: single, kills: []killPoint{{"part", "SUCCESS", "after"}}, starts: "0×2", then: "0×1"},
	{name: "before the body of a chord", send: sendChord, victim: single, kills: []killPoint{{"publish", queueB, "before"}}, starts: "-", then: "0×1"},
	{name: "between the body of a chord and the ack of its last part", send: sendChord, victim: single, kills: []killPoint{{"publish", queueB, "after"}}, starts: "-",
		then: "0×1 or 0×2"}, // it is not begun again once it has succeeded

	// An ETA that came straight to the work queue: the message goes into the broker's delay, then it is acked.
	{name: "before an ETA goes into the delay", send: sendDirect, kills: []killPoint{{"publish", "delay:" + queueA, "before"}}, starts: "0×1"},
	{name: "between the delay and the ack", send: sendDirect, kills: []killPoint{{"publish", "delay:" + queueA, "after"}}, starts: "0×2"},
	{name: "after the ack of what went into the delay", send: sendDirect, kills: []killPoint{{"ack", queueA, "after"}}, starts: "0×1"},
}

var (
	impatient = []string{"broker_consumer_timeout=6"} // so that running tasks are renewed after 3 s
	processes = []string{"-P", "process", "-c", "1"}  // so that what comes back waits
	single    = []string{"-c", "1"}                   // one part after the other
	tracked   = []string{"task_track_started=true"}
)

func TestAKillAtEachPointLosesNothing(t *testing.T) {
	for _, c := range crossings {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.cross(newBench(t))
		})
	}
}

func (c crossing) cross(w *bench) {
	t := w.t
	id := "task-" + uuid.NewString() // Redis's channels are shared by all its databases
	kind := c.kind
	if kind == "" {
		kind = "quick"
	}
	again := assignment{Again: id, Kind: kind}
	switch {
	case c.sender != nil:
		w.killed("producer", w.part("first", func(p *part) { p.Kill, p.Producer = c.sender, again }))
		second := start(t, "producer", w.part("second", func(p *part) { p.Producer = again }))
		if err := second.awaitEnd(); err != nil {
			t.Fatal(err)
		}
	case c.send != nil:
		c.send(w, id)
	default:
		options := []umbel.SendOption{umbel.TaskID(id), umbel.Queue(queueA)}
		if _, err := w.app.Send(t.Context(), "soak."+kind, umbel.Args{1}, options...); err != nil {
			t.Fatal(err)
		}
	}
	for i := range c.kills {
		w.killed("worker", w.part(fmt.Sprintf("victim%d", i+1), func(p *part) {
			p.Kill, p.Refuse, p.Args = &c.kills[i], c.refuse, append([]string{"-c", "2", "-Q", queueA}, c.victim...)
		}))
	}
	last := start(t, "worker", w.part("healthy", func(p *part) {
		p.Refuse, p.Args = c.refuse, append([]string{"-c", "2"}, c.args...)
	}))
	if err := last.awaitReady(); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	want := c.state
	if want == "" {
		want = umbel.Success
	}
	if doc, err := w.app.Result(id).Wait(ctx); err != nil || doc.Status != want {
		t.Errorf("the task ended as %+v, %v; want %s", doc, err, want)
	}
	w.awaitEmpty()
	if got := w.starts(id); got != c.starts && c.starts != "-" {
		t.Errorf("starts %s, want %s", got, c.starts)
	}
	if got := w.starts(id + "-callback"); !slices.Contains(strings.Split(c.then, " or "), got) {
		t.Errorf("starts of the callback %q, want %q", got, c.then)
	}
	stat, err := w.broker().Stat(t.Context(), dead)
	if err != nil || stat.Ready != c.dead {
		t.Errorf("%d dead letters (%v), want %d", stat.Ready, err, c.dead)
	}
}

// sendLinked sends a task with a callback to the other queue.
func sendLinked(w *bench, id string) {
	callback := w.app.Signature("soak.quick", umbel.Args{1}, umbel.Queue(queueB), umbel.TaskID(id+"-callback")).Immutable()
	if _, err := w.app.Send(w.t.Context(), "soak.quick", umbel.Args{1}, umbel.TaskID(id), umbel.Queue(queueA), umbel.Link(callback)); err != nil {
		w.t.Fatal(err)
	}
}

// sendChord sends a chord of two parts, the first of which is the task, whose body goes to the other queue.
func sendChord(w *bench, id string) {
	part := func(id string) *umbel.Signature {
		return w.app.Signature("soak.quick", umbel.Args{1}, umbel.Queue(queueA), umbel.TaskID(id))
	}
	body := w.app.Signature("soak.quick", umbel.Args{1}, umbel.Queue(queueB), umbel.TaskID(id+"-callback")).Immutable()
	if _, err := umbel.Chord(umbel.Group(part(id), part(id+"-other")), body).Send(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// sendDirect puts a task with an ETA straight onto the work queue, as Celery does on classic queues. It is due when the victim
// has surely started: a worker keeps what is due within two seconds.
func sendDirect(w *bench, id string) {
	var m *broker.Message
	w.app.Intercept(func(_ context.Context, sent *broker.Message) error { m = sent; return nil })
	defer w.app.Intercept(nil)
	if _, err := w.app.Send(w.t.Context(), "soak.quick", umbel.Args{1}, umbel.TaskID(id), umbel.Queue(queueA), umbel.Countdown(15*time.Second)); err != nil {
		w.t.Fatal(err)
	}
	m.NotBefore = time.Time{}
	if err := w.broker().Publish(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

// sendExpired sends a task whose time has passed. Only its header says so: the broker would drop it.
func sendExpired(w *bench, id string) {
	options := []umbel.SendOption{umbel.TaskID(id), umbel.Queue(queueA), umbel.Header("expires", "2020-01-02T03:04:05+00:00")}
	if _, err := w.app.Send(w.t.Context(), "soak.quick", umbel.Args{1}, options...); err != nil {
		w.t.Fatal(err)
	}
}

// A bench is where one crossing is tried: a virtual host, a Redis database and a ledger of its own.
type bench struct {
	t      *testing.T
	rabbit *testenv.Rabbit
	redis  *testenv.RedisServer
	path   string // of the ledger
	ledger *ledger
	app    *umbel.App
}

func newBench(t *testing.T) *bench {
	t.Helper()
	w := &bench{t: t, rabbit: testenv.RabbitMQ(t), redis: testenv.Redis(t), path: filepath.Join(t.TempDir(), "ledger.db")}
	var err error
	if w.ledger, err = openLedger(w.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.ledger.close(); err != nil {
			t.Error(err)
		}
	})
	w.app = newApp(t, config([]string{w.rabbit.URL()}, w.redis.URL(), false, 0))
	for _, q := range []string{queueA, queueB} { // and its dead letters
		plan, err := w.app.QueueNamed(q)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.broker().Declare(t.Context(), plan.Topology); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *bench) broker() broker.Broker {
	w.t.Helper()
	b, err := w.app.Broker(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *bench) part(name string, change func(*part)) *part {
	p := &part{Name: name, Ledger: w.path, Brokers: []string{w.rabbit.URL()}, Redis: w.redis.URL()}
	change(p)
	return p
}

// killed runs a role until it has killed itself at its point.
func (w *bench) killed(role string, p *part) {
	w.t.Helper()
	c := start(w.t, role, p)
	if err := c.awaitEnd(); err != nil {
		w.t.Fatal(err)
	}
	if s, ok := c.state.Sys().(syscall.WaitStatus); !ok || !s.Signaled() || s.Signal() != syscall.SIGKILL {
		w.t.Fatalf("%s was to be killed at %+v and has ended otherwise (%v):\n%s", p.Name, *p.Kill, c.state, c.tail())
	}
}

// awaitEmpty waits until nothing is left in any queue but the dead letters.
func (w *bench) awaitEmpty() {
	w.t.Helper()
	var since time.Time
	var full []remainder
	testenv.Await(w.t, "all queues empty", func() bool {
		if full = left(w.t, w.rabbit, w.broker()); len(full) > 0 {
			since = time.Time{}
			return false
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) > settledAfter
	}, func() string { return fmt.Sprint(full) })
}

// starts says how often each attempt of a task was started: "0×2 1×1".
func (w *bench) starts(id string) string {
	w.t.Helper()
	r, err := w.ledger.read()
	if err != nil {
		w.t.Fatal(err)
	}
	count := make(map[int]int)
	for _, s := range r.starts {
		if s.id == id {
			count[s.attempt]++
		}
	}
	var out []string
	for _, attempt := range slices.Sorted(maps.Keys(count)) {
		out = append(out, fmt.Sprintf("%d×%d", attempt, count[attempt]))
	}
	return strings.Join(out, " ")
}
