package umbel

import (
	"context"
	"fmt"

	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
)

// isEager reports whether registered tasks run in the caller: App.Eager or task_always_eager says so.
func (a *App) isEager() (bool, error) {
	if a.eager.Load() {
		return true, nil
	}
	p, err := a.ready()
	if err != nil {
		return false, err
	}
	return p.config.TaskAlwaysEager, nil
}

// sendEager runs a task in the caller: encoded and decoded as on its way to a worker, so that what would not survive the
// wire does not pass a test. Retries follow each other without delay.
func (a *App) sendEager(ctx context.Context, d *Definition, c call) (*AsyncResult, error) {
	p, err := a.ready()
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", d.name, err)
	}
	m, pub, err := a.message(ctx, p, a.oid, c)
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", d.name, err)
	}
	opts := protocol.DecodeOptions{Accept: p.accept, Limit: p.config.AcceptDecompressedBytes}
	t, err := protocol.DecodeTask(&m.Envelope, opts)
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", d.name, err)
	}
	body, err := t.DecodeBody(opts)
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", d.name, err)
	}
	req := NewRequest(t, nil)
	req.Eager, req.RoutingKey, req.Exchange, req.Queue = true, m.RoutingKey, m.Exchange, pub.Queue
	o := a.Execute(ctx, d, req, body)
	for o.State == Retrying && req.Retries < maxEagerRetries {
		req.Retries++
		o = a.Execute(ctx, d, req, body)
	}
	for _, h := range a.hooks.afterPublish {
		a.callHook("AfterPublish", func() { h.AfterPublish(ctx, pub, nil) })
	}
	return &AsyncResult{app: a, id: t.ID, name: t.Name, sent: true, eager: eagerDocument(req, o)}, nil
}

func eagerDocument(r *Request, o Outcome) *protocol.Result {
	value := codec.Of(o.Value)
	if o.State != Success {
		value = NewException(o.Err).Value()
	}
	// What a result is after the wire, not what it was before.
	raw, err := value.AppendJSON(nil)
	if err != nil {
		o = Outcome{State: Failure, Err: err, Traceback: traceback(r.Name, err)}
		raw, _ = NewException(err).Value().AppendJSON(nil)
	}
	doc := r.Document(o.State, codec.JSON(raw), false)
	if o.Traceback != "" {
		doc.Traceback, doc.HasTraceback = o.Traceback, true
	}
	return doc
}

// maxEagerRetries bounds a policy without limit: nothing changes between two eager attempts of a task that fails.
const maxEagerRetries = 100
