package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/rueidis"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/protocol"
)

// readKeys is how many documents one command reads or removes: Redis serves nobody else meanwhile.
const readKeys = 200

// Get reads one document.
func (b *Backend) Get(ctx context.Context, id string) (*protocol.Result, error) {
	var text string
	err := b.do(ctx, func(ctx context.Context) (err error) {
		text, err = b.client.Do(ctx, b.client.B().Get().Key(b.key(id)).Build()).ToString()
		return err
	})
	if rueidis.IsRedisNil(err) {
		return nil, fmt.Errorf("task %q: %w", id, backend.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read result of task %q from %s: %w", id, b.settings.endpoint.String(), err)
	}
	return b.decode(id, text)
}

// GetMany reads documents, 200 a round trip.
func (b *Backend) GetMany(ctx context.Context, ids []string) (map[string]*protocol.Result, error) {
	found := make(map[string]*protocol.Result)
	for len(ids) > 0 {
		n := min(len(ids), readKeys)
		var texts []rueidis.RedisMessage
		err := b.do(ctx, func(ctx context.Context) (err error) {
			texts, err = b.client.Do(ctx, b.mget(ids[:n])).ToArray()
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read results of %d tasks from %s: %w", n, b.settings.endpoint.String(), err)
		}
		for i, m := range texts {
			if m.IsNil() {
				continue
			}
			text, err := m.ToString()
			if err != nil {
				return nil, fmt.Errorf("read result of task %q: %w", ids[i], err)
			}
			r, err := b.decode(ids[i], text)
			if err != nil {
				return nil, err
			}
			found[ids[i]] = r
		}
		ids = ids[n:]
	}
	return found, nil
}

func (b *Backend) mget(ids []string) rueidis.Completed {
	return b.client.B().Mget().Key(b.keys(ids)...).Build()
}

func (b *Backend) keys(ids []string) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = b.key(id)
	}
	return keys
}

// Forget removes documents. Celery: AsyncResult.forget.
func (b *Backend) Forget(ctx context.Context, ids []string) error {
	for len(ids) > 0 {
		n := min(len(ids), readKeys)
		err := b.do(ctx, func(ctx context.Context) error {
			return b.client.Do(ctx, b.client.B().Del().Key(b.keys(ids[:n])...).Build()).Error()
		})
		if err != nil {
			return fmt.Errorf("forget results of %d tasks in %s: %w", n, b.settings.endpoint.String(), err)
		}
		ids = ids[n:]
	}
	return nil
}

// do makes a call that may be repeated, as the retry policy says.
func (b *Backend) do(ctx context.Context, call func(context.Context) error) error {
	tries := b.settings.retry.begin()
	for {
		if b.isClosed() {
			return errClosed
		}
		err := b.once(ctx, call)
		if err == nil || rueidis.IsRedisNil(err) {
			return err
		}
		if !b.repeatable(ctx, err) {
			return b.settings.explain(b.reason(ctx, err))
		}
		b.mend(err)
		if !tries.again(ctx, b.closing) {
			return b.settings.explain(b.reason(ctx, err))
		}
	}
}

func (b *Backend) once(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.settings.socketTimeout)
	defer cancel()
	return call(ctx)
}

// mend cuts connections that a new one is better than: one over which no answer came, and one to a server that is no
// longer the master, whose name may lead elsewhere by now.
func (b *Backend) mend(err error) {
	if readOnly(err) || errors.Is(err, context.DeadlineExceeded) {
		b.links.cut()
	}
}

// reason prefers what the caller did, and why dialing failed, to what the client says of it.
func (b *Backend) reason(ctx context.Context, err error) error {
	switch {
	case b.isClosed():
		return errClosed
	case ctx.Err() != nil:
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return err
}
