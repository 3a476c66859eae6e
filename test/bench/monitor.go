package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// calm is how long nothing more may come before what came is taken for all.
	calm = 5 * time.Second

	// lookEvery is how often the monitor is looked at while tasks run.
	lookEvery = 250 * time.Millisecond

	// watchMost bounds a whole run: a million tasks take three minutes.
	watchMost = 30 * time.Minute
)

// pages of the monitor that somebody looks at while tasks run, as their scripts ask for them.
var pages = []string{"overview", "tasks?limit=50", "tasks?state=FAILURE&limit=50", "tasks?text=0123456789&limit=50", "tasks?text=nowhere-to-be-found&limit=50",
	"workers", "queues", "workflows?state=running", "series?metric=succeeded&metric=failed&metric=retried&metric=runtime&metric=wait"}

// watched measures the monitor as it ships, over real tasks of a worker that tells of them: memory at most, how far it is behind
// events, what share of the tasks it knows, and how long its pages take meanwhile.
func watched(ctx context.Context, m *meter, name string) (figures, error) {
	ctx, cancel := context.WithTimeout(ctx, watchMost)
	defer cancel()
	b := m.brief("umbel-told", m.flags.monitor, concurrency)
	b.rate = m.flags.rate
	dir, err := os.MkdirTemp(m.dir, "monitor-")
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	if err := fillTasks(ctx, b); err != nil {
		return nil, err
	}
	c, err := startChild(name, m.umbel, []string{"monitor", "--port", fmt.Sprint(ports[0]), "--db", filepath.Join(dir, "monitor.db")}, []string{"UMBEL_BROKER_URL=" + m.amqp})
	if err != nil {
		return nil, err
	}
	w := &watch{base: fmt.Sprintf("http://127.0.0.1:%d/", ports[0]), pid: c.cmd.Process.Pid, client: &http.Client{Timeout: time.Minute}}
	defer w.client.CloseIdleConnections()
	got, err := w.run(ctx, m, b)
	if err != nil {
		c.kill()
		return nil, fmt.Errorf("%w\n%s", err, c.errs)
	}
	if used, err := c.cpu(); err == nil {
		got["cpu"] = float64(used.Nanoseconds()) / 1e3 / float64(b.n)
	}
	return got, errors.Join(c.stop(), m.drop(ctx, b, 0))
}

// A watch looks at a monitor.
type watch struct {
	base   string
	pid    int
	client *http.Client

	rss, lag float64 // at most
	took     []time.Duration
}

func (w *watch) get(ctx context.Context, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+path, nil)
	if err != nil {
		return err
	}
	resp, err := w.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func (w *watch) run(ctx context.Context, m *meter, b *brief) (figures, error) {
	for w.get(ctx, "healthcheck", nil) != nil {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c, err := m.start(b)
	if err != nil {
		return nil, err
	}
	got, err := w.follow(ctx, c, b)
	if err != nil {
		c.kill()
		return nil, err
	}
	return got, c.stop()
}

// follow looks until the worker has ended its tasks and the monitor has heard of all that it will.
func (w *watch) follow(ctx context.Context, c *child, b *brief) (figures, error) {
	first, err := c.await(ctx, "first")
	if err != nil {
		return nil, err
	}
	var last float64
	var ended, moved time.Time
	events := int64(-1)
	for turn := 0; ; turn++ {
		select {
		case mark, ok := <-c.marks:
			if !ok {
				return nil, fmt.Errorf("the worker has ended\n%s", c.errs)
			}
			last, ended = mark.value, time.Now()
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		now, err := w.look(ctx, pages[turn%len(pages)])
		if err != nil {
			return nil, err
		}
		if now != events {
			events, moved = now, time.Now()
		}
		if last > 0 && (events >= 3*int64(b.n) || time.Since(moved) > calm) {
			break
		}
	}
	slices.Sort(w.took)
	ms := func(q float64) float64 {
		return float64(w.took[min(len(w.took)-1, int(q*float64(len(w.took))))].Microseconds()) / 1e3
	}
	// Of a task three events tell: received, started, succeeded.
	return figures{"rate": float64(b.n) / (last - first) * 1e9, "rss": w.rss, "lag": w.lag, "behind": max(moved.Sub(ended), 0).Seconds(),
		"known": 100 * float64(events) / float64(3*b.n), "p50": ms(0.5), "p99": ms(0.99)}, nil
}

// look asks for a page as a browser does, and for the overview, which tells how many events have been written.
func (w *watch) look(ctx context.Context, page string) (events int64, err error) {
	began := time.Now()
	if err := w.get(ctx, "api/v1/"+page, nil); err != nil {
		return 0, err
	}
	w.took = append(w.took, time.Since(began))
	var o struct {
		Events int64
		Lag    float64
	}
	if err := w.get(ctx, "api/v1/overview", &o); err != nil {
		return 0, err
	}
	rss, err := residentBytes(w.pid)
	w.rss, w.lag = max(w.rss, float64(rss)/(1<<20)), max(w.lag, o.Lag)
	return o.Events, err
}

// celeryEvents is the same load with Celery's own "events --dump" in the monitor's place, which keeps nothing.
func celeryEvents(ctx context.Context, m *meter, name string) (figures, error) {
	ctx, cancel := context.WithTimeout(ctx, watchMost)
	defer cancel()
	b := m.brief("umbel-told", m.flags.celery, concurrency)
	b.rate = m.flags.rate
	if err := fillTasks(ctx, b); err != nil {
		return nil, err
	}
	cmd := exec.Command(python, "-m", "celery", "-b", b.amqp, "events", "--dump")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "C_FORCE_ROOT=1", "PYTHONUNBUFFERED=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var seen, started atomic.Int64
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			started.Store(1)
			if strings.Contains(lines.Text(), "task succeeded") || strings.Contains(lines.Text(), "task-succeeded") {
				seen.Add(1)
			}
		}
	}()
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-read
		_ = cmd.Wait()
	}()
	for started.Load() == 0 { // "-> evdump: starting task event capture"
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	time.Sleep(settle) // until it has subscribed
	c, err := m.start(b)
	if err != nil {
		return nil, err
	}
	got, err := followCelery(ctx, c, b, cmd.Process.Pid, &seen)
	if err != nil {
		c.kill()
		return nil, err
	}
	return got, errors.Join(c.stop(), m.drop(ctx, b, 0))
}

func followCelery(ctx context.Context, c *child, b *brief, pid int, seen *atomic.Int64) (figures, error) {
	first, err := c.await(ctx, "first")
	if err != nil {
		return nil, err
	}
	last, err := c.await(ctx, "last")
	if err != nil {
		return nil, err
	}
	ended, moved := time.Now(), time.Now()
	rss, count := 0.0, int64(-1)
	for count < int64(b.n) && time.Since(moved) < calm {
		if now := seen.Load(); now != count {
			count, moved = now, time.Now()
		}
		if n, err := residentBytes(pid); err == nil {
			rss = max(rss, float64(n)/(1<<20))
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	used, err := treeCPU(pid)
	return figures{"rate": float64(b.n) / (last - first) * 1e9, "rss": rss, "behind": max(moved.Sub(ended), 0).Seconds(), "known": 100 * float64(count) / float64(b.n),
		"cpu": float64(used.Nanoseconds()) / 1e3 / float64(b.n)}, err
}
