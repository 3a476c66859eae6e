package amqp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

const (
	restoreFirst = 100 * time.Millisecond
	restoreMost  = 30 * time.Second
)

// restore subscribes again: at once, then after growing pauses. The result is nil, nil when Stop was called meanwhile.
func (c *consumer) restore(l *link, why error) (*subscribed, error) {
	ctx, cancel := context.WithCancel(c.ctx)
	type result struct {
		sd  *subscribed
		err error
	}
	done := make(chan result, 1)
	c.broker.wg.Go(func() {
		sd, err := c.restoring(ctx, l, why)
		done <- result{sd, err}
	})
	defer cancel()
	for {
		select {
		case r := <-done:
			return r.sd, r.err
		case op := <-c.ops:
			err := op.run(nil)
			if c.stopped.Load() {
				cancel()
				if r := <-done; r.sd != nil {
					c.leave(r.sd)
				}
				op.done <- err
				return nil, nil
			}
			op.done <- err
		}
	}
}

func (c *consumer) restoring(ctx context.Context, l *link, why error) (*subscribed, error) {
	wait := backoff{first: restoreFirst, most: restoreMost}
	for {
		s, err := l.sessions.wait(ctx)
		if err != nil {
			return nil, err
		}
		sd, err := c.subscribe(ctx, s)
		if err == nil {
			return sd, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if s.isGone() {
			l.sessions.clear(s)
			continue
		}
		if isFinal(err) {
			return nil, fmt.Errorf("%w (it was lost because: %w)", err, why)
		}
		c.broker.config.Log.Error("cannot restore consumer", "queue", c.sub.Queue, "error", err)
		if !pause(ctx, wait.next()) {
			return nil, context.Cause(ctx)
		}
	}
}

// isFinal reports whether trying again cannot help: the queue is gone and not ours to declare, we may not use it, or it
// exists with other arguments. A queue whose node is down, or that a dying connection still holds, comes back.
func isFinal(err error) bool {
	var drift *broker.DriftError
	if errors.As(err, &drift) {
		return true
	}
	e := said(err)
	if e == nil {
		return false
	}
	switch e.Code {
	case amqp091.NotFound:
		return !strings.Contains(e.Reason, "home node") && !strings.Contains(e.Reason, "inaccessible")
	case amqp091.AccessRefused:
		return !strings.Contains(e.Reason, "exclusive use")
	}
	return false
}
