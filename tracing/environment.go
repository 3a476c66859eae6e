package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// About is what a provider tells of the program.
type About struct {
	Service, Version string       // unless OTEL_SERVICE_NAME has another
	Log              *slog.Logger // is told when spans cannot be sent
}

// An Exporter makes a provider whose spans go where the environment says. shutdown sends what is left.
type Exporter func(ctx context.Context, a About) (p trace.TracerProvider, shutdown func(context.Context) error, err error)

var exporter Exporter

// Register makes an exporter known; exporters call it from init.
func Register(e Exporter) { exporter = e }

// Wanted reports whether the environment asks for traces, by OpenTelemetry's own variables: OTEL_TRACES_EXPORTER=otlp, or an
// endpoint in OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT; not when OTEL_SDK_DISABLED is true. The error says
// what it asks for that we do not have.
func Wanted() (bool, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	switch to := os.Getenv("OTEL_TRACES_EXPORTER"); to {
	case "otlp":
	case "":
		if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
			return false, nil
		}
	case "none":
		return false, nil
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER=%s: want otlp or none", to)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch how := os.Getenv(name); how {
		case "":
			continue
		case "http/protobuf":
			return true, nil
		default:
			return false, fmt.Errorf("%s=%s: want http/protobuf; collectors take it at port 4318", name, how)
		}
	}
	return true, nil
}

// ErrNoExporter: the program links none.
var ErrNoExporter = errors.New(`the environment asks for traces, and this program has no exporter: import _ "github.com/umbel-go/umbel/tracing/otlp"`)

// FromEnvironment makes the middleware that the environment asks for; nil when it asks for none. shutdown sends what is left, and may be called without a middleware.
func FromEnvironment(ctx context.Context, a About) (m *Middleware, shutdown func(context.Context) error, err error) {
	none := func(context.Context) error { return nil }
	wanted, err := Wanted()
	if err != nil || !wanted {
		return nil, none, err
	}
	if exporter == nil {
		return nil, none, ErrNoExporter
	}
	p, shutdown, err := exporter(ctx, a)
	if err != nil {
		return nil, none, fmt.Errorf("traces: %w", err)
	}
	return New(Config{TracerProvider: p}), shutdown, nil
}
