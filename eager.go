package umbel

import (
	"context"
	"errors"
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
	ctx, run, err := a.eagerScope(ctx)
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", d.name, err)
	}
	if run == nil {
		return nil, fmt.Errorf("send task %q: eager mode was switched off meanwhile", d.name)
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
	req.EncodeReturn(encodeJSON)
	o := a.Execute(ctx, d, req, body)
	for o.State == Retrying && req.Retries < maxEagerRetries {
		req.Retries++
		o = a.Execute(ctx, d, req, body)
	}
	for _, h := range a.hooks.afterPublish {
		a.callHook("AfterPublish", func() { h.AfterPublish(ctx, pub, nil) })
	}
	ignored := t.IgnoreResult != nil && *t.IgnoreResult
	if ignored && o.State == Failure {
		a.Logger().Error("eager task failed, and its result is ignored", "task", req.DisplayName(), "id", t.ID, "error", o.Err)
	}
	if ignored && (o.State != Failure || !d.Policy(p.config).StoreErrors) {
		run.ignore(t.ID)
	}
	doc, err := a.endEager(ctx, run, req, &body.Embed, o)
	if err != nil {
		return nil, fmt.Errorf("send task %q: %w", d.name, err)
	}
	if parent := RequestFrom(ctx); parent != nil && !c.quiet {
		parent.addChild(t.ID)
	}
	if ignored {
		doc = run.get(t.ID)
	}
	return &AsyncResult{app: a, id: t.ID, name: t.Name, sent: true, ignored: ignored, eager: doc, run: run}, nil
}

// endEager does what follows from an eager task, as a worker does.
func (a *App) endEager(ctx context.Context, run *eager, r *Request, e *protocol.Embed, o *Outcome) (*protocol.Result, error) {
	doc := eagerDocument(r, o)
	switch o.State {
	case Success:
		if err := a.Continue(ctx, r, e, doc.Result); err != nil {
			return nil, err
		}
		doc.Children = r.Children()
	case Ignored:
		if errors.As(o.Err, new(*replacedError)) {
			return run.get(r.ID), nil // what replaced it has run by now
		}
		run.put(doc)
		return doc, nil
	}
	run.put(doc)
	if err := a.JoinChord(ctx, r, e, doc.Status, doc.Result); err != nil {
		return nil, err
	}
	if doc.Status == Failure || doc.Status == Revoked {
		exc, err := protocol.DecodeException(doc.Result)
		if err != nil {
			return nil, err
		}
		if err := a.FailRest(ctx, r, e, Fault{State: doc.Status, Exception: exc, Traceback: doc.Traceback}); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

func encodeJSON(v any) (codec.Value, error) {
	raw, err := codec.Of(v).AppendJSON(nil)
	return codec.JSON(raw), err
}

func eagerDocument(r *Request, o *Outcome) *protocol.Result {
	value := o.Encoded // what a result is after the wire, not what it was before
	if o.State != Success {
		raw, err := NewException(o.Err).Value().AppendJSON(nil)
		if err != nil {
			o = &Outcome{State: Failure, Err: err, Traceback: traceback(r.Name, err)}
			raw, _ = NewException(err).Value().AppendJSON(nil)
		}
		value = codec.JSON(raw)
	}
	doc := r.Document(o.State, value, false)
	if o.Traceback != "" {
		doc.Traceback, doc.HasTraceback = o.Traceback, true
	}
	return doc
}

// maxEagerRetries bounds a policy without limit: nothing changes between two eager attempts of a task that fails.
const maxEagerRetries = 100
