// Command shop is a small shop: it takes orders, sends mails and writes reports, all as tasks.
//
//	shop demo                       everything in one process, on one SQLite file, for a few seconds
//	shop seed                       fill the shelves, and the books with past orders
//	shop worker -Q high_priority    run tasks; -h tells of its options, which are Celery's
//	shop order -n 10                place orders and have them processed
//	shop report                     have a report made, and watch it
//
// All other commands are those of every program on Umbel: shop --help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/umbel-go/umbel/cli"
)

// commands are the shop's own.
var commands = map[string]func(ctx context.Context, args []string, out io.Writer) error{
	"demo":   demoCommand,
	"seed":   seedCommand,
	"order":  orderCommand,
	"report": reportCommand,
}

func main() {
	if len(os.Args) > 1 {
		if command, own := commands[os.Args[1]]; own {
			os.Exit(run(command, os.Args[2:]))
		}
	}
	if len(os.Args) == 1 || os.Args[1] == "--help" || os.Args[1] == "help" && len(os.Args) == 2 {
		fmt.Println("The shop's own commands: demo, order, report, seed; -h after each tells more. Those of every program on Umbel:")
		fmt.Println()
	}
	cli.Main(newShop(dataFolder()).app)
}

// run runs one of the shop's own commands until it ends or is interrupted, and returns the exit code.
func run(command func(context.Context, []string, io.Writer) error, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, args, os.Stdout)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, new(usageError)):
		return 2 // package flag has told why
	}
	fmt.Fprintf(os.Stderr, "shop: %v\n", err)
	return 1
}

// A usageError is a command line that makes no sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// parse reads a command's options.
func parse(f *flag.FlagSet, args []string) error {
	err := f.Parse(args)
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("%s: unexpected argument %q", f.Name(), f.Arg(0))
		fmt.Fprintln(f.Output(), err)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return usageError{err}
	}
	return err
}
