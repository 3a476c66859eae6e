package topology

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/management"
)

// anew is a move under the same name.
func (v *move) anew(ctx context.Context) error {
	for range 10 { // rounds: what came back after emptying is drained in another one
		old, err := v.find(ctx, v.want.Name)
		if err != nil {
			return err
		}
		holding, err := v.find(ctx, v.moving())
		if err != nil {
			return err
		}
		if old == nil && holding == nil {
			return fmt.Errorf("queue %q does not exist: umbel topology apply makes it", v.want.Name)
		}
		if old == nil {
			return v.rebuild(ctx, true)
		}
		done, err := v.asWanted(ctx, old)
		if err != nil {
			return err
		}
		if done {
			if holding == nil {
				return v.clear(ctx)
			}
			return v.rebuild(ctx, false)
		}
		gone, err := v.empty(ctx, old, holding == nil)
		switch {
		case err != nil:
			return err
		case gone:
			return v.rebuild(ctx, true)
		}
	}
	return fmt.Errorf("queue %q does not get empty: somebody still sends to it", v.want.Name)
}

// empty takes all out of the queue and deletes it; gone is false when something came in between.
func (v *move) empty(ctx context.Context, old *management.Queue, first bool) (gone bool, err error) {
	if old.Exclusive || old.AutoDelete {
		return false, fmt.Errorf("queue %q comes and goes with its connection or its consumers: it cannot be moved", old.Name)
	}
	if !v.opts.Quiet && !v.opts.DryRun {
		return false, fmt.Errorf("queue %q: %w", old.Name, ErrSenders)
	}
	s, err := v.broker.Stat(ctx, old.Name)
	if err != nil {
		return false, err
	}
	if s.Consumers > 0 {
		return false, fmt.Errorf("queue %q: %w", old.Name, ErrConsumed)
	}
	if first {
		if err := v.hold(ctx, old); err != nil {
			return false, err
		}
	}
	do, err := v.step(Drain, "%d messages of %s, into %s", s.Ready, old.Name, v.moving())
	if err != nil {
		return false, err
	}
	if do {
		n, err := v.copyAll(ctx, old.Name, v.moving())
		v.moved.Drained += n
		if err != nil {
			return false, err
		}
	}
	if do, err = v.step(Remove, "%s (%s), if it is empty and has no consumers", old.Name, describe(old.Type, old.Durable, old.AutoDelete, old.Arguments)); err != nil || !do {
		return true, err
	}
	return v.remove(ctx, old.Name, old.Type)
}

// remove deletes a queue that is empty and not consumed; false when it is not empty.
func (v *move) remove(ctx context.Context, name, kind string) (bool, error) {
	err := v.api.DeleteQueue(ctx, name, kind != "quorum")
	var refused *management.Error
	if errors.As(err, &refused) && refused.Status == 400 {
		s, statErr := v.broker.Stat(ctx, name)
		switch {
		case statErr != nil:
			return false, errors.Join(err, statErr)
		case s.Consumers > 0:
			return false, fmt.Errorf("queue %q: %w", name, ErrConsumed)
		}
		return false, nil
	}
	return err == nil, err
}

// hold makes the record, and the holding queue.
func (v *move) hold(ctx context.Context, old *management.Queue) error {
	bindings, err := v.bindings(ctx, old.Name)
	if err != nil {
		return err
	}
	text, err := json.Marshal(bindings)
	if err != nil {
		return err
	}
	do, err := v.step(Record, "%d bindings of %s", len(bindings), old.Name)
	if err != nil {
		return err
	}
	if do {
		// Asked first: one that an earlier run has made stays as it is.
		err := v.api.Get(ctx, new(any), "exchanges", v.api.Vhost(), v.moving())
		if management.IsMissing(err) {
			err = v.api.Put(ctx, map[string]any{"type": broker.Fanout, "durable": true, "internal": true, "arguments": map[string]any{recordKey: string(text)}}, "exchanges", v.api.Vhost(), v.moving())
		}
		if err != nil {
			return err
		}
	}
	kind := v.want.Type
	if kind == "" {
		kind = old.Type
	}
	do, err = v.step(Hold, "%s (%s)", v.moving(), kind)
	if err != nil || !do {
		return err
	}
	return v.api.Put(ctx, map[string]any{"durable": true, "arguments": map[string]any{"x-queue-type": kind}}, "queues", v.api.Vhost(), v.moving())
}

// bindings are those of a queue that somebody has made.
func (v *move) bindings(ctx context.Context, queue string) ([]Binding, error) {
	all, err := v.api.Bindings(ctx)
	if err != nil {
		return nil, err
	}
	out := []Binding{}
	for _, b := range all {
		if b.Source != "" && b.Kind == "queue" && b.Destination == queue {
			out = append(out, Binding{b.Source, b.Destination, b.Kind, b.RoutingKey, table(b.Arguments)})
		}
	}
	return out, nil
}

// rebuild makes the queue anew and fills it.
func (v *move) rebuild(ctx context.Context, declare bool) error {
	if declare {
		do, err := v.step(Declare, "%s (%s)", v.want.Name, describe(v.want.Type, v.want.Durable, v.want.AutoDelete, v.want.Arguments))
		if err != nil {
			return err
		}
		if do {
			if err := v.declare(ctx, v.want.Name); err != nil {
				return fmt.Errorf("%w: has a program with the old settings declared it meanwhile? Give all of them the new ones, and begin again: the messages are in %s", err, v.moving())
			}
		}
	}
	do, err := v.step(Bind, "%s as before, and as planned", v.want.Name)
	if err != nil {
		return err
	}
	if do {
		if err := v.rebind(ctx); err != nil {
			return err
		}
	}
	if do, err = v.step(Refill, "%s, from the holding queue", v.want.Name); err != nil {
		return err
	}
	if do {
		n, err := v.copyAll(ctx, v.moving(), v.want.Name)
		v.moved.Refilled += n
		if err != nil {
			return err
		}
	}
	return v.clear(ctx)
}

func (v *move) declare(ctx context.Context, name string) error {
	q := v.want
	return v.api.Put(ctx, map[string]any{"durable": q.Durable, "auto_delete": q.AutoDelete, "arguments": q.Arguments}, "queues", v.api.Vhost(), name)
}

// rebind makes the recorded bindings, and those of the plan.
func (v *move) rebind(ctx context.Context) error {
	var record management.Exchange
	err := v.api.Get(ctx, &record, "exchanges", v.api.Vhost(), v.moving())
	if err != nil && !management.IsMissing(err) {
		return err
	}
	var list []Binding
	if text, ok := record.Arguments[recordKey].(string); ok {
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return fmt.Errorf("read the record of bindings in exchange %q: %w", v.moving(), err)
		}
	}
	for _, b := range v.plan.Bindings {
		if b.Kind == "queue" && b.Destination == v.want.Name && !slices.ContainsFunc(list, b.is) {
			list = append(list, b)
		}
	}
	for _, b := range list {
		err := bind(ctx, v.api, b)
		if management.IsMissing(err) { // its exchange does not exist yet, or is gone with whoever made it
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clear removes what only the move needed.
func (v *move) clear(ctx context.Context) error {
	do, err := v.step(Clear, "%s", v.moving())
	if err != nil || !do {
		return err
	}
	holding, err := v.find(ctx, v.moving())
	if err != nil {
		return err
	}
	if holding != nil {
		s, err := v.broker.Stat(ctx, v.moving())
		if err != nil {
			return err
		}
		if s.Ready > 0 {
			return fmt.Errorf("queue %q still holds %d messages: begin again", v.moving(), s.Ready)
		}
		if _, err := v.remove(ctx, v.moving(), holding.Type); err != nil {
			return err
		}
	}
	return v.api.Delete(ctx, "exchanges", v.api.Vhost(), v.moving())
}
