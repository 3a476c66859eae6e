package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/worker"
)

func (p *program) reportCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "report",
		Short: "show software, platform and settings, for a bug report",
		Long: `Show software, platform, and the settings that somebody has set, for a bug
report. Passwords are masked. It connects to nothing.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := p.settings(nil)
			if err != nil {
				return err
			}
			full := c.WithDefaults()
			if !asJSON {
				fmt.Fprintln(p.Out, worker.Report(&full))
				return nil
			}
			out := json.NewEncoder(p.Out)
			out.SetEscapeHTML(false)
			out.SetIndent("", "  ")
			return out.Encode(worker.AboutThis(&full))
		},
	}
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}
