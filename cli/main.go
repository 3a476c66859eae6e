package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	_ "time/tzdata" // schedules have zones also where the system has none: in an empty container

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/standard" // a program opens any broker and store by its URL
)

// Main turns an app into a program: it reads the command line, does what that says and exits with its code. It is the
// whole main function of a program with tasks. own are commands of the program's own.
func Main(app *umbel.App, own ...Command) {
	std := Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	os.Exit(Run(context.Background(), app, os.Args, std, own...))
}

// Std are the streams of a program.
type Std struct {
	In  io.Reader
	Out io.Writer // what was asked for
	Err io.Writer // log, progress, questions and errors
}

// Run is Main without the exit: args is the command line with the program's name first. It closes the app. Cancelling ctx
// stops what runs, a worker warmly.
func Run(ctx context.Context, app *umbel.App, args []string, std Std, own ...Command) int {
	name := "umbel"
	if len(args) > 0 {
		name, args = filepath.Base(args[0]), args[1:]
	}
	p := newProgram(app, name, std)
	root := p.command(own...)
	root.SetArgs(args)
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	cmd, err := root.ExecuteContextC(ctx)
	closed := app.Close()
	p.closeTraces(ctx)
	if err == nil && closed != nil {
		err = closed
	}
	return p.report(cmd, err)
}
