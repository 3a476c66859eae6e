package umbel

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

var errFlaky = errors.New("flaky")

type trace struct{ calls []string }

func (m *trace) BeforePublish(_ context.Context, p *Publication) error {
	m.calls = append(m.calls, "before publish "+p.Queue)
	p.Headers["x-trace"] = "abc"
	return nil
}
func (m *trace) AfterPublish(context.Context, *Publication, error) {
	m.calls = append(m.calls, "after publish")
}
func (m *trace) TaskPrerun(context.Context, *Request) { m.calls = append(m.calls, "prerun") }
func (m *trace) TaskPostrun(_ context.Context, _ *Request, o *Outcome) {
	m.calls = append(m.calls, "postrun "+string(o.State))
}
func (m *trace) TaskSuccess(context.Context, *Request, *Outcome) {
	m.calls = append(m.calls, "success")
}
func (m *trace) TaskFailure(context.Context, *Request, *Outcome) {
	m.calls = append(m.calls, "failure")
}
func (m *trace) TaskRetry(context.Context, *Request, *Outcome) { m.calls = append(m.calls, "retry") }
func (m *trace) WrapTask(next Handler) Handler {
	return func(ctx context.Context, r *Request) (any, error) {
		m.calls = append(m.calls, "wrap "+r.Headers()["x-trace"].(string))
		return next(ctx, r)
	}
}

func eagerApp(t *testing.T) *App {
	t.Helper()
	app := New("test", WithConfig(Config{}))
	app.Eager(true)
	return app
}

func TestEagerRunsThroughTheWireFormat(t *testing.T) {
	app := eagerApp(t)
	m := &trace{}
	app.Use(m)
	task := Register(app, "double", func(ctx context.Context, n int) (map[string]int, error) {
		r := RequestFrom(ctx)
		if r == nil || r.Name != "double" || !r.Eager {
			return nil, errors.New("no request in the context")
		}
		return map[string]int{"n": 2 * n}, nil
	})
	r, err := task.Send(t.Context(), 21)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Get(t.Context())
	if err != nil || got["n"] != 42 {
		t.Fatalf("got %v, %v", got, err)
	}
	want := []string{"before publish celery", "prerun", "wrap abc", "success", "postrun SUCCESS", "after publish"}
	if !slices.Equal(m.calls, want) {
		t.Errorf("middleware was called %q, want %q", m.calls, want)
	}
}

func TestEagerFailures(t *testing.T) {
	app := eagerApp(t)
	tries := 0
	flaky := Register(app, "flaky", func(context.Context, struct{}) (int, error) {
		tries++
		if tries < 3 {
			return 0, errFlaky
		}
		return tries, nil
	}, Retry{Max: 5, On: []error{errFlaky}})
	hopeless := Register(app, "hopeless", func(context.Context, struct{}) (int, error) { return 0, RetryIn(time.Hour, errFlaky) })
	panics := Register(app, "panics", func(context.Context, struct{}) (int, error) { panic("ouch") })
	unencodable := Register(app, "unencodable", func(context.Context, struct{}) (any, error) { return make(chan int), nil })

	r, err := flaky.Send(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Get(t.Context()); err != nil || got != 3 {
		t.Errorf("flaky: %v, %v; want the third attempt's 3", got, err)
	}
	for name, tt := range map[string]struct {
		task *Task[struct{}, int]
		want string
	}{
		"retries used up": {hopeless, "flaky"},
		"a panic":         {panics, "RuntimeError: panic: ouch"},
	} {
		r, err := tt.task.Send(t.Context(), struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Get(t.Context())
		var te *TaskError
		if !errors.As(err, &te) || te.State != Failure || !strings.Contains(te.Error(), tt.want) || te.Traceback == "" {
			t.Errorf("%s: %v, want a TaskError with %q and a traceback", name, err, tt.want)
		}
	}
	ur, err := unencodable.Send(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if err := ur.AsyncResult.Get(t.Context(), nil); err == nil {
		t.Error("a result that cannot be encoded must fail the task")
	}
}

func TestMiddlewareMustBeSome(t *testing.T) {
	defer func() {
		if p := recover(); p == nil {
			t.Error("Use of a value that is no middleware must panic")
		}
	}()
	eagerApp(t).Use(42)
}

func TestPanickingMiddlewareHarmsNobody(t *testing.T) {
	app := eagerApp(t)
	app.Use(rudeMiddleware{})
	task := Register(app, "t", func(context.Context, struct{}) (int, error) { return 1, nil })
	r, err := task.Send(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Get(t.Context()); err != nil || got != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

type rudeMiddleware struct{}

func (rudeMiddleware) TaskPrerun(context.Context, *Request) { panic("rude") }

func TestMiddlewareHearsNoSuccessOfWhatCannotBeEncoded(t *testing.T) {
	app := eagerApp(t)
	m := &trace{}
	app.Use(m)
	task := Register(app, "t", func(context.Context, struct{}) (any, error) { return make(chan int), nil })
	r, err := task.Send(t.Context(), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	var te *TaskError
	if err := r.AsyncResult.Get(t.Context(), nil); !errors.As(err, &te) || te.Type != "EncodeError" {
		t.Errorf("%v, want an EncodeError", err)
	}
	if slices.Contains(m.calls, "success") || !slices.Contains(m.calls, "failure") || !slices.Contains(m.calls, "postrun FAILURE") {
		t.Errorf("middleware heard %q", m.calls)
	}
}

func TestEagerKeepsNoResultThatAWorkerWouldNotStore(t *testing.T) {
	app := eagerApp(t)
	task := Register(app, "t", func(context.Context, struct{}) (int, error) { return 1, nil }, IgnoreResult())
	fails := Register(app, "fails", func(context.Context, struct{}) (int, error) { return 0, errFlaky }, IgnoreResult())
	kept := Register(app, "kept", func(context.Context, struct{}) (int, error) { return 0, errFlaky }, IgnoreResult(), StoreErrors())
	for _, tt := range []struct {
		task *Task[struct{}, int]
		want State
	}{{task, Pending}, {fails, Pending}, {kept, Failure}} {
		r, err := tt.task.Send(t.Context(), struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Get(t.Context()); !errors.Is(err, ErrResultIgnored) {
			t.Errorf("%s: Get: %v, want ErrResultIgnored", tt.task.Name(), err)
		}
		if s, err := r.State(t.Context()); s != tt.want || err != nil {
			t.Errorf("%s: state %s, %v; want %s", tt.task.Name(), s, err, tt.want)
		}
	}
	r, err := task.Send(t.Context(), struct{}{}, StoreResult())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Get(t.Context()); got != 1 || err != nil {
		t.Errorf("with StoreResult: %v, %v", got, err)
	}
	chain, err := Chain(task.S(struct{}{}), task.SI(struct{}{})).Send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := chain.Get(t.Context(), nil); !errors.Is(err, ErrResultIgnored) {
		t.Errorf("a chain's end: %v, want ErrResultIgnored", err)
	}
}

func TestASoftTimeLimitMustComeBeforeTheHardOne(t *testing.T) {
	app := eagerApp(t)
	task := Register(app, "t", func(context.Context, struct{}) (int, error) { return 1, nil }, SoftTimeLimit(time.Minute))
	if _, err := task.Send(t.Context(), struct{}{}, TimeLimit(time.Second)); err == nil || !strings.Contains(err.Error(), "soft time limit 1m0s is more than the time limit 1s") {
		t.Errorf("a send: %v", err)
	}
	if _, err := task.Send(t.Context(), struct{}{}, TimeLimit(time.Minute)); err != nil {
		t.Errorf("the same for both: %v", err)
	}
	defer func() {
		if p := recover(); p == nil || !strings.Contains(p.(string), "soft time limit") {
			t.Errorf("Register: %v, want a panic", p)
		}
	}()
	Register(app, "u", func(context.Context, struct{}) (int, error) { return 1, nil }, SoftTimeLimit(time.Minute), TimeLimit(time.Second))
}
