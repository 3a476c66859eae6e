package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

func init() {
	backend.Register(Open, "redis", "rediss", "socket", "redis+socket", "unix", "sentinel")
}

const (
	// topologyEvery is how often the sentinels are asked who is master, in case a message about it was lost.
	topologyEvery = 10 * time.Second

	// bufferSize of a connection, for reading and for writing. Larger documents pass it in pieces.
	bufferSize = 64 << 10
)

// taskKey is Celery's prefix of documents, before which global_keyprefix is put.
const taskKey = "celery-task-meta-"

// A Backend keeps results in Redis.
type Backend struct {
	settings    *settings
	client      rueidis.Client
	links       *links
	log         *slog.Logger
	serializer  string
	contentType string
	encoding    string // of contentType: "utf-8" or "binary"
	accept      codec.Accept
	script      string // its SHA-1, by which Redis knows it
	watches     *watches
	unheard     *unheard
	closing     chan struct{}
	closeOnce   sync.Once
}

// Open connects to Redis and logs in, within the connect timeout.
func Open(ctx context.Context, c backend.Config) (backend.Backend, error) {
	b, err := open(ctx, c)
	if err != nil {
		return nil, err // not a Backend that holds a nil
	}
	return b, nil
}

func open(ctx context.Context, c backend.Config) (*Backend, error) {
	c = c.WithDefaults()
	s, err := newSettings(c)
	if err != nil {
		return nil, err
	}
	return openWith(ctx, c, s)
}

// openWith is open for settings that were read.
func openWith(ctx context.Context, c backend.Config, s *settings) (*Backend, error) {
	format, err := codec.Marshal(c.Serializer, nil) // its own words for nothing name its content type
	if err != nil {
		return nil, fmt.Errorf("open result backend %s: result_serializer: %w", s.endpoint.String(), err)
	}
	b := &Backend{
		settings: s, log: c.Log, serializer: c.Serializer, contentType: format.ContentType, encoding: format.ContentEncoding,
		accept: c.Accept, script: scriptSHA,
		links:   newLinks(s.socket, s.connectTimeout),
		closing: make(chan struct{}),
	}
	b.watches = newWatches(b)
	b.unheard = &unheard{b: b, wait: unheardWait}
	err = b.connect(ctx)
	if err != nil && s.ask != nil && b.links.takeRefused() {
		// What was kept of the credentials may have been rotated since: once more, with those of now.
		b.links = newLinks(s.socket, s.connectTimeout)
		b.links.refused = true
		err = b.connect(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open result backend %s: %w", s.endpoint.String(), s.explain(err))
	}
	return b, nil
}

func (b *Backend) connect(ctx context.Context) error {
	s := b.settings
	o := rueidis.ClientOption{
		InitAddress: s.addresses(),
		Username:    s.username, Password: s.password, SelectDB: s.db, ClientName: s.clientName,
		TLSConfig: s.tls,
		DialCtxFn: b.links.dial,
		// A negative interval switches off the client's own PINGs: the kernel probes the connection instead.
		Dialer:              net.Dialer{Timeout: s.connectTimeout, KeepAlive: -1},
		ConnWriteTimeout:    s.socketTimeout,
		PipelineMultiplex:   -1, // one connection: more of them make batches smaller, not faster
		BlockingPipeline:    1 << 30,
		ReadBufferEachConn:  bufferSize,
		WriteBufferEachConn: bufferSize,
		DisableCache:        true,
		DisableRetry:        true, // retry.go does it, for writes too, and with an end
		ForceSingleClient:   true,
		ClientSetInfo:       []string{},
	}
	if s.ask != nil {
		o.AuthCredentialsFn = b.login
	}
	if s.sentinels != nil {
		o.Sentinel = rueidis.SentinelOption{
			MasterSet: s.master, TopologyRefreshInterval: topologyEvery,
			Dialer: net.Dialer{Timeout: s.connectTimeout, KeepAlive: sentinelMark}, TLSConfig: s.sentinelTLS, Username: s.sentinelUser, Password: s.sentinelPass, ClientName: s.clientName,
		}
	}
	// The client bounds each step by itself; this bounds all of them.
	ctx, cancel := context.WithTimeout(ctx, s.connectTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, b.links.close)
	client, err := rueidis.NewClient(o)
	inTime := stop()
	if inTime && err == nil {
		b.client = client
		return nil
	}
	if client != nil {
		client.Close()
	}
	b.links.close()
	_, isReply := rueidis.IsRedisErr(err)
	switch last := b.links.lastError(); {
	case !inTime && errors.Is(ctx.Err(), context.Canceled):
		return context.Cause(ctx)
	case !inTime:
		return b.links.late()
	case !isReply && last != nil:
		return last
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
		return b.links.late() // the client's own bound was a moment earlier than ours
	}
	return err
}

// key is where a task's document is, and the channel on which it is published.
func (b *Backend) key(id string) string { return b.settings.prefix + taskKey + id }

// isClosed reports whether Close was called.
func (b *Backend) isClosed() bool {
	select {
	case <-b.closing:
		return true
	default:
		return false
	}
}

// Cleanup does nothing: Redis expires documents by itself.
func (b *Backend) Cleanup(context.Context) (int, error) {
	if b.isClosed() {
		return 0, errClosed
	}
	return 0, nil
}

// ReplyTo is "": results are stored.
func (b *Backend) ReplyTo() string { return "" }

// Traits says that documents outlive this process and that other hosts read them.
func (b *Backend) Traits() backend.Traits { return backend.Traits{Persistent: true, Remote: true} }

// Close ends the subscriptions and all connections. Calls under way fail.
func (b *Backend) Close() error {
	b.closeOnce.Do(func() {
		close(b.closing)
		b.links.close() // first, so that nobody waits for answers any more
		b.watches.close()
		b.unheard.close()
		b.client.Close()
	})
	return nil
}

// decode reads a document as Redis holds it.
func (b *Backend) decode(id, text string) (*protocol.Result, error) {
	body := []byte(text)
	if err := b.accept.Check(b.contentType); err != nil {
		return nil, fmt.Errorf("read result of task %q: %w: see result_accept_content", id, err)
	}
	if len(body) > 1 && body[0] == 0x80 && body[1] >= 2 && body[1] <= 5 {
		return nil, fmt.Errorf("read result of task %q: its writer used result_serializer=pickle: %w", id, codec.ErrPickle)
	}
	r, err := protocol.DecodeResult(b.contentType, b.encoding, body)
	if err != nil {
		return nil, fmt.Errorf("read result of task %q, which should be %s: %w", id, b.contentType, err)
	}
	if r.TaskID == "" {
		r.TaskID = id
	}
	return r, nil
}
