package worker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// scrape is what a worker shows, line by line.
func scrape(t *testing.T, w *worker.Worker) []string {
	t.Helper()
	rec := httptest.NewRecorder()
	w.ServeMetrics(rec, httptest.NewRequest("GET", "/metrics", nil))
	if rec.Code != 200 {
		t.Fatalf("metrics: %d %s", rec.Code, rec.Body)
	}
	return strings.Split(rec.Body.String(), "\n")
}

func want(t *testing.T, lines []string, wanted ...string) {
	t.Helper()
	for _, l := range wanted {
		if !slices.Contains(lines, l) {
			t.Errorf("no line %q among\n%s", l, strings.Join(slices.DeleteFunc(slices.Clone(lines), func(s string) bool {
				return !strings.HasPrefix(s, "umbel_") || strings.Contains(s, "_bucket")
			}), "\n"))
		}
	}
}

func send(t *testing.T, app *umbel.App, name string, options ...umbel.SendOption) *umbel.AsyncResult {
	t.Helper()
	r, err := app.Send(deadline(t), name, nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ended waits for a task's end, whichever it is.
func ended(t *testing.T, r *umbel.AsyncResult) {
	t.Helper()
	err := r.Get(deadline(t), nil)
	var failed *umbel.TaskError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
}

func TestMetricsCountHowTasksEnd(t *testing.T) {
	t.Parallel()
	app := newApp(t, umbel.Config{})
	umbel.Register(app, "m.ok", func(context.Context, struct{}) (int, error) { return 1, nil })
	umbel.Register(app, "m.fails", func(context.Context, struct{}) (int, error) { return 0, errors.New("no") }, umbel.AcksLate())
	umbel.Register(app, "m.retries", func(context.Context, struct{}) (int, error) { return 0, errors.New("again") },
		umbel.Retry{Max: 1, Backoff: time.Millisecond})
	umbel.Register(app, "m.ignored", func(context.Context, struct{}) (int, error) { return 0, umbel.Ignore })
	umbel.Register(app, "m.rejects", func(context.Context, struct{}) (int, error) { return 0, umbel.Reject(false, "no") })
	waits, told := make(chan struct{}), make(chan struct{})
	umbel.Register(app, "m.waits", func(ctx context.Context, _ struct{}) (int, error) {
		close(waits)
		<-ctx.Done()
		close(told)
		return 0, ctx.Err()
	})
	w, stop := start(t, app, worker.Config{Metrics: true, Nodename: "m@host", Concurrency: 2})
	for range 3 {
		send(t, app, "m.ok")
	}
	ids := []*umbel.AsyncResult{send(t, app, "m.ok"), send(t, app, "m.fails"), send(t, app, "m.retries"), send(t, app, "m.rejects")}
	send(t, app, "m.ignored")
	for i := range 50 { // whose names nobody knows
		ids = append(ids, send(t, app, fmt.Sprintf("m.strange%d", i)))
	}
	unwanted := send(t, app, "m.waits")
	<-waits
	if err := app.Revoke(deadline(t), []string{unwanted.ID()}, umbel.Terminate()); err != nil {
		t.Fatal(err)
	}
	<-told // its state is stored at once, and a worker that stops hears no more commands
	ids = append(ids, unwanted)
	for _, r := range ids {
		ended(t, r)
	}
	if err := w.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	lines := scrape(t, w)
	want(t, lines,
		`umbel_tasks_received_total{worker="m@host",task="m.ok"} 4`,
		`umbel_tasks_started_total{worker="m@host",task="m.ok"} 4`,
		`umbel_tasks_total{worker="m@host",task="m.ok",state="SUCCESS"} 4`,
		`umbel_tasks_total{worker="m@host",task="m.ok",state="FAILURE"} 0`,
		`umbel_tasks_total{worker="m@host",task="m.waits",state="REVOKED"} 1`,
		`umbel_tasks_total{worker="m@host",task="m.fails",state="FAILURE"} 1`,
		`umbel_tasks_total{worker="m@host",task="m.retries",state="RETRY"} 1`,
		`umbel_tasks_total{worker="m@host",task="m.retries",state="FAILURE"} 1`,
		`umbel_tasks_total{worker="m@host",task="m.ignored",state="IGNORED"} 1`,
		`umbel_tasks_total{worker="m@host",task="m.rejects",state="FAILURE"} 1`,
		`umbel_task_duration_seconds_count{worker="m@host",task="m.ok"} 4`,
		`umbel_task_wait_seconds_count{worker="m@host",task="m.ok"} 4`,
		`umbel_task_failures_total{worker="m@host",task="m.rejects",exception="Reject"} 1`,
		`umbel_messages_refused_total{worker="m@host",reason="unregistered"} 50`,
		`umbel_worker_ready{worker="m@host"} 0`,
		`umbel_worker_slots{worker="m@host"} 2`,
	)
	for _, l := range lines {
		if strings.Contains(l, "strange") {
			t.Errorf("a task that nobody registered has a series: %s", l)
		}
	}
	if err := w.Ready(); err == nil {
		t.Error("a worker that has stopped says that it is ready")
	}
}

func TestNothingIsCountedWhenNobodyAsks(t *testing.T) {
	t.Parallel()
	app := newApp(t, umbel.Config{})
	umbel.Register(app, "m.ok", func(context.Context, struct{}) (int, error) { return 1, nil })
	w, stop := start(t, app, worker.Config{})
	ended(t, send(t, app, "m.ok"))
	if err := stop(); err != nil {
		t.Error(err)
	}
	for _, l := range scrape(t, w) {
		if strings.HasPrefix(l, "umbel_") {
			t.Errorf("counted: %s", l)
		}
	}
}
