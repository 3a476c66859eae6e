package topology

import (
	"context"
	"fmt"
	"strings"
)

// elsewhere is a move to another name.
func (v *move) elsewhere(ctx context.Context) error {
	from, to := v.want.Name, v.opts.To
	if strings.HasSuffix(to, movingSuffix) {
		return fmt.Errorf("queue %q: names that end so belong to moves", to)
	}
	old, err := v.find(ctx, from)
	if err != nil {
		return err
	}
	do, err := v.step(Declare, "%s (%s)", to, describe(v.want.Type, v.want.Durable, v.want.AutoDelete, v.want.Arguments))
	if err != nil {
		return err
	}
	if do {
		if err := v.declare(ctx, to); err != nil {
			return err
		}
	}
	if old == nil {
		return nil // moved before
	}
	list, err := v.bindings(ctx, from)
	if err != nil {
		return err
	}
	for _, b := range list {
		moved := b
		moved.Destination = to
		if do, err = v.step(Bind, "%s to exchange %s by %q", to, b.Source, b.RoutingKey); err == nil && do {
			err = bind(ctx, v.api, moved)
		}
		if err != nil {
			return err
		}
		if do, err = v.step(Unbind, "%s from it", from); err == nil && do {
			err = v.unbind(ctx, b)
		}
		if err != nil {
			return err
		}
	}
	if do, err = v.step(Drain, "%d messages of %s, into %s", old.Ready, from, to); err != nil {
		return err
	}
	if do {
		copying := v.copy
		if v.opts.Quiet {
			copying = v.copyAll
		}
		n, err := copying(ctx, from, to)
		v.moved.Drained, v.moved.Refilled = n, n
		if err != nil {
			return err
		}
	}
	if !v.opts.Delete {
		return nil
	}
	if !v.opts.Quiet && !v.opts.DryRun {
		return fmt.Errorf("queue %q: %w", from, ErrSenders)
	}
	do, err = v.step(Remove, "%s, if it is empty and has no consumers", from)
	if err != nil || !do {
		return err
	}
	gone, err := v.remove(ctx, from, old.Type)
	if err == nil && !gone {
		return fmt.Errorf("queue %q has got messages meanwhile: somebody still sends to it; run it again when all have the new settings", from)
	}
	return err
}

// unbind removes a binding, which the API knows by a key of its own.
func (v *move) unbind(ctx context.Context, b Binding) error {
	var all []struct {
		RoutingKey string         `json:"routing_key"`
		Arguments  map[string]any `json:"arguments"`
		Key        string         `json:"properties_key"`
	}
	path := []string{"bindings", v.api.Vhost(), "e", b.Source, "q", b.Destination}
	if err := v.api.Get(ctx, &all, path...); err != nil {
		return err
	}
	for _, one := range all {
		if one.RoutingKey == b.RoutingKey && same(one.Arguments, b.Arguments) {
			return v.api.Delete(ctx, append(path, one.Key)...)
		}
	}
	return nil
}
