package umbel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/control"
)

// PausedBook is the book of paused queues in the result store. Workers read it.
const PausedBook = "paused"

const (
	pausedMost = 10_000
	pausedAge  = 10 * 365 * 24 * time.Hour // until it is resumed, that is
)

// pauseArgument tells Umbel's workers that cancel_consumer is a pause. Celery's do not look at it.
const pauseArgument = "pause"

// A Pause is what became of PauseQueue or ResumeQueue.
type Pause struct {
	// Nodes consumed the queue before, or do so again.
	Nodes []string

	// Recorded says that workers which start later know of it: the result store keeps records.
	Recorded bool
}

// PauseQueue makes every worker consume a queue no more, until ResumeQueue; messages wait in it. What workers hold of it
// still runs. Umbel's workers that start meanwhile do not consume it either, where the result store keeps records (Redis,
// SQLite, PostgreSQL); Celery's do.
func (c *Control) PauseQueue(ctx context.Context, queue string) (Pause, error) {
	a := c.app
	nodes, consuming, err := c.consuming(ctx, queue)
	if err != nil {
		return Pause{}, fmt.Errorf("pause queue %q: %w", queue, err)
	}
	p := Pause{}
	if p.Recorded, err = a.recordPause(ctx, queue, consuming); err != nil {
		return p, fmt.Errorf("pause queue %q: %w", queue, err)
	}
	args := map[string]any{"queue": queue, pauseArgument: true}
	if len(nodes) == 0 { // those that are there, but slow
		return p, c.Cast(ctx, "cancel_consumer", args)
	}
	replies, err := c.only(nodes).Call(ctx, "cancel_consumer", args)
	if err != nil {
		return p, fmt.Errorf("pause queue %q: %w", queue, err)
	}
	return p.told(replies, func(node, text string) bool {
		return slices.Contains(consuming, node) || strings.HasPrefix(text, "paused ")
	})
}

// ResumeQueue makes those workers consume a queue again that did before it was paused, and Umbel's that have started since.
func (c *Control) ResumeQueue(ctx context.Context, queue string) (Pause, error) {
	a := c.app
	before, recorded, err := a.erasePause(ctx, queue)
	if err != nil {
		return Pause{}, fmt.Errorf("resume queue %q: %w", queue, err)
	}
	p := Pause{Recorded: recorded}
	nodes, err := c.Ping(ctx)
	if err != nil || len(nodes) == 0 {
		return p, err
	}
	replies, err := c.only(nodes).Call(ctx, "resume_queue", map[string]any{"queue": queue})
	if err != nil {
		return p, fmt.Errorf("resume queue %q: %w", queue, err)
	}
	var celery []string // know no such command
	for _, r := range replies {
		if strings.HasPrefix(r.Failure(), "KeyError(") && slices.Contains(before, r.Node) {
			celery = append(celery, r.Node)
		}
	}
	replies = slices.DeleteFunc(replies, func(r control.Reply) bool { return strings.HasPrefix(r.Failure(), "KeyError(") })
	if len(celery) > 0 {
		more, err := c.only(celery).AddConsumer(ctx, queue)
		if err != nil {
			return p, fmt.Errorf("resume queue %q: %w", queue, err)
		}
		replies = append(replies, more...)
	}
	return p.told(replies, func(node, text string) bool {
		return strings.HasPrefix(text, "resumed ") || slices.Contains(celery, node)
	})
}

// told notes whose reply counts, and what was refused.
func (p Pause) told(replies []control.Reply, counts func(node, text string) bool) (Pause, error) {
	var errs []error
	for _, r := range replies {
		switch text, failed, _ := r.Outcome(); {
		case failed:
			errs = append(errs, fmt.Errorf("node %s: %s", r.Node, text))
		case counts(r.Node, text):
			p.Nodes = append(p.Nodes, r.Node)
		}
	}
	slices.Sort(p.Nodes)
	return p, errors.Join(errs...)
}

// only speaks to these nodes, and ends once all have answered.
func (c *Control) only(nodes []string) *Control {
	d := c.To(nodes...)
	d.glob, d.most = "", 0
	return d
}

// consuming are the nodes that answer, and those of them that consume a queue now.
func (c *Control) consuming(ctx context.Context, queue string) (all, nodes []string, err error) {
	replies, err := c.Call(ctx, "active_queues", nil)
	if err != nil {
		return nil, nil, err
	}
	nodes = []string{}
	for _, r := range replies {
		all = append(all, r.Node)
		var queues []struct {
			Name string `json:"name"`
		}
		text, err := r.Value.AppendJSON(nil)
		if err != nil || json.Unmarshal(text, &queues) != nil {
			continue
		}
		for _, q := range queues {
			if q.Name == queue {
				nodes = append(nodes, r.Node)
			}
		}
	}
	return all, nodes, nil
}

// ledger is the result store if it keeps records, else nil.
func (a *App) ledger(ctx context.Context) (backend.Ledger, error) {
	b, err := a.Backend(ctx)
	if errors.Is(err, ErrNoBackend) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l, _ := b.(backend.Ledger)
	return l, nil
}

func (a *App) recordPause(ctx context.Context, queue string, nodes []string) (bool, error) {
	l, err := a.ledger(ctx)
	if err != nil || l == nil {
		return false, err
	}
	if earlier, _, err := a.pausedBefore(ctx, l, queue); err != nil {
		return false, err
	} else if len(earlier) > 0 { // paused twice: whoever consumed it the first time is to do so again
		nodes = slices.Compact(slices.Sorted(slices.Values(append(earlier, nodes...))))
	}
	value, err := json.Marshal(nodes)
	if err != nil {
		return false, err
	}
	record := backend.Record{Name: queue, Value: string(value), Expires: time.Now().Add(pausedAge)}
	return true, l.Record(ctx, PausedBook, []backend.Record{record}, pausedMost)
}

// pausedBefore are the nodes that consumed a queue when it was paused.
func (a *App) pausedBefore(ctx context.Context, l backend.Ledger, queue string) (nodes []string, is bool, err error) {
	records, err := l.Records(ctx, PausedBook)
	for _, r := range records {
		if r.Name == queue {
			_ = json.Unmarshal([]byte(r.Value), &nodes) // nobody else writes it
			is = true
		}
	}
	return nodes, is, err
}

func (a *App) erasePause(ctx context.Context, queue string) (nodes []string, recorded bool, err error) {
	l, err := a.ledger(ctx)
	if err != nil || l == nil {
		return nil, false, err
	}
	if nodes, _, err = a.pausedBefore(ctx, l, queue); err != nil {
		return nil, true, err
	}
	return nodes, true, l.Erase(ctx, PausedBook, []string{queue})
}

// PausedQueues are the names of the queues that are paused, as far as that is recorded.
func (a *App) PausedQueues(ctx context.Context) ([]string, error) {
	l, err := a.ledger(ctx)
	if err != nil || l == nil {
		return nil, err
	}
	records, err := l.Records(ctx, PausedBook)
	if err != nil {
		return nil, fmt.Errorf("paused queues: %w", err)
	}
	names := make([]string, len(records))
	for i, r := range records {
		names[i] = r.Name
	}
	slices.Sort(names)
	return names, nil
}
