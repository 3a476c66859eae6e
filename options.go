package umbel

import (
	"fmt"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// A TaskOption sets a policy or a default of a registered task.
type TaskOption interface{ applyTask(*taskOptions) }

// A SendOption sets something of one send, over the task's own and its route's.
type SendOption interface{ applySend(*sendOptions) }

// An Option is both: at Register the default of every send, at Send for that one alone.
type Option interface {
	TaskOption
	SendOption
}

// sendOptions are layered: settings, then the route, then the task, then the send; nil is unset.
type sendOptions struct {
	now time.Time // when Send was called; countdown and expires count from here

	queue, exchange, routingKey *string
	priority                    *uint8
	deliveryMode                uint8
	serializer, compression     string
	eta                         time.Time
	expires                     time.Time
	expiresIn                   time.Duration
	timeLimit, softTimeLimit    *time.Duration
	ignoreResult                *bool
	id, shadow                  string
	rootID, parentID            string
	retries                     int
	argsRepr, kwargsRepr        *string
	headers                     protocol.Table
	stamps                      protocol.Table
	replyTo                     string
	countdown                   time.Duration // what eta came from, for signatures
	link, linkError             []*Signature
	group                       string
	groupIndex                  int
	hasGroupIndex               bool
	nesting                     int // replaced_task_nesting
	spool                       *bool
	err                         error // the first option that made no sense
}

type taskOptions struct {
	send sendOptions

	acksLate           *bool
	acksOnFailure      *bool
	acksOnTimeout      *bool
	rejectOnWorkerLost *bool
	trackStarted       *bool
	storeErrors        *bool
	noEvents           bool
	rateLimit          *Rate
	rateScope          RateScope
	retry              *Retry
	expected           []error
	summary            string
}

type bothOption func(*sendOptions)

func (o bothOption) applyTask(t *taskOptions) { o(&t.send) }
func (o bothOption) applySend(s *sendOptions) { o(s) }

type sendOption func(*sendOptions)

func (o sendOption) applySend(s *sendOptions) { o(s) }

type taskOption func(*taskOptions)

func (o taskOption) applyTask(t *taskOptions) { o(t) }

func (s *sendOptions) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// Spool says whether the message may wait in the spool while the broker is away. Defaults to true where task_spool names one;
// true without one is an error. Umbel's own.
func Spool(may bool) Option { return bothOption(func(s *sendOptions) { s.spool = &may }) }

// Queue sends to this queue, over the route's. It is created when missing unless task_create_missing_queues is off.
// Celery: queue.
func Queue(name string) Option { return bothOption(func(s *sendOptions) { s.queue = &name }) }

// Exchange publishes to this exchange instead of straight to the queue. With RoutingKey as well, no queue is looked up:
// the message goes wherever the exchange's bindings lead, and is refused if that is nowhere. Celery: exchange.
func Exchange(name string) Option { return bothOption(func(s *sendOptions) { s.exchange = &name }) }

// RoutingKey is the key for exchanges that route by one. On a direct queue without Exchange it is ignored, as in Celery:
// such messages go straight to the queue. Celery: routing_key.
func RoutingKey(key string) Option { return bothOption(func(s *sendOptions) { s.routingKey = &key }) }

// Priority orders messages within one queue: 0 is least. RabbitMQ needs x-max-priority on the queue
// (task_queue_max_priority), else it has no effect. Defaults to task_default_priority. Celery: priority.
func Priority(p uint8) Option { return bothOption(func(s *sendOptions) { s.priority = &p }) }

// Transient lets the broker keep the message in memory only: it is lost if the broker stops. Celery: delivery_mode=1.
func Transient() Option {
	return bothOption(func(s *sendOptions) { s.deliveryMode = protocol.Transient })
}

// Serializer encodes the message: json, json-plain (typed values as text, for Celery before 5.3), msgpack or yaml. Defaults to
// task_serializer. Celery: serializer.
func Serializer(name string) Option { return bothOption(func(s *sendOptions) { s.serializer = name }) }

// Compression compresses the message: gzip, bzip2, lzma, brotli or zstd. Defaults to task_compression. Celery: compression.
func Compression(name string) Option {
	return bothOption(func(s *sendOptions) { s.compression = name })
}

// ExpiresIn drops the message when it has not started d after it was sent: the state is then REVOKED, or nothing when the
// broker itself dropped it. Celery: expires in seconds.
func ExpiresIn(d time.Duration) Option {
	return bothOption(func(s *sendOptions) {
		if d <= 0 {
			s.fail("option ExpiresIn: %v is not in the future", d)
		}
		s.expiresIn, s.expires = d, time.Time{}
	})
}

// TimeLimit ends the task after d, hard; SoftTimeLimit cancels its context before. 0 is the setting's. Celery: time_limit.
func TimeLimit(d time.Duration) Option {
	return bothOption(func(s *sendOptions) { s.timeLimit = &d })
}

// SoftTimeLimit cancels the task's context after d, with cause ErrSoftTimeLimit. One that is longer than the TimeLimit given
// with it is an error. Celery: soft_time_limit.
func SoftTimeLimit(d time.Duration) Option {
	return bothOption(func(s *sendOptions) { s.softTimeLimit = &d })
}

// IgnoreResult stores no result: nothing can wait for this task. Defaults to task_ignore_result. Celery: ignore_result.
func IgnoreResult() Option {
	return bothOption(func(s *sendOptions) { yes := true; s.ignoreResult = &yes })
}

// StoreResult stores the result although the setting or the task says otherwise. Celery: ignore_result=False.
func StoreResult() Option {
	return bothOption(func(s *sendOptions) { no := false; s.ignoreResult = &no })
}

// Shadow is shown in logs and events in place of the task's name. Celery: shadow.
func Shadow(name string) Option { return bothOption(func(s *sendOptions) { s.shadow = name }) }

// Countdown runs the task no earlier than d from now. Celery: countdown.
func Countdown(d time.Duration) SendOption {
	return sendOption(func(s *sendOptions) {
		if d > 0 {
			s.eta, s.countdown = s.now.Add(d), d
		}
	})
}

// ETA runs the task no earlier than t. Celery: eta.
func ETA(t time.Time) SendOption {
	return sendOption(func(s *sendOptions) { s.eta, s.countdown = t, 0 })
}

// ExpiresAt is ExpiresIn with a fixed time. Celery: expires as a datetime.
func ExpiresAt(t time.Time) SendOption {
	return sendOption(func(s *sendOptions) { s.expires, s.expiresIn = t, 0 })
}

// TaskID names the task. Any non-empty text; a random UUID unless given. Sending one id twice gives two runs that share
// one result. Celery: task_id.
func TaskID(id string) SendOption {
	return sendOption(func(s *sendOptions) {
		if id == "" {
			s.fail("option TaskID: the id is empty")
		}
		s.id = id
	})
}

// Header adds a message header of your own, which the task finds in Request.Headers. Celery: headers={…}.
func Header(name string, value any) SendOption {
	return sendOption(func(s *sendOptions) {
		if s.headers == nil {
			s.headers = make(protocol.Table)
		}
		s.headers[name] = value
	})
}

// Stamp adds a stamp: a header that every task born of this one inherits, and by which tasks can be revoked.
// Celery: Signature.stamp.
func Stamp(name string, value any) SendOption {
	return sendOption(func(s *sendOptions) {
		if s.stamps == nil {
			s.stamps = make(protocol.Table)
		}
		s.stamps[name] = value
	})
}

// Retries is how many attempts the message says have been made before. Celery: retries.
func Retries(n int) SendOption {
	return sendOption(func(s *sendOptions) {
		if n < 0 {
			s.fail("option Retries: %d is negative", n)
		}
		s.retries = n
	})
}

// ReprArgs replaces the readable forms of the arguments, which go to logs, events and the monitor: to keep a secret out of
// them. Celery: argsrepr, kwargsrepr.
func ReprArgs(args, kwargs string) SendOption {
	return sendOption(func(s *sendOptions) { s.argsRepr, s.kwargsRepr = &args, &kwargs })
}

// Orphan sends without lineage: inside a running task the new task would otherwise bear that task's id as its parent.
func Orphan() SendOption {
	return sendOption(func(s *sendOptions) { s.rootID, s.parentID = orphan, orphan })
}

const orphan = "\x00orphan"

// AcksLate acks the message after the task has run and its result is stored, so that it runs again if the worker dies:
// the task must be safe to run twice. Defaults to task_acks_late. Celery: acks_late.
func AcksLate() TaskOption {
	return taskOption(func(t *taskOptions) { yes := true; t.acksLate = &yes })
}

// AcksEarly acks the message when the task starts: it runs once at most. Celery: acks_late=False.
func AcksEarly() TaskOption {
	return taskOption(func(t *taskOptions) { no := false; t.acksLate = &no })
}

// AcksOnFailure says whether a late-acked message is acked when its task fails (true, the default) or rejected to the
// queue's dead-letter exchange. Celery: acks_on_failure.
func AcksOnFailure(ack bool) TaskOption {
	return taskOption(func(t *taskOptions) { t.acksOnFailure = &ack })
}

// AcksOnTimeout is AcksOnFailure for hard time limits. Celery: acks_on_timeout.
func AcksOnTimeout(ack bool) TaskOption {
	return taskOption(func(t *taskOptions) { t.acksOnTimeout = &ack })
}

// RejectOnWorkerLost runs a late-acked task again when the process that ran it died. Celery: reject_on_worker_lost.
func RejectOnWorkerLost() TaskOption {
	return taskOption(func(t *taskOptions) { yes := true; t.rejectOnWorkerLost = &yes })
}

// TrackStarted stores the state STARTED when the task begins. Defaults to task_track_started. Celery: track_started.
func TrackStarted() TaskOption {
	return taskOption(func(t *taskOptions) { yes := true; t.trackStarted = &yes })
}

// StoreErrors stores failures although results are ignored. Celery: store_errors_even_if_ignored.
func StoreErrors() TaskOption {
	return taskOption(func(t *taskOptions) { yes := true; t.storeErrors = &yes })
}

// NoEvents keeps workers from telling of this task, whoever listens. Celery: send_events = False.
func NoEvents() TaskOption { return taskOption(func(t *taskOptions) { t.noEvents = true }) }

// RateLimit is how often the task may start: "10/s", "100/m", "1000/h", evenly spaced. It counts on each worker by itself, so that
// N workers start N times as many, unless the scope is Cluster: then all workers that share the result store keep to it
// together, and it must be Redis, PostgreSQL or SQLite. Defaults to task_default_rate_limit. Celery: rate_limit.
func RateLimit(rate string, scope ...RateScope) TaskOption {
	return taskOption(func(t *taskOptions) {
		for _, s := range scope {
			t.rateScope = s
		}
		r, err := ParseRate(rate)
		if err != nil {
			t.send.fail("option RateLimit: %v", err)
		}
		t.rateLimit = &r
	})
}

// Expected lists errors (or their types, by OfType) that are no fault of the task's: they fail it all the same, but are logged as information,
// without a stack. Celery: throws.
func Expected(errs ...error) TaskOption {
	return taskOption(func(t *taskOptions) { t.expected = append(t.expected, errs...) })
}

// Summary is a line about the task for people.
func Summary(text string) TaskOption { return taskOption(func(t *taskOptions) { t.summary = text }) }
