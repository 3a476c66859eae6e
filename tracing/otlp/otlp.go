// Package otlp sends traces to an OpenTelemetry collector over OTLP, HTTP with protobuf. Importing it is enough: it reads
// OpenTelemetry's own variables, OTEL_EXPORTER_OTLP_*, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and OTEL_BSP_*.
package otlp

import (
	"context"
	"errors"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/umbel-go/umbel/tracing"
)

func init() { tracing.Register(open) }

func open(ctx context.Context, a tracing.About) (trace.TracerProvider, func(context.Context) error, error) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { a.Log.Warn("traces cannot be sent", "error", err) }))
	to, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, err
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", a.Service), attribute.String("service.version", a.Version),
		attribute.Int("process.pid", os.Getpid())), resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv()) // the environment wins
	if err != nil {
		return nil, nil, errors.Join(err, to.Shutdown(ctx))
	}
	p := sdk.NewTracerProvider(sdk.WithBatcher(to), sdk.WithResource(about))
	return p, p.Shutdown, nil
}
