package umbel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// AllowFailures lets a chord's body run although parts have failed, as long as at least so many have succeeded: it gets
// the results of those, in order. Celery has no such thing: workers in Python that happen to record the last part fail the
// body as always.
func (s *Signature) AllowFailures(atLeast int) *Signature {
	c := s.clone()
	if s.kind != aChord || s.body == nil {
		if c.err == nil {
			c.err = fmt.Errorf("option AllowFailures: %s is no chord", s.Task())
		}
		return c
	}
	body := c.body.clone()
	body.extra = append(body.extra[:len(body.extra):len(body.extra)], codec.NamedValue{Name: allowFailures, Value: codec.Of(max(0, atLeast))})
	c.body = body
	return c
}

// allowFailures is the key of a body's signature that holds how many parts must have succeeded.
const allowFailures = "umbel_min_success"

// threshold is how many parts must succeed for the body to run; all is true when none may fail.
func (s *Signature) threshold() (n int, all bool) {
	n, ok := wireOptions(s.extra).number(allowFailures)
	return n, !ok
}

// JoinChord records that a part of a chord has ended, if r is one, and begins the body if it was the last. It is called
// once the part's own document is stored, whether results are ignored or not.
func (a *App) JoinChord(ctx context.Context, r *Request, e *protocol.Embed, state State, value codec.Value) error {
	if e.Chord == nil {
		return nil
	}
	body, err := fromWire(e.Chord)
	if err != nil {
		return fmt.Errorf("join chord: %w", err)
	}
	if r.Group == "" {
		a.Logger().Error("part of a chord belongs to no group: the chord cannot be completed", "task", r.Name, "id", r.ID)
		return nil
	}
	p := backend.ChordPart{Group: r.Group, TaskID: r.ID, State: state, Result: value}
	if r.task != nil {
		p.Index, p.HasIndex = r.task.GroupIndex, r.task.HasGroupIndex
	}
	if err := a.join(context.WithValue(ctx, requestKey{}, r), p, body); err != nil {
		return fmt.Errorf("join chord %s: %w", r.Group, err)
	}
	return nil
}

func (a *App) join(ctx context.Context, p backend.ChordPart, body *Signature) error {
	if p.Group == "" {
		return nil // of a chord that was never begun
	}
	chords, err := a.chords(ctx)
	if err != nil {
		return err
	}
	complete, err := chords.RecordPart(ctx, p)
	if err != nil || !complete {
		return err
	}
	if r := RequestFrom(ctx); r != nil && r.Redelivered {
		if done, err := a.hasSucceeded(ctx, body); err != nil {
			return err
		} else if done { // whoever recorded this part before died after the body had begun
			return chords.ForgetChord(ctx, p.Group)
		}
	}
	results, fault, err := a.gather(ctx, chords, p.Group, body)
	if err != nil {
		if !permanentJoin(err) {
			return err
		}
		fault = &Fault{State: Failure, Exception: chordError("Join error: " + err.Error())}
	}
	if fault == nil {
		err := a.follow(ctx, body, []codec.Value{results}, place{}, nil)
		if err == nil {
			return chords.ForgetChord(ctx, p.Group)
		}
		if Resendable(err) {
			return err
		}
		fault = &Fault{State: Failure, Exception: chordError("Callback error: " + err.Error())}
	}
	a.Logger().Error("chord failed", "chord", p.Group, "error", fault.Exception.Error())
	return a.failChord(ctx, body, *fault)
}

// hasSucceeded reports whether the end of a body has a result.
func (a *App) hasSucceeded(ctx context.Context, body *Signature) (bool, error) {
	id := body.options.text("task_id")
	if id == "" {
		return false, nil
	}
	store, err := a.Backend(ctx)
	if err != nil {
		return false, err
	}
	doc, err := store.Get(ctx, id)
	if errors.Is(err, backend.ErrNotFound) {
		return false, nil
	}
	return err == nil && doc.Status == Success, err
}

// permanentJoin reports whether parts could be read but made no sense.
func permanentJoin(err error) bool {
	var te *codec.TypeError
	var se *codec.SyntaxError
	return errors.As(err, &te) || errors.As(err, &se)
}

func chordError(message string) *protocol.Exception {
	return &protocol.Exception{Type: "ChordError", Module: "celery.exceptions", Message: []codec.Value{codec.Of(message)}}
}

// gather is the list of the parts' results in their order, or the fault that the first failed part is.
func (a *App) gather(ctx context.Context, chords backend.Chords, group string, body *Signature) (codec.Value, *Fault, error) {
	list, n := []byte{'['}, 0
	var failed *backend.ChordPart
	add := func(v codec.Value) (err error) {
		if n++; n > 1 {
			list = append(list, ", "...)
		}
		list, err = v.AppendJSON(list)
		return err
	}
	saved, err := chords.LoadGroup(ctx, group)
	switch {
	case err == nil: // by Celery, for a header that holds groups
		failed, err = a.gatherSaved(ctx, saved.Members, add)
	case errors.Is(err, backend.ErrNotFound), errors.Is(err, backend.ErrUnsupported):
		err = chords.ChordParts(ctx, group, func(p backend.ChordPart) error {
			if p.State == Success {
				return add(p.Result)
			}
			if failed == nil {
				failed = &p
			}
			return nil
		})
	}
	if err != nil {
		return codec.Value{}, nil, err
	}
	if failed != nil {
		if least, all := body.threshold(); all || n < least {
			return codec.Value{}, dependencyFault(failed), nil
		}
	}
	return codec.JSON(append(list, ']')), nil, nil
}

// gatherSaved reads the documents of a saved group's members; groups in it are lists of their own.
func (a *App) gatherSaved(ctx context.Context, members []protocol.ResultTuple, add func(codec.Value) error) (*backend.ChordPart, error) {
	store, err := a.Backend(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.IsGroup {
			list, n := []byte{'['}, 0
			failed, err := a.gatherSaved(ctx, m.Members, func(v codec.Value) (err error) {
				if n++; n > 1 {
					list = append(list, ", "...)
				}
				list, err = v.AppendJSON(list)
				return err
			})
			if err == nil && failed == nil {
				err = add(codec.JSON(append(list, ']')))
			}
			if err != nil || failed != nil {
				return failed, err
			}
			continue
		}
		doc, err := store.Get(ctx, m.ID)
		if err != nil {
			return nil, err
		}
		if doc.Status != Success {
			return &backend.ChordPart{TaskID: m.ID, State: doc.Status, Result: doc.Result}, nil
		}
		if err := add(doc.Result); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// longestCause is how much of a part's error the chord's repeats, in bytes.
const longestCause = 1000

// dependencyFault is what the body of a chord fails with because of a part. Celery: ChordError.
func dependencyFault(p *backend.ChordPart) *Fault {
	what := string(p.State)
	if exc, err := protocol.DecodeException(p.Result); err == nil {
		what = exc.Repr()
	}
	if len(what) > longestCause { // each chord around quotes the one within
		what = strings.ToValidUTF8(what[:longestCause], "") + "…"
	}
	text := fmt.Sprintf("Dependency %s raised %s", p.TaskID, what)
	return &Fault{State: Failure, Exception: chordError(text),
		Traceback: what + "\n\nThe above exception was the direct cause of the following exception:\n\nChordError: " + text + "\n"}
}

// failChord ends a chord whose body never runs: the body gets the error as its document, is a failed part where it stands
// in a chord itself, and its errbacks are called.
func (a *App) failChord(ctx context.Context, body *Signature, f Fault) error {
	if err := a.markFailed(ctx, body, f); err != nil {
		return err
	}
	if body.kind == aGroup {
		for _, m := range body.tasks {
			if err := a.chordErrbacks(ctx, m, m.linkError, f); err != nil {
				return err
			}
		}
		return nil
	}
	end := body
	for end.kind == aChord && end.body != nil {
		end = end.body
	}
	return a.chordErrbacks(ctx, end, body.linkError, f)
}

func (a *App) chordErrbacks(ctx context.Context, s *Signature, links []*Signature, f Fault) error {
	if len(links) == 0 {
		return nil
	}
	id := s.options.text("task_id")
	r := &Request{ID: id, Name: s.Task(), RootID: id, Group: s.options.text("group_id")}
	if parent := RequestFrom(ctx); parent != nil {
		r.task = parent.task // whose stamps they inherit
		r.Eager = parent.Eager
	}
	return a.errbacks(context.WithValue(ctx, requestKey{}, r), r, links, f)
}

// AddToChord sends one more task as a part of the chord that the running task is a part of. It must be called before the
// running task ends. Celery: add_to_chord.
func AddToChord(ctx context.Context, s Step) error {
	r := RequestFrom(ctx)
	if r == nil || r.body == nil || r.body.Embed.Chord == nil || r.app == nil {
		return errors.New("add to chord: the running task is no part of a chord")
	}
	body, err := fromWire(r.body.Embed.Chord)
	if err != nil {
		return fmt.Errorf("add to chord: %w", err)
	}
	chords, err := r.app.chords(ctx)
	if err != nil {
		return fmt.Errorf("add to chord: %w", err)
	}
	if err := chords.AddParts(ctx, r.Group, 1); err != nil {
		return fmt.Errorf("add to chord: %w", err)
	}
	part := onePart(s.step())
	if err := r.app.follow(ctx, part, nil, place{group: r.Group, chord: body}, nil); err != nil {
		return fmt.Errorf("add to chord: %w", err)
	}
	return nil
}
