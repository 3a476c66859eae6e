package interop

import (
	"context"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/tracing"
	"github.com/umbel-go/umbel/worker"
)

// A trace that Python begins goes on in a Go task, and from there in a Python task. The headers are those that
// opentelemetry-instrumentation-celery writes at a send and reads from the request.
func traces(t *testing.T, w *world) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	app := w.newApp(t, func(c *umbel.Config) { c.TaskQueues = append(c.TaskQueues, umbel.QueueConfig{Name: "traced"}) })
	app.Use(tracing.New(tracing.Config{TracerProvider: provider, System: "rabbitmq"}))
	umbel.Register(app, "go.trace", func(ctx context.Context, _ umbel.Args) (map[string]any, error) {
		r, err := app.Send(ctx, "py.trace", nil)
		if err != nil {
			return nil, err
		}
		var there map[string]any
		return there, r.Get(ctx, &there)
	})
	startGo(t, app, worker.Config{Queues: []string{"traced"}, Concurrency: 1})

	const id, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	there := value[map[string]any](t, w.client, `get(app.send_task("go.trace", queue="traced", headers={
		"traceparent": given[0], "tracestate": "vendor=x1"}))`, "00-"+id+"-"+span+"-01")
	byName := make(map[string]tracetest.SpanStub)
	for _, s := range spans.GetSpans() {
		byName[s.Name] = s
		if got := s.SpanContext.TraceID().String(); got != id {
			t.Errorf("%s is in trace %s", s.Name, got)
		}
	}
	process, send := byName["process traced"], byName["send py"]
	if process.Parent.SpanID().String() != span || process.SpanKind != trace.SpanKindConsumer || process.SpanContext.TraceState().String() != "vendor=x1" {
		t.Errorf("the task's span: %+v", process)
	}
	if send.Parent.SpanID() != process.SpanContext.SpanID() || send.SpanKind != trace.SpanKindProducer {
		t.Errorf("the send's span: %+v", send)
	}
	if want := "00-" + id + "-" + send.SpanContext.SpanID().String() + "-01"; there["traceparent"] != want || there["tracestate"] != "vendor=x1" {
		t.Errorf("Python's task sees %v, want traceparent %s", there, want)
	}
	var result map[string]any
	r, err := app.Send(deadline(t), "py.trace", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Get(deadline(t), &result); err != nil {
		t.Fatal(err)
	}
	if text, _ := result["traceparent"].(string); strings.Count(text, "-") != 3 || strings.Contains(text, id) {
		t.Errorf("a trace begun in Go arrives as %v", result)
	}
}
