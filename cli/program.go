package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// A program is one run of the command line.
type program struct {
	Std
	app  *umbel.App
	name string // as it was called

	global global
	paint  paint // of Out
	ink    paint // of Err

	level slog.LevelVar // of the log of a command that runs; it may change meanwhile

	endTraces func(context.Context) error // sends what is left; nil: nothing is traced

	given *umbel.Config // settings as the sources gave them; nil until loaded
}

func newProgram(app *umbel.App, name string, std Std) *program {
	return &program{Std: std, app: app, name: name}
}

// command is the tree of commands, with the program's own.
func (p *program) command(own ...Command) *cobra.Command {
	root := &cobra.Command{
		Use:           p.name,
		Short:         "a distributed task queue that speaks Celery",
		Long:          "A distributed task queue that speaks Celery.",
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case p.global.version:
				return p.printVersion(false)
			case len(args) > 0:
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if worker.InChild() && cmd.Name() != "worker" {
				return fmt.Errorf("this process was started to run tasks for a worker, and came to the command %s: run that worker with pool \"goroutine\"", cmd.Name())
			}
			if err := p.start(); err != nil {
				return err
			}
			return p.trace(cmd)
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpFunc(p.help)
	root.SetUsageFunc(func(cmd *cobra.Command) error { p.help(cmd, nil); return nil })
	root.SetFlagErrorFunc(flagFault)
	root.SetHelpCommand(p.helpCommand())
	p.global.bind(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run"},
		&cobra.Group{ID: "fleet", Title: "Workers"},
		&cobra.Group{ID: "task", Title: "Tasks"},
		&cobra.Group{ID: "queue", Title: "Queues"},
		&cobra.Group{ID: "setup", Title: "Set up"},
		&cobra.Group{ID: "about", Title: "About"},
	)
	for _, group := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{"run", []*cobra.Command{p.workerCommand(), p.beatCommand(), p.monitorCommand(), p.benchCommand()}},
		{"fleet", []*cobra.Command{p.statusCommand(), p.inspectCommand(), p.controlCommand(), p.eventsCommand(), p.scaleCommand(), p.healthcheckCommand()}},
		{"task", []*cobra.Command{p.callCommand(), p.resultCommand(), p.revokeCommand(), p.scheduleCommand()}},
		{"queue", []*cobra.Command{p.queuesCommand(), p.purgeCommand(), p.scheduledCommand(), p.listCommand(), p.deadCommand(), p.spoolCommand()}},
		{"setup", []*cobra.Command{p.doctorCommand(), p.brokerCommand(), p.topologyCommand(), p.migrateCommand(), p.renderCommand()}},
		{"about", []*cobra.Command{p.configCommand(), p.versionCommand(), p.reportCommand(), p.completionCommand()}},
	} {
		for _, c := range group.commands {
			c.GroupID = group.id
			root.AddCommand(c)
		}
	}
	p.add(root, own)
	dress(root)
	return root
}

// dress gives every command its help flag, and keeps flags in the order they were declared.
func dress(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.PersistentFlags().SortFlags = false
	cmd.Flags().BoolP("help", "h", false, "show this help")
	for _, c := range cmd.Commands() {
		dress(c)
	}
}

// start comes before every command.
func (p *program) start() error {
	if dir := p.global.workdir; dir != "" {
		if err := os.Chdir(dir); err != nil {
			return &fault{code: exitUsage, err: err}
		}
	}
	p.paint = painter(p.Out, p.global.noColor)
	p.ink = painter(p.Err, p.global.noColor)
	return nil
}
