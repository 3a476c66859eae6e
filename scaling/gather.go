package scaling

import (
	"context"
	"fmt"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/control"
)

// A Gatherer asks workers what they do, Umbel's by their own word for it, Celery's by several of Celery's. It is not safe for several
// goroutines.
type Gatherer struct {
	control *umbel.Control
	homes   map[taskAt]home // of tasks of Celery's workers
	heard   []string        // nodes that answered last
	settled bool            // nobody else is asked
}

type taskAt struct{ node, task string }

// home is the queue that a task was seen to come from, and how many there had been by then.
type home struct {
	queue string
	base  int64
}

// homesMost bounds what is remembered of Celery's workers.
const homesMost = 20_000

// NewGatherer asks by c, whose timeout is how long a worker may take to answer.
func NewGatherer(c *umbel.Control) *Gatherer {
	return &Gatherer{control: c, homes: make(map[taskAt]home)}
}

// A Task is one that runs.
type Task struct {
	ID, Name, Queue string
	For             time.Duration // so long; 0: not known
}

// Settle asks from now on only those that have answered last: the wait is over once all have, and who comes later is not seen.
func (g *Gatherer) Settle() {
	if g.settled = true; len(g.heard) > 0 {
		g.control = g.control.To(g.heard...)
	}
}

// Workers are those that answer in time.
func (g *Gatherer) Workers(ctx context.Context) ([]Worker, error) {
	if g.settled && len(g.heard) == 0 {
		return nil, nil
	}
	replies, err := g.control.Call(ctx, "queue_load", nil)
	if err != nil {
		return nil, fmt.Errorf("ask workers what they have to do: %w", err)
	}
	var out []Worker
	var celery []string
	if !g.settled {
		g.heard = nil
	}
	for _, r := range replies {
		if !g.settled {
			g.heard = append(g.heard, r.Node)
		}
		if w, ok := ownWorker(r); ok {
			out = append(out, w)
		} else {
			celery = append(celery, r.Node)
		}
	}
	if len(celery) == 0 {
		return out, nil
	}
	theirs, err := g.celery(ctx, celery)
	return append(out, theirs...), err
}

// ownWorker reads the answer of a worker of Umbel's; another does not know the command.
func ownWorker(r control.Reply) (Worker, bool) {
	var a struct {
		Slots    *int `json:"slots"`
		Stopping bool `json:"stopping"`
		Queues   map[string]struct {
			Running int     `json:"running"`
			Waiting int     `json:"waiting"`
			Oldest  float64 `json:"oldest"`
			Done    int64   `json:"done"`
			Seconds float64 `json:"seconds"`
			Longest float64 `json:"longest"`
			Left    bool    `json:"left"`
		} `json:"queues"`
	}
	if r.Value.Decode(&a) != nil || a.Slots == nil {
		return Worker{}, false
	}
	w := Worker{Name: r.Node, Slots: *a.Slots, Stopping: a.Stopping}
	for name, q := range a.Queues {
		w.Queues = append(w.Queues, Load{Queue: name, Running: q.Running, Waiting: q.Waiting, Oldest: seconds(q.Oldest), Done: q.Done,
			Took: seconds(q.Seconds), Longest: seconds(q.Longest), Left: q.Left})
	}
	return w, true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// celeryTask is a task as Celery's workers show it.
type celeryTask struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Started  *float64 `json:"time_start"` // seconds since 1970
	Delivery struct {
		RoutingKey string `json:"routing_key"`
	} `json:"delivery_info"`
}

// celery asks Celery's workers: what they have done is counted by task, so that the queue is the one a task was seen to come from.
func (g *Gatherer) celery(ctx context.Context, nodes []string) ([]Worker, error) {
	c := g.control.To(nodes...)
	var stats map[string]struct {
		Total map[string]int64 `json:"total"`
		Pool  struct {
			Slots int `json:"max-concurrency"`
		} `json:"pool"`
	}
	var active, reserved map[string][]celeryTask
	var queues map[string][]struct {
		Name string `json:"name"`
	}
	if err := ask(ctx, c, "stats", &stats); err != nil {
		return nil, err
	}
	if err := ask(ctx, c, "active", &active); err != nil {
		return nil, err
	}
	if err := ask(ctx, c, "reserved", &reserved); err != nil {
		return nil, err
	}
	if err := ask(ctx, c, "active_queues", &queues); err != nil {
		return nil, err
	}
	now := time.Now()
	var out []Worker
	for _, node := range nodes {
		s, ok := stats[node]
		if !ok || len(queues[node]) == 0 {
			continue
		}
		w := Worker{Name: node, Slots: s.Pool.Slots}
		loads := make(map[string]*Load)
		for _, q := range queues[node] {
			w.Queues = append(w.Queues, Load{Queue: q.Name, Sampled: true})
		}
		for i := range w.Queues {
			loads[w.Queues[i].Queue] = &w.Queues[i]
		}
		of := func(t celeryTask) *Load {
			if l := loads[t.Delivery.RoutingKey]; l != nil {
				return l
			}
			return &w.Queues[0]
		}
		for _, t := range active[node] {
			l := of(t)
			l.Running++
			if t.Started != nil {
				l.Oldest = max(l.Oldest, now.Sub(time.UnixMilli(int64(*t.Started*1000))))
			}
			g.learn(taskAt{node, t.Name}, l.Queue, s.Total[t.Name], len(w.Queues) > 1)
		}
		for _, t := range reserved[node] {
			of(t).Waiting++
		}
		for task, n := range s.Total {
			if len(w.Queues) == 1 {
				w.Queues[0].Done += n
			} else if h, ok := g.homes[taskAt{node, task}]; ok && loads[h.queue] != nil {
				loads[h.queue].Done += max(n-h.base, 0)
			}
		}
		for i := range w.Queues { // they count tasks that begin
			w.Queues[i].Done = max(w.Queues[i].Done-int64(w.Queues[i].Running), 0)
		}
		out = append(out, w)
	}
	return out, nil
}

// learn remembers which queue a task of a worker with several comes from.
func (g *Gatherer) learn(at taskAt, queue string, total int64, several bool) {
	if _, known := g.homes[at]; known || !several {
		return
	}
	if len(g.homes) >= homesMost {
		clear(g.homes)
	}
	g.homes[at] = home{queue, max(total-1, 0)}
}

// Tasks are those that run now, by worker.
func (g *Gatherer) Tasks(ctx context.Context) (map[string][]Task, error) {
	if g.settled && len(g.heard) == 0 {
		return nil, nil
	}
	var active map[string][]celeryTask
	if err := ask(ctx, g.control, "active", &active); err != nil {
		return nil, err
	}
	now, out := time.Now(), make(map[string][]Task)
	for node, list := range active {
		for _, t := range list {
			task := Task{ID: t.ID, Name: t.Name, Queue: t.Delivery.RoutingKey}
			if t.Started != nil {
				task.For = max(now.Sub(time.UnixMilli(int64(*t.Started*1000))), 0)
			}
			out[node] = append(out[node], task)
		}
	}
	return out, nil
}

// ask decodes the replies that can be decoded, by node.
func ask[T any](ctx context.Context, c *umbel.Control, command string, into *map[string]T) error {
	replies, err := c.Call(ctx, command, nil)
	if err != nil {
		return fmt.Errorf("ask workers: %s: %w", command, err)
	}
	*into = make(map[string]T)
	for _, r := range replies {
		var v T
		if r.Value.Decode(&v) == nil {
			(*into)[r.Node] = v
		}
	}
	return nil
}
