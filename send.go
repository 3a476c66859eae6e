package umbel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A call is one task to send.
type call struct {
	name    string
	def     *Definition // nil when sent by name
	in      any
	options []SendOption
	quiet   bool // whoever sends it notes its results itself
}

// A BatchError says which messages of a batch were not confirmed.
type BatchError struct {
	Errs []error // as long as the batch; nil where the message was confirmed
}

func (e *BatchError) Error() string {
	n := 0
	var first error
	for _, err := range e.Errs {
		if err != nil {
			n++
			if first == nil {
				first = err
			}
		}
	}
	return fmt.Sprintf("%d of %d messages were not confirmed; the first: %v", n, len(e.Errs), first)
}

// Unwrap gives errors.Is and errors.As every message's error.
func (e *BatchError) Unwrap() []error {
	return slices.DeleteFunc(slices.Clone(e.Errs), func(err error) bool { return err == nil })
}

// Call is a task to send by name, for App.SendMany.
type Call struct {
	Name    string // task
	Input   any    // Args, Kwargs, or a value that a registered task would take
	Options []SendOption
}

// Send asks for one run of a task known by name only: in Python, in another program, or registered here. in is Args,
// Kwargs, nil for no arguments, or a value that a registered task of this name would take. Celery: send_task.
func (a *App) Send(ctx context.Context, name string, in any, options ...SendOption) (*AsyncResult, error) {
	return a.send(ctx, name, a.definition(name), in, options)
}

// SendMany sends a batch of calls, pipelined: see Task.SendMany.
func (a *App) SendMany(ctx context.Context, calls []Call) ([]*AsyncResult, error) {
	cs := make([]call, len(calls))
	for i, c := range calls {
		cs[i] = call{name: c.Name, def: a.definition(c.Name), in: c.Input, options: c.Options}
	}
	return a.sendMany(ctx, cs)
}

func (a *App) send(ctx context.Context, name string, def *Definition, in any, options []SendOption) (*AsyncResult, error) {
	return a.sendCall(ctx, call{name: name, def: def, in: in, options: options})
}

func (a *App) sendCall(ctx context.Context, c call) (*AsyncResult, error) {
	name, def := c.name, c.def
	if def != nil {
		if eager, err := a.isEager(); err != nil {
			return nil, fmt.Errorf("send task %q: %w", name, err)
		} else if eager {
			return a.sendEager(ctx, def, c)
		}
	}
	ctx, cancel := bounded(ctx, publishTimeout)
	defer cancel()
	if sp, err := a.spooled(ctx); err != nil {
		return nil, fmt.Errorf("send task %q: %w", name, notSent(err))
	} else if sp != nil {
		return a.sendSpooled(ctx, sp, c)
	}
	o, err := a.outlet(ctx)
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", name, notSent(err))
	}
	m, p, err := a.message(ctx, o.plan, o.replyTo, c)
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", name, notSent(err))
	}
	err = o.send(ctx, m, p)
	for _, h := range a.hooks.afterPublish {
		a.callHook("AfterPublish", func() { h.AfterPublish(ctx, p, err) })
	}
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", name, err)
	}
	o.link.tellSent(p.task, p.Queue, m)
	return a.sent(ctx, p, c.quiet), nil
}

// spooled is the spool that sends go by; nil where there is none, or somebody has intercepted the messages.
func (a *App) spooled(ctx context.Context) (*spool, error) {
	if a.taker.Load() != nil {
		return nil, nil
	}
	return a.spooling(ctx)
}

// sendSpooled is sendCall by way of the spool: the message is made before the broker is looked for.
func (a *App) sendSpooled(ctx context.Context, sp *spool, c call) (*AsyncResult, error) {
	m, p, err := a.message(ctx, sp.plan, a.oid, c)
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", c.name, notSent(err))
	}
	if p.direct {
		var o outlet
		if o, err = a.outlet(ctx); err != nil {
			err = notSent(err)
		} else if err = o.send(ctx, m, p); err == nil {
			o.link.tellSent(p.task, p.Queue, m)
		}
	} else {
		err = sp.send(ctx, m, p)
	}
	for _, h := range a.hooks.afterPublish {
		a.callHook("AfterPublish", func() { h.AfterPublish(ctx, p, err) })
	}
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", c.name, err)
	}
	return a.sent(ctx, p, c.quiet), nil
}

// An outlet is where messages go: over the link, or to whoever has intercepted them.
type outlet struct {
	*plan
	replyTo string
	link    *link
	take    *func(context.Context, *broker.Message) error
}

func (a *App) outlet(ctx context.Context) (outlet, error) {
	if take := a.taker.Load(); take != nil {
		p, err := a.ready()
		return outlet{plan: p, replyTo: a.oid, take: take}, err
	}
	l, err := a.open(ctx)
	if err != nil {
		return outlet{}, err
	}
	return outlet{plan: l.plan, replyTo: l.replyTo, link: l}, nil
}

func (o *outlet) send(ctx context.Context, m *broker.Message, p *Publication) error {
	if o.take != nil {
		return (*o.take)(ctx, m)
	}
	if err := o.link.declare(ctx, p.queue); err != nil {
		return notSent(err)
	}
	err := o.link.publish(ctx, m)
	if p.queue == nil || !unroutable(err) {
		return err
	}
	// The queue that was declared is gone: deleted, or the broker is another one now.
	o.link.forget(p.queue)
	if err := o.link.declare(ctx, p.queue); err != nil {
		return notSent(err)
	}
	return o.link.publish(ctx, m)
}

// bounded gives ctx a deadline unless it has one.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// notSent says of an error from before the message left that it is safe to send again.
func notSent(err error) error {
	var refused *broker.RefusedError
	if errors.Is(err, broker.ErrNotSent) || errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("%w: %w", broker.ErrNotSent, err)
}

func unroutable(err error) bool {
	var refused *broker.RefusedError
	return errors.As(err, &refused) && refused.Reason == broker.Unroutable
}

// sendBatch sends to queues that are declared, and once more to those that have gone meanwhile.
func (o *outlet) sendBatch(ctx context.Context, batch []*broker.Message, pubs []*Publication) []error {
	if o.take == nil {
		errs := o.link.publishBatch(ctx, batch)
		for i, err := range errs {
			if pubs[i].queue != nil && unroutable(err) {
				o.link.forget(pubs[i].queue)
				errs[i] = o.send(ctx, batch[i], pubs[i])
			}
		}
		return errs
	}
	errs := make([]error, len(batch))
	for i, m := range batch {
		errs[i] = (*o.take)(ctx, m)
	}
	return errs
}

func (a *App) sendMany(ctx context.Context, calls []call) ([]*AsyncResult, error) {
	results := make([]*AsyncResult, len(calls))
	errs := make([]error, len(calls))
	if eager, err := a.isEager(); err != nil {
		return results, fmt.Errorf("send %d tasks: %w", len(calls), err)
	} else if eager {
		for i, c := range calls {
			results[i], errs[i] = a.sendCall(ctx, c)
		}
		return results, batchError(errs)
	}
	ctx, cancel := bounded(ctx, publishTimeout+time.Duration(len(calls))*time.Millisecond)
	defer cancel()
	sp, err := a.spooled(ctx)
	if err != nil {
		return results, fmt.Errorf("send %d tasks: %w", len(calls), notSent(err))
	}
	if sp != nil && !sp.clear(ctx) { // one by one, in their order
		for i, c := range calls {
			results[i], errs[i] = a.sendCall(ctx, c)
		}
		return results, batchError(errs)
	}
	o, err := a.outlet(ctx)
	if err != nil {
		return results, fmt.Errorf("send %d tasks: %w", len(calls), notSent(err))
	}
	batch := make([]*broker.Message, 0, len(calls))
	pubs := make([]*Publication, len(calls))
	index, going := make([]int, 0, len(calls)), make([]*Publication, 0, len(calls))
	for i, c := range calls {
		m, p, err := a.message(ctx, o.plan, o.replyTo, c)
		if err == nil && o.link != nil {
			err = o.link.declare(ctx, p.queue)
		}
		if err != nil {
			errs[i] = fmt.Errorf("send task %q: %w", c.name, notSent(err))
			continue
		}
		batch, index, pubs[i], going = append(batch, m), append(index, i), p, append(going, p)
	}
	for j, err := range o.sendBatch(ctx, batch, going) {
		if err != nil && sp != nil && !going[j].direct && sp.takes(ctx, err) {
			err = sp.keep(ctx, batch[j], going[j], err)
		} else if err == nil {
			o.link.tellSent(going[j].task, going[j].Queue, batch[j])
		}
		if err != nil {
			errs[index[j]] = fmt.Errorf("send task %q: %w", calls[index[j]].name, err)
		}
	}
	for i, p := range pubs {
		if p == nil {
			continue
		}
		for _, h := range a.hooks.afterPublish {
			a.callHook("AfterPublish", func() { h.AfterPublish(ctx, p, errs[i]) })
		}
		if errs[i] == nil {
			results[i] = a.sent(ctx, p, calls[i].quiet)
		}
	}
	return results, batchError(errs)
}

func batchError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return &BatchError{Errs: errs}
		}
	}
	return nil
}

// sent makes the handle of a message that is on its way, and notes it as a child of the task that sent it.
func (a *App) sent(ctx context.Context, p *Publication, quiet bool) *AsyncResult {
	if parent := RequestFrom(ctx); parent != nil && !quiet {
		parent.addChild(p.ID)
	}
	return &AsyncResult{app: a, id: p.ID, name: p.Name, sent: true, ignored: p.ignored}
}

// layers resolves settings, route, task and send options into one.
func (l *plan) layers(ctx context.Context, c call) (*sendOptions, error) {
	o := &sendOptions{now: time.Now()}
	cfg := l.config
	if cfg.TaskDefaultPriority != nil {
		p := uint8(*cfg.TaskDefaultPriority)
		o.priority = &p
	}
	if cfg.TaskInheritParentPriority {
		if r := RequestFrom(ctx); r != nil && r.task != nil && r.task.Properties.HasPriority {
			o.priority = &r.task.Properties.Priority
		}
	}
	o.serializer, o.compression, o.deliveryMode = cfg.TaskSerializer, cfg.TaskCompression, 0
	if cfg.TaskIgnoreResult {
		o.ignoreResult = &cfg.TaskIgnoreResult
	}
	if rule := l.router.rule(c.name); rule != nil {
		if err := applyRule(o, rule); err != nil {
			return nil, err
		}
	}
	if c.def != nil {
		o.over(&c.def.options.send)
	}
	for _, opt := range c.options {
		opt.applySend(o)
	}
	o.checkLimits()
	return o, o.err
}

// checkLimits refuses a soft time limit that would never be reached.
func (o *sendOptions) checkLimits() {
	if soft, hard := deref(o.softTimeLimit, 0), deref(o.timeLimit, 0); hard > 0 && soft > hard {
		o.fail("soft time limit %v is more than the time limit %v, which would end the task first", soft, hard)
	}
}

// over lays the set fields of top over o.
func (o *sendOptions) over(top *sendOptions) {
	set(&o.queue, top.queue)
	set(&o.exchange, top.exchange)
	set(&o.routingKey, top.routingKey)
	set(&o.priority, top.priority)
	set(&o.timeLimit, top.timeLimit)
	set(&o.softTimeLimit, top.softTimeLimit)
	set(&o.ignoreResult, top.ignoreResult)
	set(&o.spool, top.spool)
	if top.deliveryMode != 0 {
		o.deliveryMode = top.deliveryMode
	}
	if top.serializer != "" {
		o.serializer = top.serializer
	}
	if top.compression != "" {
		o.compression = top.compression
	}
	if top.expiresIn != 0 {
		o.expiresIn = top.expiresIn
	}
	if top.shadow != "" {
		o.shadow = top.shadow
	}
}

func set[T any](dst **T, src *T) {
	if src != nil {
		*dst = src
	}
}

// message builds the message of a call.
func (a *App) message(ctx context.Context, l *plan, replyTo string, c call) (*broker.Message, *Publication, error) {
	if c.name == "" {
		return nil, nil, errors.New("the task has no name")
	}
	o, err := l.layers(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	if o.spool != nil && *o.spool && l.config.TaskSpool == "" {
		return nil, nil, errors.New("option Spool(true), and task_spool names no file to keep it in")
	}
	rt, err := l.router.resolve(o)
	if err != nil {
		return nil, nil, err
	}
	t := a.header(ctx, l, c.name, o)
	t.Properties.ReplyTo = replyTo
	if o.replyTo != "" {
		t.Properties.ReplyTo = o.replyTo
	}
	if rt.queue != nil && o.deliveryMode == 0 {
		t.Properties.DeliveryMode = rt.queue.deliveryMode
	}
	body := unbind(c.in)
	if o.link != nil || o.linkError != nil {
		if body, err = o.linkedTo(body); err != nil {
			return nil, nil, err
		}
	}
	if o.argsRepr != nil {
		t.ArgsRepr, t.KwargsRepr = *o.argsRepr, *o.kwargsRepr
	} else {
		t.ArgsRepr, t.KwargsRepr = codec.ReprArgs(body.Args), codec.ReprKwargs(body.Kwargs)
	}
	env, err := protocol.EncodeTask(t, body, protocol.EncodeOptions{
		Serializer: o.serializer, Compression: o.compression, CompressMin: l.config.TaskCompressionMin, Protocol: l.config.TaskProtocol, Extra: o.headers, Now: o.now})
	if err != nil {
		return nil, nil, err
	}
	if t.ETA.IsZero() { // what waits for its time is not late
		env.Properties.Timestamp = o.now
	}
	p := &Publication{Name: t.Name, ID: t.ID, Exchange: rt.exchange, RoutingKey: rt.routingKey, Headers: env.Headers,
		ETA: t.ETA, Body: env.Body, task: t, ignored: t.IgnoreResult != nil && *t.IgnoreResult}
	p.direct = o.spool != nil && !*o.spool
	if rt.queue != nil {
		p.Queue, p.queue = rt.queue.config.Name, rt.queue
	}
	for _, h := range a.hooks.beforePublish {
		var err error
		a.callHook("BeforePublish", func() { err = h.BeforePublish(ctx, p) })
		if err != nil {
			return nil, nil, fmt.Errorf("middleware refused it: %w", err)
		}
	}
	env.Headers = p.Headers
	return &broker.Message{Envelope: *env, Exchange: rt.exchange, RoutingKey: rt.routingKey, NotBefore: t.ETA}, p, nil
}

// header fills the header of a new task.
func (a *App) header(ctx context.Context, l *plan, name string, o *sendOptions) *protocol.Task {
	t := &protocol.Task{
		Version: 2, Name: name, ID: o.id, Lang: "go", Shadow: o.shadow, ETA: o.eta, Expires: o.expires,
		Retries: o.retries, RootID: o.rootID, ParentID: o.parentID, Origin: a.origin,
		IgnoreResult: o.ignoreResult, Stamps: o.stamps, Group: o.group, GroupIndex: o.groupIndex, HasGroupIndex: o.hasGroupIndex,
		ReplacedTaskNesting: o.nesting,
	}
	if t.ID == "" {
		t.ID = uuid.NewString()
	}
	if t.IgnoreResult == nil {
		no := false
		t.IgnoreResult = &no
	}
	if o.expiresIn > 0 {
		t.Expires = o.now.Add(o.expiresIn)
	}
	t.TimeLimit, t.SoftTimeLimit = deref(o.timeLimit, 0), deref(o.softTimeLimit, 0)
	for s := range o.stamps {
		t.StampedHeaders = append(t.StampedHeaders, s)
	}
	if parent := RequestFrom(ctx); parent != nil && t.RootID == "" {
		t.RootID, t.ParentID = parent.RootID, parent.ID
		if t.RootID == "" {
			t.RootID = parent.ID
		}
		inheritStamps(t, parent)
	}
	if t.RootID == "" || t.RootID == orphan {
		t.RootID = t.ID
	}
	if t.ParentID == orphan {
		t.ParentID = ""
	}
	t.Properties.CorrelationID = t.ID
	t.Properties.DeliveryMode = o.deliveryMode
	if t.Properties.DeliveryMode == 0 {
		t.Properties.DeliveryMode = l.config.TaskDefaultDeliveryMode
	}
	t.Properties.HasPriority = true
	t.Properties.Priority = deref(o.priority, 0)
	return t
}

func inheritStamps(t *protocol.Task, parent *Request) {
	if parent.task == nil {
		return
	}
	for name, v := range parent.task.Stamps {
		if _, own := t.Stamps[name]; own {
			continue
		}
		if t.Stamps == nil {
			t.Stamps = make(protocol.Table)
		}
		t.Stamps[name] = v
		t.StampedHeaders = append(t.StampedHeaders, name)
	}
}
