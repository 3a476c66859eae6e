package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/umbel-go/umbel"
)

func registerWorkflows(app *umbel.App) {
	call := func(name string, args ...any) *umbel.Signature {
		return app.Signature(module+"."+name, umbel.Args(args))
	}
	register(app, "chain_add", func(ctx context.Context, in pair) (any, error) {
		_, err := umbel.Chain(call("add", in.X, in.X), call("add", in.Y)).Send(ctx)
		return nil, err
	})
	register(app, "chord_add", func(ctx context.Context, in pair) (any, error) {
		_, err := umbel.Chord(umbel.Group(call("add", in.X, in.X)), call("add", in.Y)).Send(ctx)
		return nil, err
	})
	register(app, "build_chain_inside_task", func(ctx context.Context, _ struct{}) (json.RawMessage, error) {
		r, err := umbel.Chain(call("add", 1, 1), call("add", 2), umbel.Group(call("add", 3), call("add", 4)), call("add", 5)).Send(ctx)
		if err != nil {
			return nil, err
		}
		return r.Tuple().AppendJSON(nil)
	})
	type sums struct {
		Nums []any `json:"nums"`
		Val  any   `json:"val"`
	}
	adds := func(in sums) []umbel.Step {
		steps := make([]umbel.Step, len(in.Nums))
		for i, n := range in.Nums {
			steps[i] = call("add", n, in.Val)
		}
		return steps
	}
	register(app, "add_to_all_to_chord", func(ctx context.Context, in sums) (int, error) {
		for _, s := range adds(in) {
			if err := umbel.AddToChord(ctx, s); err != nil {
				return 0, err
			}
		}
		return 0, nil
	})
	register(app, "add_chord_to_chord", func(ctx context.Context, in sums) (int, error) {
		return 0, umbel.AddToChord(ctx, umbel.Chord(umbel.Group(adds(in)...), call("tsum")))
	})
	register(app, "add_to_all", func(ctx context.Context, in sums) (any, error) {
		return nil, umbel.Replace(ctx, umbel.Group(adds(in)...))
	})
	nest := map[string]func(*umbel.Signature) *umbel.Signature{
		"chain": func(s *umbel.Signature) *umbel.Signature { return umbel.Chain(s) },
		"group": func(s *umbel.Signature) *umbel.Signature { return umbel.Group(s) },
		"chord": func(s *umbel.Signature) *umbel.Signature { return umbel.Chord(umbel.Group(s), call("add")) },
	}
	for outer, wrap := range nest {
		for inner, hold := range nest {
			register(app, fmt.Sprintf("return_nested_signature_%s_%s", outer, inner), func(context.Context, struct{}) (*umbel.Signature, error) {
				return wrap(hold(call("add"))), nil
			})
		}
	}
	register(app, "rebuild_signature", func(_ context.Context, in struct {
		Sig umbel.Signature `json:"sig_dict"`
	}) (any, error) {
		_, err := json.Marshal(&in.Sig) // reading it has checked every nested one
		return nil, err
	})
	registerReplacements(app, call)
}

func registerReplacements(app *umbel.App, call func(string, ...any) *umbel.Signature) {
	register(app, "add_replaced", func(ctx context.Context, in pair) (any, error) {
		return nil, umbel.Replace(ctx, call("add", in.X, in.Y))
	})
	register(app, "fail_replaced", func(ctx context.Context, in umbel.Args) (any, error) {
		return nil, umbel.Replace(ctx, call("fail", in...).Immutable())
	})
	chained := func(name, last string, link func(s *umbel.Signature, to umbel.Step) *umbel.Signature) {
		register(app, name, func(ctx context.Context, in umbel.Args) (any, error) {
			echo := call("redis_echo")
			if n := len(in); n > 0 {
				if kw, ok := in[n-1].(umbel.Kwargs); ok {
					in = in[:n-1]
					if kw["link_msg"] != nil {
						echo = call("redis_echo", kw["link_msg"]).Immutable()
					}
				}
			}
			return nil, umbel.Replace(ctx, link(umbel.Chain(call("identity", in...), call(last)), echo))
		})
	}
	chained("replace_with_chain", "identity", func(s *umbel.Signature, to umbel.Step) *umbel.Signature { return s.Link(to) })
	chained("replace_with_chain_which_raises", "raise_error", func(s *umbel.Signature, to umbel.Step) *umbel.Signature { return s.OnError(to) })
	register(app, "replace_with_empty_chain", func(ctx context.Context, _ umbel.Args) (any, error) {
		return nil, umbel.Replace(ctx, umbel.Chain())
	})
	register(app, "replace_with_stamped_task", func(ctx context.Context, in struct {
		With *umbel.Signature `json:"replace_with"`
	}) (any, error) {
		s := in.With
		if s == nil {
			s = call("replaced_with_me")
		}
		return nil, umbel.Replace(ctx, s.Stamp("StampOnReplace", "This is the replaced task"))
	})
}
