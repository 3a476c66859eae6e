package cli

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/umbel-go/umbel"
)

// Reference is the page of a program's command line, in Markdown: every command with its options, as --help has them. A
// program of its own may keep such a page beside its code: name is what it is called, own are its own commands.
func Reference(app *umbel.App, name string, own ...Command) []byte {
	p := newProgram(app, name, Std{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	root := p.command(own...)
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The command line\n\n")
	fmt.Fprintf(&b, "<!-- Written from the commands themselves. Do not edit. -->\n\n")
	fmt.Fprintf(&b, "Every program that calls `cli.Main` has these commands, and its own beside them. `%s COMMAND --help` says the same.\n"+
		"Options may stand before or after the command. A word `setting=value` after `worker`, `beat` or `monitor` sets a setting.\n", name)
	referenceIndex(&b, root)
	fmt.Fprintf(&b, "\n## Options of every command\n\n")
	referenceFlags(&b, root.PersistentFlags())
	fmt.Fprintf(&b, "\n## Exit codes\n\n```text\n%s\n```\n", exitCodes)
	for _, c := range inGroups(root) {
		referenceCommand(&b, c, 2)
	}
	return b.Bytes()
}

// inGroups are the commands in the order of their groups.
func inGroups(root *cobra.Command) (all []*cobra.Command) {
	for _, g := range root.Groups() {
		for _, c := range root.Commands() {
			if c.GroupID == g.ID && c.IsAvailableCommand() {
				all = append(all, c)
			}
		}
	}
	return all
}

func referenceIndex(b *bytes.Buffer, root *cobra.Command) {
	group := ""
	for _, c := range inGroups(root) {
		if c.GroupID != group {
			group = c.GroupID
			i := slices.IndexFunc(root.Groups(), func(g *cobra.Group) bool { return g.ID == group })
			fmt.Fprintf(b, "\n**%s**\n\n| | |\n|---|---|\n", root.Groups()[i].Title)
		}
		fmt.Fprintf(b, "| [%s](#%s) | %s |\n", c.Name(), strings.ReplaceAll(c.CommandPath(), " ", "-"), markdown(c.Short))
	}
}

// referenceCommand is one command and those beneath it, under a heading of that depth.
func referenceCommand(b *bytes.Buffer, c *cobra.Command, depth int) {
	fmt.Fprintf(b, "\n%s %s\n\n", strings.Repeat("#", depth), c.CommandPath())
	fmt.Fprintf(b, "```text\n%s\n```\n\n", usageLine(c))
	about := c.Long
	if about == "" {
		about = strings.ToUpper(c.Short[:1]) + c.Short[1:] + "."
	}
	b.WriteString(prose(about))
	for _, other := range c.Aliases {
		fmt.Fprintf(b, "\nAlso called `%s`.\n", strings.TrimSuffix(c.CommandPath(), c.Name())+other)
	}
	if list := map[string][]fleetCommand{"inspect": inspectCommands, "control": controlCommands}[c.Name()]; list != nil {
		referenceFleet(b, list)
	}
	if c.Flags().HasAvailableFlags() {
		b.WriteByte('\n')
		referenceFlags(b, c.LocalFlags())
	}
	if c.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", indent(unindent(strings.ReplaceAll(c.Example, "umbel ", c.Root().Name()+" ")), 0))
	}
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			referenceCommand(b, child, depth+1)
		}
	}
}

func referenceFleet(b *bytes.Buffer, list []fleetCommand) {
	fmt.Fprintf(b, "\n| command | |\n|---|---|\n")
	for _, f := range list {
		fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(strings.TrimSpace(f.name+" "+f.usage), "|", `\|`), markdown(f.about))
	}
}

func referenceFlags(b *bytes.Buffer, flags *pflag.FlagSet) {
	flags.SortFlags = false
	fmt.Fprintf(b, "| option | |\n|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if value != "" {
			name += " " + value
		}
		name = "`" + strings.ReplaceAll(name, "|", `\|`) + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		text = markdown(text)
		if !slices.Contains(noDefault, f.DefValue) {
			text += " (default `" + f.DefValue + "`)"
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, text)
	})
}

// prose is a command's help as paragraphs; those that are set in, or that have columns, stay as they are.
func prose(text string) string {
	var b strings.Builder
	var literal []string
	flush := func() {
		if literal != nil {
			fmt.Fprintf(&b, "```text\n%s\n```\n", unindent(strings.Join(literal, "\n\n")))
			literal = nil
		}
	}
	for i, part := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if strings.HasPrefix(part, "  ") || strings.Contains(part, "\n  ") {
			if i > 0 && literal == nil {
				b.WriteByte('\n')
			}
			literal = append(literal, part)
			continue
		}
		flush()
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(markdown(part) + "\n")
	}
	flush()
	return b.String()
}

// unindent takes away the blanks that all lines begin with.
func unindent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	least := -1
	for _, l := range lines {
		if blanks := len(l) - len(strings.TrimLeft(l, " ")); l != "" && (least < 0 || blanks < least) {
			least = blanks
		}
	}
	for i, l := range lines {
		lines[i] = l[min(max(least, 0), len(l)):]
	}
	return strings.Join(lines, "\n")
}

// markdown lets text stand for itself.
var markdownSigns = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "|", `\|`, "[", `\[`, "`", "\\`", "#", `\#`)

func markdown(text string) string { return markdownSigns.Replace(text) }
