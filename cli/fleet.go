package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
	"github.com/umbel-go/umbel/protocol"
)

// What status, inspect and control share: whom to ask, how long to wait, and how replies are shown.
type fleetFlags struct {
	timeout     float64
	destination []string
	pattern     string
	asJSON      bool
	list        bool
}

func (f *fleetFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.Float64VarP(&f.timeout, "timeout", "t", 1, "wait `SECONDS` for the next reply")
	fl.StringSliceVarP(&f.destination, "destination", "d", nil, "ask only the nodes of these `NAMES`, with commas between them")
	fl.StringVar(&f.pattern, "pattern", "", "ask only the nodes that match, such as 'high@*'")
	fl.BoolVarP(&f.asJSON, "json", "j", false, "print JSON")
}

// control speaks to the nodes that the flags choose.
func (f *fleetFlags) control(app *umbel.App) (*umbel.Control, error) {
	if !(f.timeout > 0 && f.timeout <= 3600) {
		return nil, &fault{code: exitUsage, err: fmt.Errorf("timeout is %v: want more than 0 seconds, and an hour at most", f.timeout)}
	}
	if len(f.destination) > 0 && f.pattern != "" {
		return nil, &fault{code: exitUsage, err: errors.New("--destination and --pattern were both given: give one")}
	}
	c := app.Control().Timeout(time.Duration(f.timeout * float64(time.Second)))
	if len(f.destination) > 0 {
		c = c.To(f.destination...)
	}
	if f.pattern != "" {
		c = c.Matching(f.pattern)
	}
	return c, nil
}

// askFleet sends a command and shows the replies, each as it comes. Its result is empty when nobody has replied.
func (p *program) askFleet(ctx context.Context, f *fleetFlags, command string, args map[string]any, bodies bool) ([]control.Reply, error) {
	if _, err := p.connect(ctx); err != nil {
		return nil, err
	}
	c, err := f.control(p.app)
	if err != nil {
		return nil, err
	}
	var replies []control.Reply
	err = c.Each(ctx, command, args, func(r control.Reply) {
		replies = append(replies, r)
		if !f.asJSON {
			p.sayReply(r, bodies)
		}
	})
	if err == nil && len(replies) == 0 {
		err = &fault{code: exitUnavailable, err: noReplyError{}}
	}
	slices.SortFunc(replies, func(a, b control.Reply) int { return strings.Compare(a.Node, b.Node) })
	return replies, err
}

// A noReplyError says so in Celery's words.
type noReplyError struct{}

func (noReplyError) Error() string { return "No nodes replied within time constraint" }

// sayReply shows one reply as celery's command line does.
func (p *program) sayReply(r control.Reply, body bool) {
	arrow := "-> "
	if p.global.quiet {
		arrow = ""
	}
	status, text := p.pretty(r.Value)
	fmt.Fprintf(p.Out, "%s %s%s\n", arrow, p.paint.bold(r.Node+": "), status)
	if body {
		fmt.Fprintln(p.Out, indent(text, 4))
	}
}

// replyWidth is what is left of a terminal's line to a reply. What goes to another program stays one line, as Celery's.
const replyWidth = helpWidth - 4

// pretty is a reply's status and text for people.
func (p *program) pretty(v codec.Value) (status, text string) {
	ok := p.paint.green("OK")
	raw, err := v.AppendJSON(nil)
	if err != nil {
		return p.paint.red("ERROR"), err.Error()
	}
	v = codec.JSON(raw)
	switch first := bytes.TrimSpace(raw); {
	case len(first) > 0 && first[0] == '[':
		items, err := codec.SplitArray(raw)
		if err != nil {
			return p.paint.red("ERROR"), err.Error()
		}
		if len(items) == 0 {
			return ok, "- empty -"
		}
		lines := make([]string, len(items))
		for i, item := range items {
			lines[i] = "* " + plainText(item)
			if terminal(p.Out) {
				lines[i] = fold(lines[i], replyWidth, "   ")
			}
		}
		return ok, strings.Join(lines, "\n")
	case len(first) > 0 && first[0] == '{':
		members, err := codec.SplitObject(raw)
		if err != nil {
			return p.paint.red("ERROR"), err.Error()
		}
		for _, m := range members {
			switch m.Name {
			case "ok":
				_, text := p.pretty(m.Value)
				return ok, indent(text, 4)
			case "error":
				_, text := p.pretty(m.Value)
				return p.paint.red("ERROR"), indent(text, 4)
			}
		}
		return ok, indentedJSON(raw)
	}
	return ok, plainText(v)
}

// plainText is a text as it is, and anything else as Python shows it.
func plainText(v codec.Value) string {
	var s string
	if raw := bytes.TrimSpace(v.Raw()); len(raw) > 0 && raw[0] == '"' && v.Decode(&s) == nil {
		return s
	}
	return protocol.Repr(v)
}

// indentedJSON writes JSON with its members sorted, four blanks for each depth. Numbers stay as they came.
func indentedJSON(raw []byte) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return string(raw)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	if err := e.Encode(v); err != nil {
		return string(raw)
	}
	return strings.TrimRight(b.String(), "\n")
}

// nodesOnline says how many have answered.
func (p *program) nodesOnline(n int) {
	if p.global.quiet {
		return
	}
	nodes := "nodes"
	if n == 1 {
		nodes = "node"
	}
	fmt.Fprintf(p.Out, "\n%d %s online.\n", n, nodes)
}

// repliesJSON is {"node": reply, …} in one line.
func repliesJSON(replies []control.Reply) (string, error) {
	all := make([]codec.NamedValue, len(replies))
	for i, r := range replies {
		all[i] = codec.NamedValue{Name: r.Node, Value: r.Value}
	}
	text, err := codec.AppendJSON(nil, all)
	return string(text), err
}

// A fleetCommand is one command of inspect or control, as the command line takes it.
type fleetCommand struct {
	name, usage, about string
	args               []fleetArg
	rest               string // name of the argument that takes what is left, as a list
	must               int    // how many arguments must be given
}

type fleetArg struct {
	name string
	kind string // "", "int", "float" or "bool"
}

// arguments reads the words after a command's name.
func (c *fleetCommand) arguments(cmd *cobra.Command, words []string) (map[string]any, error) {
	if len(words) < c.must {
		return nil, misuse(cmd, "command %q takes arguments: %s", c.name, c.usage)
	}
	out := make(map[string]any)
	for _, a := range c.args {
		if len(words) == 0 {
			break
		}
		v, err := a.read(words[0])
		if err != nil {
			return nil, misuse(cmd, "command %q, %s: %w", c.name, a.name, err)
		}
		out[a.name], words = v, words[1:]
	}
	if c.rest != "" {
		out[c.rest] = append([]string{}, words...)
		return out, nil
	}
	if len(words) > 0 {
		return nil, misuse(cmd, "command %q takes arguments: %s", c.name, strings.TrimSpace(c.usage+" (nothing more)"))
	}
	return out, nil
}

func (a fleetArg) read(word string) (any, error) {
	switch a.kind {
	case "int":
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("%q is no whole number", word)
		}
		return n, nil
	case "float":
		x, err := strconv.ParseFloat(word, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("%q is no number", word)
		}
		return x, nil
	case "bool":
		switch strings.ToLower(word) {
		case "yes", "on", "y", "t", "true", "1":
			return true, nil
		case "no", "off", "n", "f", "false", "0":
			return false, nil
		}
		return nil, fmt.Errorf("%q is neither true nor false", word)
	}
	return word, nil
}

// fleetRequest is the command that words name, among these, and what it is to be sent with.
func (p *program) fleetRequest(cmd *cobra.Command, all []fleetCommand, words []string) (*fleetCommand, map[string]any, error) {
	if len(words) == 0 {
		return nil, nil, misuse(cmd, "Missing command: --list explains them")
	}
	c, err := p.fleetCommand(cmd, all, words[0])
	if err != nil {
		return nil, nil, err
	}
	args, err := c.arguments(cmd, words[1:])
	return c, args, err
}

// fleetCommand is the command of that name, among these.
func (p *program) fleetCommand(cmd *cobra.Command, all []fleetCommand, name string) (*fleetCommand, error) {
	var names []string
	for i := range all {
		if all[i].name == name {
			return &all[i], nil
		}
		names = append(names, all[i].name)
	}
	slices.Sort(names)
	return nil, misuse(cmd, "Command %s not recognized. Available %s commands: %s.%s", name, cmd.Name(), strings.Join(names, ", "), didYouMean(name, names, ""))
}

// ownCommands adds the app's own commands of one kind.
func (p *program) ownCommands(all []fleetCommand, inspect bool) []fleetCommand {
	out := slices.Clone(all)
	for _, c := range p.app.ControlCommands() {
		if c.Inspect != inspect {
			continue
		}
		f := fleetCommand{name: c.Name, about: c.Summary}
		for _, a := range c.Args {
			f.args = append(f.args, fleetArg{name: a})
			f.usage += " [" + a + "]"
		}
		f.usage = strings.TrimSpace(f.usage)
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b fleetCommand) int { return strings.Compare(a.name, b.name) })
	return out
}

// listCommands prints the commands, as --list does.
func (p *program) listCommands(title string, all []fleetCommand) {
	fmt.Fprintf(p.Out, "%s Commands:\n", title)
	const column = 34
	for _, c := range all {
		head := "  " + strings.TrimSpace(c.name+" "+c.usage)
		lines := wrap(c.about, helpWidth-column)
		if len(head) >= column-1 {
			fmt.Fprintln(p.Out, head)
			head = ""
		}
		for i, l := range lines {
			if i > 0 {
				head = ""
			}
			fmt.Fprintf(p.Out, "%-*s%s\n", column, head, l)
		}
	}
}

// commandsText is the list for a command's help.
func commandsText(all []fleetCommand) string {
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return strings.Join(wrap(strings.Join(names, " "), helpWidth), "\n")
}
