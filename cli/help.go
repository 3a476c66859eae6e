package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is the column where help is wrapped.
const helpWidth = 80

func (p *program) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "show help",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Root().Help()
			}
			for _, c := range cmd.Root().Commands() {
				if c.Name() == args[0] {
					return c.Help()
				}
			}
			return unknownCommand(cmd.Root(), args[0])
		},
	}
}

func (p *program) help(cmd *cobra.Command, _ []string) {
	p.paint = painter(p.Out, p.global.noColor)
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "Usage: %s\n", usageLine(cmd))
	about := cmd.Long
	if about == "" {
		about = strings.ToUpper(cmd.Short[:1]) + cmd.Short[1:] + "."
	}
	fmt.Fprintf(w, "\n%s\n", about)
	if cmd.HasAvailableSubCommands() {
		p.commandList(w, cmd)
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\n%s\n%s\n", p.paint.bold("Examples"), indent(strings.ReplaceAll(cmd.Example, "umbel ", p.name+" "), 2))
	}
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintf(w, "\n%s\n", p.paint.bold("Options"))
		flagList(w, cmd.LocalFlags())
	}
	if cmd.HasParent() {
		fmt.Fprintf(w, "\nOptions of every command: %s --help\n", cmd.Root().Name())
		return
	}
	fmt.Fprintf(w, "\n%s\n%s\n", p.paint.bold("Exit codes"), indent(exitCodes, 2))
}

const exitCodes = `0 done   1 failed   2 usage   69 no broker, result store or node answers
73 pid file is taken   78 settings make no sense`

func (p *program) commandList(w io.Writer, cmd *cobra.Command) {
	width := 0
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			width = max(width, len(c.Name()))
		}
	}
	list := func(title, group string) {
		first := true
		for _, c := range cmd.Commands() {
			if c.GroupID != group || !c.IsAvailableCommand() {
				continue
			}
			if first {
				fmt.Fprintf(w, "\n%s\n", p.paint.bold(title))
				first = false
			}
			fmt.Fprintf(w, "  %-*s  %s\n", width, c.Name(), c.Short)
		}
	}
	list("Of this program", "own")
	for _, g := range cmd.Groups() {
		if g.ID != "own" {
			list(g.Title, g.ID)
		}
	}
	list("Commands", "")
}

// noDefault are default values that are not worth a word.
var noDefault = []string{"", "0", "-1", "false", "[]"}

// flagList writes flags in the order they were declared, wrapped.
func flagList(w io.Writer, flags *pflag.FlagSet) {
	flags.SortFlags = false
	var names, texts []string
	width := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		name := "    --" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", --" + f.Name
		}
		if value != "" {
			name += " " + value
		}
		if !slices.Contains(noDefault, f.DefValue) {
			text += " (default " + f.DefValue + ")"
		}
		names, texts = append(names, name), append(texts, text)
		if len(name) <= 28 {
			width = max(width, len(name))
		}
	})
	for i, name := range names {
		lines := wrap(texts[i], helpWidth-width-4)
		if len(name) > width {
			fmt.Fprintf(w, "  %s\n", name)
			name = ""
		}
		for j, l := range lines {
			if j > 0 {
				name = ""
			}
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-*s  %s", width, name, l), " "))
		}
	}
}

// usageLine is the first line of help.
func usageLine(cmd *cobra.Command) string {
	use := cmd.Use
	if !cmd.HasParent() {
		return use + " [OPTIONS] COMMAND [ARGS]..."
	}
	name, args, _ := strings.Cut(use, " ")
	line := cmd.Parent().CommandPath() + " " + name + " [OPTIONS]"
	if cmd.HasAvailableSubCommands() {
		args = strings.TrimSpace(args + " [COMMAND]")
	}
	if args != "" {
		line += " " + args
	}
	return line
}

// indent sets every line in by n blanks.
func indent(text string, n int) string {
	pad := strings.Repeat(" ", n)
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = pad + l
		}
	}
	return strings.Join(lines, "\n")
}

// wrap breaks text at blanks into lines of at most width.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
