package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/umbel-go/umbel"
)

// registerWorkflowTasks registers in Go what tasks.py has in Python: sum, list, boom.
func registerWorkflowTasks(app *umbel.App) {
	umbel.Register(app, "go.sum", func(_ context.Context, in umbel.Args) (float64, error) { return total([]any(in)), nil })
	umbel.Register(app, "go.list", func(_ context.Context, in umbel.Args) ([]any, error) { return []any(in), nil })
	umbel.Register(app, "go.boom", func(context.Context, umbel.Args) (any, error) { return nil, valueError("boom") })
	umbel.Register(app, "go.replaced", func(ctx context.Context, in umbel.Args) (any, error) {
		return nil, umbel.Replace(ctx, umbel.Chain(
			app.Signature("py.sum", umbel.Args{in[0], 1}, umbel.Queue("py")), app.Signature("go.sum", umbel.Args{10}, umbel.Queue("go"))))
	})
}

func total(v any) float64 {
	switch v := v.(type) {
	case []any:
		t := 0.0
		for _, x := range v {
			t += total(x)
		}
		return t
	case int64:
		return float64(v)
	case int:
		return float64(v)
	}
	return v.(float64)
}

// workflows span both languages: s(where, name, *args) is a call on that side's worker.
const workflowNames = `
def s(where, name, *args):
    return signature(where + "." + name, args, app=app).set(queue=where)
`

// workflows: built in Python and in Go, each run by workers of both.
func workflows(t *testing.T, w *world) {
	s := func(where, name string, args ...any) *umbel.Signature {
		return w.app.Signature(where+"."+name, umbel.Args(args), umbel.Queue(where))
	}
	for _, way := range [][2]string{{"go", "py"}, {"py", "go"}} {
		a, b := way[0], way[1]
		for name, tt := range map[string]struct {
			python string
			built  *umbel.Signature
			want   any
		}{
			"chain": {`chain(s(A, "sum", 1), s(B, "sum", 2), s(A, "sum", 3), s(B, "sum", 4))`,
				umbel.Chain(s(a, "sum", 1), s(b, "sum", 2), s(a, "sum", 3), s(b, "sum", 4)), 10.0},
			"chord": {`chord([s(A, "sum", 1), s(B, "sum", 2), s(A, "sum", 3), s(B, "sum", 4)], s(A, "list"))`,
				umbel.Chord(umbel.Group(s(a, "sum", 1), s(b, "sum", 2), s(a, "sum", 3), s(b, "sum", 4)), s(a, "list")),
				[]any{[]any{1.0, 2.0, 3.0, 4.0}}},
			"chord in a chain": {`chain(s(A, "sum", 1), group(s(A, "sum", 2), s(B, "sum", 3)), s(B, "sum", 0), s(A, "sum", 100))`,
				umbel.Chain(s(a, "sum", 1), umbel.Group(s(a, "sum", 2), s(b, "sum", 3)), s(b, "sum", 0), s(a, "sum", 100)), 107.0},
			"chain in a chord": {`chord([chain(s(A, "sum", 1), s(B, "sum", 2)), s(B, "sum", 3)], chain(s(B, "sum"), s(A, "sum", 4), app=app))`,
				umbel.Chord(umbel.Group(umbel.Chain(s(a, "sum", 1), s(b, "sum", 2)), s(b, "sum", 3)), umbel.Chain(s(b, "sum"), s(a, "sum", 4))), 10.0},
			"chord in a chord": {`chord([chord([s(A, "sum", 1), s(B, "sum", 2)], s(B, "sum")), s(A, "sum", 3)], s(B, "sum"))`,
				umbel.Chord(umbel.Group(umbel.Chord(umbel.Group(s(a, "sum", 1), s(b, "sum", 2)), s(b, "sum")), s(a, "sum", 3)), s(b, "sum")), 6.0},
			"replaced": {`chain(s(A, "replaced", 5), s(B, "sum", 4))`, umbel.Chain(s(a, "replaced", 5), s(b, "sum", 4)), 20.0},
		} {
			t.Run(fmt.Sprintf("%s begun on %s", name, a), func(t *testing.T) {
				t.Run("from Python", func(t *testing.T) {
					got := value[any](t, w.client, fmt.Sprintf("%s\nA, B = %q, %q\nget(%s.apply_async())", workflowNames, a, b, tt.python))
					if fmt.Sprint(got) != fmt.Sprint(tt.want) {
						t.Errorf("%v, want %v", got, tt.want)
					}
				})
				t.Run("from Go", func(t *testing.T) {
					r, err := tt.built.Send(deadline(t))
					if err != nil {
						t.Fatal(err)
					}
					var got any
					if err := r.Get(deadline(t), &got); err != nil {
						t.Fatal(err)
					}
					if fmt.Sprint(got) != fmt.Sprint(tt.want) {
						t.Errorf("%v, want %v", got, tt.want)
					}
				})
			})
		}
		t.Run("failure on "+b, func(t *testing.T) {
			got := value[caught](t, w.client, fmt.Sprintf("%s\nA, B = %q, %q\n"+
				`fails(chord([s(A, "sum", 1), s(B, "boom")], s(A, "list")).apply_async())`, workflowNames, a, b))
			if got.Type != "ValueError" { // get raises the error of what came before, where there is one
				t.Errorf("Python sees %v, want the part's ValueError", got)
			}
			r, err := umbel.Chain(s(b, "boom"), s(a, "sum", 1), s(b, "sum", 1)).Send(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			var failed *umbel.TaskError
			if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Type != "ValueError" {
				t.Errorf("the chain's last step: %v, want the first one's ValueError", err)
			}
			r, err = umbel.Chord(umbel.Group(s(a, "sum", 1), s(b, "boom")), s(a, "list")).OnError(s(a, "list")).Send(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Get(deadline(t), nil); !errors.As(err, &failed) || failed.Type != "ChordError" {
				t.Errorf("the chord's body: %v, want a ChordError", err)
			}
		})
	}
}
