package umbel

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// A Task is a registered task with a typed input and output: a handle to send it by.
type Task[In, Out any] struct {
	app *App
	def *Definition
}

// Register makes a task known under a name, which is what messages carry: use the Python task's name to take its place.
// The function takes its input as described at Args (a struct takes keyword arguments by json name and positional ones by
// field order) and returns a result that JSON can hold. Registering a name twice, an empty name, or an option that makes
// no sense panics: these are mistakes of the program, found at its start.
//
// Celery: @app.task(name=…).
func Register[In, Out any](a *App, name string, f func(ctx context.Context, in In) (Out, error), options ...TaskOption) *Task[In, Out] {
	if f == nil {
		panic(fmt.Sprintf("umbel: task %q has no function", name))
	}
	s := shapeOf(reflect.TypeFor[In]())
	d := &Definition{name: name, input: s, output: reflect.TypeFor[Out]()}
	d.run = func(ctx context.Context, body *protocol.Body) (any, error) {
		var in In
		if err := bind(name, s, body, reflect.ValueOf(&in)); err != nil {
			return nil, err
		}
		return f(ctx, in)
	}
	for _, o := range options {
		o.applyTask(&d.options)
	}
	d.options.send.checkLimits()
	if err := d.options.send.err; err != nil {
		panic(fmt.Sprintf("umbel: task %q: %v", name, err))
	}
	a.register(d)
	return &Task[In, Out]{app: a, def: d}
}

// Name is the name the task is registered under.
func (t *Task[In, Out]) Name() string { return t.def.name }

// Definition is what the app knows of the task.
func (t *Task[In, Out]) Definition() *Definition { return t.def }

// Send asks for one run and returns once the broker has confirmed the message. Celery: apply_async.
func (t *Task[In, Out]) Send(ctx context.Context, in In, options ...SendOption) (*Result[Out], error) {
	r, err := t.app.send(ctx, t.def.name, t.def, in, options)
	if err != nil {
		return nil, err
	}
	return &Result[Out]{AsyncResult: r}, nil
}

// SendMany asks for one run for each input, in one pipelined batch. The results are in the order of the inputs. When some
// were not confirmed, their results are nil and the error is a *BatchError that has each one's own.
func (t *Task[In, Out]) SendMany(ctx context.Context, in []In, options ...SendOption) ([]*Result[Out], error) {
	calls := make([]call, len(in))
	for i := range in {
		calls[i] = call{name: t.def.name, def: t.def, in: in[i], options: options}
	}
	rs, err := t.app.sendMany(ctx, calls)
	out := make([]*Result[Out], len(rs))
	for i, r := range rs {
		if r != nil {
			out[i] = &Result[Out]{AsyncResult: r}
		}
	}
	return out, err
}

// Call runs the task's function here and now, without a message, a worker or middleware.
func (t *Task[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	var zero Out
	v, err := t.def.run(ctx, unbind(in))
	if err != nil {
		return zero, err
	}
	out, _ := v.(Out) // nil when Out is an interface and nothing was returned
	return out, nil
}

// Decode reads a message's arguments as the task's input, as a worker does before it calls the handler.
func (t *Task[In, Out]) Decode(body *protocol.Body) (In, error) {
	var in In
	err := bind(t.def.name, t.def.input, body, reflect.ValueOf(&in))
	return in, err
}

// A Definition is what an app knows of a registered task.
type Definition struct {
	name    string
	options taskOptions
	input   *shape
	output  reflect.Type
	run     func(ctx context.Context, body *protocol.Body) (any, error)
	errback Errback // new-style: called where a task fails
}

// Name is the name the task is registered under.
func (d *Definition) Name() string { return d.name }

// Summary is the line given by the option Summary.
func (d *Definition) Summary() string { return d.options.summary }

// Input names the task's arguments in order, for people; an optional one ends in "?".
func (d *Definition) Input() []string {
	var names []string
	for _, f := range d.input.fields {
		n := f.name
		if f.optional {
			n += "?"
		}
		names = append(names, n)
	}
	if d.input.kind == bindSingle {
		names = append(names, d.input.typ.String())
	}
	return names
}

// Attribute is one of the options given at registration, by Celery's name, as Python would show it. ok is false when it
// was not given. Workers call it.
func (d *Definition) Attribute(name string) (text string, ok bool) {
	o := &d.options
	switch name {
	case "queue":
		return deref(o.send.queue, ""), o.send.queue != nil
	case "exchange":
		return deref(o.send.exchange, ""), o.send.exchange != nil
	case "routing_key":
		return deref(o.send.routingKey, ""), o.send.routingKey != nil
	case "serializer":
		return o.send.serializer, o.send.serializer != ""
	case "max_retries":
		if o.retry == nil {
			return "", false
		}
		return strconv.Itoa(o.retry.Max), o.retry.Max >= 0
	case "priority":
		if o.send.priority == nil {
			return "", false
		}
		return fmt.Sprint(*o.send.priority), true
	}
	return "", false
}

// A Policy is how a worker treats a task: the task's own options over the settings.
type Policy struct {
	AcksLate           bool
	AcksOnFailure      bool
	AcksOnTimeout      bool
	RejectOnWorkerLost bool
	TrackStarted       bool
	IgnoreResult       bool
	StoreErrors        bool
	SendEvents         bool
	RateLimit          Rate
	RateScope          RateScope
	TimeLimit          time.Duration
	SoftTimeLimit      time.Duration
}

// Policy resolves the task's options against the settings.
func (d *Definition) Policy(c *Config) Policy {
	o := &d.options
	failureOrTimeout := deref(c.TaskAcksOnFailureOrTimeout, true)
	return Policy{
		AcksLate:           deref(o.acksLate, c.TaskAcksLate),
		AcksOnFailure:      deref(o.acksOnFailure, deref(c.TaskAcksOnFailure, failureOrTimeout)),
		AcksOnTimeout:      deref(o.acksOnTimeout, deref(c.TaskAcksOnTimeout, failureOrTimeout)),
		RejectOnWorkerLost: deref(o.rejectOnWorkerLost, c.TaskRejectOnWorkerLost),
		TrackStarted:       deref(o.trackStarted, c.TaskTrackStarted),
		IgnoreResult:       deref(o.send.ignoreResult, c.TaskIgnoreResult),
		StoreErrors:        deref(o.storeErrors, c.TaskStoreErrorsEvenIfIgnored),
		SendEvents:         !o.noEvents,
		RateLimit:          c.rateLimit(o.rateLimit),
		RateScope:          o.rateScope,
		TimeLimit:          deref(o.send.timeLimit, c.TaskTimeLimit),
		SoftTimeLimit:      deref(o.send.softTimeLimit, c.TaskSoftTimeLimit),
	}
}

// rateLimit is the task's own limit, else the setting's, unless limits are switched off.
func (c *Config) rateLimit(own *Rate) Rate {
	if c.WorkerDisableRateLimits {
		return 0
	}
	if own != nil {
		return *own
	}
	r, _ := ParseRate(c.TaskDefaultRateLimit) // Check has refused what cannot be read
	return r
}

func deref[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
