package worker

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
)

func mapKeys[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }

func (p *panel) revoke(_ context.Context, a arguments) (any, error) {
	return p.revokeIDs(a, a.flag("terminate"))
}

func (p *panel) terminate(_ context.Context, a arguments) (any, error) { return p.revokeIDs(a, true) }

func (p *panel) revokeIDs(a arguments, terminate bool) (any, error) {
	signal, err := signum(a.text("signal"))
	if err != nil {
		return nil, err
	}
	ids := a.texts("task_id")
	w := p.worker
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = umbel.RevokedID(id)
	}
	recorded := w.revoked.revoke(names, ids)
	if !terminate {
		w.log.Info("tasks flagged as revoked", "tasks", ids)
		return control.Done(fmt.Sprintf("tasks %s flagged as revoked", setText(slices.Compact(slices.Sorted(slices.Values(ids)))))), nil
	}
	ended := w.terminate(&termination{signal, recorded}, func(r *run) bool { return slices.Contains(ids, r.task.ID) })
	if len(ended) == 0 {
		return control.Done("terminate: tasks unknown"), nil
	}
	return control.Done("terminate: " + strings.Join(ended, ", ")), nil
}

func (p *panel) revokeStamped(_ context.Context, a arguments) (any, error) {
	signal, err := signum(a.text("signal"))
	if err != nil {
		return nil, err
	}
	headers, err := stampsOf(a.Argument("headers"))
	if err != nil {
		return nil, err
	}
	w := p.worker
	wanted := make(map[string][]string)
	var names []string
	for _, h := range headers {
		for _, v := range textsOf(h.Value) {
			wanted[h.Name] = append(wanted[h.Name], v)
			names = append(names, umbel.RevokedStamp(h.Name, v))
		}
	}
	recorded := w.revoked.revoke(names, nil)
	shown := codec.Repr(headers)
	if !a.flag("terminate") {
		w.log.Info("stamps flagged as revoked", "stamps", shown)
		return control.Done(fmt.Sprintf("headers %s flagged as revoked, but not terminated", shown)), nil
	}
	hits := make(map[string][]string)
	w.terminate(&termination{signal, recorded}, func(r *run) bool {
		return stamped(r, func(name, value string) bool {
			if !slices.Contains(wanted[name], value) {
				return false
			}
			hits[name] = append(hits[name], value)
			return true
		})
	})
	if len(hits) == 0 {
		return control.Done(fmt.Sprintf("headers %s were not terminated", shown)), nil
	}
	return control.Done(fmt.Sprintf("headers %s revoked", stampText(hits))), nil
}

// stampsOf reads {"name": value or list}, or a list of "name=value", as the command line makes it.
func stampsOf(v codec.Value) ([]codec.NamedValue, error) {
	x, err := v.Any()
	if err != nil {
		return nil, err
	}
	list, many := x.([]any)
	if s, one := x.(string); one {
		list, many = []any{s}, true
	}
	if !many {
		if _, ok := x.(map[string]any); !ok {
			return nil, control.Failf("TypeError", "headers: want an object or a list of name=value, got %s", codec.Repr(x))
		}
		return members(v)
	}
	var out []codec.NamedValue
	for _, item := range list {
		name, value, ok := strings.Cut(fmt.Sprint(item), "=")
		if !ok {
			return nil, control.Failf("ValueError", "header %q: want name=value", fmt.Sprint(item))
		}
		out = append(out, codec.NamedValue{Name: name, Value: codec.Of(value)})
	}
	return out, nil
}

// members are those of an object, in the order of the message where that is known.
func members(v codec.Value) ([]codec.NamedValue, error) {
	if raw := v.Raw(); raw != nil {
		return codec.SplitObject(raw)
	}
	x, err := v.Any()
	if err != nil {
		return nil, err
	}
	m, _ := x.(map[string]any)
	out := make([]codec.NamedValue, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, codec.NamedValue{Name: name, Value: codec.Of(m[name])})
	}
	return out, nil
}

// textsOf is a value, or each of a list, as text.
func textsOf(v codec.Value) []string {
	x, err := v.Any()
	if err != nil {
		return nil
	}
	list, many := x.([]any)
	if !many {
		list = []any{x}
	}
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = fmt.Sprint(item)
	}
	return out
}
