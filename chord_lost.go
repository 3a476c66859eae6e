package umbel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// LostAfter finds the parts of a chord that never end: their worker died when they were acked already, or nobody consumes
// their queue. Those that have not ended d after the chord was begun are failed parts, and are named in the body's error
// and in the log. It costs one more message, a task umbel.chord_check that any Go worker runs when the time has come; route
// it to a queue that one consumes. d must be longer than the chord may take. Celery has no such thing.
func (s *Signature) LostAfter(d time.Duration) *Signature {
	c := s.clone()
	if s.kind != aChord || s.body == nil || d <= 0 {
		if c.err == nil {
			c.err = fmt.Errorf("option LostAfter: want a chord and a time, got %s and %v", s.Task(), d)
		}
		return c
	}
	body := c.body.clone()
	body.extra = append(body.extra[:len(body.extra):len(body.extra)], codec.NamedValue{Name: lostAfter, Value: codec.Of(d.Seconds())})
	c.body = body
	return c
}

// lostAfter is the key of a body's signature that holds after how many seconds its parts count as lost.
const lostAfter = "umbel_lost_after"

// chordCheck is the task that looks for lost parts.
const chordCheck = "umbel.chord_check"

// check adds the message that looks for lost parts, if the body asks for it.
func (b *starter) check(group string, body *Signature, parts []protocol.ResultTuple) error {
	v, ok := wireOptions(body.extra).get(lostAfter)
	if !ok {
		return nil
	}
	d, err := durationOf(v)
	if err != nil {
		return fmt.Errorf("%s: %w", lostAfter, err)
	}
	ids := make([]string, len(parts))
	for i, p := range parts {
		ids[i] = p.ID
	}
	kwargs, err := addSignature([]codec.NamedValue{{Name: "group", Value: codec.Of(group)}, {Name: "parts", Value: codec.Of(ids)}}, "body", body)
	if err != nil {
		return err
	}
	b.calls = append(b.calls, call{name: chordCheck, in: &protocol.Body{Kwargs: kwargs}, quiet: true,
		options: []SendOption{Countdown(d), IgnoreResult(), ReprArgs("()", fmt.Sprintf("{'group': '%s', 'parts': %d}", group, len(ids)))}})
	return nil
}

type chordChecked struct {
	Group string    `json:"group"`
	Parts []string  `json:"parts"`
	Body  Signature `json:"body"`
}

// checkChord fails the parts of a chord that have not ended. A part that has ended but was not recorded, because its worker
// died in between, is recorded as it ended. It returns the parts that were lost.
func (a *App) checkChord(ctx context.Context, in *chordChecked) ([]string, error) {
	chords, err := a.chords(ctx)
	if err != nil {
		return nil, err
	}
	store, err := a.Backend(ctx)
	if err != nil {
		return nil, err
	}
	recorded := make(map[string]bool)
	if err := chords.ChordParts(ctx, in.Group, func(p backend.ChordPart) error { recorded[p.TaskID] = true; return nil }); err != nil {
		return nil, err
	}
	docs, err := store.GetMany(ctx, in.Parts)
	if err != nil {
		return nil, err
	}
	ended := 0
	for _, doc := range docs {
		if doc.Status.Ready() {
			ended++
		}
	}
	if len(recorded) == 0 && ended == len(in.Parts) {
		return nil, nil // completed, and forgotten since
	}
	var lost []string
	for i, id := range in.Parts {
		if recorded[id] {
			continue
		}
		p := backend.ChordPart{Group: in.Group, TaskID: id, Index: i, HasIndex: true, State: Failure}
		if doc := docs[id]; doc != nil && doc.Status.Ready() {
			p.State, p.Result = doc.Status, doc.Result
		} else {
			lost = append(lost, id)
			exc := protocol.Exception{Type: "WorkerLostError", Module: "billiard.exceptions",
				Message: []codec.Value{codec.Of(fmt.Sprintf("part %d of chord %s has not ended in time: it is lost, or nobody runs it", i, in.Group))}}
			p.Result = exc.Value()
		}
		if err := a.join(ctx, p, &in.Body); err != nil {
			return lost, err
		}
	}
	if len(lost) > 0 {
		a.Logger().Error("parts of a chord are lost", "chord", in.Group, "parts", len(lost), "first", lost[0])
	}
	return lost, nil
}

// runChordCheck is the task umbel.chord_check.
func (a *App) runChordCheck(ctx context.Context, body *protocol.Body) (any, error) {
	var in chordChecked
	for _, kw := range body.Kwargs {
		var err error
		switch kw.Name {
		case "group":
			err = kw.Value.Decode(&in.Group)
		case "parts":
			err = kw.Value.Decode(&in.Parts)
		case "body":
			var s *Signature
			if s, err = readSignature(kw.Value); err == nil && s != nil {
				in.Body = *s
			}
		}
		if err != nil {
			return nil, &ArgumentError{Task: chordCheck, Field: kw.Name, Reason: err.Error()}
		}
	}
	if in.Group == "" || len(in.Parts) == 0 {
		return nil, Permanent(errors.New("the chord to check is missing"))
	}
	return a.checkChord(ctx, &in)
}
