package umbel

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// A Request is a task in flight, as the running task sees it. Celery: self.request.
type Request struct {
	ID   string
	Name string

	Retries  int       // attempts made before this one
	ETA      time.Time // zero when none was asked for
	Expires  time.Time // zero is never
	RootID   string    // the first task of the workflow; the own id for a root
	ParentID string    // the task that sent this one
	Group    string
	Shadow   string
	Origin   string // who sent it, as gen<pid>@<host>

	Queue       string // the queue it was consumed from
	Exchange    string
	RoutingKey  string
	Priority    uint8
	Redelivered bool   // the broker handed the message out before: an earlier run may have been cut short
	Hostname    string // node name of the worker, such as celery@web1
	Eager       bool   // run in the caller, without a broker

	TimeLimit     time.Duration // hard limit in force, 0 is none
	SoftTimeLimit time.Duration // soft limit in force, 0 is none

	app   *App // that runs it; nil for requests that are made up
	task  *protocol.Task
	body  *protocol.Body
	store func(ctx context.Context, r *Request, state State, meta any) error

	encode func(any) (codec.Value, error) // of the return value; nil where nobody wants it

	carrier atomic.Pointer[map[string]string]

	mu       sync.Mutex // guards children
	children []protocol.ResultTuple
}

type requestKey struct{}

// RequestFrom returns the request of the task that runs under ctx, or nil outside a task.
func RequestFrom(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}

// NewRequest is the request of a received task; workers call it. store writes the states that the task reports; nil drops
// them.
func NewRequest(t *protocol.Task, store func(ctx context.Context, r *Request, state State, meta any) error) *Request {
	return &Request{
		ID: t.ID, Name: t.Name, Retries: t.Retries, ETA: t.ETA, Expires: t.Expires,
		RootID: t.RootID, ParentID: t.ParentID, Group: t.Group, Shadow: t.Shadow, Origin: t.Origin,
		Priority: t.Properties.Priority, task: t, store: store,
	}
}

// EncodeReturn has Execute encode the return value by f, so that a value that cannot be encoded is the task's own failure
// before anybody is told of a success. Workers call it.
func (r *Request) EncodeReturn(f func(any) (codec.Value, error)) { r.encode = f }

func (r *Request) encodeValue(v any) (out codec.Value, err error) {
	defer func() {
		if p := recover(); p != nil { // in a MarshalJSON of the user's own
			err = fmt.Errorf("encoding %T panicked: %v", v, p)
		}
	}()
	return r.encode(v)
}

// Task is the header of the message that asked for this run.
func (r *Request) Task() *protocol.Task { return r.task }

// DisplayName is what logs show: the shadow name if there is one.
func (r *Request) DisplayName() string {
	if r.Shadow != "" {
		return r.Shadow
	}
	return r.Name
}

// Headers are the message's custom headers: those that are not Celery's own. nil if there are none.
func (r *Request) Headers() map[string]any {
	if r.task == nil {
		return nil
	}
	return r.task.CustomHeaders()
}

// SetCarrier keeps texts for what follows from the task once its handler has returned: its callbacks, the next step of its chain, its
// chord's body are sent with a context in which RequestFrom finds this request. Middleware that wraps a task calls it, to
// hand on what its own context holds. It is called once.
func (r *Request) SetCarrier(texts map[string]string) {
	if texts != nil {
		r.carrier.Store(&texts)
	}
}

// Carrier is what SetCarrier has kept, also in another process; nil for nothing. It must not be changed.
func (r *Request) Carrier() map[string]string {
	if c := r.carrier.Load(); c != nil {
		return *c
	}
	return nil
}

// UpdateState stores a state of your own, or PROGRESS, with meta as its result, for clients to read. It is lost on tasks
// whose result is ignored. Celery: self.update_state(state=…, meta=…).
func (r *Request) UpdateState(ctx context.Context, state State, meta any) error {
	if r.store == nil {
		return nil
	}
	return r.store(ctx, r, state, meta)
}

// Progress stores the state PROGRESS with meta: umbel.RequestFrom(ctx).Progress(ctx, map[string]int{"done": 3, "of": 10}).
func (r *Request) Progress(ctx context.Context, meta any) error {
	return r.UpdateState(ctx, Progress, meta)
}

// Prepare makes a request ready to run, here or in another process: its documents tell of its arguments from then on. Workers
// call it, before others learn of the run.
func (r *Request) Prepare(a *App, body *protocol.Body) {
	if r.body != body || r.app != a { // a second time it only reads: a time limit may be writing a document
		r.app, r.body = a, body
	}
}

// SetChildren notes what a task that runs in another process has sent. Workers call it.
func (r *Request) SetChildren(list []protocol.ResultTuple) {
	r.mu.Lock()
	r.children = list
	r.mu.Unlock()
}

func (r *Request) addChild(id string) {
	r.mu.Lock()
	r.children = append(r.children, protocol.ResultTuple{ID: id})
	r.mu.Unlock()
}

// addTuple notes a workflow that the task has begun.
func (r *Request) addTuple(t protocol.ResultTuple) {
	if t.ID == "" {
		return
	}
	r.mu.Lock()
	r.children = append(r.children, t)
	r.mu.Unlock()
}

// Children are the tasks that this one has sent so far.
func (r *Request) Children() []protocol.ResultTuple {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.children[:len(r.children):len(r.children)]
}

// Document is the result document of this request in a state. extended adds the request's own fields (result_extended).
func (r *Request) Document(state State, value codec.Value, extended bool) *protocol.Result {
	doc := &protocol.Result{
		TaskID: r.ID, Status: state, Result: value, GroupID: r.Group, ParentID: r.ParentID,
		Children: r.Children(), HasChildren: true,
	}
	if r.task != nil {
		doc.ReplyTo, doc.CorrelationID = r.task.Properties.ReplyTo, r.task.Properties.CorrelationID
	}
	if doc.CorrelationID == "" {
		doc.CorrelationID = r.ID
	}
	if state.Ready() {
		doc.DateDone = time.Now()
		doc.Extra = r.attempts()
	}
	if extended {
		doc.Extended = r.extended()
		if r.task != nil && len(r.task.StampedHeaders) > 0 {
			doc.StampedHeaders = r.task.StampedHeaders
			for _, name := range r.task.StampedHeaders {
				doc.Stamps = append(doc.Stamps, codec.NamedValue{Name: name, Value: codec.Of(r.task.Stamps[name])})
			}
		}
	}
	return doc
}

func (r *Request) extended() *protocol.Extended {
	x := &protocol.Extended{Name: r.Name, Worker: r.Hostname, Retries: r.Retries, Queue: r.RoutingKey}
	if r.body == nil {
		x.Args, x.Kwargs = codec.JSON([]byte("[]")), codec.JSON([]byte("{}"))
		return x
	}
	x.Args, x.Kwargs = arrayValue(r.body.Args), objectValue(r.body.Kwargs)
	return x
}

// arrayValue and objectValue join values that are encoded already; one that cannot be encoded is written as null, since
// these fields are for people.
func arrayValue(values []codec.Value) codec.Value {
	b := []byte{'['}
	for i, v := range values {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendOrNull(b, v)
	}
	return codec.JSON(append(b, ']'))
}

func objectValue(values []codec.NamedValue) codec.Value {
	b := []byte{'{'}
	for i, v := range values {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendOrNull(b, codec.Of(v.Name))
		b = append(b, ": "...)
		b = appendOrNull(b, v.Value)
	}
	return codec.JSON(append(b, '}'))
}

func appendOrNull(b []byte, v codec.Value) []byte {
	out, err := v.AppendJSON(b)
	if err != nil {
		return append(b, "null"...)
	}
	return out
}
