package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
)

// What holds for everyone.
const (
	prefetch    = 400 // unsettled messages at once
	concurrency = 100 // tasks at once, in Go
	processes   = 2   // tasks at once, in Celery: as many as there are cores on the machine that the figures are from
	senders     = 64
)

// A trial measures one contender once.
type trial struct {
	name  string // of its row
	about string // what it is, for the report
	run   func(ctx context.Context, m *meter, name string) (figures, error)
	most  int // rounds at most; 0: all
}

// figures by name: rate (a second), cpu and server (µs a task, of the contender and of RabbitMQ and Redis), p50 and p99 (ms), rss (MiB), each (KiB a task).
type figures map[string]float64

// settle is how long a contender gets to store and ack what is left after its last task, before its CPU is read.
const settle = 500 * time.Millisecond

// A meter is what trials share.
type meter struct {
	flags *flags
	*servers
	turn  int    // counts trials: each has a queue of its own
	umbel string // the program as it ships
}

func trials(f *flags) []trial {
	n := f.tasks
	all := []trial{
		{name: "bare amqp091-go", about: "one goroutine acks each message", run: work("bare-work", n, concurrency, false, fillTasks)},
		{name: "umbel", about: "`umbel worker -c 100`", run: work("umbel-work", n, concurrency, false, fillTasks)},
		{name: "celery", about: "prefork, `-c 2`", run: work("celery", f.celery, processes, false, fillTasks)},
		{name: "machinery", about: "on RabbitMQ, no results, concurrency 100", run: work("machinery", n, concurrency, false, machineryFill)},
		{name: "asynq", about: "on Redis (not persistent), concurrency 100", run: work("asynq-work", n, concurrency, false, asynqFill)},
		{name: "umbel, results in Redis", about: "`umbel worker -c 100`", run: work("umbel-work", n, concurrency, true, fillTasks)},
		{name: "celery, results in Redis", about: "prefork, `-c 2`", run: work("celery", f.celery, processes, true, fillTasks)},
		{name: "bare senders", about: "64 goroutines share a channel", run: send("bare-send", n)},
		{name: "bare window", about: "one goroutine, 64 unconfirmed", run: send("bare-window", n)},
		{name: "umbel senders", about: "64 goroutines call `Send`", run: send("umbel-send", n)},
		{name: "latency", about: "", run: latency},
		{name: "sqlite", about: "", run: sqlite},
		{name: "idle memory", about: "", run: idleMemory},
		{name: "waiting memory", about: "", run: waitingMemory},
		{name: "monitor", about: "`umbel monitor`, history in SQLite", run: watched},
		{name: "celery events", about: "`celery events --dump`, which keeps nothing", run: celeryEvents},
	}
	all = append(all,
		trial{name: "workflows", run: workflows("umbel-workflows"), most: 3},
		trial{name: "celery workflows", run: workflows("celery-workflows"), most: 3},
		trial{name: "schedules", run: schedules, most: 1},
		trial{name: "fleet", run: manyWorkers, most: 1})
	var wanted []trial
	for _, t := range all {
		if f.wants(t.name) {
			wanted = append(wanted, t)
		}
	}
	return wanted
}

func (m *meter) brief(name string, n, concurrency int) *brief {
	m.turn++
	return &brief{name: name, n: n, concurrency: concurrency, prefetch: prefetch, amqp: m.amqp, redis: m.redis, results: "disabled",
		queue: fmt.Sprint("bench", m.turn), dir: m.dir, profile: m.flags.profile}
}

// start starts the contender as a process of its own.
func (m *meter) start(b *brief) (*child, error) {
	if b.name == "celery" {
		return startCelery(b)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startChild(b.name, self, b.args(), nil)
}

// work measures a worker on a queue that has been filled before.
func work(contender string, n, concurrency int, results bool, fill func(context.Context, *brief) error) func(context.Context, *meter, string) (figures, error) {
	return func(ctx context.Context, m *meter, _ string) (figures, error) {
		if err := redisDo(m.redis, "FLUSHALL", "+OK"); err != nil {
			return nil, err
		}
		b := m.brief(contender, n, concurrency)
		if results {
			b.results = "redis://" + m.redis + "/0"
		}
		if err := fill(ctx, b); err != nil {
			return nil, fmt.Errorf("fill the queue: %w", err)
		}
		got, err := m.timed(ctx, b)
		if err != nil {
			return nil, err
		}
		if results {
			// Nobody is measured who left out what was to be done.
			if err := redisDo(m.redis, "DBSIZE", fmt.Sprint(":", n)); err != nil {
				return nil, fmt.Errorf("results stored: %w", err)
			}
		}
		return got, m.drop(ctx, b, 0)
	}
}

// send measures senders, whose messages then stay in the queue and are counted.
func send(contender string, n int) func(context.Context, *meter, string) (figures, error) {
	return func(ctx context.Context, m *meter, _ string) (figures, error) {
		b := m.brief(contender, n, senders)
		if err := declare(ctx, b); err != nil {
			return nil, err
		}
		got, err := m.timed(ctx, b)
		if err != nil {
			return nil, err
		}
		return got, m.drop(ctx, b, n)
	}
}

// timed runs a contender from its first task to its last.
func (m *meter) timed(ctx context.Context, b *brief) (figures, error) {
	c, err := m.start(b)
	if err != nil {
		return nil, err
	}
	got, err := m.timeChild(ctx, c, b.n)
	if err != nil {
		c.kill()
		return nil, err
	}
	return got, c.stop()
}

func (m *meter) timeChild(ctx context.Context, c *child, n int) (figures, error) {
	first, err := c.await(ctx, "first")
	if err != nil {
		return nil, err
	}
	server, err := m.cpu()
	if err != nil {
		return nil, err
	}
	before, err := c.cpu()
	if err != nil {
		return nil, err
	}
	last, err := c.await(ctx, "last")
	if err != nil {
		return nil, err
	}
	time.Sleep(settle)
	after, err := c.cpu()
	if err != nil {
		return nil, err
	}
	serverAfter, err := m.cpu()
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(n) }
	return figures{"rate": float64(n) / (last - first) * 1e9, "cpu": each(after - before), "server": each(serverAfter - server)}, err
}

func latency(ctx context.Context, m *meter, _ string) (figures, error) {
	b := m.brief("umbel-latency", m.flags.latency, concurrency)
	c, err := m.start(b)
	if err != nil {
		return nil, err
	}
	got := figures{}
	for _, name := range []string{"p50", "p99"} {
		ns, err := c.await(ctx, name)
		if err != nil {
			c.kill()
			return nil, err
		}
		got[name] = ns / 1e6
	}
	if err := c.stop(); err != nil {
		return nil, err
	}
	return got, m.drop(ctx, b, 0)
}

func sqlite(ctx context.Context, m *meter, _ string) (figures, error) {
	b := m.brief("umbel-sqlite", m.flags.sqlite, concurrency)
	var err error
	if b.dir, err = os.MkdirTemp(m.dir, "sqlite-"); err != nil {
		return nil, err
	}
	return m.timed(ctx, b)
}

// idle is how long a worker has had nothing to do when its memory is read.
const idle = 3 * time.Second

// idleMemory measures the program as it ships, connected to RabbitMQ and Redis.
func idleMemory(ctx context.Context, m *meter, name string) (figures, error) {
	b := m.brief("umbel", 0, 0)
	if err := declare(ctx, b); err != nil {
		return nil, err
	}
	c, err := startChild(name, m.umbel, []string{"worker", "--loglevel", "warning"}, []string{"UMBEL_BROKER_URL=" + m.amqp,
		"UMBEL_RESULT_BACKEND=redis://" + m.redis + "/0", "UMBEL_TASK_DEFAULT_QUEUE=" + b.queue})
	if err != nil {
		return nil, err
	}
	if err := consumed(ctx, b); err != nil {
		c.kill()
		return nil, err
	}
	time.Sleep(idle)
	rss, err := residentBytes(c.cmd.Process.Pid)
	if err != nil {
		c.kill()
		return nil, err
	}
	if err := c.stop(); err != nil {
		return nil, err
	}
	return figures{"rss": float64(rss) / (1 << 20)}, m.drop(ctx, b, 0)
}

// waitingMemory measures what tasks cost that wait in their handlers: resident memory then, less that of the same worker
// before they came.
func waitingMemory(ctx context.Context, m *meter, _ string) (figures, error) {
	n := m.flags.waiting
	b := m.brief("umbel-waiting", n, n)
	b.prefetch = n
	if err := declare(ctx, b); err != nil {
		return nil, err
	}
	c, err := m.start(b)
	if err != nil {
		return nil, err
	}
	got, err := waiting(ctx, c, b)
	if err != nil {
		c.kill()
		return nil, err
	}
	if err := c.stop(); err != nil {
		return nil, err
	}
	return got, m.drop(ctx, b, 0)
}

func waiting(ctx context.Context, c *child, b *brief) (figures, error) {
	if err := consumed(ctx, b); err != nil {
		return nil, err
	}
	time.Sleep(idle)
	before, err := residentBytes(c.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	if err := fillTasks(ctx, b); err != nil {
		return nil, err
	}
	for _, name := range []string{"first", "last"} {
		if _, err := c.await(ctx, name); err != nil {
			return nil, err
		}
	}
	time.Sleep(idle)
	after, err := residentBytes(c.cmd.Process.Pid)
	return figures{"before": float64(before) / (1 << 20), "rss": float64(after) / (1 << 20), "each": float64(after-before) / 1024 / float64(b.n)}, err
}

// withBroker connects as an Umbel program does.
func withBroker(ctx context.Context, b *brief, f func(app *umbel.App, x broker.Broker, queue umbel.QueuePlan) error) error {
	app := newApp(settings(b))
	defer app.Close()
	x, err := app.Broker(ctx)
	if err != nil {
		return err
	}
	queue, err := app.QueueNamed(b.queue)
	if err != nil {
		return err
	}
	return f(app, x, queue)
}

func declare(ctx context.Context, b *brief) error {
	return withBroker(ctx, b, func(_ *umbel.App, x broker.Broker, q umbel.QueuePlan) error { return x.Declare(ctx, q.Topology) })
}

// fillTasks sends the tasks that Umbel, Celery and the bare consumer take: the same messages for all.
func fillTasks(ctx context.Context, b *brief) error {
	return withBroker(ctx, b, func(app *umbel.App, _ broker.Broker, _ umbel.QueuePlan) error {
		for left := b.n; left > 0; {
			calls := make([]umbel.Call, min(left, 1000))
			for i := range calls {
				calls[i] = umbel.Call{Name: noopName, Input: umbel.Kwargs{"text": payload.Text}}
			}
			if _, err := app.SendMany(ctx, calls); err != nil {
				return err
			}
			left -= len(calls)
		}
		return nil
	})
}

// consumed waits until the queue has a consumer.
func consumed(ctx context.Context, b *brief) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return withBroker(ctx, b, func(_ *umbel.App, x broker.Broker, q umbel.QueuePlan) error {
		for {
			s, err := x.Stat(ctx, q.Name)
			if err != nil || s.Consumers > 0 {
				return err
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("nobody consumes queue %q: %w", q.Name, ctx.Err())
			}
		}
	})
}

// drop deletes the queue, in which so many messages must be left.
func (m *meter) drop(ctx context.Context, b *brief, left int) error {
	if b.name == "asynq-work" {
		return nil
	}
	return withBroker(ctx, b, func(_ *umbel.App, x broker.Broker, q umbel.QueuePlan) error {
		s, err := x.Stat(ctx, q.Name)
		if err != nil {
			return err
		}
		if s.Ready != left {
			return fmt.Errorf("%s left %d messages, want %d", b.name, s.Ready, left)
		}
		return x.Delete(ctx, q.Topology)
	})
}

// redisDo sends one command without arguments and wants this answer.
func redisDo(addr, command, want string) error {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte(command + "\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 256)
	n, err := c.Read(answer)
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(answer[:n])); got != want {
		return fmt.Errorf("%s answers %q, want %q", command, got, want)
	}
	return nil
}

// buildUmbel builds the program with the flags that it ships with.
func buildUmbel(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "umbel")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "grpcnotrace", "-trimpath", "-ldflags", "-s -w", "-o", out, "./cmd/umbel")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build cmd/umbel (run this from test/bench): %w\n%s", err, text)
	}
	return out, nil
}
