package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
)

// A program is one run of the command line.
type program struct {
	Std
	app  *umbel.App
	name string // as it was called

	global global
	paint  paint // of Out
	ink    paint // of Err

	given *umbel.Config // settings as the sources gave them; nil until loaded
}

func newProgram(app *umbel.App, name string, std Std) *program {
	return &program{Std: std, app: app, name: name}
}

// command is the tree of commands.
func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           p.name,
		Short:         "a distributed task queue that speaks Celery",
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
		PersistentPreRunE: func(*cobra.Command, []string) error { return p.start() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpFunc(p.help)
	root.SetUsageFunc(func(cmd *cobra.Command) error { p.help(cmd, nil); return nil })
	root.SetFlagErrorFunc(flagFault)
	root.SetHelpCommand(p.helpCommand())
	p.global.bind(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run"},
		&cobra.Group{ID: "task", Title: "Tasks"},
		&cobra.Group{ID: "queue", Title: "Queues"},
		&cobra.Group{ID: "about", Title: "About"},
	)
	for group, commands := range map[string][]*cobra.Command{
		"run":   {p.workerCommand(), p.benchCommand()},
		"task":  {p.callCommand(), p.resultCommand()},
		"queue": {p.queuesCommand(), p.purgeCommand()},
		"about": {p.configCommand(), p.versionCommand(), p.completionCommand()},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	return root
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
