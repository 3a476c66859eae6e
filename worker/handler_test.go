package worker_test

// What a handler does, or a result store, must not bring the worker down, hold up its stop, or harm other tasks.

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"
)

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text } // panics on nil

type badJSON struct{}

func (badJSON) MarshalJSON() ([]byte, error) { panic("no JSON today") }

func TestHandlersCannotBringTheWorkerDown(t *testing.T) {
	app := newApp(t, umbel.Config{})
	tasks := map[string]*umbel.Task[struct{}, any]{
		"a nil pointer as an error":      umbel.Register(app, "nil", func(context.Context, struct{}) (any, error) { var e *nilError; return nil, e }),
		"a result whose encoding panics": umbel.Register(app, "json", func(context.Context, struct{}) (any, error) { return badJSON{}, nil }),
		"runtime.Goexit":                 umbel.Register(app, "exit", func(context.Context, struct{}) (any, error) { runtime.Goexit(); return nil, nil }),
	}
	fine := umbel.Register(app, "fine", func(context.Context, struct{}) (any, error) { return 1, nil })
	_, stop := start(t, app, worker.Config{Concurrency: 1})
	for name, task := range tasks {
		r, err := task.Send(deadline(t), struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		var failed *umbel.TaskError
		if _, err := r.Get(deadline(t)); !errors.As(err, &failed) {
			t.Errorf("%s: %v, want a failure", name, err)
		}
		r, err = fine.Send(deadline(t), struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Get(deadline(t)); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAHungTaskPastItsHardLimitDoesNotHoldUpTheStop(t *testing.T) {
	app := newApp(t, umbel.Config{})
	release := make(chan struct{})
	hung := umbel.Register(app, "hung", func(context.Context, struct{}) (int, error) { <-release; return 0, nil }, umbel.TimeLimit(10*time.Millisecond))
	_, stop := start(t, app, worker.Config{Concurrency: 1})
	r, err := hung.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(deadline(t)); !errors.Is(err, umbel.ErrTimeLimit) {
		t.Errorf("%v, want the time limit", err)
	}
	if err := stop(); err != nil { // would wait for ever
		t.Error(err)
	}
	close(release)
}

func TestATaskThatHasEndedReportsToNobody(t *testing.T) {
	app := newApp(t, umbel.Config{})
	type report struct{ err error }
	ended, reports := make(chan struct{}), make(chan report, 2)
	late := func(ctx context.Context) {
		<-ended
		reports <- report{umbel.RequestFrom(ctx).Progress(context.WithoutCancel(ctx), 99)}
	}
	hung := umbel.Register(app, "hung", func(ctx context.Context, _ struct{}) (int, error) {
		_ = umbel.RequestFrom(ctx).Progress(ctx, 1) // on a slow machine the limit comes first
		late(ctx)                                   // the hard limit has passed
		return 0, nil
	}, umbel.TimeLimit(50*time.Millisecond))
	stray := umbel.Register(app, "stray", func(ctx context.Context, _ struct{}) (int, error) {
		go late(ctx)
		return 7, nil
	})
	start(t, app, worker.Config{Concurrency: 2})
	h, err := hung.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Get(deadline(t)); !errors.Is(err, umbel.ErrTimeLimit) {
		t.Fatalf("%v, want the time limit", err)
	}
	s, err := stray.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(deadline(t)); err != nil {
		t.Fatal(err)
	}
	close(ended)
	for range 2 {
		if r := <-reports; !errors.Is(r.err, umbel.ErrTaskEnded) {
			t.Errorf("a report after the end: %v, want ErrTaskEnded", r.err)
		}
	}
	if state, err := h.State(deadline(t)); state != umbel.Failure || err != nil {
		t.Errorf("the hung task is %s, %v", state, err)
	}
}

func TestAReportUnderWayIsCutShortByTheHardLimit(t *testing.T) {
	app := newApp(t, umbel.Config{})
	reported := make(chan error, 1)
	task := umbel.Register(app, "t", func(ctx context.Context, _ struct{}) (int, error) {
		reported <- umbel.RequestFrom(ctx).Progress(context.WithoutCancel(ctx), 1)
		return 0, nil
	}, umbel.TimeLimit(50*time.Millisecond))
	silent := &silentStore{}
	silent.Backend, _ = app.Backend(deadline(t))
	w, _ := start(t, app, worker.Config{Concurrency: 1})
	worker.SetResults(w, silent)
	r, err := task.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(deadline(t)); !errors.Is(err, umbel.ErrTimeLimit) {
		t.Errorf("%v, want the time limit", err)
	}
	if err := <-reported; !errors.Is(err, context.Canceled) {
		t.Errorf("the report: %v, want a cancellation", err)
	}
}

// silentStore does not answer when it is given a state that is not final.
type silentStore struct{ backend.Backend }

func (s *silentStore) Store(ctx context.Context, docs []*protocol.Result) []error {
	for _, d := range docs {
		if !d.Status.Ready() {
			<-ctx.Done()
			return slices.Repeat([]error{ctx.Err()}, len(docs))
		}
	}
	return s.Backend.Store(ctx, docs)
}

func TestOneResultThatCannotBeStoredDoesNotHoldUpTheOthers(t *testing.T) {
	app := newApp(t, umbel.Config{})
	task := umbel.Register(app, "t", func(context.Context, int) (int, error) { return 1, nil })
	picky := &pickyStore{refuse: "refused-id"}
	picky.Backend, _ = app.Backend(deadline(t))
	w, stop := start(t, app, worker.Config{Concurrency: 2})
	worker.SetResults(w, picky)
	if _, err := task.Send(deadline(t), 1, umbel.TaskID("refused-id")); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		r, err := task.Send(deadline(t), n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Get(deadline(t)); err != nil {
			t.Fatalf("beside a result that cannot be stored: %v", err)
		}
	}
	picky.accept.Store(true)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s, err := app.Result("refused-id").State(deadline(t)); err != nil || s != umbel.Success {
		t.Errorf("once the store takes it: %v, %v", s, err)
	}
}

func TestAResultThatCanNeverBeStoredEndsAsAFailureThatSaysWhy(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	task := umbel.Register(app, "t", func(context.Context, int) (string, error) { return "large", nil })
	failing := umbel.Register(app, "failing", func(context.Context, struct{}) (int, error) { return 0, errors.New("a large error") })
	full := &fullStore{}
	full.Backend, _ = app.Backend(deadline(t))
	w, _ := start(t, app, worker.Config{Concurrency: 2})
	worker.SetResults(w, full)
	var fault *umbel.TaskError
	r, err := task.Send(deadline(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(deadline(t)); !errors.As(err, &fault) || fault.Type != "EncodeError" || !strings.Contains(fault.Message, "no room for it, ever") {
		t.Errorf("a value that cannot be stored: %v", err)
	}
	f, err := failing.Send(deadline(t), struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(deadline(t)); !errors.As(err, &fault) || fault.Type != "EncodeError" {
		t.Errorf("an error that cannot be stored: %v", err)
	}
	c, err := umbel.Chord(umbel.Group(task.S(2), task.S(3)), app.Signature("list", nil)).Send(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Get(deadline(t), nil); !errors.As(err, &fault) || fault.Type != "ChordError" || !strings.Contains(fault.Message, "EncodeError") {
		t.Errorf("a chord one of whose parts cannot be stored: %v", err)
	}
}

// fullStore never takes a document with the word large in it.
type fullStore struct{ backend.Backend }

func (f *fullStore) Store(ctx context.Context, docs []*protocol.Result) []error {
	errs := make([]error, len(docs))
	for i, d := range docs {
		if text, _ := d.Result.AppendJSON(nil); bytes.Contains(text, []byte("large")) {
			errs[i] = backend.Unstorable(errors.New("no room for it, ever"))
			continue
		}
		if e := f.Backend.Store(ctx, []*protocol.Result{d}); e != nil {
			errs[i] = e[0]
		}
	}
	return errs
}

// pickyStore refuses one document for a while.
type pickyStore struct {
	backend.Backend
	refuse string
	accept atomic.Bool
}

func (p *pickyStore) Store(ctx context.Context, docs []*protocol.Result) []error {
	errs := make([]error, len(docs))
	bad := false
	for i, d := range docs {
		if d.TaskID == p.refuse && !p.accept.Load() {
			errs[i], bad = errors.New("not this one"), true
			continue
		}
		if e := p.Backend.Store(ctx, []*protocol.Result{d}); e != nil {
			errs[i], bad = e[0], true
		}
	}
	if !bad {
		return nil
	}
	return errs
}
