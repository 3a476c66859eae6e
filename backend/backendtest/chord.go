package backendtest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// chordTests: counters that join exactly once, and saved groups.
var chordTests = []namedTest{
	{"the last part completes, the others do not", chord(func(h *harness, c backend.Chords) {
		h.check(c.ExpectParts(h.ctx, "g", 3))
		for i, want := range []bool{false, false, true} {
			if got := h.record(c, part("g", i, i)); got != want {
				h.Fatalf("part %d: complete is %t", i, got)
			}
		}
	})},
	{"a part recorded again counts once, and completes only what it completed", chord(func(h *harness, c backend.Chords) {
		h.check(c.ExpectParts(h.ctx, "g", 2))
		for range 3 {
			if h.record(c, part("g", 0, "a")) {
				h.Fatal("one part of two, recorded again, completed the chord")
			}
		}
		for range 2 { // its worker died before what follows was sent
			if !h.record(c, part("g", 1, "b")) {
				h.Fatal("the last part was not told so")
			}
		}
		if h.record(c, part("g", 0, "a")) {
			h.Fatal("a part that was not the last completed the chord")
		}
		h.check(c.ForgetChord(h.ctx, "g"))
		if h.record(c, part("g", 1, "b")) {
			h.Fatal("the chord was completed after it was forgotten")
		}
	})},
	{"parts come in the order of their index", chord(func(h *harness, c backend.Chords) {
		h.check(c.ExpectParts(h.ctx, "g", 1201))
		last := part("g", 0, "added")
		last.HasIndex, last.TaskID = false, "added"
		h.record(c, last)
		for _, i := range []int{1199, 600, 3} {
			h.record(c, part("g", i, i))
		}
		for i := range 1200 {
			h.record(c, part("g", i, i))
		}
		n := 0
		h.check(c.ChordParts(h.ctx, "g", func(p backend.ChordPart) error {
			want := part("g", n, n)
			if n == 1200 {
				want = last
			}
			if p.TaskID != want.TaskID || p.State != want.State || p.HasIndex != want.HasIndex || (p.HasIndex && p.Index != n) {
				h.Fatalf("part %d is %+v", n, p)
			}
			got, err := p.Result.Any()
			h.check(err)
			w, err := want.Result.Any()
			h.check(err)
			if !reflect.DeepEqual(got, w) {
				h.Fatalf("result of part %d is %v, want %v", n, got, w)
			}
			n++
			return nil
		}))
		if n != 1201 {
			h.Fatalf("%d parts, want 1201", n)
		}
	})},
	{"a part may end before the parts are counted", chord(func(h *harness, c backend.Chords) {
		if h.record(c, part("g", 0, 0)) {
			h.Fatal("complete without a number of parts")
		}
		h.check(c.ExpectParts(h.ctx, "g", 2))
		if !h.record(c, part("g", 1, 1)) {
			h.Fatal("not complete")
		}
	})},
	{"parts can be added", chord(func(h *harness, c backend.Chords) {
		h.check(c.ExpectParts(h.ctx, "g", 1))
		h.check(c.AddParts(h.ctx, "g", 2))
		for i, want := range []bool{false, false, true} {
			if got := h.record(c, part("g", i, i)); got != want {
				h.Fatalf("part %d: complete is %t", i, got)
			}
		}
	})},
	{"a chord that begins twice has one number of parts", chord(func(h *harness, c backend.Chords) {
		h.check(c.ExpectParts(h.ctx, "g", 2))
		h.record(c, part("g", 0, 0))
		h.check(c.ExpectParts(h.ctx, "g", 2))
		if !h.record(c, part("g", 1, 1)) {
			h.Fatal("not complete")
		}
	})},
	{"one of many at once completes", chord(func(h *harness, c backend.Chords) {
		const parts = 200
		h.check(c.ExpectParts(h.ctx, "g", parts))
		var completed atomic.Int64
		var wg sync.WaitGroup
		for i := range parts {
			wg.Go(func() {
				done, err := c.RecordPart(h.ctx, part("g", i, i))
				if err != nil {
					h.Error(err)
				}
				if done {
					completed.Add(1)
				}
			})
		}
		wg.Wait()
		if n := completed.Load(); n != 1 {
			h.Fatalf("%d parts completed the chord, want 1", n)
		}
	})},
	{"chords do not disturb each other, nor documents", chord(func(h *harness, c backend.Chords) {
		h.check(c.ExpectParts(h.ctx, "a", 1))
		h.check(c.ExpectParts(h.ctx, "b", 1))
		h.check(c.ForgetChord(h.ctx, "a"))
		if !h.record(c, part("b", 0, 0)) {
			h.Fatal("b is not complete")
		}
		h.check(c.SaveGroup(h.ctx, protocol.ResultTuple{ID: "a", IsGroup: true}))
		h.wantAbsent("a")
	})},
	{"failures are parts", chord(func(h *harness, c backend.Chords) {
		h.check(c.ExpectParts(h.ctx, "g", 1))
		p := part("g", 0, nil)
		exc := protocol.Exception{Type: "ValueError", Module: "builtins", Message: []codec.Value{codec.Of("boom"), codec.Of(42)}}
		p.State, p.Result = protocol.Failure, exc.Value()
		h.record(c, p)
		h.check(c.ChordParts(h.ctx, "g", func(p backend.ChordPart) error {
			got, err := protocol.DecodeException(p.Result)
			if err != nil || p.State != protocol.Failure || got.Repr() != "ValueError('boom', 42)" {
				h.Fatalf("%+v, %v", p, err)
			}
			return nil
		}))
	})},
	{"groups are saved, read and forgotten", chord(func(h *harness, c backend.Chords) {
		want := protocol.ResultTuple{ID: "g", IsGroup: true, Parent: &protocol.ResultTuple{ID: "p"},
			Members: []protocol.ResultTuple{{ID: "a"}, {ID: "n", IsGroup: true, Members: []protocol.ResultTuple{{ID: "b"}}}}}
		if _, err := c.LoadGroup(h.ctx, "g"); !errors.Is(err, backend.ErrNotFound) {
			h.Fatalf("a group that is not there: %v", err)
		}
		h.check(c.SaveGroup(h.ctx, want))
		got, err := c.LoadGroup(h.ctx, "g")
		if err != nil || !reflect.DeepEqual(got, want) {
			h.Fatalf("%+v, %v", got, err)
		}
		h.check(c.ForgetGroup(h.ctx, "g"))
		if _, err := c.LoadGroup(h.ctx, "g"); !errors.Is(err, backend.ErrNotFound) {
			h.Fatalf("a forgotten group: %v", err)
		}
	})},
}

// chord skips what does not count chords.
func chord(f func(h *harness, c backend.Chords)) func(h *harness) {
	return func(h *harness) {
		c, ok := h.Backend.(backend.Chords)
		if !ok {
			h.Skip("this backend does not count the parts of chords")
		}
		f(h, c)
	}
}

func part(group string, index int, result any) backend.ChordPart {
	return backend.ChordPart{Group: group, TaskID: fmt.Sprintf("task-%d", index), Index: index, HasIndex: true,
		State: protocol.Success, Result: codec.Of(result)}
}

func (h *harness) record(c backend.Chords, p backend.ChordPart) bool {
	h.Helper()
	done, err := c.RecordPart(h.ctx, p)
	h.check(err)
	return done
}

func (h *harness) check(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}
