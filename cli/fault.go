package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/setting"
	"github.com/umbel-go/umbel/worker"
)

// Exit codes, as the package comment lists them. Celery: click's 1 and 2, and sysexits.h.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitUnavailable = 69 // EX_UNAVAILABLE
	exitCantCreate  = 73 // EX_CANTCREAT
	exitConfig      = 78 // EX_CONFIG
)

// A fault ends the program with a code. Without an error it has said already what there is to say.
type fault struct {
	code  int
	err   error
	usage *cobra.Command // its usage line is shown
}

func (f *fault) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit code %d", f.code)
	}
	return f.err.Error()
}

func (f *fault) Unwrap() error { return f.err }

// misuse is a command line that makes no sense.
func misuse(cmd *cobra.Command, format string, args ...any) error {
	return &fault{code: exitUsage, err: fmt.Errorf(format, args...), usage: cmd}
}

// failed ends with code 1.
func failed(format string, args ...any) error {
	return &fault{code: exitFailure, err: fmt.Errorf(format, args...)}
}

// unavailable is what keeps a broker or store from being opened.
func unavailable(err error) error {
	var f *fault
	if err == nil || errors.As(err, &f) || code(err) != exitFailure {
		return err
	}
	return &fault{code: exitUnavailable, err: err}
}

// code is the exit code of an error.
func code(err error) int {
	var (
		f      *fault
		config *umbel.ConfigError
		open   *broker.OpenError
		start  *worker.StartError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &config), errors.Is(err, umbel.ErrNoBackend):
		return exitConfig
	case errors.As(err, &open), errors.As(err, &start), errors.Is(err, broker.ErrNotSent), errors.Is(err, broker.ErrClosed):
		return exitUnavailable
	}
	return exitFailure
}

// report tells of an error and returns its exit code.
func (p *program) report(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	var f *fault
	if errors.As(err, &f) {
		if f.err == nil {
			return f.code
		}
		if f.usage != nil {
			fmt.Fprintf(p.Err, "Usage: %s\nTry '%s --help' for help.\n\n", usageLine(f.usage), f.usage.CommandPath())
		}
	}
	if errors.Is(err, context.Canceled) && cmd != nil && cmd.Context().Err() != nil {
		fmt.Fprintln(p.Err, "\nAborted!")
		return exitFailure
	}
	fmt.Fprintf(p.Err, "%s %v\n", p.ink.red("Error:"), err)
	return code(err)
}

func unknownCommand(root *cobra.Command, name string) error {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return misuse(root, "no such command %q.%s", name, didYouMean(name, names, ""))
}

// flagFault names the flag that was probably meant.
func flagFault(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	if !errors.As(err, &missing) || len(missing.GetSpecifiedName()) < 2 {
		return misuse(cmd, "%w", err)
	}
	name := missing.GetSpecifiedName()
	return misuse(cmd, "no such option --%s.%s", name, didYouMean(name, flagNames(cmd), "--"))
}

// flagNames are the options that cmd shows, with those of every command.
func flagNames(cmd *cobra.Command) (names []string) {
	collect := func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	cmd.Flags().VisitAll(collect)
	cmd.InheritedFlags().VisitAll(collect)
	return names
}

// didYouMean is a sentence with the nearest of the candidates, or "".
func didYouMean(name string, candidates []string, prefix string) string {
	slices.Sort(candidates)
	near := setting.Nearest(name, candidates)
	if near == "" {
		for _, c := range candidates { // the beginning of a word, or a word of several
			if len(name) > 2 && strings.HasPrefix(c, name) {
				near = c
				break
			}
		}
	}
	if near == "" || near == name {
		return ""
	}
	return fmt.Sprintf(" Did you mean %s%s?", prefix, near)
}
