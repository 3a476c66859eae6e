package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// A Flow is a workflow: tasks with one root.
type Flow struct {
	Root    string
	Name    string    // of the root's task; "" when it has not been heard of
	Begun   time.Time // when its first task was heard of
	Updated time.Time // of the latest event of the tasks that were counted
	Tasks   int       // that were counted: FlowMost at most, and the root
	States  map[protocol.State]int
	Latest  int64 // place of the task that was heard of last
}

// FlowMost bounds the tasks of a workflow that are counted.
const FlowMost = 2000

var unended = []protocol.State{protocol.Pending, protocol.Received, protocol.Started, protocol.Retry}

// Running reports whether one of the tasks that were counted has not ended.
func (f *Flow) Running() bool {
	for state, n := range f.States {
		if n > 0 && slices.Contains(unended, state) {
			return true
		}
	}
	return false
}

const (
	// flowsLook is how many tasks are looked at for their workflows.
	flowsLook = 5000

	flowsMost = 200
)

// Running are the workflows of tasks that have not ended, the latest first, at most limit. Tasks that stand alone are none.
func (s *Store) Running(ctx context.Context, limit int) (list []*Flow, err error) {
	limit = min(limit, flowsMost)
	err = s.db.read(ctx, func(t tx) error {
		list = nil
		var seq int64
		var root string
		var roots []string
		err := t.each(`SELECT seq, root FROM tasks WHERE state IN ('PENDING', 'RECEIVED', 'STARTED', 'RETRY') AND state <> 'SUCCESS' AND root <> ''
ORDER BY seq DESC LIMIT ?`, []any{flowsLook}, []any{&seq, &root}, func() error {
			if !slices.Contains(roots, root) && len(roots) < flowsMost {
				roots = append(roots, root)
			}
			return nil
		})
		for _, r := range roots {
			if err != nil || len(list) == limit {
				break
			}
			var f *Flow
			if f, err = flow(t, r); f != nil && f.Running() {
				list = append(list, f)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read workflows: %w", err)
	}
	slices.SortFunc(list, func(a, b *Flow) int { return cmp.Compare(b.Latest, a.Latest) })
	return list, nil
}

// Flows are workflows by the task of theirs that was heard of last, the latest first; those before a place, 0 for the latest.
// next is the place to go on from, 0 when there are no more.
func (s *Store) Flows(ctx context.Context, before int64, limit int) (list []*Flow, next int64, err error) {
	if before <= 0 {
		before = 1 << 62
	}
	limit = min(limit, flowsMost)
	err = s.db.read(ctx, func(t tx) error {
		list, next = nil, 0
		var seq int64
		var root string
		type member struct {
			seq  int64
			root string
		}
		var seen []member
		err := t.each(`SELECT seq, root FROM tasks WHERE root <> id AND root <> '' AND seq < ? ORDER BY seq DESC LIMIT ?`, []any{before, flowsLook}, []any{&seq, &root},
			func() error { seen = append(seen, member{seq, root}); return nil })
		if len(seen) == flowsLook {
			next = seq
		}
		done := make(map[string]bool)
		for _, m := range seen {
			if err != nil {
				break
			}
			if done[m.root] {
				continue
			}
			done[m.root] = true
			var f *Flow
			if f, err = flow(t, m.root); f != nil && f.Latest == m.seq { // else it was on an earlier page
				list = append(list, f)
			}
			if len(list) == limit {
				next = m.seq
				break
			}
		}
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read workflows: %w", err)
	}
	return list, next, nil
}

// flow counts a workflow; nil when it is one task alone.
func flow(t tx, root string) (*Flow, error) {
	f := &Flow{Root: root, States: make(map[protocol.State]int)}
	var state string
	var n int
	var first, updated int64
	err := t.each(`SELECT state, count(*), min(seq), max(updated) FROM (SELECT state, seq, updated FROM tasks
WHERE root = ? AND root <> id ORDER BY seq LIMIT ?) AS members GROUP BY state`, []any{root, FlowMost}, []any{&state, &n, &first, &updated}, func() error {
		f.add(protocol.State(state), n, first, updated)
		return nil
	})
	if err != nil || f.Tasks == 0 {
		return nil, err
	}
	err = t.each(`SELECT max(seq) FROM tasks WHERE root = ? AND root <> id`, []any{root}, []any{&f.Latest}, nothing)
	if err != nil {
		return nil, err
	}
	err = tasks(t, `SELECT `+columns+` FROM tasks WHERE hash = ?`, []any{hash(root)}, func(task *Task) error {
		if task.UUID == root {
			f.Name = task.Name
			f.add(task.State, 1, task.Seq, micros(task.Timestamp))
		}
		return nil
	})
	return f, err
}

func (f *Flow) add(state protocol.State, n int, first, updated int64) {
	f.Tasks += n
	f.States[state] += n
	if at := time.UnixMicro(first); f.Begun.IsZero() || at.Before(f.Begun) {
		f.Begun = at
	}
	if at := fromMicros(updated); at.After(f.Updated) {
		f.Updated = at
	}
}
