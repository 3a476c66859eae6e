package umbel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A starter turns a workflow into the messages that begin it. It decides and does no I/O.
//
// Freezing gives everything that will run an id, so that handles on all of it exist before it runs, and so that a workflow
// that is begun twice, by a redelivered message, has the same ids both times. Celery: Signature.freeze, apply_async.
type starter struct {
	newID   func() string
	replyTo string // of steps that have none
	nesting int    // replaced_task_nesting of everything, when a task replaces itself
	root    string // of bodies of chords that a worker begins
	parent  string

	errbackParts bool // task_allow_error_cb_on_chord_header

	calls []call
	sizes []chordSize
}

type chordSize struct {
	group string
	parts int
}

// A place is where a signature stands: in which group, as a part of which chord.
type place struct {
	group    string
	index    int
	hasIndex bool
	chord    *Signature   // frozen body
	rest     []*Signature // what follows in a chain, next last; nil is none, empty the end of a chain
}

// frozen is the call of one task with its id and place.
func (b *starter) frozenTask(s *Signature, p place) *Signature {
	c := s.clone()
	if c.options.text("task_id") == "" {
		c.options = c.options.with("task_id", codec.Of(b.newID()))
	}
	c.options = c.options.orElse("reply_to", b.replyTo)
	if p.group != "" && p.chord != nil {
		c.options = c.options.with("group_id", codec.Of(p.group)) // where the chord counts
	} else {
		c.options = c.options.orElse("group_id", p.group)
	}
	if p.chord != nil {
		c.chord = p.chord
	}
	if p.hasIndex {
		c.options = c.options.with("group_index", codec.Of(p.index))
	}
	if b.nesting > 0 {
		c.options = c.options.with("replaced_task_nesting", codec.Of(b.nesting))
	}
	if p.rest != nil {
		c.chain = p.rest
	}
	return c
}

// frozen gives ids to everything in s, which stays whole: a later step of a chain, or the body of a chord.
func (b *starter) frozen(s *Signature, p place) (*Signature, protocol.ResultTuple) {
	switch s.kind {
	case aChain:
		return b.frozenChain(s, p)
	case aGroup:
		return b.frozenGroup(s, p)
	case aChord:
		return b.frozenChord(s, p)
	}
	c := b.frozenTask(s, p)
	return c, protocol.ResultTuple{ID: c.options.text("task_id")}
}

func (b *starter) frozenChain(s *Signature, p place) (*Signature, protocol.ResultTuple) {
	if steps := s.steps(); len(steps) == 1 {
		return b.frozen(steps[0], p)
	}
	// What follows the chain's success or failure stays with the chain: it is handed to the steps when the chain is begun,
	// and until then an error of the chord that the chain is the body of looks for it here.
	plain := s.clone()
	plain.link, plain.linkError = nil, nil
	steps, last := b.frozenSteps(plain.steps(), p)
	return &Signature{app: s.app, kind: aChain, tasks: steps, immutable: s.immutable, linkError: s.linkError, link: s.link,
		options: wireOptions{{Name: "task_id", Value: codec.Of(last.ID)}}}, last
}

// frozenSteps freezes a chain's steps, the last one in place p, and links their results.
func (b *starter) frozenSteps(steps []*Signature, p place) ([]*Signature, protocol.ResultTuple) {
	var before *protocol.ResultTuple
	var t protocol.ResultTuple
	out := make([]*Signature, len(steps))
	for i, s := range steps {
		at := place{}
		if i == len(steps)-1 {
			at = p
		}
		out[i], t = b.frozen(s, at)
		t = under(t, before)
		t := t
		before = &t
	}
	return out, t
}

// under puts a result below the one that its own first ancestor followed.
func under(t protocol.ResultTuple, before *protocol.ResultTuple) protocol.ResultTuple {
	if before == nil {
		return t
	}
	if t.Parent == nil {
		t.Parent = before
		return t
	}
	parent := under(*t.Parent, before)
	t.Parent = &parent
	return t
}

func (b *starter) frozenGroup(s *Signature, p place) (*Signature, protocol.ResultTuple) {
	if len(s.chain) > 0 {
		return b.frozenChord(followed(s), p)
	}
	c := s.clone()
	c.link, c.linkError, c.args = nil, nil, nil // the members have them
	id := b.groupID(s)
	c.options = wireOptions{{Name: "task_id", Value: codec.Of(id)}}
	if p.group != "" {
		c.options = c.options.with("group_id", codec.Of(p.group))
	}
	c.chord = p.chord
	c.options = c.options.with("root_id", null).with("parent_id", null)
	members := s.members()
	c.tasks = make([]*Signature, len(members))
	t := protocol.ResultTuple{ID: id, IsGroup: true, Members: make([]protocol.ResultTuple, len(members))}
	for i, m := range members {
		c.tasks[i], t.Members[i] = b.frozen(m, place{group: p.group, chord: p.chord, index: i, hasIndex: true})
	}
	return c, t
}

func (b *starter) groupID(s *Signature) string {
	if id := s.options.text("task_id"); id != "" {
		return id
	}
	return b.newID()
}

func (b *starter) frozenChord(s *Signature, p place) (*Signature, protocol.ResultTuple) {
	c := s.clone()
	c.link, c.linkError, c.args = nil, nil, nil
	body, t := b.frozen(s.callback(), p)
	c.body = body
	at := place{chord: body}
	if holdsChord(body) {
		// Each part would carry the body, in which each part of a chord would carry its body, and so on: what begins this
		// chord gives the body to its parts in any case.
		at.chord = nil
	}
	header := b.header(s)
	header.tasks = header.parts()
	header.options = wireOptions{{Name: "task_id", Value: codec.Of(b.groupID(header))}}
	header.args, header.link, header.linkError = nil, nil, nil // the parts have them
	head, below := b.frozenGroup(header, at)
	c.head = head
	c.options = wireOptions{{Name: "task_id", Value: codec.Of(below.ID)}}
	c.chord, c.chain = nil, nil
	return c, under(t, &below)
}

// holdsChord reports whether a chord is among what runs when s runs.
func holdsChord(s *Signature) bool {
	return s.kind == aChord || slices.ContainsFunc(s.tasks, holdsChord)
}

// header is a chord's, with the group's id that the chord may have been given, and what else the chord has for it.
func (b *starter) header(s *Signature) *Signature {
	h := s.head.clone()
	h.args = joinArgs(h, s.args)
	h.options = h.options.orElse("task_id", s.options.text("task_id"))
	for _, o := range s.options.without(notForParts...) {
		if !o.Value.IsNull() {
			h.options = h.options.with(o.Name, o.Value)
		}
	}
	if b.errbackParts {
		h.linkError = append(slices.Clip(h.linkError), s.linkError...)
	}
	return h
}

// notForParts are options of a chord that neither its header nor its body takes over.
var notForParts = []string{"task_id", "group_id", "group_index", "root_id", "parent_id", "add_to_parent", "replaced_task_nesting"}

// callback is a chord's body, with what the chord has for it.
func (s *Signature) callback() *Signature {
	c := s.body.clone()
	for _, o := range s.options.without(notForParts...) {
		if !o.Value.IsNull() {
			c.options = c.options.with(o.Name, o.Value)
		}
	}
	c.link = append(slices.Clip(c.link), s.link...)
	c.linkError = append(slices.Clip(c.linkError), s.linkError...)
	if s.chain != nil {
		c.chain = s.chain
	}
	return c
}

// start collects the messages that begin s, with in in front of its arguments.
func (b *starter) start(s *Signature, in []codec.Value, p place) (protocol.ResultTuple, error) {
	switch s.kind {
	case aChain:
		return b.startChain(s, in, p)
	case aGroup:
		return b.startGroup(s, in, p)
	case aChord:
		return b.startChord(s, in, p)
	}
	if s.task == "celery.chunks" {
		return b.startChunks(s, in, p)
	}
	c := b.frozenTask(s, p)
	body := &protocol.Body{Args: joinArgs(c, in), Kwargs: c.kwargs}
	var err error
	if body.Embed.Callbacks, err = wireAll(none(c.link)); err != nil {
		return protocol.ResultTuple{}, err
	}
	if body.Embed.Errbacks, err = wireAll(none(c.linkError)); err != nil {
		return protocol.ResultTuple{}, err
	}
	if body.Embed.Chain, err = wireAll(c.chain); err != nil {
		return protocol.ResultTuple{}, err
	}
	if body.Embed.Chord, err = c.chord.wire(); err != nil {
		return protocol.ResultTuple{}, err
	}
	b.calls = append(b.calls, call{name: c.task, in: body, options: []SendOption{c.options}, quiet: true})
	return protocol.ResultTuple{ID: c.options.text("task_id")}, nil
}

// startChunks begins what Python writes as one call and starts as a group.
func (b *starter) startChunks(s *Signature, in []codec.Value, p place) (protocol.ResultTuple, error) {
	g, err := chunked(&protocol.Body{Args: s.args, Kwargs: s.kwargs})
	if err != nil {
		return protocol.ResultTuple{}, err
	}
	g.app, g.options, g.link, g.linkError, g.chain = s.app, s.options.without("reply_to"), s.link, s.linkError, s.chain
	return b.startGroup(g, in, p)
}

func none(list []*Signature) []*Signature {
	if len(list) == 0 {
		return nil
	}
	return list
}

func (b *starter) startChain(s *Signature, in []codec.Value, p place) (protocol.ResultTuple, error) {
	c := s
	if p.rest != nil {
		c = s.clone()
		c.chain = append(slices.Clone(p.rest), c.chain...)
		ended := len(c.chain) == 0
		p.rest = nil
		if ended {
			p.rest = []*Signature{}
		}
	}
	steps := c.steps()
	switch len(steps) {
	case 0:
		return protocol.ResultTuple{}, errors.New("an empty chain cannot be sent")
	case 1:
		return b.start(steps[0], in, p)
	}
	p.rest = nil
	steps, t := b.frozenSteps(steps, p)
	rest := slices.Clone(steps[1:])
	slices.Reverse(rest)
	first := steps[0].clone()
	first.chain = rest
	_, err := b.start(first, in, place{})
	return t, err
}

func (b *starter) startGroup(s *Signature, in []codec.Value, p place) (protocol.ResultTuple, error) {
	if len(p.rest) > 0 {
		s = s.clone()
		s.chain = p.rest
	}
	p.rest = nil
	if len(s.chain) > 0 {
		return b.startChord(followed(s), in, p)
	}
	if p.chord != nil {
		return b.start(gathered(s), in, p)
	}
	id := b.groupID(s)
	members := s.members()
	t := protocol.ResultTuple{ID: id, IsGroup: true, Members: make([]protocol.ResultTuple, len(members))}
	var err error
	for i, m := range members {
		if t.Members[i], err = b.start(m, in, place{group: id, index: i, hasIndex: true}); err != nil {
			return t, err
		}
	}
	return t, nil
}

// followed is a group and what follows it in a chain.
func followed(s *Signature) *Signature {
	group := s.clone()
	group.chain = nil
	rest := slices.Clone(s.chain)
	slices.Reverse(rest)
	return &Signature{app: s.app, kind: aChord, head: group, body: single(rest)}
}

func (b *starter) startChord(s *Signature, in []codec.Value, p place) (protocol.ResultTuple, error) {
	h := b.header(s)
	if s.body == nil {
		return b.startGroup(h, in, p)
	}
	id := b.groupID(h)
	body := s.callback()
	if p.rest != nil {
		body.chain = p.rest
		p.rest = nil
	}
	body.options = body.options.orElse("root_id", b.root).orElse("parent_id", b.parent)
	at := p
	if at.group == "" {
		at.group = id
	}
	body, t := b.frozen(body, at)
	if p.chord != nil {
		body.options = body.options.with("add_to_parent", codec.Of(false))
		for _, name := range []string{"root_id", "parent_id"} {
			if _, has := body.options.get(name); !has {
				body.options = body.options.with(name, null)
			}
		}
	}
	below := protocol.ResultTuple{ID: id, IsGroup: true}
	parts := h.parts()
	if len(parts) == 0 {
		_, err := b.start(body, []codec.Value{codec.JSON([]byte("[]"))}, place{})
		return under(t, &below), err
	}
	b.sizes = append(b.sizes, chordSize{id, len(parts)})
	below.Members = make([]protocol.ResultTuple, len(parts))
	var err error
	for i, m := range parts {
		if below.Members[i], err = b.start(m, in, place{group: id, chord: body, index: i, hasIndex: true}); err != nil {
			return t, err
		}
	}
	return under(t, &below), b.check(id, body, below.Members)
}

// publishTogether is how many messages of a workflow are encoded and published at a time: a group of a hundred thousand
// members needs no memory for all of them.
const publishTogether = 1000

// begin sends what a starter has collected: chords are counted before the first part can end.
func (a *App) begin(ctx context.Context, b *starter) error {
	if len(b.sizes) > 0 {
		chords, err := a.chords(ctx)
		if err != nil {
			return err
		}
		for _, s := range b.sizes {
			if err := chords.ExpectParts(ctx, s.group, s.parts); err != nil {
				return err
			}
		}
	}
	for i := range b.calls {
		b.calls[i].def = a.definition(b.calls[i].name)
	}
	if len(b.calls) == 1 {
		c := b.calls[0]
		_, err := a.sendCall(ctx, c)
		return err
	}
	for batch := range slices.Chunk(b.calls, publishTogether) {
		if _, err := a.sendMany(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// chords is the store that counts the parts of chords.
func (a *App) chords(ctx context.Context) (backend.Chords, error) {
	if e := eagerRun(ctx); e != nil {
		return e, nil
	}
	store, err := a.Backend(ctx)
	if err != nil {
		return nil, fmt.Errorf("a chord needs a result backend: %w", err)
	}
	chords, ok := store.(backend.Chords)
	if !ok {
		return nil, fmt.Errorf("a chord needs a result backend that counts its parts, such as redis:// or a database: %w", backend.ErrUnsupported)
	}
	return chords, nil
}

func (a *App) newStarter(ctx context.Context) (*starter, error) {
	p, err := a.ready()
	if err != nil {
		return nil, err
	}
	b := &starter{newID: uuid.NewString, errbackParts: p.config.TaskAllowErrorCBOnChordHeader}
	if r := RequestFrom(ctx); r != nil && r.task != nil && r.task.Properties.ReplyTo != "" {
		b.replyTo = r.task.Properties.ReplyTo
		return b, nil
	}
	if eagerRun(ctx) != nil {
		b.replyTo = a.oid
		return b, nil
	}
	o, err := a.outlet(ctx)
	b.replyTo = o.replyTo
	return b, err
}

// A started is the handle on a workflow that was begun: a task's result or a group's.
type started struct {
	result *AsyncResult
	group  *GroupResult
}

// send begins a workflow.
func (s *Signature) send(ctx context.Context, options []SendOption) (*started, error) {
	a := s.app
	if a == nil {
		return nil, fmt.Errorf("send %s: the signature belongs to no app: give it one with Bind", s.Task())
	}
	if len(options) > 0 {
		s = s.Set(options...)
	}
	if err := s.problem(); err != nil {
		return nil, fmt.Errorf("send %s: %w", s.Task(), err)
	}
	ctx, run, err := a.eagerScope(ctx)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", s.Task(), err)
	}
	b, err := a.newStarter(ctx)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", s.Task(), err)
	}
	t, err := b.start(s, nil, place{})
	if err == nil {
		err = a.begin(ctx, b)
	}
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", s.Task(), err)
	}
	if parent := RequestFrom(ctx); parent != nil {
		parent.addTuple(trail(s, t))
	}
	return a.startedOf(t, run), nil
}

// trail is what a task records of a workflow that it has begun: a chain's first step, whose own document leads on.
func trail(s *Signature, t protocol.ResultTuple) protocol.ResultTuple {
	if s.kind != aChain {
		return t
	}
	for t.Parent != nil {
		t = *t.Parent
	}
	return t
}
