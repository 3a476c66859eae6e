package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/internal/setting"
)

func (p *program) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "print what makes the shell complete commands, tasks and queues",
		Long: `Print what makes bash, zsh or fish complete commands, options, and the names of
tasks and queues.

  bash   source <(` + p.name + ` completion bash)
  zsh    ` + p.name + ` completion zsh > "${fpath[1]}/_` + p.name + `"
  fish   ` + p.name + ` completion fish > ~/.config/fish/completions/` + p.name + `.fish`,
		Args:      oneArg("SHELL"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(p.Out, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(p.Out)
			case "fish":
				return cmd.Root().GenFishCompletion(p.Out, true)
			}
			return misuse(cmd, "no completion for shell %q: there is one for bash, zsh and fish", args[0])
		},
	}
}

// completeQueues completes flags with the queues that the settings know.
func (p *program) completeQueues(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		_ = cmd.RegisterFlagCompletionFunc(f, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if _, err := p.settings(nil); err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			names, err := p.knownQueues()
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		})
	}
}

func (p *program) completeWords(cmd *cobra.Command, flag string, words ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completeArgs completes the first argument with words; each may have an explanation behind a tab.
func (p *program) completeArgs(cmd *cobra.Command, words ...string) {
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeTasks completes the first argument with the app's tasks.
func (p *program) completeTasks(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, d := range p.app.Tasks() {
		names = append(names, cobra.CompletionWithDesc(d.Name(), d.Summary()))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// knownQueues are the queues that the settings speak of.
func (p *program) knownQueues() ([]string, error) {
	plans, err := p.app.RoutedQueues()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(plans))
	for i, q := range plans {
		names[i] = q.Name
	}
	return names, nil
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

func nearest(name string, candidates []string) string { return setting.Nearest(name, candidates) }
