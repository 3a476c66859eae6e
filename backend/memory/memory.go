// Package memory keeps results in this process, for tests and for trying things out.
//
// The URL names a space: backends opened as memory://shop in one process share its documents, as separate processes
// share a server's; memory:// without a name is a space of its own. A space is gone when its last backend is closed.
// Time is read from package time and nothing else is waited for, so all of it runs inside testing/synctest; a space must
// then be opened within the bubble that uses it.
package memory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/watch"
	"github.com/umbel-go/umbel/protocol"
)

func init() { backend.Register(Open, "memory") }

// A Backend is one handle on a space.
type Backend struct {
	space      *space
	board      *watch.Board
	expires    time.Duration // 0: for ever
	serializer string
	accept     codec.Accept
}

var _ backend.Backend = (*Backend)(nil)

// Open opens the space that the URL names.
func Open(_ context.Context, c backend.Config) (backend.Backend, error) {
	c = c.WithDefaults()
	_, name, _ := strings.Cut(c.URL, "://")
	name = strings.Trim(name, "/")
	if strings.ContainsAny(name, "/?#@") {
		return nil, fmt.Errorf("open result backend %s: a memory URL is memory://name and nothing else", broker.MaskURL(c.URL))
	}
	for k := range c.Options {
		return nil, fmt.Errorf("open result backend %s: result_backend_transport_options: %q means nothing to memory://", broker.MaskURL(c.URL), k)
	}
	b := &Backend{board: watch.New(), expires: max(c.Expires, 0), serializer: c.Serializer, accept: c.Accept}
	b.space = enter(name, b)
	return b, nil
}

// Store encodes and keeps documents, and tells the watchers of every backend of the space.
func (b *Backend) Store(ctx context.Context, docs []*protocol.Result) []error {
	var errs []error
	fail := func(i int, err error) {
		if errs == nil {
			errs = make([]error, len(docs))
		}
		errs[i] = err
	}
	for i, r := range docs {
		err := ctx.Err()
		if err == nil {
			err = b.store(r)
		}
		if err != nil {
			fail(i, fmt.Errorf("store result of task %q: %w", r.TaskID, err))
		}
	}
	return errs
}

func (b *Backend) store(r *protocol.Result) error {
	e, err := protocol.EncodeResult(r, b.serializer)
	if err != nil {
		return backend.Unstorable(err)
	}
	return b.space.put(b, document{id: r.TaskID, state: r.Status, Encoded: e})
}

// Get reads one document.
func (b *Backend) Get(ctx context.Context, id string) (*protocol.Result, error) {
	d, ok, err := b.space.get(ctx, b, id)
	if err != nil {
		return nil, fmt.Errorf("read result of task %q: %w", id, err)
	}
	if !ok {
		return nil, fmt.Errorf("read result of task %q: %w", id, backend.ErrNotFound)
	}
	return b.decode(d)
}

// GetMany reads many documents.
func (b *Backend) GetMany(ctx context.Context, ids []string) (map[string]*protocol.Result, error) {
	found := make(map[string]*protocol.Result, len(ids))
	for _, id := range ids {
		d, ok, err := b.space.get(ctx, b, id)
		if err != nil {
			return nil, fmt.Errorf("read results: %w", err)
		}
		if !ok {
			continue
		}
		r, err := b.decode(d)
		if err != nil {
			return nil, err
		}
		found[id] = r
	}
	return found, nil
}

func (b *Backend) decode(d document) (*protocol.Result, error) {
	err := b.accept.Check(d.ContentType)
	var r *protocol.Result
	if err == nil {
		r, err = protocol.DecodeResult(d.ContentType, d.ContentEncoding, d.Body)
	}
	if err != nil {
		return nil, fmt.Errorf("read result of task %q: %w", d.id, err)
	}
	return r, nil
}

// Watch tells of each id's present document and of every later one; no state is left out while notify keeps up.
func (b *Backend) Watch(ctx context.Context, ids []string, notify func(*protocol.Result)) (func(), error) {
	w, err := b.space.watch(ctx, b, ids, notify)
	if err != nil {
		return nil, fmt.Errorf("watch results: %w", err)
	}
	return w.Stop, nil
}

// Forget removes documents.
func (b *Backend) Forget(ctx context.Context, ids []string) error {
	if err := b.space.forget(ctx, b, ids); err != nil {
		return fmt.Errorf("forget results: %w", err)
	}
	return nil
}

// Cleanup removes expired documents. A space also does so by itself as it is written to.
func (b *Backend) Cleanup(ctx context.Context) (int, error) {
	n, err := b.space.cleanup(ctx, b)
	if err != nil {
		return 0, fmt.Errorf("clean up results: %w", err)
	}
	return n, nil
}

// ReplyTo is "": results are stored.
func (b *Backend) ReplyTo() string { return "" }

// Traits of memory: nothing outlives the process.
func (b *Backend) Traits() backend.Traits { return backend.Traits{VirtualTime: true} }

// Close ends the watches of this backend, and the space with its last backend.
func (b *Backend) Close() error {
	b.space.leave(b)
	b.board.Close()
	return nil
}
