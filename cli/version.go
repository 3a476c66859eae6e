package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version, and what it was built from",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return p.printVersion(true) },
	}
}

const modulePath = "github.com/umbel-go/umbel"

func (p *program) printVersion(all bool) error {
	version, revision := build()
	line := "umbel " + version
	if all {
		if revision != "" {
			line += " (" + revision + ")"
		}
		line += fmt.Sprintf(" %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	}
	_, err := fmt.Fprintln(p.Out, line)
	return err
}

// build says which version of Umbel is linked into this program, and which commit when it is Umbel's own.
func build() (version, revision string) {
	version = "(devel)"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, ""
	}
	if info.Main.Path != modulePath {
		for _, d := range info.Deps {
			if d.Path == modulePath {
				version = d.Version
			}
		}
		return version, ""
	}
	if info.Main.Version != "" {
		version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))] + revision
		case s.Key == "vcs.modified" && s.Value == "true":
			revision += ", modified"
		}
	}
	return version, revision
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misuse(cmd, "unexpected argument %q", args[0])
	}
	return nil
}

// oneArg wants exactly one argument, named as in the usage line.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return misuse(cmd, "missing argument %s", what)
		case 1:
			return nil
		}
		return misuse(cmd, "unexpected argument %q", args[1])
	}
}
