package umbel

import (
	"context"
	"fmt"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// A Handler runs a task: the end of the chain that middleware wraps.
type Handler func(ctx context.Context, r *Request) (any, error)

// Middleware is a value that implements one or more of the interfaces below; App.Use adds it. Each interface is one of
// Celery's signals, and they come in Celery's order:
//
//	sender:  BeforePublish → AfterPublish
//	worker:  Received → Prerun → (WrapTask around the handler) → Success | Failure | Retry | … → Postrun
//
// Several are called in the order they were added; WrapTask nests, the first added outermost. A panic in one is logged
// as a fault of the middleware and harms neither the task nor the worker.
type Middleware any

type (
	// BeforePublisher sees every message before it is sent and may change its headers; an error stops the send.
	// Celery: before_task_publish.
	BeforePublisher interface {
		BeforePublish(ctx context.Context, p *Publication) error
	}
	// AfterPublisher learns what became of a send. Celery: after_task_publish.
	AfterPublisher interface {
		AfterPublish(ctx context.Context, p *Publication, err error)
	}
	// ReceivedObserver is told when a worker has taken a message for a task it knows. Celery: task_received.
	ReceivedObserver interface{ TaskReceived(r *Request) }
	// Prerunner is called before a task runs. Celery: task_prerun.
	Prerunner interface {
		TaskPrerun(ctx context.Context, r *Request)
	}
	// Postrunner is called after a task has run, however it ended. Celery: task_postrun.
	Postrunner interface {
		TaskPostrun(ctx context.Context, r *Request, o *Outcome)
	}
	// SuccessObserver is called when a task has succeeded. Celery: task_success.
	SuccessObserver interface {
		TaskSuccess(ctx context.Context, r *Request, o *Outcome)
	}
	// FailureObserver is called when a task has failed for good. Celery: task_failure.
	FailureObserver interface {
		TaskFailure(ctx context.Context, r *Request, o *Outcome)
	}
	// RetryObserver is called when a task will be retried. Celery: task_retry.
	RetryObserver interface {
		TaskRetry(ctx context.Context, r *Request, o *Outcome)
	}
	// RevokedObserver is called when a task was revoked or has expired. Celery: task_revoked.
	RevokedObserver interface {
		TaskRevoked(r *Request, expired bool)
	}
	// RejectedObserver is called when a message that is no task of ours was refused: undecodable, invalid or not
	// accepted. Celery: task_rejected.
	RejectedObserver interface{ TaskRejected(reason error) }
	// UnknownObserver is called for a task that is not registered. Celery: task_unknown.
	UnknownObserver interface{ TaskUnknown(name, id string) }
	// BrokerObserver is told when this process has lost its broker or has it back, and when the broker takes no messages for
	// now (connection.blocked: a memory or disk alarm) or takes them again. It is called on the driver's goroutine and must not
	// wait for the broker.
	BrokerObserver interface{ BrokerChanged(c broker.Condition) }
	// Wrapper runs around the handler: for tracing, transactions, locks.
	Wrapper interface{ WrapTask(next Handler) Handler }
)

// A Publication is a message on its way out.
type Publication struct {
	Name       string // task
	ID         string
	Queue      string // "" when exchange and routing key were given instead
	Exchange   string
	RoutingKey string
	Headers    map[string]any // the message's headers; may be changed before publishing
	ETA        time.Time
	Body       []byte // serialized; not to be changed

	// Spooled: the broker is away, and the message waits in the spool (task_spool). Known to AfterPublish.
	Spooled bool

	ignored bool // its result is
	values  map[any]any
	direct  bool // it must not go into the spool
	task    *protocol.Task
	queue   *queue
}

// SetValue keeps something for middleware from BeforePublish to AfterPublish, under a key of its own type.
func (p *Publication) SetValue(key, value any) {
	if p.values == nil {
		p.values = make(map[any]any)
	}
	p.values[key] = value
}

// Value is what SetValue has kept; nil for nothing.
func (p *Publication) Value(key any) any { return p.values[key] }

// hooks are the middleware sorted by signal, so that a signal nobody wants costs one length check.
type hooks struct {
	beforePublish []BeforePublisher
	afterPublish  []AfterPublisher
	received      []ReceivedObserver
	prerun        []Prerunner
	postrun       []Postrunner
	success       []SuccessObserver
	failure       []FailureObserver
	retry         []RetryObserver
	revoked       []RevokedObserver
	rejected      []RejectedObserver
	unknown       []UnknownObserver
	broker        []BrokerObserver
	wrap          []Wrapper
}

func (h *hooks) add(m Middleware) error {
	known := addHook(&h.beforePublish, m)
	known = addHook(&h.afterPublish, m) || known
	known = addHook(&h.received, m) || known
	known = addHook(&h.prerun, m) || known
	known = addHook(&h.postrun, m) || known
	known = addHook(&h.success, m) || known
	known = addHook(&h.failure, m) || known
	known = addHook(&h.retry, m) || known
	known = addHook(&h.revoked, m) || known
	known = addHook(&h.rejected, m) || known
	known = addHook(&h.unknown, m) || known
	known = addHook(&h.broker, m) || known
	known = addHook(&h.wrap, m) || known
	if !known {
		return fmt.Errorf("umbel: middleware %T implements none of the middleware interfaces", m)
	}
	return nil
}

func addHook[T any](list *[]T, m Middleware) bool {
	h, ok := m.(T)
	if ok {
		*list = append((*list)[:len(*list):len(*list)], h)
	}
	return ok
}

// guard keeps a panic in middleware away from the task.
func (a *App) guard(hook string) {
	if p := recover(); p != nil {
		a.Logger().Error("middleware panicked", "hook", hook, "panic", p)
	}
}

// NotifyReceived, NotifyRevoked, NotifyRejected and NotifyUnknown tell middleware what a worker met; workers call them.
func (a *App) NotifyReceived(r *Request) {
	for _, m := range a.hooks.received {
		a.callHook("TaskReceived", func() { m.TaskReceived(r) })
	}
}

// NotifyRevoked: see NotifyReceived.
func (a *App) NotifyRevoked(r *Request, expired bool) {
	for _, m := range a.hooks.revoked {
		a.callHook("TaskRevoked", func() { m.TaskRevoked(r, expired) })
	}
}

// NotifyRejected: see NotifyReceived.
func (a *App) NotifyRejected(reason error) {
	for _, m := range a.hooks.rejected {
		a.callHook("TaskRejected", func() { m.TaskRejected(reason) })
	}
}

// NotifyUnknown: see NotifyReceived.
func (a *App) NotifyUnknown(name, id string) {
	for _, m := range a.hooks.unknown {
		a.callHook("TaskUnknown", func() { m.TaskUnknown(name, id) })
	}
}

func (a *App) notifyBroker(c broker.Condition) {
	for _, m := range a.hooks.broker {
		a.callHook("BrokerChanged", func() { m.BrokerChanged(c) })
	}
}
