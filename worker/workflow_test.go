package worker_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"
)

var errBoom = errors.New("boom")

// numbers registers what the workflows of these tests are made of.
func numbers(app *umbel.App) {
	umbel.Register(app, "add", func(_ context.Context, in umbel.Args) (float64, error) { return sum([]any(in)), nil })
	umbel.Register(app, "list", func(_ context.Context, in umbel.Args) ([]any, error) { return []any(in), nil })
	umbel.Register(app, "boom", func(context.Context, umbel.Args) (any, error) { return nil, errBoom })
}

func sum(v any) float64 {
	switch v := v.(type) {
	case []any:
		total := 0.0
		for _, x := range v {
			total += sum(x)
		}
		return total
	case float64:
		return v
	case int64:
		return float64(v)
	}
	return float64(v.(int))
}

func TestAWorkflowRunsOnWorkers(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	start(t, app, worker.Config{Concurrency: 4})
	add := func(args ...any) *umbel.Signature { return app.Signature("add", umbel.Args(args)) }
	list := func() *umbel.Signature { return app.Signature("list", nil) }
	for name, tt := range map[string]struct {
		s    *umbel.Signature
		want any
	}{
		"chain":                   {umbel.Chain(add(2, 2), add(4), add(8)), 16.0},
		"immutable":               {umbel.Chain(add(2, 2), add(4).Immutable()), 4.0},
		"chord":                   {umbel.Chord(umbel.Group(add(1), add(2)), list()), []any{[]any{1.0, 2.0}}},
		"chord of none":           {umbel.Chord(umbel.Group(), list()), []any{[]any{}}},
		"chord in a chain":        {umbel.Chain(add(1), umbel.Group(add(2), add(3)), add(4), add(5)), 16.0},
		"chord in a chord":        {umbel.Chord(umbel.Group(umbel.Chord(umbel.Group(add(1), add(2)), list()), add(3)), list()), []any{[]any{[]any{[]any{1.0, 2.0}}, 3.0}}},
		"group in a header":       {umbel.Chord(umbel.Group(umbel.Group(add(1), add(2)), add(3)), list()), []any{[]any{[]any{1.0, 2.0}, 3.0}}},
		"chain ending in a group": {umbel.Chord(umbel.Group(umbel.Chain(add(1), umbel.Group(add(1), add(2))), add(3)), list()), []any{[]any{[]any{2.0, 3.0}, 3.0}}},
		"map":                     {app.Map("add", 1, 2, 3), []any{1.0, 2.0, 3.0}},
		"starmap":                 {app.Starmap("add", umbel.Args{1, 2}, umbel.Args{3, 4}), []any{3.0, 7.0}},
		"group then task":         {umbel.Chain(umbel.Group(add(7)), list()), []any{[]any{7.0}}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := tt.s.Send(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			var got any
			if err := r.Get(deadline(t), &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestGroupsGiveAllResults(t *testing.T) {
	app := newApp(t, umbel.Config{})
	double := umbel.Register(app, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	start(t, app, worker.Config{Concurrency: 4})
	r, err := umbel.GroupOf(double.S(1), double.S(2), double.S(3)).Send(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Get(deadline(t))
	if err != nil || !reflect.DeepEqual(got, []int{2, 4, 6}) {
		t.Fatalf("%v, %v", got, err)
	}
	if ok, failed, err := r.Count(deadline(t)); ok != 3 || failed != 0 || err != nil {
		t.Fatalf("counted %d, %d, %v", ok, failed, err)
	}
	if err := r.Save(deadline(t)); err != nil {
		t.Fatal(err)
	}
	again, err := app.RestoreGroup(deadline(t), r.ID())
	if err != nil || !reflect.DeepEqual(again.Tuple(), r.Tuple()) {
		t.Fatalf("restored %+v, %v; want %+v", again, err, r.Tuple())
	}
	parts, err := double.Chunks(2, umbel.Args{1}, umbel.Args{2}, umbel.Args{3}).Send(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parts.Get(deadline(t)); err != nil || !reflect.DeepEqual(got, [][]int{{2, 4}, {6}}) {
		t.Fatalf("chunks gave %v, %v", got, err)
	}
}

func TestFailureEndsAllThatFollows(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	told := make(chan string, 10)
	umbel.RegisterErrback(app, "new style", func(_ context.Context, failed *umbel.Request, f umbel.Fault) error {
		told <- "new " + failed.ID + " " + f.Exception.Type
		return nil
	})
	umbel.Register(app, "old style", func(_ context.Context, id string) (string, error) {
		told <- "old " + id
		return id, nil
	})
	start(t, app, worker.Config{Concurrency: 4})
	on := []umbel.Step{app.Signature("new style", nil), app.Signature("old style", nil)}
	boom, add := app.Signature("boom", nil), app.Signature("add", umbel.Args{1})
	want := func(t *testing.T, lines ...string) {
		t.Helper()
		got := make(map[string]bool)
		for range lines {
			select {
			case s := <-told:
				got[s] = true
			case <-deadline(t).Done():
				t.Fatalf("only told %v, want %v", got, lines)
			}
		}
		for _, l := range lines {
			if !got[l] {
				t.Errorf("told %v, want %v", got, lines)
			}
		}
	}
	t.Run("chain", func(t *testing.T) {
		r, err := umbel.Chain(boom, add, umbel.Group(add, add), add).OnError(on...).Send(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		var failed *umbel.TaskError
		if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Message != "boom" {
			t.Fatalf("%v, want the first step's error", err)
		}
		first := r.ParentGroup().Parent().Parent()
		want(t, "new "+first.ID()+" Exception", "old "+first.ID())
		for _, m := range r.ParentGroup().Members() {
			if err := m.Get(deadline(t), nil); !errors.As(err, &failed) {
				t.Errorf("a part that never runs: %v", err)
			}
		}
	})
	t.Run("chord", func(t *testing.T) {
		r, err := umbel.Chord(umbel.Group(add, boom), add).OnError(on...).Send(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		var failed *umbel.TaskError
		if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Type != "ChordError" {
			t.Fatalf("%v, want a ChordError", err)
		}
		want(t, "new "+r.ID()+" ChordError", "old "+r.ID())
	})
	t.Run("chord within chord", func(t *testing.T) {
		r, err := umbel.Chord(umbel.Group(add, umbel.Chord(umbel.Group(add, boom), add)), add).Send(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		var failed *umbel.TaskError
		if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Type != "ChordError" {
			t.Fatalf("%v, want a ChordError", err)
		}
	})
	t.Run("unregistered", func(t *testing.T) {
		r, err := umbel.Chord(umbel.Group(add, app.Signature("nobody", nil)), add).Send(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		var failed *umbel.TaskError
		if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Type != "ChordError" {
			t.Fatalf("%v, want a ChordError", err)
		}
	})
	t.Run("allowed", func(t *testing.T) {
		r, err := umbel.Chord(umbel.Group(add, boom, add), app.Signature("list", nil)).AllowFailures(2).Send(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := r.Get(deadline(t), &got); err != nil || !reflect.DeepEqual(got, []any{[]any{1.0, 1.0}}) {
			t.Fatalf("%v, %v", got, err)
		}
		r, err = umbel.Chord(umbel.Group(add, boom, boom), app.Signature("list", nil)).AllowFailures(2).Send(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		var failed *umbel.TaskError
		if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Type != "ChordError" {
			t.Fatalf("%v, want a ChordError below the threshold", err)
		}
	})
}

func TestLinksReplaceAndAddToChord(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	add := func(args ...any) *umbel.Signature { return app.Signature("add", umbel.Args(args)) }
	linked := make(chan any, 4)
	umbel.Register(app, "note", func(_ context.Context, in umbel.Args) (any, error) { linked <- in[0]; return nil, nil })
	umbel.Register(app, "replaced", func(ctx context.Context, in umbel.Args) (any, error) {
		return nil, umbel.Replace(ctx, add(in[0], 1))
	})
	umbel.Register(app, "replaced by group", func(ctx context.Context, in umbel.Args) (any, error) {
		return nil, umbel.Replace(ctx, umbel.Group(add(in[0], 1), add(in[0], 2)))
	})
	umbel.Register(app, "replaced by chain", func(ctx context.Context, in umbel.Args) (any, error) {
		return nil, umbel.Replace(ctx, umbel.Chain(add(in[0], 1), add(10)))
	})
	umbel.Register(app, "replaced by nothing", func(ctx context.Context, _ umbel.Args) (any, error) {
		return nil, umbel.Replace(ctx, umbel.Chain())
	})
	umbel.Register(app, "more", func(ctx context.Context, in umbel.Args) (int, error) {
		return 0, umbel.AddToChord(ctx, add(in[0]))
	})
	start(t, app, worker.Config{Concurrency: 4})
	get := func(s umbel.Step) any {
		t.Helper()
		r, err := umbel.Typed[any](s).Send(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Get(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := get(add(2, 3).Link(app.Signature("note", nil), app.Signature("note", umbel.Args{"x"}).Immutable())); got != 5.0 {
		t.Errorf("linked: %v", got)
	}
	seen := map[any]bool{<-linked: true, <-linked: true}
	if !seen[5.0] || !seen["x"] {
		t.Errorf("callbacks got %v", seen)
	}
	replaced := func(name string) *umbel.Signature { return app.Signature(name, umbel.Args{5}) }
	for _, tt := range []struct {
		s    umbel.Step
		want any
	}{
		{replaced("replaced"), 6.0},
		{umbel.Chain(replaced("replaced"), add(2)), 8.0},
		{replaced("replaced by group"), []any{6.0, 7.0}},
		{umbel.Chain(replaced("replaced by group"), add(1)), 14.0},
		{replaced("replaced by chain"), 16.0},
		{umbel.Chain(replaced("replaced by chain"), add(1)), 17.0},
		{umbel.Chord(umbel.Group(replaced("replaced by chain"), replaced("replaced by group")), add()), 29.0},
		{umbel.Chord(umbel.Group(app.Signature("more", umbel.Args{7}), add(1)), add()), 8.0},
	} {
		if got := get(tt.s); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v, want %v", got, tt.want)
		}
	}
	r, err := replaced("replaced by nothing").Send(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	var failed *umbel.TaskError
	if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Type != "ImproperlyConfigured" {
		t.Errorf("an empty chain: %v", err)
	}
}

func TestCollectGoesThroughAllThatCameOfATask(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	start(t, app, worker.Config{Concurrency: 2})
	add := app.Signature("add", umbel.Args{1})
	r, err := umbel.Chain(add, umbel.Group(add, add)).SendGroup(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.Parent().Graph(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Nodes) != 3 || len(g.Edges) != 2 {
		t.Fatalf("%d tasks and %d edges, want 3 and 2: %+v", len(g.Nodes), len(g.Edges), g)
	}
}

// Random workflows: what workers make of them is what eager mode makes of them, which the tests of package umbel compare
// with a plain evaluator.
func TestRandomWorkflowsRunAsTheyDoEagerly(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	eager := newApp(t, umbel.Config{})
	numbers(eager)
	eager.Eager(true)
	start(t, app, worker.Config{Concurrency: 8})
	rapid.Check(t, func(t *rapid.T) {
		// Smaller than those of the eager test: a chord's body travels in each message of its header, so that nested ones
		// cost minutes under the race detector.
		budget := rapid.IntRange(1, 40).Draw(t, "size")
		s := umbel.Chain(draw(t, app, 4, &budget), app.Signature("list", nil))
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		run := func(a *umbel.App) (got any, err error) {
			r, err := s.Bind(a).Send(ctx)
			if err == nil {
				err = r.Get(ctx, &got)
			}
			var failed *umbel.TaskError
			if err != nil && !errors.As(err, &failed) {
				t.Fatalf("%+v: %v", s, err)
			}
			return got, err
		}
		want, wantErr := run(eager)
		got, err := run(app)
		if (err != nil) != (wantErr != nil) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, %v; want %v, %v", got, err, want, wantErr)
		}
	})
}

func draw(t *rapid.T, a *umbel.App, depth int, budget *int) *umbel.Signature {
	*budget--
	k := rapid.IntRange(0, 7).Draw(t, "kind")
	if depth == 0 || *budget <= 0 || k < 3 {
		name := rapid.SampledFrom([]string{"add", "list", "add", "list", "add", "list", "add", "list", "add", "boom"}).Draw(t, "task")
		return a.Signature(name, umbel.Args{rapid.IntRange(0, 9).Draw(t, "arg")})
	}
	var some []umbel.Step
	for range rapid.IntRange(2, 4).Draw(t, "n") {
		some = append(some, draw(t, a, depth-1, budget))
	}
	switch k {
	case 3, 4:
		return umbel.Chain(some...)
	case 5:
		return umbel.Group(some...)
	}
	return umbel.Chord(umbel.Group(some...), draw(t, a, depth-1, budget))
}

func TestRedeliveredPartsDoNotCompleteAChordTwice(t *testing.T) {
	app := newApp(t, umbel.Config{})
	var bodies atomic.Int64
	part := umbel.Register(app, "part", func(ctx context.Context, n int) (int, error) {
		if !umbel.RequestFrom(ctx).Redelivered && n%3 == 0 {
			return 0, umbel.Reject(true, "once more")
		}
		return n, nil
	}, umbel.AcksLate())
	body := umbel.Register(app, "body", func(_ context.Context, in []int) (int, error) {
		bodies.Add(1)
		return len(in), nil
	})
	start(t, app, worker.Config{Concurrency: 8})
	for i := range 20 {
		var steps []umbel.Step
		for n := range 20 {
			steps = append(steps, part.S(n))
		}
		r, err := umbel.ChordOf(umbel.Group(steps...), body.S()).Send(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Get(deadline(t)); err != nil || got != 20 {
			t.Fatalf("chord %d: %d, %v", i, got, err)
		}
	}
	if n := bodies.Load(); n != 20 {
		t.Fatalf("%d bodies ran for 20 chords", n)
	}
}

func TestWhatFollowsSurvivesARetryAndEveryWayToFail(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	umbel.Register(app, "second time", func(ctx context.Context, in umbel.Args) (any, error) {
		if umbel.RequestFrom(ctx).Retries == 0 {
			return nil, umbel.RetryIn(0, errBoom)
		}
		return in[0], nil
	})
	umbel.Register(app, "endless", func(ctx context.Context, _ umbel.Args) (any, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	umbel.Register(app, "unencodable", func(context.Context, umbel.Args) (any, error) { return func() {}, nil })
	umbel.Register(app, "rejected", func(context.Context, umbel.Args) (any, error) { return nil, umbel.Reject(false, "no") })
	start(t, app, worker.Config{Concurrency: 4})
	add := app.Signature("add", umbel.Args{1})
	call := func(name string) *umbel.Signature { return app.Signature(name, umbel.Args{5}) }
	r, err := umbel.Chain(umbel.Group(call("second time"), umbel.Chain(add, call("second time"))), add, call("second time"), add).Send(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	var got float64
	if err := r.Get(deadline(t), &got); err != nil || got != 8 {
		t.Errorf("%v, %v; want 8", got, err)
	}
	for name, part := range map[string]*umbel.Signature{
		"soft limit":  call("endless").Set(umbel.SoftTimeLimit(time.Millisecond)),
		"unencodable": call("unencodable"),
		"rejected":    call("rejected"),
		"arguments":   app.Signature("add", umbel.Args{"no number"}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range []*umbel.Signature{umbel.Chain(part, add, add), umbel.Chord(umbel.Group(add, part), add)} {
				r, err := s.Send(deadline(t))
				if err != nil {
					t.Fatal(err)
				}
				var failed *umbel.TaskError
				if err := r.Get(deadline(t), nil); !errors.As(err, &failed) {
					t.Errorf("%s ended with %v", s.Task(), err)
				}
			}
		})
	}
}

func TestLostPartsOfAChordAreFoundAndNamed(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	start(t, app, worker.Config{Concurrency: 2})
	add := app.Signature("add", umbel.Args{1})
	r, err := umbel.Chord(umbel.Group(add, add.Set(umbel.Queue("nobody"), umbel.TaskID("lost-one"))), add).LostAfter(50 * time.Millisecond).Send(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	var failed *umbel.TaskError
	if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Type != "ChordError" || !strings.Contains(failed.Message, "Dependency lost-one raised WorkerLostError") {
		t.Fatalf("%v, want a ChordError that names the part", err)
	}
	r, err = umbel.Chord(umbel.Group(add, add), add).LostAfter(50 * time.Millisecond).Send(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	var got float64
	if err := r.Get(deadline(t), &got); err != nil || got != 3 {
		t.Fatalf("a chord that lost nothing: %v, %v", got, err)
	}
}

// A chord of a hundred thousand parts is published in batches and joined once, in order; a group's members are counted without their
// results.
func TestHugeGroupsAndChordsAreCountedAndJoined(t *testing.T) {
	members := 100_000
	if underRace {
		members /= 10
	}
	app := newApp(t, umbel.Config{})
	part := umbel.Register(app, "part", func(_ context.Context, n int) (int, error) { return n, nil })
	var bodies atomic.Int64
	body := umbel.Register(app, "body", func(_ context.Context, in []int) (int, error) {
		bodies.Add(1)
		for i, n := range in {
			if n != i {
				return 0, fmt.Errorf("result %d is that of part %d", i, n)
			}
		}
		return len(in), nil
	})
	start(t, app, worker.Config{Concurrency: 8})
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	steps := make([]umbel.Step, members)
	for i := range steps {
		steps[i] = part.S(i)
	}
	few := members / 10
	g, err := umbel.Group(steps[:few]...).SendGroup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := g.Wait(ctx, func(*protocol.Result) { n++ }); err != nil || n != few {
		t.Fatalf("%d ended, %v", n, err)
	}
	if ok, failed, err := g.Count(ctx); ok != few || failed != 0 || err != nil {
		t.Fatalf("counted %d and %d, %v", ok, failed, err)
	}
	r, err := umbel.ChordOf(umbel.Group(steps...), body.S()).Send(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.Get(ctx); err != nil || n != members || bodies.Load() != 1 {
		t.Fatalf("the body got %d results, %v, and ran %d times", n, err, bodies.Load())
	}
}

func TestEmptyGroupsHaveNothingToWaitFor(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	start(t, app, worker.Config{Concurrency: 1})
	g, err := umbel.Group().Bind(app).SendGroup(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if ok, failed, err := g.Count(deadline(t)); ok+failed != 0 || err != nil || len(g.Members()) != 0 {
		t.Errorf("an empty group: %d, %d, %v", ok, failed, err)
	}
	if err := g.Wait(deadline(t), nil); err != nil {
		t.Error(err)
	}
	if _, err := umbel.Group().Bind(app).Send(deadline(t)); err == nil {
		t.Error("an empty group gave a result to wait for")
	}
	r, err := umbel.Chain(app.Signature("add", umbel.Args{1}), umbel.Group(), app.Signature("add", umbel.Args{2})).Send(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	var got float64
	if err := r.Get(deadline(t), &got); err != nil || got != 3 {
		t.Errorf("a chain with an empty group: %v, %v", got, err)
	}
}

func BenchmarkChordOf10000(b *testing.B) {
	app := umbel.New("bench", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://chord-bench"}, ResultBackend: "memory://chord-bench"}))
	defer app.Close()
	part := umbel.Register(app, "part", func(_ context.Context, n int) (int, error) { return n, nil })
	total := umbel.Register(app, "total", func(_ context.Context, in []int) (int, error) { return len(in), nil })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready, done := make(chan struct{}), make(chan error, 1)
	w := worker.New(app, worker.Config{Concurrency: 8, OnReady: func() { close(ready) }})
	go func() { done <- w.Run(ctx) }()
	<-ready
	steps := make([]umbel.Step, 10000)
	for i := range steps {
		steps[i] = part.S(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := umbel.ChordOf(umbel.Group(steps...), total.S()).Send(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := r.Get(ctx); err != nil || n != len(steps) {
			b.Fatal(n, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(fmt.Errorf("worker: %w", err))
	}
}
