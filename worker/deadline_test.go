package worker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// A shutdown stays warm or soft until its deadline, and ends at once when nothing runs.
func TestAShutdownBecomesColdAtItsDeadline(t *testing.T) {
	for _, c := range []struct {
		name   string
		config umbel.Config
		stage  worker.Stage
		task   time.Duration // how long the task would run; 0 is none
		cut    bool
		lasts  time.Duration
	}{
		{"warm without a deadline", umbel.Config{}, worker.Warm, time.Hour, false, time.Hour},
		{"warm, the task is short", umbel.Config{WorkerShutdownGrace: time.Minute}, worker.Warm, 10 * time.Second, false, 10 * time.Second},
		{"warm, the task is long", umbel.Config{WorkerShutdownGrace: time.Minute}, worker.Warm, time.Hour, true, 48 * time.Second},
		{"warm, no time at all", umbel.Config{WorkerShutdownGrace: time.Second}, worker.Warm, time.Hour, true, 0},
		{"soft, the task is short", umbel.Config{WorkerSoftShutdownTimeout: 20 * time.Second}, worker.Soft, 10 * time.Second, false, 10 * time.Second},
		{"soft, the task is long", umbel.Config{WorkerSoftShutdownTimeout: 20 * time.Second}, worker.Soft, time.Hour, true, 20 * time.Second},
		{"soft without a timeout is cold", umbel.Config{}, worker.Soft, time.Hour, true, 0},
		{"soft, idle", umbel.Config{WorkerSoftShutdownTimeout: 20 * time.Second}, worker.Soft, 0, false, 0},
		{"soft, idle and to be waited for", umbel.Config{WorkerSoftShutdownTimeout: 20 * time.Second, WorkerEnableSoftShutdownOnIdle: true}, worker.Soft, 0, false, 20 * time.Second},
		{"cold", umbel.Config{WorkerSoftShutdownTimeout: 20 * time.Second}, worker.Cold, time.Hour, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newApp(t, c.config)
				var cause error
				task := umbel.Register(app, "t", func(ctx context.Context, _ int) (int, error) {
					select {
					case <-time.After(c.task):
						return 1, nil
					case <-ctx.Done():
						cause = context.Cause(ctx)
						return 0, cause
					}
				}, umbel.AcksLate())
				w, stop := start(t, app, worker.Config{Concurrency: 1})
				if c.task > 0 {
					if _, err := task.Send(t.Context(), 1); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				begun := time.Now()
				w.Stop(c.stage)
				if err := stop(); err != nil {
					t.Error(err)
				}
				if d := time.Since(begun).Round(time.Second); d != c.lasts {
					t.Errorf("the shutdown took %v, want %v", d, c.lasts)
				}
				if errors.Is(cause, umbel.ErrShutdown) != c.cut {
					t.Errorf("the task was cancelled: %v, want %v", cause, c.cut)
				}
				b, err := app.Broker(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if s, err := b.Stat(t.Context(), "celery"); c.task > 0 && (err != nil || (s.Ready == 1) != c.cut) {
					t.Errorf("%+v, %v: what was cut short must be in the queue again, and nothing else", s, err)
				}
			})
		})
	}
}

func TestANoticeOfThePlatformStopsTheWorker(t *testing.T) {
	var spot atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/latest/api/token":
			fmt.Fprint(w, "token")
		case r.URL.Path == "/latest/meta-data/spot/instance-action" && spot.Load():
			fmt.Fprintf(w, `{"action": "terminate", "time": %q}`, time.Now().Add(12500*time.Millisecond).UTC().Format(time.RFC3339))
		case r.URL.Path == "/v4/x/task":
			fmt.Fprint(w, `{"DesiredStatus": "RUNNING"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	app := newApp(t, umbel.Config{WorkerStopNotices: []string{"spot", "rebalance"}, WorkerMetadataURL: server.URL})
	begun := make(chan struct{})
	task := umbel.Register(app, "t", func(ctx context.Context, _ int) (int, error) {
		close(begun)
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	ready := make(chan struct{})
	w := worker.New(app, worker.Config{OnReady: func() { close(ready) }})
	worker.AskForNotices(w, time.Millisecond)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(context.Background()) }()
	<-ready
	r, err := task.Send(patient(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if w.Stage() != worker.Running {
		t.Fatal("the worker stops, though nobody said so")
	}
	spot.Store(true) // the instance goes in 12.5 s; a cold shutdown may take 12
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-patient(t).Done():
		t.Fatal("the worker did not stop")
	}
	if _, err := r.Get(patient(t)); err == nil || w.Stage() != worker.Cold {
		t.Errorf("the task ended with %v in stage %v, want it cancelled at the deadline", err, w.Stage())
	}
}
