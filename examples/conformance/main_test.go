package main

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each task by what its caller sees; those that write to Redis are left to the Python project's tests.
func TestTasksDoWhatTheTestsExpect(t *testing.T) {
	app := newApp(umbel.WithLogger(slog.New(slog.DiscardHandler)), umbel.WithConfig(umbel.Config{
		BrokerURL: []string{"memory://conformance"}, ResultBackend: "memory://conformance"}))
	defer app.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	running, stop := context.WithCancel(ctx)
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- worker.New(app, worker.Config{Concurrency: 4, OnReady: func() { close(ready) }}).Run(running)
	}()
	<-ready
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	call := func(name string, args ...any) *umbel.Signature {
		return app.Signature(module+"."+name, umbel.Args(args))
	}
	for name, tt := range map[string]struct {
		s    *umbel.Signature
		want string
	}{
		"add":               {call("add", 1, 2), "3"},
		"add with z":        {call("add", 1, 2, umbel.Kwargs{"z": 4}), "7"},
		"missing argument":  {call("add", 1), "FAILURE TypeError"},
		"mul":               {call("mul", 3, 4), "12"},
		"xsum":              {call("xsum", []any{[]int{1, 2}, 3}), "6"},
		"delayed_sum":       {call("delayed_sum", []int{1, 2}, umbel.Kwargs{"pause_time": 0}), "3"},
		"raise_error":       {call("raise_error"), "FAILURE ValueError"},
		"fail":              {call("fail", "x"), "FAILURE ExpectedException"},
		"unpickleable":      {call("fail_unpickleable", "foo", "bar"), "FAILURE UnpickleableExceptionWrapper"},
		"reject":            {call("reject_without_requeue"), "FAILURE Reject"},
		"retry_once":        {call("retry_once", umbel.Kwargs{"countdown": 0}), "1"},
		"reject_then":       {call("reject_then_succeed"), "second-pass"},
		"pydantic":          {call("add_pydantic", map[string]int{"x": 1, "y": 2}), "map[result:3]"},
		"add_replaced":      {umbel.Chain(call("add_replaced", 1, 2), call("add", 3)), "6"},
		"add_to_all":        {umbel.Chain(call("add_to_all", []int{1, 2}, 10), call("tsum")), "23"},
		"empty chain":       {call("replace_with_empty_chain"), "FAILURE ImproperlyConfigured"},
		"stamped":           {call("replace_with_stamped_task"), "true"},
		"add_to_chord":      {umbel.Chord(umbel.Group(call("add_to_all_to_chord", []int{1, 2}, 1), call("add", 1, 1)), call("tsum")), "7"},
		"chord to chord":    {umbel.Chord(umbel.Group(call("add_chord_to_chord", []int{1, 2}, 1), call("add", 1, 1)), call("tsum")), "7"},
		"nested signatures": {umbel.Chain(call("return_nested_signature_chord_group"), call("rebuild_signature")), "<nil>"},
		"priority":          {call("return_priority").Set(umbel.Priority(5)), "Priority: 5"},
		"declared limits":   {call("task_with_declared_time_limits"), "map[soft_time_limit:45 time_limit:60]"},
		"ping":              {app.Signature("celery.ping", nil), "pong"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := tt.s.Send(ctx)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := r.Wait(ctx)
			if err != nil {
				t.Fatal(err)
			}
			v, err := doc.Result.Any()
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(v)
			if m, ok := v.(map[string]any); ok && doc.Status != umbel.Success {
				got = fmt.Sprintf("%s %v", doc.Status, m["exc_type"])
			}
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
