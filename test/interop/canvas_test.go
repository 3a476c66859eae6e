package interop

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/umbel-go/umbel"
)

// A canvas is a workflow as neither side has it, so that both can build it and a plain evaluator can say what must come of
// it. Its tasks are registered on both sides: canvas.sum adds up the numbers that it is given, canvas.list returns what it is
// given, canvas.boom fails.
type canvas struct {
	Kind      string    `json:"kind"` // task, chain, group, chord
	Task      string    `json:"task,omitempty"`
	Arg       int       `json:"arg,omitempty"`
	Immutable bool      `json:"immutable,omitempty"`
	Queue     string    `json:"queue,omitempty"`
	ID        string    `json:"id,omitempty"`
	Steps     []*canvas `json:"steps,omitempty"` // of a chain; of a group its members, of a chord its header's
	Body      *canvas   `json:"body,omitempty"`  // of a chord

	state umbel.State // how it must end: a task that never runs has failed with the one before it
	runs  bool        // it must run
}

// A sketch draws canvases.
type sketch struct {
	*rand.Rand
	name   string   // begins each id
	queues []string // a task goes to one of them
	fail   bool     // some tasks fail
	plain  bool     // only what Celery 5.2 can build,
	flat   bool     // and run
	python bool     // Python's workers run it
	spare  int      // with failures in so many headers at most, whose tasks are the last ones; see canvas.spare

	budget, tasks, joins int
}

// mostJoins is how many groups and chords a canvas has that Python's workers run. Celery writes the body of a chord into each of
// its parts, and with it the parts of the chords in it, with their bodies: messages grow by a factor with each chord that
// follows another, and RabbitMQ refuses one of 184 MB. Go's workers run canvases of any number.
const mostJoins = 6

// draw draws a canvas that ends in one task, whose result is the whole's.
func (s *sketch) draw(depth, size int) *canvas {
	s.budget, s.tasks, s.joins = size, 0, 0
	if s.python {
		s.joins = mostJoins
	}
	c := &canvas{Kind: "chain", Steps: []*canvas{s.step(depth), s.task("list")}}
	if s.plain {
		c.Steps[0].settle(s)
	}
	if s.flat {
		c.flatten(s, false)
	}
	if s.python {
		c.spare(s.spare, false)
	}
	return c
}

func (s *sketch) task(name string) *canvas {
	s.tasks++
	return &canvas{Kind: "task", Task: "canvas." + name, Arg: s.IntN(10), Queue: s.queues[s.IntN(len(s.queues))],
		ID: fmt.Sprintf("%s-%d", s.name, s.tasks)}
}

func (s *sketch) step(depth int) *canvas {
	s.budget--
	k := s.IntN(10)
	if depth == 0 || s.budget <= 0 || k < 3 {
		name := []string{"sum", "list"}[s.IntN(2)]
		if s.fail && s.IntN(12) == 0 {
			name = "boom"
		}
		c := s.task(name)
		c.Immutable = s.IntN(5) == 0
		return c
	}
	some := func(least int) []*canvas {
		list := make([]*canvas, least+s.IntN(4))
		for i := range list {
			list[i] = s.step(depth - 1)
		}
		return list
	}
	if k >= 6 && s.python {
		if s.joins--; s.joins < 0 {
			k = 3
		}
	}
	switch {
	case k < 6:
		return &canvas{Kind: "chain", Steps: some(1)}
	case k < 8:
		return &canvas{Kind: "group", Steps: some(2)} // of one within a chain is that one
	}
	return &canvas{Kind: "chord", Steps: some(1), Body: s.step(depth - 1)}
}

// value is what the canvas must give for what comes from the step before it, and notes how each task must end. It is worked
// out without anything of either side.
func (c *canvas) value(in []any) (v any, ok bool) {
	switch c.Kind {
	case "task":
		args := append([]any{}, in...)
		if c.Immutable {
			args = []any{}
		}
		args = append(args, float64(c.Arg))
		c.state, c.runs = umbel.Success, true
		switch c.Task {
		case "canvas.sum":
			return total(args), true
		case "canvas.list":
			return args, true
		}
		c.state = umbel.Failure
		return nil, false
	case "chain":
		for i, s := range c.Steps {
			if v, ok = s.value(in); !ok {
				for _, rest := range c.Steps[i+1:] {
					rest.never()
				}
				return nil, false
			}
			in = []any{v}
		}
		return v, true
	}
	list, ok := make([]any, len(c.Steps)), true
	for i, s := range c.Steps {
		var fine bool
		list[i], fine = s.value(in)
		ok = ok && fine
	}
	switch {
	case c.Kind == "group":
		return list, ok
	case ok:
		return c.Body.value([]any{list})
	}
	c.Body.never()
	return nil, false
}

// settle makes canvases such as Celery 5.2 can build: what stands in a header or group, or is a body, ends in one task. It
// raises RuntimeError("Recursive result parents") for some others, and takes other results for the members' of others.
func (c *canvas) settle(s *sketch) {
	for i, step := range c.Steps {
		step.settle(s)
		if c.Kind != "chain" {
			c.Steps[i] = step.one(s)
		}
	}
	if c.Body != nil {
		c.Body.settle(s)
		if c.Body.complex() {
			c.Body = s.task("list")
		}
	}
}

// flatten makes canvases that Celery 5.2 runs as they are meant: chains within a chord that a Python worker begins within
// another one do not get the result of the step before.
func (c *canvas) flatten(s *sketch, inHeader bool) {
	for i, step := range c.Steps {
		if inHeader && (step.Kind == "group" || step.Kind == "chord") {
			c.Steps[i] = s.task("sum")
			continue
		}
		step.flatten(s, inHeader || c.Kind != "chain")
	}
	if c.Body != nil {
		c.Body.flatten(s, inHeader)
	}
}

// one is the canvas, or a chain of it and one task.
func (c *canvas) one(s *sketch) *canvas {
	last := c
	for last.Kind == "chain" {
		last = last.Steps[len(last.Steps)-1]
	}
	if last.Kind == "task" {
		return c
	}
	return &canvas{Kind: "chain", Steps: []*canvas{c, s.task("list")}}
}

// complex reports whether there is a group or chord in the canvas.
func (c *canvas) complex() bool {
	return c.Kind == "group" || c.Kind == "chord" || slices.ContainsFunc(c.Steps, (*canvas).complex)
}

// spare lets only those tasks fail whose failure Celery 5.2 tells of: those in no more headers than given, with nothing but
// tasks after them. When a chord fails whose body is a part of another one, Python's worker marks the body and leaves the chord
// around it waiting for ever; it marks no body that Python has built as a chain; and of a chord that would have come later in
// a chain it marks the header's id and not the body.
func (c *canvas) spare(headers int, complexLater bool) {
	if c.Task == "canvas.boom" && (headers < 0 || complexLater) {
		c.Task = "canvas.sum"
	}
	inside := headers
	if c.Kind == "group" || c.Kind == "chord" {
		inside--
	}
	for i, s := range c.Steps {
		later := complexLater || c.Body != nil && c.Body.complex()
		if c.Kind == "chain" {
			later = later || slices.ContainsFunc(c.Steps[i+1:], (*canvas).complex)
		}
		s.spare(inside, later)
	}
	if c.Body != nil {
		c.Body.spare(headers, complexLater)
	}
}

// String is the canvas in few words: list3! is an immutable call of canvas.list with 3.
func (c *canvas) String() string {
	if c.Kind == "task" {
		mark := ""
		if c.Immutable {
			mark = "!"
		}
		return fmt.Sprint(strings.TrimPrefix(c.Task, "canvas."), c.Arg, mark, "@", c.Queue)
	}
	steps := make([]string, len(c.Steps))
	for i, s := range c.Steps {
		steps[i] = s.String()
	}
	text := c.Kind + "(" + strings.Join(steps, ", ") + ")"
	if c.Body != nil {
		text += ".then(" + c.Body.String() + ")"
	}
	return text
}

func (c *canvas) never() { c.each(func(t *canvas) { t.state, t.runs = umbel.Failure, false }) }

// each calls f with every task.
func (c *canvas) each(f func(*canvas)) {
	if c.Kind == "task" {
		f(c)
	}
	for _, s := range c.Steps {
		s.each(f)
	}
	if c.Body != nil {
		c.Body.each(f)
	}
}

// signature is the canvas as Go builds it.
func (c *canvas) signature(app *umbel.App) *umbel.Signature {
	steps := make([]umbel.Step, len(c.Steps))
	for i, s := range c.Steps {
		steps[i] = s.signature(app)
	}
	switch c.Kind {
	case "chain":
		return umbel.Chain(steps...)
	case "group":
		return umbel.Group(steps...)
	case "chord":
		return umbel.Chord(umbel.Group(steps...), c.Body.signature(app))
	}
	s := app.Signature(c.Task, umbel.Args{c.Arg}, umbel.Queue(c.Queue), umbel.TaskID(c.ID))
	if c.Immutable {
		s = s.Immutable()
	}
	return s
}

// buildCanvas is the canvas as Python builds it.
const buildCanvas = `
def build(c):
    steps = [build(s) for s in c.get("steps", ())]
    if c["kind"] == "chain":
        return chain(*steps, app=app)
    if c["kind"] == "group":
        return group(steps, app=app)
    if c["kind"] == "chord":
        return chord(steps, build(c["body"]), app=app)
    return signature(c["task"], (c.get("arg", 0),), app=app, immutable=c.get("immutable", False), queue=c["queue"], task_id=c["id"])
`
