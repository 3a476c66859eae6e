package tracing

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/umbel-go/umbel"
)

// Scope is the name under which spans are made.
const Scope = "github.com/umbel-go/umbel"

// A Config says where spans go.
type Config struct {
	// TracerProvider makes the spans. Required.
	TracerProvider trace.TracerProvider

	// Propagator writes and reads the message's headers. Defaults to W3C trace context and baggage.
	Propagator propagation.TextMapPropagator

	// System is messaging.system of the spans. Defaults to "celery".
	System string
}

// Middleware makes spans. It is added by App.Use.
type Middleware struct {
	tracer trace.Tracer
	carry  propagation.TextMapPropagator
	system attribute.KeyValue
}

// New makes the middleware.
func New(c Config) *Middleware {
	if c.Propagator == nil {
		c.Propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	}
	if c.System == "" {
		c.System = "celery"
	}
	return &Middleware{tracer: c.TracerProvider.Tracer(Scope), carry: c.Propagator, system: attribute.String("messaging.system", c.System)}
}

// spanKey is where a publication keeps its span between the two hooks.
type spanKey struct{}

// BeforePublish begins the span of a send, and writes its context into the message's headers.
func (m *Middleware) BeforePublish(ctx context.Context, p *umbel.Publication) error {
	if r := umbel.RequestFrom(ctx); r != nil && !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = m.carry.Extract(ctx, ofRequest(r)) // it follows from a task whose handler has returned
	}
	destination := p.Queue
	if destination == "" {
		destination = p.Exchange + ":" + p.RoutingKey
	}
	ctx, span := m.tracer.Start(ctx, "send "+destination, trace.WithSpanKind(trace.SpanKindProducer))
	if span.IsRecording() {
		span.SetAttributes(m.system, attribute.String("messaging.operation.type", "send"), attribute.String("messaging.operation.name", "send"),
			attribute.String("messaging.destination.name", destination), attribute.String("messaging.message.id", p.ID),
			attribute.Int("messaging.message.body.size", len(p.Body)), attribute.String("celery.task_name", p.Name))
		if p.RoutingKey != "" {
			span.SetAttributes(attribute.String("messaging.rabbitmq.destination.routing_key", p.RoutingKey))
		}
	}
	if p.Headers == nil {
		p.Headers = make(map[string]any)
	}
	m.carry.Inject(ctx, headers(p.Headers))
	p.SetValue(spanKey{}, span)
	return nil
}

// AfterPublish ends it.
func (m *Middleware) AfterPublish(_ context.Context, p *umbel.Publication, err error) {
	span, ok := p.Value(spanKey{}).(trace.Span)
	if !ok {
		return
	}
	if err != nil {
		fail(span, err)
	}
	span.End()
}

// WrapTask runs a task under a span that is a child of the send's.
func (m *Middleware) WrapTask(next umbel.Handler) umbel.Handler {
	return func(ctx context.Context, r *umbel.Request) (any, error) {
		destination := r.Queue
		if destination == "" {
			destination = r.RoutingKey
		}
		if !trace.SpanContextFromContext(ctx).IsValid() { // an eager task is in its sender's trace already
			ctx = m.carry.Extract(ctx, headers(r.Headers()))
		}
		ctx, span := m.tracer.Start(ctx, "process "+destination, trace.WithSpanKind(trace.SpanKindConsumer))
		if span.IsRecording() {
			span.SetAttributes(m.system, attribute.String("messaging.operation.type", "process"), attribute.String("messaging.operation.name", "process"),
				attribute.String("messaging.destination.name", destination), attribute.String("messaging.message.id", r.ID),
				attribute.String("messaging.message.conversation_id", r.RootID), attribute.String("celery.task_name", r.Name),
				attribute.Int("celery.retries", r.Retries), attribute.String("messaging.client.id", r.Hostname))
		}
		follow := make(propagation.MapCarrier)
		m.carry.Inject(ctx, follow)
		r.SetCarrier(follow)
		returned := false
		defer func() {
			if !returned { // a panic, which is told to others further up
				span.SetStatus(codes.Error, "panic")
				span.SetAttributes(attribute.String("error.type", "panic"))
			}
			span.End()
		}()
		value, err := next(ctx, r)
		returned = true
		var again *umbel.RetryError
		switch {
		case err == nil:
		case errors.As(err, &again), errors.Is(err, umbel.Ignore): // asked for, and no failure
			span.AddEvent("retried or ignored", trace.WithAttributes(attribute.String("celery.reason", err.Error())))
		default:
			fail(span, err)
		}
		return value, err
	}
}

func fail(span trace.Span, err error) {
	span.RecordError(err)
	span.SetStatus(codes.Error, err.Error())
	span.SetAttributes(attribute.String("error.type", fmt.Sprintf("%T", err)))
}

// headers carry the context in a message: Celery's protocol 2 has them beside its own.
type headers map[string]any

// Get is a header's text; bytes are taken for text, as Python 2 sent it.
func (h headers) Get(key string) string {
	switch v := h[key].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// Set writes a header.
func (h headers) Set(key, value string) { h[key] = value }

// Keys are the names of all headers.
func (h headers) Keys() []string {
	out := make([]string, 0, len(h))
	for k := range h {
		out = append(out, k)
	}
	return out
}

// ofRequest is what a task left for those that follow it, or else what came with it.
func ofRequest(r *umbel.Request) propagation.TextMapCarrier {
	if c := r.Carrier(); c != nil {
		return propagation.MapCarrier(c)
	}
	return headers(r.Headers())
}

var (
	_ umbel.BeforePublisher = (*Middleware)(nil)
	_ umbel.AfterPublisher  = (*Middleware)(nil)
	_ umbel.Wrapper         = (*Middleware)(nil)
)
