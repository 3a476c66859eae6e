// Package backend is the contract between Umbel and what keeps task results.
//
// A driver stores and reads result documents and tells of their changes; it does not interpret them. Documents are
// Celery's, so that Python's AsyncResult reads what we store and the other way round.
package backend

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// ErrNotFound: there is no document for this id: the task is pending, expired, forgotten, or was never sent.
var ErrNotFound = errors.New("no result is stored for this task id")

// ErrUnsupported: this kind of backend cannot do that (rpc:// stores nothing).
var ErrUnsupported = errors.New("not supported by this result backend")

// ErrUnstorable: the store does not take this document, now or later: it is too large, cannot be encoded, or has an id that
// the store cannot hold. Every other error of Store may pass by itself or once an operator has mended what it names.
var ErrUnstorable = errors.New("the result store can never take this document")

// Unstorable marks err as ErrUnstorable and leaves its words as they are. Drivers call it.
func Unstorable(err error) error { return &unstorableError{err} }

type unstorableError struct{ err error }

func (e *unstorableError) Error() string        { return e.err.Error() }
func (e *unstorableError) Unwrap() error        { return e.err }
func (e *unstorableError) Is(target error) bool { return target == ErrUnstorable }

// A Backend keeps result documents. All methods may be called from many goroutines.
type Backend interface {
	// Store writes documents in order, in as few round trips as the store allows, and returns when they are as durable
	// as the store makes them. A stored SUCCESS is never overwritten: such a write is dropped, which is no error.
	// It returns nil when all went well, else a slice as long as docs with each one's error. A document that can never be
	// stored is ErrUnstorable and harms no other of its batch.
	Store(ctx context.Context, docs []*protocol.Result) []error

	// Get reads one document. ErrNotFound when there is none.
	Get(ctx context.Context, id string) (*protocol.Result, error)

	// GetMany reads many documents; ids without one are absent from the map.
	GetMany(ctx context.Context, ids []string) (map[string]*protocol.Result, error)

	// Watch calls notify with the present document of each id, if any, and then with each later one, until stop is
	// called. Documents of one id come in the order they were stored; repeats may be left out, final states may not.
	// notify runs on the driver's goroutine and must not block. Where the store can notify, nothing polls; a lost
	// connection is repaired and what was missed is read again. After stop returns notify is not called again.
	Watch(ctx context.Context, ids []string, notify func(*protocol.Result)) (stop func(), err error)

	// Forget removes documents; ids without one are no error.
	Forget(ctx context.Context, ids []string) error

	// Cleanup removes expired documents where the store does not by itself, and returns their number.
	// Celery: celery.backend_cleanup.
	Cleanup(ctx context.Context) (int, error)

	// ReplyTo is the queue where this process awaits results of what it sends, or "" where results are stored.
	ReplyTo() string

	// Traits says what this backend can do.
	Traits() Traits

	// Close ends every goroutine and connection.
	Close() error
}

// Traits declare what differs between backends.
type Traits struct {
	Persistent  bool // documents outlive this process and can be read by others
	Remote      bool // other hosts may read them
	VirtualTime bool // runs inside testing/synctest
}

// Config says how to reach a result store.
type Config struct {
	// URL chooses the driver by its scheme. Celery: result_backend.
	URL string

	// Expires is how long documents live. Defaults to 24 h; negative: for ever. Celery: result_expires.
	Expires time.Duration

	// Serializer writes documents. Defaults to "json". Celery: result_serializer.
	Serializer string

	// Accept is what documents are decoded from. Celery: result_accept_content.
	Accept codec.Accept

	// Options are result_backend_transport_options that the driver knows (global_keyprefix, master_name, …).
	Options map[string]any

	// Settings are further Celery settings of this driver by name without its prefix, such as socket_timeout for
	// redis_socket_timeout, use_ssl for redis_backend_use_ssl.
	Settings map[string]any

	// Credentials, when set, is asked before each attempt to connect, and wins over URL and Settings: what has been rotated is
	// used at the next one. refused says that the store did not accept the ones of an earlier attempt, so that what is kept of a
	// secret must be read anew. Of its URL user and password are used.
	Credentials func(ctx context.Context, refused bool) (broker.Credentials, error)

	// ConnectTimeout bounds connecting. Defaults to 4 s.
	ConnectTimeout time.Duration

	// Broker carries the results of rpc://.
	Broker broker.Broker

	// Persistent publishes rpc:// results as persistent messages. Celery: result_persistent.
	Persistent bool

	// Log is told of losses and recoveries. Defaults to discarding.
	Log *slog.Logger
}
