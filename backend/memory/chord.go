package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

var _ backend.Chords = (*Backend)(nil)

// A chord counts the parts of one chord. Guarded by its space.
type chord struct {
	expected int // 0: not known yet
	added    int
	parts    map[string]backend.ChordPart // by task
	last     string                       // task that recorded the last part missing
	expires  time.Time                    // zero: never
}

// ExpectParts: see backend.Chords.
func (b *Backend) ExpectParts(ctx context.Context, group string, parts int) error {
	return b.withChord(ctx, "begin", group, func(c *chord) error {
		c.expected = parts
		return nil
	})
}

// AddParts: see backend.Chords.
func (b *Backend) AddParts(ctx context.Context, group string, parts int) error {
	return b.withChord(ctx, "add to", group, func(c *chord) error {
		c.added += parts
		return nil
	})
}

// RecordPart: see backend.Chords.
func (b *Backend) RecordPart(ctx context.Context, p backend.ChordPart) (complete bool, err error) {
	text, err := p.Result.AppendJSON(nil) // so that no caller's later change reaches it
	if err != nil {
		return false, fmt.Errorf("record part %q of chord %q: %w", p.TaskID, p.Group, err)
	}
	p.Result = codec.JSON(text)
	err = b.withChord(ctx, "record a part of", p.Group, func(c *chord) error {
		_, again := c.parts[p.TaskID]
		if !again {
			c.parts[p.TaskID] = p
		}
		if c.expected == 0 || len(c.parts) != c.expected+c.added {
			return nil
		}
		if !again {
			c.last = p.TaskID
		}
		complete = c.last == p.TaskID
		return nil
	})
	return complete, err
}

// ChordParts: see backend.Chords.
func (b *Backend) ChordParts(ctx context.Context, group string, each func(backend.ChordPart) error) error {
	var parts []backend.ChordPart
	err := b.withChord(ctx, "read", group, func(c *chord) error {
		for _, p := range c.parts {
			parts = append(parts, p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(parts, func(p, q backend.ChordPart) int {
		if p.HasIndex != q.HasIndex {
			if p.HasIndex {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(p.Index, q.Index), cmp.Compare(p.TaskID, q.TaskID))
	})
	for _, p := range parts {
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

// ForgetChord: see backend.Chords.
func (b *Backend) ForgetChord(ctx context.Context, group string) error {
	if err := b.space.open(ctx, b); err != nil {
		return fmt.Errorf("forget chord %q: %w", group, err)
	}
	defer b.space.mu.Unlock()
	delete(b.space.chords, group)
	return nil
}

// withChord calls f with a chord, which it makes where there is none. Expired ones are swept when their number has doubled.
func (b *Backend) withChord(ctx context.Context, what, group string, f func(*chord) error) error {
	s := b.space
	if err := s.open(ctx, b); err != nil {
		return fmt.Errorf("%s chord %q: %w", what, group, err)
	}
	defer s.mu.Unlock()
	now := time.Now()
	c := s.chords[group]
	if c == nil || c.expired(now) {
		if len(s.chords) >= s.sweep {
			for id, old := range s.chords {
				if old.expired(now) {
					delete(s.chords, id)
				}
			}
			s.sweep = max(1024, 2*len(s.chords))
		}
		c = &chord{parts: make(map[string]backend.ChordPart)}
		if s.chords == nil {
			s.chords = make(map[string]*chord)
		}
		s.chords[group] = c
	}
	if b.expires > 0 {
		c.expires = now.Add(b.expires)
	}
	return f(c)
}

func (c *chord) expired(now time.Time) bool { return !c.expires.IsZero() && !now.Before(c.expires) }

// groupPrefix keeps saved groups apart from tasks' documents, among which they are kept.
const groupPrefix = "group/"

// SaveGroup: see backend.Chords.
func (b *Backend) SaveGroup(_ context.Context, t protocol.ResultTuple) error {
	text, err := t.AppendJSON(nil)
	if err == nil {
		err = b.space.put(b, document{id: groupPrefix + t.ID, Encoded: codec.Encoded{ContentType: "application/json", ContentEncoding: "utf-8", Body: text}})
	}
	if err != nil {
		return fmt.Errorf("save group %q: %w", t.ID, err)
	}
	return nil
}

// LoadGroup: see backend.Chords.
func (b *Backend) LoadGroup(ctx context.Context, id string) (protocol.ResultTuple, error) {
	d, ok, err := b.space.get(ctx, b, groupPrefix+id)
	var t protocol.ResultTuple
	switch {
	case err == nil && !ok:
		err = backend.ErrNotFound
	case err == nil:
		t, err = protocol.DecodeResultTuple(codec.JSON(d.Body))
	}
	if err != nil {
		return t, fmt.Errorf("read group %q: %w", id, err)
	}
	return t, nil
}

// ForgetGroup: see backend.Chords.
func (b *Backend) ForgetGroup(ctx context.Context, id string) error {
	if err := b.space.forget(ctx, b, []string{groupPrefix + id}); err != nil {
		return fmt.Errorf("forget group %q: %w", id, err)
	}
	return nil
}
