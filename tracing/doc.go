// Package tracing follows tasks from who sends them to who runs them, as OpenTelemetry traces.
//
//	send ──traceparent──► broker ──► process ──► send ──► process     one trace
//	                                    └─ callbacks, the next step of a chain, a chord's body
//
// The trace context travels in the headers traceparent and tracestate of the message, where opentelemetry-instrumentation-celery
// writes and reads them: a trace goes through Python and back. Spans follow OpenTelemetry's conventions for messaging.
//
//	app.Use(tracing.New(tracing.Config{TracerProvider: provider}))
//
// An app without it pays nothing. Programs made with cli trace when the environment says where to: see FromEnvironment.
package tracing
