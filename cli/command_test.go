package cli_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
)

// ownCommands are what a program may add.
func ownCommands(app *umbel.App) []cli.Command {
	var (
		loud  bool
		times int
	)
	return []cli.Command{
		{
			Name: "say", Summary: "say words", Args: "WORD...", Example: "umbel say hello",
			Help: "Say words, one after the other.",
			Flags: func(f *flag.FlagSet) {
				f.BoolVar(&loud, "loud", false, "in capitals")
				f.IntVar(&times, "n", 1, "`N` times")
			},
			Run: func(_ context.Context, words []string, std cli.Std) error {
				if len(words) == 0 {
					return &cli.UsageError{Err: errors.New("there is nothing to say")}
				}
				text := strings.Repeat(strings.Join(words, " ")+"\n", times)
				if loud {
					text = strings.ToUpper(text)
				}
				fmt.Fprint(std.Out, text)
				return nil
			},
		},
		{Name: "which", Summary: "print the broker", Run: func(_ context.Context, _ []string, std cli.Std) error {
			c, err := app.Config()
			if err == nil {
				fmt.Fprintln(std.Out, c.BrokerURL[0])
			}
			return err
		}},
		{Name: "greet", Summary: "send a task", Run: func(ctx context.Context, _ []string, _ cli.Std) error {
			_, err := app.Send(ctx, "shop.greet", umbel.Args{"Ada"})
			return err
		}},
		{Name: "wait", Summary: "wait to be interrupted", Run: func(ctx context.Context, _ []string, std cli.Std) error {
			fmt.Fprintln(std.Out, "waiting")
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Minute):
				return errors.New("nobody interrupted it")
			}
		}},
	}
}

func TestACommandOfOnesOwnMustFit(t *testing.T) {
	run := func(context.Context, []string, cli.Std) error { return nil }
	for want, c := range map[string]cli.Command{
		`"worker" is there already`:         {Name: "worker", Summary: "x", Run: run},
		`"" needs a name`:                   {Summary: "x", Run: run},
		`"idle" needs a name, a summary`:    {Name: "idle", Run: run},
		`option "h" is every command's own`: {Name: "x", Summary: "x", Run: run, Flags: func(f *flag.FlagSet) { f.Bool("h", false, "") }},
	} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), want) {
					t.Errorf("%s: panic %v", want, p)
				}
			}()
			cli.Run(t.Context(), umbel.New("x"), []string{"x"}, cli.Std{}, c)
		}()
	}
}
