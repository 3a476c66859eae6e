package umbel

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/protocol"
)

// eager is what one send in eager mode leaves behind: the documents of all tasks that it ran, and the chords among them.
// It is the result store of workflows that run in the caller.
type eager struct {
	mu     sync.Mutex // guards what follows
	docs   map[string]*protocol.Result
	chords map[string]*eagerChord
	groups map[string]protocol.ResultTuple

	ignored map[string]bool // ids whose documents are not kept, as no worker would store them
}

type eagerChord struct {
	expected int
	parts    []backend.ChordPart
	last     string // task that recorded the last part
}

type eagerKey struct{}

// eagerRun is the eager run that ctx belongs to, nil when there is none.
func eagerRun(ctx context.Context) *eager {
	e, _ := ctx.Value(eagerKey{}).(*eager)
	return e
}

// eagerScope begins an eager run if the app is eager and ctx is not within one.
func (a *App) eagerScope(ctx context.Context) (context.Context, *eager, error) {
	if e := eagerRun(ctx); e != nil {
		return ctx, e, nil
	}
	on, err := a.isEager()
	if err != nil || !on {
		return ctx, nil, err
	}
	e := &eager{docs: make(map[string]*protocol.Result), chords: make(map[string]*eagerChord), groups: make(map[string]protocol.ResultTuple)}
	return context.WithValue(ctx, eagerKey{}, e), e, nil
}

// ignore keeps a task's document from being kept.
func (e *eager) ignore(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ignored == nil {
		e.ignored = make(map[string]bool)
	}
	e.ignored[id] = true
}

func (e *eager) ignores(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ignored[id]
}

func (e *eager) put(doc *protocol.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ignored[doc.TaskID] {
		return
	}
	if old := e.docs[doc.TaskID]; old == nil || old.Status != Success {
		e.docs[doc.TaskID] = doc
	}
}

// get is a task's document: PENDING when it has not run.
func (e *eager) get(id string) *protocol.Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	if doc := e.docs[id]; doc != nil {
		return doc
	}
	return &protocol.Result{TaskID: id, Status: Pending, Result: null}
}

func (e *eager) chord(group string) *eagerChord {
	c := e.chords[group]
	if c == nil {
		c = &eagerChord{}
		e.chords[group] = c
	}
	return c
}

// ExpectParts: see backend.Chords.
func (e *eager) ExpectParts(_ context.Context, group string, parts int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.chord(group).expected = parts
	return nil
}

// AddParts: see backend.Chords.
func (e *eager) AddParts(_ context.Context, group string, parts int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.chord(group).expected += parts
	return nil
}

// RecordPart: see backend.Chords.
func (e *eager) RecordPart(_ context.Context, p backend.ChordPart) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.chord(p.Group)
	if !slices.ContainsFunc(c.parts, func(q backend.ChordPart) bool { return q.TaskID == p.TaskID }) {
		c.parts = append(c.parts, p)
		c.last = p.TaskID
	}
	return len(c.parts) == c.expected && c.last == p.TaskID, nil
}

// ChordParts: see backend.Chords.
func (e *eager) ChordParts(_ context.Context, group string, each func(backend.ChordPart) error) error {
	e.mu.Lock()
	parts := slices.Clone(e.chord(group).parts)
	e.mu.Unlock()
	slices.SortStableFunc(parts, func(p, q backend.ChordPart) int {
		if p.HasIndex != q.HasIndex {
			if p.HasIndex {
				return -1
			}
			return 1
		}
		return cmp.Compare(p.Index, q.Index)
	})
	for _, p := range parts {
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

// ForgetChord: see backend.Chords.
func (e *eager) ForgetChord(_ context.Context, group string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.chords, group)
	return nil
}

// SaveGroup: see backend.Chords.
func (e *eager) SaveGroup(_ context.Context, t protocol.ResultTuple) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.groups[t.ID] = t
	return nil
}

// LoadGroup: see backend.Chords.
func (e *eager) LoadGroup(_ context.Context, id string) (protocol.ResultTuple, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, ok := e.groups[id]
	if !ok {
		return t, fmt.Errorf("group %s: %w", id, backend.ErrNotFound)
	}
	return t, nil
}

// ForgetGroup: see backend.Chords.
func (e *eager) ForgetGroup(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.groups, id)
	return nil
}
