package memory

import (
	"container/heap"
	"context"
	"slices"

	"github.com/umbel-go/umbel/broker"
)

// Scheduled implements broker.Scheduler.
func (b *Broker) Scheduled(ctx context.Context, queue string, limit int) (list []broker.Scheduled, more bool, err error) {
	err = b.do(ctx, "list delayed messages", func() error {
		for _, q := range b.space.queues {
			for _, it := range q.due {
				if it.place != delayed {
					continue
				}
				s := broker.Scheduled{Message: it.message.Message, Queue: q.name, Due: it.message.NotBefore}
				s.Headers, s.Body = it.message.table(), slices.Clone(s.Body)
				list = append(list, s)
			}
		}
		return nil
	})
	slices.SortStableFunc(list, func(x, y broker.Scheduled) int { return x.Due.Compare(y.Due) })
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	if queue != "" {
		list = slices.DeleteFunc(list, func(s broker.Scheduled) bool { return s.Queue != queue })
	}
	return list, more, err
}

// Unschedule implements broker.Scheduler. It sees all, whatever the limit: they are in memory anyway.
func (b *Broker) Unschedule(ctx context.Context, id string, _ int) (n int, err error) {
	err = b.do(ctx, "remove delayed message", func() error {
		for _, q := range b.space.queues {
			for _, it := range slices.Clone(q.due) {
				if it.place == delayed && it.message.Properties.CorrelationID == id {
					heap.Remove(&q.due, it.index)
					it.place = nowhere
					n++
				}
			}
		}
		return nil
	})
	return n, err
}
