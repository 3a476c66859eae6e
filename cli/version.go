package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/internal/version"
)

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version, and what it was built from",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return p.printVersion(true) },
	}
}

func (p *program) printVersion(all bool) error {
	v, revision := build()
	line := "umbel " + v
	if all {
		if revision != "" {
			line += " (" + revision + ")"
		}
		line += fmt.Sprintf(" %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	}
	_, err := fmt.Fprintln(p.Out, line)
	return err
}

// build says which version of Umbel is linked into this program, and which commit.
func build() (release, revision string) { return version.Get() }

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misuse(cmd, "unexpected argument %q", args[0])
	}
	return nil
}

// oneArg wants exactly one argument, named as in the usage line.
func oneArg(what string) cobra.PositionalArgs { return wantArgs(what) }

// wantArgs wants these arguments, named as in the usage line, and no others.
func wantArgs(what ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(what):
			return misuse(cmd, "missing argument %s", what[len(args)])
		case len(args) > len(what):
			return misuse(cmd, "unexpected argument %q", args[len(what)])
		}
		return nil
	}
}
