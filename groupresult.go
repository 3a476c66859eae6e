package umbel

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/protocol"
)

// A GroupResult is a handle on the members of a group. Celery: GroupResult.
type GroupResult struct {
	app     *App
	id      string
	members []*AsyncResult
	tuple   protocol.ResultTuple
}

// ID is the group's id.
func (g *GroupResult) ID() string { return g.id }

// Members are the handles on the members, in order. A member that is a group itself, or ends in one, has the group's id.
func (g *GroupResult) Members() []*AsyncResult { return g.members }

// Parent is the result that the group followed, nil at the beginning of a workflow.
func (g *GroupResult) Parent() *AsyncResult { return g.app.parentOf(g.tuple) }

// Wait waits until every member has ended, however, and calls each with their documents as they end, one at a time. It
// keeps none of them: of a large group only those that each keeps are in memory.
func (g *GroupResult) Wait(ctx context.Context, each func(*protocol.Result)) error {
	for _, m := range g.members {
		doc, err := m.Wait(ctx)
		if err != nil {
			return fmt.Errorf("wait for group %s: %w", g.id, err)
		}
		if each != nil {
			each(doc)
		}
	}
	return nil
}

// Get waits for all members and decodes their results into out, a pointer to a slice, in the order of the group. The
// first member that did not succeed gives a *TaskError.
func (g *GroupResult) Get(ctx context.Context, decode func(i int, doc *protocol.Result) error) error {
	for i, m := range g.members {
		doc, err := m.Wait(ctx)
		if err != nil {
			return fmt.Errorf("wait for group %s: %w", g.id, err)
		}
		if doc.Status != Success {
			return newTaskError(doc)
		}
		if err := decode(i, doc); err != nil {
			return fmt.Errorf("result of task %s: %w", doc.TaskID, err)
		}
	}
	return nil
}

// GetAll waits for all members of a group and returns their results in its order.
func GetAll[Out any](ctx context.Context, g *GroupResult) ([]Out, error) {
	out := make([]Out, len(g.members))
	err := g.Get(ctx, func(i int, doc *protocol.Result) error { return doc.Result.Decode(&out[i]) })
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Count is how many members have ended, well and not. No result is decoded or kept.
func (g *GroupResult) Count(ctx context.Context) (succeeded, failed int, err error) {
	const together = 500
	for from := 0; from < len(g.members); from += together {
		part := g.members[from:min(from+together, len(g.members))]
		ids := make([]string, 0, len(part))
		for _, m := range part {
			if m.eager != nil {
				if m.eager.Status == Success {
					succeeded++
				} else {
					failed++
				}
				continue
			}
			ids = append(ids, m.id)
		}
		if len(ids) == 0 {
			continue
		}
		store, err := g.app.Backend(ctx)
		if err != nil {
			return 0, 0, err
		}
		docs, err := store.GetMany(ctx, ids)
		if err != nil {
			return 0, 0, fmt.Errorf("count group %s: %w", g.id, err)
		}
		for _, d := range docs {
			switch {
			case d.Status == Success:
				succeeded++
			case d.Status.Ready():
				failed++
			}
		}
	}
	return succeeded, failed, nil
}

// Save keeps the group in the result store, so that App.RestoreGroup finds it, in this process or in Python.
// Celery: GroupResult.save.
func (g *GroupResult) Save(ctx context.Context) error {
	chords, err := g.app.chords(ctx)
	if err != nil {
		return fmt.Errorf("save group %s: %w", g.id, err)
	}
	if err := chords.SaveGroup(ctx, g.tuple); err != nil {
		return fmt.Errorf("save group %s: %w", g.id, err)
	}
	return nil
}

// Forget removes the saved group and its members' results. Celery: GroupResult.forget.
func (g *GroupResult) Forget(ctx context.Context) error {
	chords, err := g.app.chords(ctx)
	if err == nil {
		err = chords.ForgetGroup(ctx, g.id)
	}
	for _, m := range g.members {
		err = errors.Join(err, m.Forget(ctx))
	}
	return err
}

// RestoreGroup finds a group that was saved. ErrUnknownTask when there is none. Celery: GroupResult.restore.
func (a *App) RestoreGroup(ctx context.Context, id string) (*GroupResult, error) {
	chords, err := a.chords(ctx)
	if err != nil {
		return nil, fmt.Errorf("restore group %s: %w", id, err)
	}
	t, err := chords.LoadGroup(ctx, id)
	if errors.Is(err, backend.ErrNotFound) {
		err = ErrUnknownTask
	}
	if err != nil {
		return nil, fmt.Errorf("restore group %s: %w", id, err)
	}
	return a.groupOf(t, nil), nil
}

// ResultOf is the handle on what a result tuple names, such as one that was stored elsewhere: of a group its
// GroupResult and its first member's (nil of an empty group), else the task's and nil. Celery: result_from_tuple.
func (a *App) ResultOf(t protocol.ResultTuple) (*AsyncResult, *GroupResult) {
	s := a.startedOf(t, nil)
	return s.result, s.group
}

// Tuple is the result as Celery passes it on: with the results that it followed.
func (r *AsyncResult) Tuple() protocol.ResultTuple {
	if r.tuple.ID == "" {
		return protocol.ResultTuple{ID: r.id}
	}
	return r.tuple
}

// Tuple is the group as Celery passes it on.
func (g *GroupResult) Tuple() protocol.ResultTuple { return g.tuple }

// Parent is the task that this one follows in its workflow, nil when it follows a group (see ParentGroup) or nothing.
func (r *AsyncResult) Parent() *AsyncResult { return r.app.parentOf(r.tuple) }

// ParentGroup is the group that this one follows: the header, for the body of a chord.
func (r *AsyncResult) ParentGroup() *GroupResult {
	if p := r.tuple.Parent; p != nil && p.IsGroup {
		return r.app.groupOf(*p, nil)
	}
	return nil
}

func (a *App) parentOf(t protocol.ResultTuple) *AsyncResult {
	if t.Parent == nil || t.Parent.IsGroup {
		return nil
	}
	return a.resultOf(*t.Parent, nil)
}

// Children are the tasks and groups that the task has sent, as its document tells. Celery: AsyncResult.children.
func (r *AsyncResult) Children(ctx context.Context) ([]protocol.ResultTuple, error) {
	doc, err := r.Document(ctx)
	if err != nil {
		return nil, err
	}
	return doc.Children, nil
}

// Collect goes through the task and all that came of it, breadth first, waiting for each to end. A group itself has no
// document: its members come. Celery: AsyncResult.collect.
func (r *AsyncResult) Collect(ctx context.Context) iter.Seq2[*protocol.Result, error] {
	return func(yield func(*protocol.Result, error) bool) {
		queue := []*AsyncResult{r}
		seen := map[string]bool{r.id: true}
		var add func(list []protocol.ResultTuple)
		add = func(list []protocol.ResultTuple) {
			for _, t := range list {
				if t.IsGroup {
					add(t.Members)
				} else if !seen[t.ID] {
					seen[t.ID] = true
					queue = append(queue, r.app.resultOf(t, r.run))
				}
			}
		}
		for len(queue) > 0 {
			next := queue[0]
			queue = queue[1:]
			doc, err := next.Wait(ctx)
			if !yield(doc, err) || err != nil {
				return
			}
			add(doc.Children)
		}
	}
}

// A Graph is what came of a task: who sent whom. Celery: AsyncResult.build_graph.
type Graph struct {
	Nodes []*protocol.Result
	Edges [][2]string // from the task that sent to the one that was sent, by id
}

// Graph waits for the task and all that came of it.
func (r *AsyncResult) Graph(ctx context.Context) (*Graph, error) {
	g := &Graph{}
	for doc, err := range r.Collect(ctx) {
		if err != nil {
			return nil, err
		}
		g.Nodes = append(g.Nodes, doc)
		g.edges(doc.TaskID, doc.Children)
	}
	return g, nil
}

func (g *Graph) edges(from string, children []protocol.ResultTuple) {
	for _, c := range children {
		if c.IsGroup {
			g.edges(from, c.Members)
			continue
		}
		g.Edges = append(g.Edges, [2]string{from, c.ID})
	}
}

// startedOf makes the handle on what was begun; run has the documents of what ran in the caller.
func (a *App) startedOf(t protocol.ResultTuple, run *eager) *started {
	if t.IsGroup {
		s := &started{group: a.groupOf(t, run)}
		if len(s.group.members) > 0 {
			s.result = s.group.members[0]
		}
		return s
	}
	return &started{result: a.resultOf(t, run)}
}

func (a *App) resultOf(t protocol.ResultTuple, run *eager) *AsyncResult {
	r := &AsyncResult{app: a, id: t.ID, sent: true, tuple: t, run: run}
	if run != nil {
		r.eager, r.ignored = run.get(t.ID), run.ignores(t.ID)
	}
	return r
}

func (a *App) groupOf(t protocol.ResultTuple, run *eager) *GroupResult {
	g := &GroupResult{app: a, id: t.ID, tuple: t, members: make([]*AsyncResult, len(t.Members))}
	for i, m := range t.Members {
		g.members[i] = a.resultOf(m, run)
	}
	return g
}

// Send starts the group and returns a handle on all its members.
func (g TypedGroup[Out]) Send(ctx context.Context, options ...SendOption) (*TypedGroupResult[Out], error) {
	r, err := g.Signature.SendGroup(ctx, options...)
	if err != nil {
		return nil, err
	}
	return &TypedGroupResult[Out]{r}, nil
}

// A TypedGroupResult is a handle on a group whose members have one result type.
type TypedGroupResult[Out any] struct{ *GroupResult }

// Get waits for all members and returns their results in the order of the group.
func (r *TypedGroupResult[Out]) Get(ctx context.Context) ([]Out, error) {
	return GetAll[Out](ctx, r.GroupResult)
}
