package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// shownMost bounds the tasks of one reply: a worker may hold a great many that wait for their time.
const shownMost = 10_000

func (p *panel) active(_ context.Context, a arguments) (any, error) {
	return p.show(p.worker.pool.running(), standRunning, a.flag("safe")), nil
}

func (p *panel) reserved(context.Context, arguments) (any, error) {
	return p.show(p.worker.waiting.list(), standWaiting, false), nil
}

func (p *panel) show(runs []*run, where stand, safe bool) []any {
	out := []any{}
	for _, r := range runs {
		if info := p.describe(r, where, safe); info != nil && len(out) < shownMost {
			out = append(out, info)
		}
	}
	return out
}

// scheduled are the tasks that wait in this worker for their time: those due within a moment, which the broker has handed
// out, and those that wait for their turn under a rate limit. Others wait in the broker: see umbel scheduled.
func (p *panel) scheduled(context.Context, arguments) (any, error) {
	out := []any{}
	for _, r := range p.worker.delay.list() {
		info := p.describe(r, standApart, false)
		if info == nil || len(out) == shownMost {
			continue
		}
		var eta any
		if !r.task.ETA.IsZero() {
			eta = protocol.FormatTime(r.task.ETA)
		}
		out = append(out, object("eta", eta, "priority", 6, "request", info))
	}
	return out, nil
}

// queryTask finds tasks by id among those that run or wait for a slot.
func (p *panel) queryTask(_ context.Context, a arguments) (any, error) {
	wanted := a.texts("ids")
	found := []codec.NamedValue{}
	look := func(runs []*run, where stand, name string) {
		for _, r := range runs {
			if !slices.Contains(wanted, r.task.ID) {
				continue
			}
			if info := p.describe(r, where, false); info != nil {
				found = append(found, codec.NamedValue{Name: r.task.ID, Value: codec.Of([]any{name, info})})
			}
		}
	}
	look(p.worker.pool.running(), standRunning, "active")
	look(p.worker.waiting.list(), standWaiting, "reserved")
	return found, nil
}

// describe is what Celery's Request.info says of a task, or nil when it does not stand there any more.
func (p *panel) describe(r *run, where stand, safe bool) []codec.NamedValue {
	r.view.Lock()
	defer r.view.Unlock()
	if r.stands != where {
		return nil
	}
	t := r.task
	var started, at any
	if r.stands == standRunning {
		started, at = float64(r.started.UnixMicro())/1e6, r.seat.pid()
	}
	var args, kwargs any = t.ArgsRepr, t.KwargsRepr
	if body := p.bodyOf(r); body != nil && (!safe || t.ArgsRepr == "") {
		if args, kwargs = body.Args, body.Kwargs; body.Args == nil {
			args = []any{}
		}
		if body.Kwargs == nil {
			kwargs = map[string]any{}
		}
		if safe {
			args, kwargs = codec.ReprArgs(body.Args), codec.ReprKwargs(body.Kwargs)
		}
	}
	return object("id", t.ID, "name", r.request.DisplayName(), "args", args, "kwargs", kwargs, "type", t.Name,
		"hostname", p.worker.node, "time_start", started, "acknowledged", r.early,
		"delivery_info", object("exchange", r.request.Exchange, "routing_key", r.request.RoutingKey,
			"priority", int(t.Properties.Priority), "redelivered", r.again),
		"worker_pid", at)
}

// bodyOf is the run's arguments, nil when they cannot be read. view is held.
func (p *panel) bodyOf(r *run) *protocol.Body {
	if r.body != nil {
		return r.body
	}
	body, err := r.task.DecodeBody(p.worker.decode)
	if err != nil {
		return nil
	}
	return body
}

func (p *panel) revoked(context.Context, arguments) (any, error) {
	return append([]string{}, p.worker.revoked.ids()...), nil
}

// registered lists the tasks, each with those of the wanted attributes that it has.
func (p *panel) registered(_ context.Context, a arguments) (any, error) {
	items := a.texts("taskinfoitems")
	if len(items) == 0 {
		items = []string{"exchange", "routing_key", "rate_limit"}
	}
	w := p.worker
	names := []string{}
	for name, k := range w.tasks {
		if strings.HasPrefix(name, "celery.") && !a.flag("builtins") {
			continue
		}
		var fields []string
		for _, item := range items {
			if v, ok := k.attribute(item); ok {
				fields = append(fields, item+"="+v)
			}
		}
		if len(fields) > 0 {
			name += " [" + strings.Join(fields, " ") + "]"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// attribute is one of a task's attributes, by Celery's name, as Python shows it.
func (k *known) attribute(name string) (string, bool) {
	yes := func(b bool) (string, bool) { return codec.Repr(b), true }
	limit := func(d time.Duration) (string, bool) { return codec.Repr(d.Seconds()), d > 0 }
	policy := k.policyNow()
	switch name {
	case "name":
		return k.def.Name(), true
	case "rate_limit":
		rate := k.limit.rate()
		return rate, rate != ""
	case "acks_late":
		return yes(policy.AcksLate)
	case "acks_on_failure_or_timeout":
		return yes(policy.AcksOnFailure && policy.AcksOnTimeout)
	case "reject_on_worker_lost":
		return yes(policy.RejectOnWorkerLost)
	case "track_started":
		return yes(policy.TrackStarted)
	case "ignore_result":
		return yes(policy.IgnoreResult)
	case "store_errors_even_if_ignored":
		return yes(policy.StoreErrors)
	case "time_limit":
		return limit(policy.TimeLimit)
	case "soft_time_limit":
		return limit(policy.SoftTimeLimit)
	}
	return k.def.Attribute(name)
}

// stampText is how Celery shows a set of stamps.
func stampText(hits map[string][]string) string {
	var parts []string
	for _, name := range slices.Sorted(mapKeys(hits)) {
		values := slices.Clone(hits[name])
		slices.Sort(values)
		parts = append(parts, fmt.Sprintf("%s: %s", codec.Repr(name), setText(slices.Compact(values))))
	}
	return "defaultdict(<class 'set'>, {" + strings.Join(parts, ", ") + "})"
}

// setText is a set of texts as Python shows it.
func setText(items []string) string {
	if len(items) == 0 {
		return "set()"
	}
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = codec.Repr(s)
	}
	return "{" + strings.Join(quoted, ", ") + "}"
}
