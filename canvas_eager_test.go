package umbel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A sum is what the random workflows' tasks take: anything that holds numbers.
func sumOf(v any) float64 {
	switch v := v.(type) {
	case []any:
		total := 0.0
		for _, x := range v {
			total += sumOf(x)
		}
		return total
	case float64:
		return v
	case int64:
		return float64(v)
	case int:
		return float64(v)
	}
	panic(fmt.Sprintf("%T is no number", v))
}

var errInjected = errors.New("injected")

// canvasTasks registers what random workflows are made of: add adds up its arguments, list returns them as a list.
func canvasTasks(a *App) {
	Register(a, "add", func(_ context.Context, in Args) (float64, error) { return sumOf([]any(in)), nil })
	Register(a, "list", func(_ context.Context, in Args) ([]any, error) { return []any(in), nil })
	Register(a, "boom", func(_ context.Context, in Args) (any, error) { return nil, errInjected })
}

// plain is the value of a workflow, worked out without any of the code under test.
func plain(s *Signature, in []any) (any, error) {
	args := func() []any {
		var out []any
		if !s.immutable {
			out = append(out, in...)
		}
		for _, v := range s.args {
			x, _ := v.Any()
			out = append(out, x)
		}
		return out
	}
	switch s.kind {
	case oneTask:
		switch s.task {
		case "add":
			return sumOf(args()), nil
		case "list":
			return append([]any{}, args()...), nil
		}
		return nil, errInjected
	case aGroup:
		out := []any{}
		for _, m := range s.tasks {
			v, err := plain(m, in)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case aChord:
		out := []any{}
		for _, m := range s.head.tasks {
			v, err := plain(m, in)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return plain(s.body, []any{out})
	}
	var v any
	for i, step := range s.tasks {
		if i > 0 {
			in = []any{v}
		}
		var err error
		if v, err = plain(step, in); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// workflows draws workflows of a depth, whose last step is one task so that it has one result.
func workflows(a *App, fail bool) *rapid.Generator[*Signature] {
	return rapid.Custom(func(t *rapid.T) *Signature {
		budget := rapid.IntRange(1, 200).Draw(t, "size")
		return Chain(drawWorkflow(t, a, 5, &budget, fail), a.Signature("list", Args{0})).Set()
	})
}

func drawWorkflow(t *rapid.T, a *App, depth int, budget *int, fail bool) *Signature {
	*budget--
	k := rapid.IntRange(0, 7).Draw(t, "kind")
	if depth == 0 || *budget <= 0 || k < 3 {
		names := []string{"add", "list"}
		if fail {
			names = append(names, "add", "list", "add", "list", "add", "boom")
		}
		s := a.Signature(rapid.SampledFrom(names).Draw(t, "task"), Args{rapid.IntRange(0, 9).Draw(t, "arg")})
		s.immutable = rapid.IntRange(0, 4).Draw(t, "immutable") == 0
		return s
	}
	some := func(least int) []Step {
		out := make([]Step, rapid.IntRange(least, 4).Draw(t, "n"))
		for i := range out {
			out[i] = drawWorkflow(t, a, depth-1, budget, fail)
		}
		return out
	}
	switch k {
	case 3, 4:
		return Chain(some(1)...)
	case 5:
		return Group(some(2)...) // of one: see the test of unrolling
	default:
		return Chord(Group(some(1)...), drawWorkflow(t, a, depth-1, budget, fail))
	}
}

func shown(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestRandomWorkflowsHaveTheValueOfAPlainEvaluator(t *testing.T) {
	a := New("eager", WithConfig(Config{BrokerURL: []string{"memory://"}}), WithLogger(slog.New(slog.DiscardHandler)))
	canvasTasks(a)
	a.Eager(true)
	rapid.Check(t, func(t *rapid.T) {
		s := workflows(a, rapid.Bool().Draw(t, "fail")).Draw(t, "workflow")
		want, wantErr := plain(s, nil)
		r, err := s.Send(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if ready, err := r.Ready(context.Background()); err != nil || !ready {
			text, _ := json.Marshal(s)
			t.Fatalf("%s never ended: %v", text, err)
		}
		var got any
		err = r.Get(context.Background(), &got)
		if (err != nil) != (wantErr != nil) {
			text, _ := json.Marshal(s)
			t.Fatalf("%s: error %v, want %v", text, err, wantErr)
		}
		if wantErr == nil {
			if d := cmp.Diff(shown(want), shown(got)); d != "" {
				text, _ := json.Marshal(s)
				t.Fatalf("%s: %s", text, d)
			}
		}
	})
}
