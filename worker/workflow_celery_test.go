package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// What Python writes in ways that Go does not.

func TestTasksOfCelerysOwnStartAndJoinWorkflows(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	done := make(chan string, 20)
	umbel.Register(app, "note", func(_ context.Context, in umbel.Args) (any, error) { done <- fmt.Sprint(in...); return nil, nil })
	start(t, app, worker.Config{Concurrency: 4})
	ctx := deadline(t)
	sig := func(task string, args ...any) map[string]any {
		return map[string]any{"task": task, "args": args, "kwargs": map[string]any{}, "options": map[string]any{}, "subtask_type": nil, "immutable": false}
	}
	send := func(name string, args umbel.Args) *umbel.AsyncResult {
		t.Helper()
		r, err := app.Send(ctx, name, args)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	heard := func(want string) {
		t.Helper()
		select {
		case got := <-done:
			if got != want {
				t.Errorf("the callback got %s, want %s", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("the callback never ran, want it with %s", want)
		}
	}
	a, b, bad := send("add", umbel.Args{1, 2}), send("add", umbel.Args{3, 4}), send("boom", nil)
	tuple := func(r *umbel.AsyncResult) any { return []any{[]any{r.ID(), nil}, nil} }
	late := umbel.TaskID("late-part")
	send("celery.chord_unlock", umbel.Args{"a-group", sig("note"), umbel.Kwargs{"interval": 0.01,
		"result": []any{tuple(a), []any{[]any{"inner", nil}, []any{tuple(b)}}, []any{[]any{"late-part", nil}, nil}}}})
	if _, err := app.Send(ctx, "add", umbel.Args{5}, late); err != nil {
		t.Fatal(err)
	}
	heard("[3 [7] 5]")

	callback := sig("note")
	callback["options"] = map[string]any{"task_id": "the-body"}
	send("celery.chord_unlock", umbel.Args{"b-group", callback, umbel.Kwargs{"interval": 0.01, "result": []any{tuple(a), tuple(bad)}}})
	var failed *umbel.TaskError
	if err := app.Result("the-body").Get(ctx, nil); !errors.As(err, &failed) || failed.Type != "ChordError" {
		t.Errorf("the body of a failed chord: %v", err)
	}

	send("celery.chord", umbel.Args{[]any{sig("add", 1), sig("add", 2)}, sig("note"), []any{10}})
	heard("[11 12]")

	g := send("celery.group", umbel.Args{[]any{sig("note", "x")}, []any{[]any{"g", nil}, []any{}}, "g", []any{"given"}})
	heard("givenx")
	var got any
	if err := g.Get(ctx, &got); err != nil || !reflect.DeepEqual(got, []any{[]any{"g", nil}, []any{}}) {
		t.Errorf("celery.group gave %v, %v", got, err)
	}

	send("celery.chunks", umbel.Args{sig("note"), []any{[]any{1, 2}, []any{3, 4}, []any{5, 6}}, 2})
	seen := map[string]bool{}
	for range 3 {
		select {
		case s := <-done:
			seen[s] = true
		case <-ctx.Done():
			t.Fatalf("chunks ran %v", seen)
		}
	}
	if !seen["1 2"] || !seen["3 4"] || !seen["5 6"] {
		t.Errorf("chunks ran %v", seen)
	}
	if err := send("celery.chain", nil).Get(ctx, nil); !errors.As(err, &failed) || failed.Type != "NotImplementedError" {
		t.Errorf("celery.chain: %v", err)
	}
}

// A chain that ends in chunks, as Python writes it: the call of celery.chunks is begun as a group and not sent.
func TestChunksInAChainAreAGroup(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	start(t, app, worker.Config{Concurrency: 4})
	var chunks umbel.Signature
	text := `{"task": "celery.chunks", "args": [], "kwargs": {"task": {"task": "add", "args": [], "kwargs": {}, "options": {}, "subtask_type": null, "immutable": false},
		"it": [[1, 2], [3, 4], [5, 6]], "n": 2}, "options": {}, "subtask_type": "chunks", "immutable": true}`
	if err := json.Unmarshal([]byte(text), &chunks); err != nil {
		t.Fatal(err)
	}
	r, err := umbel.Chain(app.Signature("add", umbel.Args{1}), &chunks).Send(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	root := r
	for root.Parent() != nil {
		root = root.Parent()
	}
	if err := root.Get(deadline(t), nil); err != nil {
		t.Fatal(err)
	}
	children, err := root.Children(deadline(t))
	if err != nil || len(children) != 1 || !children[0].IsGroup || len(children[0].Members) != 2 {
		t.Fatalf("the step before chunks has begun %+v, %v; want a group of two", children, err)
	}
	want := [][]float64{{3, 7}, {11}}
	for i, m := range children[0].Members {
		var got []float64
		if err := app.Result(m.ID).Get(deadline(t), &got); err != nil || !reflect.DeepEqual(got, want[i]) {
			t.Errorf("chunk %d gave %v, %v; want %v", i, got, err, want[i])
		}
	}
}

// A chord whose body is a chord that is followed by a chain, which Python writes as an option of it: when the first one fails,
// so does everything after it.
func TestWhatFollowsAChordThatNeverBeginsFails(t *testing.T) {
	app := newApp(t, umbel.Config{})
	numbers(app)
	start(t, app, worker.Config{Concurrency: 4})
	var body umbel.Signature
	text := `{"task": "celery.chord", "args": [], "kwargs": {"kwargs": {}, "header": {"task": "celery.group", "args": [], "kwargs": {"tasks": [
			{"task": "add", "args": [1], "kwargs": {}, "options": {"task_id": "x"}, "subtask_type": null, "immutable": false}]},
			"options": {"task_id": "the-group"}, "subtask_type": "group", "immutable": false},
		"body": {"task": "add", "args": [1], "kwargs": {}, "options": {"task_id": "y"}, "subtask_type": null, "immutable": false}},
		"options": {"task_id": "the-group", "chain": [
			{"task": "add", "args": [2], "kwargs": {}, "options": {"task_id": "the-end"}, "subtask_type": null, "immutable": false},
			{"task": "celery.chord", "args": [], "kwargs": {"kwargs": {}, "header": [
				{"task": "add", "args": [1], "kwargs": {}, "options": {"task_id": "z"}, "subtask_type": null, "immutable": false}],
				"body": {"task": "add", "args": [1], "kwargs": {}, "options": {"task_id": "w"}, "subtask_type": null, "immutable": false}},
				"options": {"chain": [{"task": "add", "args": [2], "kwargs": {}, "options": {"task_id": "behind"}, "subtask_type": null, "immutable": false}]},
				"subtask_type": "chord", "immutable": false}]},
		"subtask_type": "chord", "immutable": false}`
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatal(err)
	}
	if _, err := umbel.Chord(umbel.Group(app.Signature("boom", nil), app.Signature("add", umbel.Args{1})), &body).Send(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"x", "y", "the-end", "z", "w", "behind"} {
		var failed *umbel.TaskError
		if err := app.Result(id).Get(deadline(t), nil); !errors.As(err, &failed) {
			t.Errorf("task %s: %v, want a failure", id, err)
		}
	}
}

func TestWhatATaskSendsInheritsItsPriority(t *testing.T) {
	for _, inherit := range []bool{false, true} {
		app := newApp(t, umbel.Config{TaskInheritParentPriority: inherit})
		numbers(app)
		umbel.Register(app, "prio", func(ctx context.Context, in umbel.Args) ([]any, error) {
			mine := any(float64(umbel.RequestFrom(ctx).Priority))
			if len(in) > 0 {
				if list, ok := in[0].([]any); ok {
					return append(list, mine), nil
				}
			}
			return []any{mine}, nil
		})
		umbel.Register(app, "parent", func(ctx context.Context, in umbel.Args) (any, error) {
			return nil, umbel.Replace(ctx, umbel.Chain(app.Signature("prio", nil), app.Signature("prio", nil), app.Signature("prio", nil).Set(umbel.Priority(2))))
		})
		start(t, app, worker.Config{Concurrency: 4})
		r, err := app.Send(deadline(t), "parent", nil, umbel.Priority(7))
		if err != nil {
			t.Fatal(err)
		}
		want := []any{0.0, 0.0, 2.0}
		if inherit {
			want = []any{7.0, 7.0, 2.0}
		}
		var got any
		if err := r.Get(deadline(t), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("inherit %v: priorities %v, %v; want %v", inherit, got, err, want)
		}
	}
}

func TestErrbacksOfAChordAreItsPartsOnRequest(t *testing.T) {
	for _, parts := range []bool{false, true} {
		app := newApp(t, umbel.Config{TaskAllowErrorCBOnChordHeader: parts})
		numbers(app)
		told := make(chan string, 10)
		umbel.RegisterErrback(app, "failed", func(_ context.Context, r *umbel.Request, _ umbel.Fault) error { told <- r.ID; return nil })
		start(t, app, worker.Config{Concurrency: 4})
		add, boom := app.Signature("add", umbel.Args{1}), app.Signature("boom", nil)
		r, err := umbel.Chord(umbel.Group(add, boom.Set(umbel.TaskID("one")), boom.Set(umbel.TaskID("two"))), add).
			OnError(app.Signature("failed", nil)).Send(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{r.ID(): 1}
		if parts {
			want["one"], want["two"] = 1, 1
		}
		got := map[string]int{}
		for range want {
			select {
			case id := <-told:
				got[id]++
			case <-deadline(t).Done():
				t.Fatalf("told of %v, want %v", got, want)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("told of %v, want %v", got, want)
		}
	}
}
