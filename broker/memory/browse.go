package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/umbel-go/umbel/broker"
)

// Browse implements broker.Browser. It hands nothing out: what others take meanwhile is theirs.
func (b *Broker) Browse(ctx context.Context, queue string, limit int, f func(*broker.Message) (bool, error)) (more bool, err error) {
	what := fmt.Sprintf("look at queue %q", queue)
	var list []*item
	err = b.do(ctx, what, func() error {
		q, err := b.queue(queue)
		if err != nil {
			return err
		}
		for _, l := range q.levels {
			for it := l.head; it != nil; it = it.next {
				if len(list) == limit {
					more = true
					return nil
				}
				list = append(list, it)
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, it := range list {
		if ctx.Err() != nil {
			return more, fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
		m := it.message.Message
		m.Headers, m.Body = it.message.table(), slices.Clone(m.Body)
		remove, err := f(&m)
		if err != nil {
			return more, err
		}
		if !remove {
			continue
		}
		if err := b.do(ctx, what, func() error {
			if q := b.space.queues[queue]; q != nil && it.place == ready {
				q.remove(it)
			}
			return nil
		}); err != nil {
			return more, err
		}
	}
	return more, nil
}
