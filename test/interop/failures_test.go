package interop

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
)

// failures: exceptions, as the other side's caller catches them.
func failures(t *testing.T, w *world) {
	for name, c := range map[string]struct {
		call, typ, module, state string
		args, traceback          string // words that they hold
	}{
		"own type":         {`send("go.fail", "own")`, "OrderError", "", "FAILURE", "processing: order 7 is closed", "order 7 is closed"},
		"a python class":   {`send("go.fail", "value")`, "ValueError", "builtins", "FAILURE", "boom", "ValueError: boom"},
		"plain":            {`send("go.fail", "plain")`, "Exception", "builtins", "FAILURE", "plain words", "plain words"},
		"panic":            {`send("go.fail", "panic")`, "RuntimeError", "builtins", "FAILURE", "ouch", "tasks_test.go"},
		"reject":           {`send("go.fail", "reject")`, "Reject", "celery.exceptions", "FAILURE", "no thanks", ""},
		"stored unwanted":  {`send("go.fail.unwanted", ignore_result=True).id`, "Exception", "builtins", "FAILURE", "stored all the same", ""},
		"unknown task":     {`send("go.nobody")`, "NotRegistered", "celery.exceptions", "FAILURE", "go.nobody", ""},
		"missing argument": {`send("go.order", 7)`, "TypeError", "builtins", "FAILURE", "total", "total"},
		"unknown argument": {`send("go.order", 7, 42.5, kwargs={"color": 1})`, "TypeError", "builtins", "FAILURE", "color", ""},
		"too many":         {`send("go.order", 7, 42.5, "x", 1)`, "TypeError", "builtins", "FAILURE", "positional", ""},
		"twice":            {`send("go.order", 7, 42.5, kwargs={"order_id": 8})`, "TypeError", "builtins", "FAILURE", "order_id", ""},
		"mistyped":         {`send("go.order", "seven", 42.5)`, "TypeError", "builtins", "FAILURE", "order_id", ""},
		"pickle":           {`send("go.echo", 1, serializer="pickle")`, "ContentDisallowed", "kombu.exceptions", "FAILURE", "pickle", ""},
		"bad eta":          {`send("go.echo", 1, headers={"eta": "tomorrow"})`, "InvalidTaskError", "celery.exceptions", "FAILURE", "tomorrow", ""},
		"expired":          {`send("go.echo", 1, expires=datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc))`, "TaskRevokedError", "celery.exceptions", "REVOKED", "expired", ""},
	} {
		t.Run("python catches "+name, func(t *testing.T) {
			got := value[caught](t, w.client, "fails("+c.call+")")
			if got.Type != c.typ || got.State != c.state || (c.module != "" && got.Module != c.module) {
				t.Errorf("caught %v, want %s %s.%s", got, c.state, c.module, c.typ)
			}
			if !strings.Contains(strings.Join(got.Args, " "), c.args) {
				t.Errorf("its arguments are %q, want %q in them", got.Args, c.args)
			}
			if !strings.Contains(got.Traceback, c.traceback) {
				t.Errorf("its traceback is %q, want %q in it", got.Traceback, c.traceback)
			}
			if !slices.Contains(got.Bases, "Exception") {
				t.Errorf("its bases are %q", got.Bases)
			}
		})
	}
	for name, c := range map[string]struct {
		task                        string
		in                          umbel.Args
		typ, module, msg, traceback string
	}{
		"arguments":    {"py.fail", nil, "ValueError", "builtins", "boom", `raise ValueError("boom", 42)`},
		"own class":    {"py.fail", umbel.Args{"own"}, "OrderError", "tasks", "order 7 is closed", "tasks.OrderError: order 7 is closed"},
		"chained":      {"py.fail", umbel.Args{"chained"}, "RuntimeError", "builtins", "outer", "KeyError: 'missing'"},
		"unknown task": {"py.nobody", nil, "NotRegistered", "celery.exceptions", "py.nobody", ""},
		"arity":        {"py.add", umbel.Args{1}, "TypeError", "builtins", "missing 1 required positional argument: 'y'", "TypeError"},
	} {
		t.Run("go reads "+name, func(t *testing.T) {
			err := w.call(t, c.task, c.in)
			var failed *umbel.TaskError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v, want a *umbel.TaskError", err)
			}
			if failed.State != umbel.Failure || failed.Type != c.typ || failed.Module != c.module || !strings.Contains(failed.Message, c.msg) {
				t.Errorf("got %+v", failed)
			}
			if !strings.Contains(failed.Traceback, c.traceback) {
				t.Errorf("traceback is\n%s\nwant %q in it", failed.Traceback, c.traceback)
			}
		})
	}
	t.Run("go reads expired", func(t *testing.T) {
		r, err := w.app.Send(deadline(t), "py.add", umbel.Args{1, 1}, umbel.Header("expires", "2020-01-02T03:04:05+00:00"))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Get(deadline(t), nil); !errors.Is(err, umbel.ErrRevoked) {
			t.Errorf("got %v, want ErrRevoked", err)
		}
	})
	t.Run("the worker serves on", func(t *testing.T) {
		if got := value[int](t, w.client, `get(send("go.echo", 5))["args"][0]`); got != 5 {
			t.Error(got)
		}
	})
}
