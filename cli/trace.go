package cli

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/tracing"
)

// untraced are commands that neither send nor run tasks: they should begin at once.
var untraced = []string{"healthcheck", "version", "completion", "config", "help", "report", "umbel"}

// flushWait bounds how long a program that ends waits for its last spans to be sent.
const flushWait = 3 * time.Second

// trace follows tasks where the environment asks for it (OTEL_*). A collector that cannot be reached is no reason not to work.
func (p *program) trace(cmd *cobra.Command) error {
	if slices.Contains(untraced, cmd.Name()) {
		return nil
	}
	version, _ := build()
	m, end, err := tracing.FromEnvironment(cmd.Context(), tracing.About{Service: p.app.Name(), Version: version, Log: slog.New(textHandler(p.Err, slog.LevelWarn, p.ink.on))})
	if err != nil {
		return &fault{code: exitConfig, err: fmt.Errorf("traces: %w", err)}
	}
	if m != nil {
		p.app.Use(m)
		p.endTraces = end
	}
	return nil
}

// closeTraces sends what is left.
func (p *program) closeTraces(ctx context.Context) {
	if p.endTraces == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWait)
	defer cancel()
	if err := p.endTraces(ctx); err != nil {
		p.app.Logger().Warn("the last traces cannot be sent", "error", err)
	}
}
