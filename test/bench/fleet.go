package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/control"
	"github.com/umbel-go/umbel/worker"
)

// Many workers on one broker: what they cost it while they do nothing, and whether it survives the day when all come at once.
//
//	runner ──► RabbitMQ of its own, with the management API
//	  └─► fleetProcesses processes of this program, each with its share of workers, each of these an App and a Worker:
//	      two connections, as a process of its own has; only the memory of the clients is not that of so many processes
const (
	fleetProcesses = 4
	fleetMost      = 4 * time.Minute // the whole
	fleetLook      = 100 * time.Millisecond
	fleetSettle    = 6 * time.Second // until the broker's own statistics, of five seconds, are those of an idle fleet
	fleetIdle      = 20 * time.Second
	fleetRate      = 500 // tasks a second
	fleetEach      = 10  // tasks for each worker
	fleetAway      = 5 * time.Second
	fleetLarge     = 500 // workers from which the broker is killed, too, which takes half a minute more
)

// umbelFleet runs b.n workers, and says when all consume.
func umbelFleet(ctx context.Context, b *brief, _ *tally) error {
	logs, err := os.Create(b.dir + ".log")
	if err != nil {
		return err
	}
	defer logs.Close()
	log := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelInfo}))
	var all sync.WaitGroup
	ready := make(chan struct{}, b.n)
	failed := make(chan error, b.n)
	for i := range b.n {
		app := umbel.New("bench", umbel.WithConfig(settings(b)), umbel.WithLogger(log))
		defer app.Close()
		umbel.Register(app, noopName, func(context.Context, noop) (struct{}, error) { return struct{}{}, nil })
		w := worker.New(app, worker.Config{Concurrency: b.concurrency, Nodename: fmt.Sprintf("w%04d@%s", i, filepath.Base(b.dir)), OnReady: func() { ready <- struct{}{} }})
		all.Go(func() {
			if err := w.Run(ctx); err != nil {
				failed <- err
			}
		})
	}
	for range b.n {
		select {
		case <-ready:
		case err := <-failed:
			return err
		case <-ctx.Done():
			all.Wait()
			return nil
		}
	}
	say("ready", float64(time.Now().UnixNano()))
	all.Wait()
	return nil
}

// A fleet is what is looked at.
type fleet struct {
	rabbit   *servers
	n        int
	children []*child
	brief    *brief
	client   *http.Client
	eye      *amqp.Connection // that looks at the queue; nil before, and after a loss
	got      figures
}

func manyWorkers(ctx context.Context, m *meter, name string) (figures, error) {
	ctx, cancel := context.WithTimeout(ctx, fleetMost)
	defer cancel()
	if err := enoughFiles(m.flags.fleet); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(m.dir, "fleet-")
	if err != nil {
		return nil, err
	}
	f := &fleet{rabbit: &servers{dir: dir, management: true}, n: m.flags.fleet, client: &http.Client{Timeout: 20 * time.Second}, got: figures{"workers": float64(m.flags.fleet)}}
	defer f.client.CloseIdleConnections()
	defer f.rabbit.stop()
	defer func() {
		if f.eye != nil {
			f.eye.Close()
		}
		for _, c := range f.children {
			c.kill()
		}
	}()
	if err := f.rabbit.startRabbit(ctx); err != nil {
		return nil, err
	}
	f.brief = m.brief("umbel-fleet", 0, 8)
	f.brief.amqp, f.brief.prefetch = f.rabbit.amqp, 32
	type step struct {
		name string
		run  func(context.Context) error
	}
	steps := []step{{"start", f.start}, {"idle", f.idle}, {"ping", f.ping("ping")}, {"load", f.load}, {"drop", f.drop}, {"ping", f.ping("ping again")}}
	if f.n >= fleetLarge {
		steps = append(steps, step{"restart", f.restart}, step{"ping", f.ping("ping last")})
	}
	steps = append(steps, step{"stop", f.stop})
	for _, s := range steps {
		began := time.Now()
		if err := s.run(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(os.Stderr, "      %s: %s of %d workers in %.1f s\n", name, s.name, f.n, time.Since(began).Seconds())
	}
	return f.got, nil
}

// enoughFiles raises this process's limit of open files, which the children inherit, to what so many connections need.
func enoughFiles(workers int) error {
	want := uint64(2*workers + 1000)
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if l.Max < want {
		return fmt.Errorf("%d workers need %d open files, and %d are allowed: ulimit -Hn", workers, want, l.Max)
	}
	l.Cur = l.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}

// overview is what the management API says of all.
type overview struct {
	Objects  struct{ Connections, Channels, Queues, Consumers int } `json:"object_totals"`
	Messages struct {
		Publish, Confirm int
		Delivered        int `json:"deliver_get"`
	} `json:"message_stats"`
}

func (f *fleet) look(ctx context.Context) (o overview, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.rabbit.api+"/api/overview", nil)
	if err != nil {
		return o, err
	}
	r.SetBasicAuth("guest", "guest")
	resp, err := f.client.Do(r)
	if err != nil {
		return o, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return o, errors.New(resp.Status)
	}
	return o, json.NewDecoder(resp.Body).Decode(&o)
}

// process is where a process logs, and the host of its nodes' names.
func (f *fleet) process(i int) string { return filepath.Join(f.rabbit.dir, fmt.Sprint("p", i)) }

// failures is how many attempts to connect have failed so far.
func (f *fleet) failures() (n float64) {
	for i := range fleetProcesses {
		text, _ := os.ReadFile(f.process(i) + ".log")
		n += float64(bytes.Count(text, []byte(`msg="cannot connect"`)))
	}
	return n
}

// start starts all workers at once.
func (f *fleet) start(ctx context.Context) error {
	if err := declare(ctx, f.brief); err != nil {
		return err
	}
	if err := f.memory("rss before"); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	began := time.Now()
	for i := range fleetProcesses {
		b := *f.brief
		b.n, b.dir = (f.n+i)/fleetProcesses, f.process(i)
		c, err := startChild("umbel-fleet", self, b.args(), nil)
		if err != nil {
			return err
		}
		f.children = append(f.children, c)
	}
	for _, c := range f.children {
		if _, err := c.await(ctx, "ready"); err != nil {
			return err
		}
	}
	err = f.consuming(ctx)
	f.got["started"], f.got["start failures"] = time.Since(began).Seconds(), f.failures()
	return err
}

// idle looks at a fleet that has nothing to do.
func (f *fleet) idle(ctx context.Context) error {
	if err := pauseFor(ctx, fleetSettle); err != nil {
		return err
	}
	o, err := f.look(ctx)
	if err != nil {
		return err
	}
	f.got["connections"], f.got["channels"], f.got["queues"], f.got["consumers"] = float64(o.Objects.Connections), float64(o.Objects.Channels), float64(o.Objects.Queues), float64(o.Objects.Consumers)
	err = f.busy("idle", func() error { return pauseFor(ctx, fleetIdle) })
	if err != nil {
		return err
	}
	after, err := f.look(ctx)
	f.got["idle messages"] = float64(after.Messages.Publish-o.Messages.Publish) * float64(time.Minute/fleetIdle)
	rss := int64(0)
	for _, c := range f.children {
		n, bad := residentBytes(c.cmd.Process.Pid)
		rss, err = rss+n, errors.Join(err, bad)
	}
	f.got["client rss"] = float64(rss) / 1024 / float64(f.n)
	return errors.Join(err, f.memory("rss"))
}

// busy measures the broker's and the clients' processor time, in shares of one core, while g runs.
func (f *fleet) busy(name string, g func() error) error {
	used := func() (server, clients time.Duration, err error) {
		server, err = f.rabbit.cpu()
		for _, c := range f.children {
			one, bad := c.cpu()
			clients, err = clients+one, errors.Join(err, bad)
		}
		return server, clients, err
	}
	began := time.Now()
	server, clients, err := used()
	if err == nil {
		err = g()
	}
	took := time.Since(began)
	server2, clients2, bad := used()
	f.got[name+" cpu"], f.got[name+" clients"] = 100*float64(server2-server)/float64(took), 100*float64(clients2-clients)/float64(took)
	return errors.Join(err, bad)
}

// memory notes the broker's.
func (f *fleet) memory(name string) error {
	rss, err := residentBytes(f.rabbit.broker.Process.Pid)
	f.got[name] = float64(rss) / (1 << 20)
	return err
}

// ping asks all at once and waits for all answers.
func (f *fleet) ping(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		replies, took, err := f.ask(ctx, "ping")
		if err == nil && len(replies) != f.n {
			err = fmt.Errorf("%d of %d answer", len(replies), f.n)
		}
		f.got[name] = took.Seconds()
		return err
	}
}

// ask sends a command to all and returns their replies, and the time until the last.
func (f *fleet) ask(ctx context.Context, command string) (replies []control.Reply, took time.Duration, err error) {
	app := newApp(settings(f.brief))
	defer app.Close()
	if _, err := app.Broker(ctx); err != nil {
		return nil, 0, err
	}
	began := time.Now()
	err = app.Control().Timeout(20*time.Second).Limit(f.n).Each(ctx, command, nil, func(r control.Reply) {
		replies, took = append(replies, r), time.Since(began)
	})
	return replies, took, err
}

// load sends tasks at a modest rate, and asks who has run how many.
func (f *fleet) load(ctx context.Context) error {
	tasks := fleetEach * f.n
	err := f.busy("load", func() error {
		app := newApp(settings(f.brief))
		defer app.Close()
		const beat = 100 * time.Millisecond
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for left := tasks; left > 0; {
			calls := make([]umbel.Call, min(left, int(fleetRate*beat/time.Second)))
			for i := range calls {
				calls[i] = umbel.Call{Name: noopName, Input: umbel.Kwargs{"text": payload.Text}}
			}
			if _, err := app.SendMany(ctx, calls); err != nil {
				return err
			}
			left -= len(calls)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for {
		counts, err := f.counts(ctx)
		if err != nil {
			return err
		}
		sum := 0
		for _, n := range counts {
			sum += n
		}
		if sum == tasks && len(counts) == f.n {
			f.got["least"], f.got["most"] = float64(slices.Min(counts)), float64(slices.Max(counts))
			return f.memory("load rss")
		}
		if sum > tasks {
			return fmt.Errorf("%d tasks were run, of %d", sum, tasks)
		}
		if err := pauseFor(ctx, fleetLook); err != nil {
			return fmt.Errorf("%d of %d tasks have run, %d of %d workers answer: %w", sum, tasks, len(counts), f.n, err)
		}
	}
}

// counts are the tasks that each worker has run.
func (f *fleet) counts(ctx context.Context) ([]int, error) {
	replies, _, err := f.ask(ctx, "stats")
	counts := make([]int, len(replies))
	for i, r := range replies {
		var s struct {
			Total map[string]int `json:"total"`
		}
		if err := r.Value.Decode(&s); err != nil {
			return nil, err
		}
		counts[i] = s.Total[noopName]
	}
	return counts, err
}

// closeAll has RabbitMQ close all connections side by side. Its own command close_all_connections does it one by one, for half a minute
// with as many as these, while the first are long back.
const closeAll = `[spawn(fun() -> rabbit_networking:close_connection(P, "the day when all come back at once") end) || P <- rabbit_networking:connections()], ok.`

// drop has the broker close all connections at once, and waits until all are back; it notes how long that took, and what the broker took
// meanwhile.
func (f *fleet) drop(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(rabbitScript), "rabbitmqctl"), "eval", closeAll)
	cmd.Env, cmd.Dir = f.rabbit.env, f.rabbit.dir
	if err := cmd.Start(); err != nil {
		return err
	}
	failed := f.failures()
	closing := make(chan error, 1)
	go func() { closing <- cmd.Wait() }()
	peak := 0.
	var began time.Time
	err := f.busy("drop", func() error {
		for closed := false; ; {
			n, err := f.consumers(ctx)
			if err == nil && closed && n == f.n {
				return nil
			}
			if began.IsZero() && (err != nil || n < f.n) { // the look's own connection is closed, too
				began = time.Now()
			}
			if rss, err := residentBytes(f.rabbit.broker.Process.Pid); err == nil {
				peak = max(peak, float64(rss)/(1<<20))
			}
			select {
			case err := <-closing:
				if err != nil {
					return fmt.Errorf("close all connections: %w", err)
				}
				f.got["closing"], closed = time.Since(began).Seconds(), true
			case <-time.After(fleetLook / 2):
			case <-ctx.Done():
				return fmt.Errorf("%d of %d consume: %w", n, f.n, ctx.Err())
			}
		}
	})
	f.got["drop"], f.got["drop rss"], f.got["drop failures"] = time.Since(began).Seconds(), peak, f.failures()-failed
	return err
}

// consumers is how many workers consume the queue of tasks, as the broker itself says at that moment: its statistics are seconds old.
func (f *fleet) consumers(ctx context.Context) (n int, err error) {
	if f.eye == nil || f.eye.IsClosed() {
		if f.eye, err = amqp.DialConfig(f.rabbit.amqp, amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)}); err != nil {
			f.eye = nil
			return 0, err
		}
	}
	ch, err := f.eye.Channel()
	if err != nil {
		return 0, err
	}
	defer ch.Close()
	q, err := ch.QueueDeclarePassive(f.brief.queue, true, false, false, false, nil)
	return q.Consumers, err
}

// consuming waits until all consume the queue of tasks.
func (f *fleet) consuming(ctx context.Context) error {
	for {
		n, err := f.consumers(ctx)
		if err == nil && n == f.n {
			return nil
		}
		if end := pauseFor(ctx, fleetLook/2); end != nil {
			return fmt.Errorf("%d of %d consume: %w", n, f.n, errors.Join(end, err))
		}
	}
}

// restart kills the broker, starts it again after fleetAway, and waits until all are back.
func (f *fleet) restart(ctx context.Context) error {
	if err := f.rabbit.killRabbit(); err != nil {
		return err
	}
	if err := pauseFor(ctx, fleetAway); err != nil {
		return err
	}
	if err := f.rabbit.launchRabbit(ctx); err != nil {
		return err
	}
	began := time.Now()
	err := f.consuming(ctx)
	f.got["restart"] = time.Since(began).Seconds()
	return errors.Join(err, f.memory("restart rss"))
}

// stop stops all workers warmly.
func (f *fleet) stop(context.Context) error {
	began := time.Now()
	for _, c := range f.children {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	}
	var errs []error
	for _, c := range f.children {
		errs = append(errs, c.stop())
	}
	f.got["stop"] = time.Since(began).Seconds()
	f.children = nil
	return errors.Join(errs...)
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
