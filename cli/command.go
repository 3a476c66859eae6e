package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os/signal"

	"github.com/spf13/cobra"
)

// A Command is one of a program's own, beside those of every program on Umbel. It stands in their help and completion, has
// its options from package flag, and takes the options of every command as they do.
//
//	cli.Main(app, cli.Command{
//		Name: "seed", Summary: "fill the shelves",
//		Flags: func(f *flag.FlagSet) { f.IntVar(&past, "past", 1000, "`N` orders of the past") },
//		Run: func(ctx context.Context, args []string, std cli.Std) error { … },
//	})
type Command struct {
	// Name is its word on the command line. One of Umbel's own is a mistake of the program, and panics.
	Name string

	// Summary says in half a line what it does.
	Summary string

	// Args names its arguments in the usage line, such as "FILE [FILE]...". Defaults to none, which Umbel sees to.
	Args string

	// Help is the text of --help, wrapped to 80 columns by whoever writes it. Defaults to Summary.
	Help string

	// Example are command lines for --help.
	Example string

	// Flags, if set, declares its options: -n for a name of one letter, --name for others. A word in `backquotes` in an
	// option's usage stands for its value.
	Flags func(f *flag.FlagSet)

	// Run does the work. The app has its settings by then, and logs warnings and errors only. ctx ends with SIGTERM or
	// SIGINT, a second one ends the program. An error is printed, and the exit code is 1 unless it is a *UsageError or one
	// that has a code with every command: a broker out of reach, settings that make no sense.
	Run func(ctx context.Context, args []string, std Std) error
}

// A UsageError says that a command line makes no sense: exit code 2, after the usage line.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// add puts the program's own commands into the tree, which is built.
func (p *program) add(root *cobra.Command, own []Command) {
	if len(own) == 0 {
		return
	}
	root.AddGroup(&cobra.Group{ID: "own", Title: "Of this program"})
	for _, c := range own {
		for _, known := range root.Commands() {
			if known.Name() == c.Name {
				panic(fmt.Sprintf("cli: command %q is there already: give it another name", c.Name))
			}
		}
		if c.Name == "" || c.Summary == "" || c.Run == nil {
			panic(fmt.Sprintf("cli: command %q needs a name, a summary and something to run", c.Name))
		}
		root.AddCommand(p.ownCommand(c))
	}
}

func (p *program) ownCommand(c Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: c.Name, Short: c.Summary, Long: c.Help, Example: c.Example, GroupID: "own",
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.Args == "" && len(args) > 0 {
				return misuse(cmd, "unexpected argument %q", args[0])
			}
			return p.runOwn(cmd, c, args)
		},
	}
	if c.Args != "" {
		cmd.Use += " " + c.Args
	}
	if c.Flags != nil {
		f := flag.NewFlagSet(c.Name, flag.ContinueOnError)
		c.Flags(f)
		f.VisitAll(func(f *flag.Flag) { // cobra would panic without saying whose option it is
			if f.Name == "help" || f.Name == "h" {
				panic(fmt.Sprintf("cli: command %q: option %q is every command's own", c.Name, f.Name))
			}
		})
		cmd.Flags().AddGoFlagSet(f)
	}
	return cmd
}

func (p *program) runOwn(cmd *cobra.Command, c Command, args []string) error {
	if _, err := p.settings(nil); err != nil {
		return err
	}
	level := slog.LevelWarn
	if p.global.quiet {
		level = levelCritical
	}
	p.app.SetLogger(slog.New(textHandler(p.Err, level, p.ink.on)))
	ctx, stop := signal.NotifyContext(cmd.Context(), termSignals...)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second signal ends the program
	err := c.Run(ctx, args, p.Std)
	var usage *UsageError
	switch {
	case errors.As(err, &usage):
		return misuse(cmd, "%w", err)
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return &fault{code: exitFailure, err: errAborted}
	}
	return err
}

var errAborted = errors.New("aborted")
