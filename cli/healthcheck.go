package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/internal/vitals"
)

func (p *program) healthcheckCommand() *cobra.Command {
	var (
		address string
		live    bool
		wait    time.Duration
	)
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "ask the process on this machine whether it is well",
		Long: `Ask the worker, beat or monitor that shows its health at metrics_address whether
it does its work. Exit code 0 if it does, 1 if it does not, 69 if nobody answers.

It connects to that process and to nothing else, and takes a few milliseconds:
for a container's HEALTHCHECK, or an exec probe of Kubernetes. "inspect ping"
asks through the broker, which is another question.`,
		Example: `  umbel healthcheck
  umbel healthcheck --live --metrics 127.0.0.1:9808
  HEALTHCHECK CMD ["/umbel", "healthcheck"]`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if address == "" {
				c, err := p.settings(nil)
				if err != nil {
					return err
				}
				if address = c.MetricsAddress; address == "" {
					return misuse(cmd, "nobody to ask: set metrics_address (UMBEL_METRICS_ADDRESS), for the process and for this command, or give --metrics")
				}
			}
			path := "/readyz"
			if live {
				path = "/livez"
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), wait)
			defer cancel()
			said, err := vitals.Ask(ctx, address, path)
			switch {
			case errors.Is(err, vitals.ErrUnwell):
				return failed("%s", said)
			case err != nil:
				return &fault{code: exitUnavailable, err: err}
			}
			if !p.global.quiet {
				fmt.Fprintln(p.Out, said)
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&address, "metrics", "", "`ADDRESS` of the process; default: metrics_address of the settings")
	fl.BoolVar(&live, "live", false, "ask whether it lives, not whether it works: a worker without its broker lives")
	fl.DurationVarP(&wait, "timeout", "t", 2*time.Second, "how long to wait: a `DURATION`")
	return cmd
}
