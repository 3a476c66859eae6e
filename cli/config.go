package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
)

// An entry is one setting as `config` shows it.
type entry struct {
	Name   string          `json:"name"`
	Value  json.RawMessage `json:"value"`
	Source string          `json:"source"`
	Effect string          `json:"effect"`
}

func (p *program) configCommand() *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "config [SETTING]...",
		Short: "show the settings in force, and where each comes from",
		Long: `Show the settings that differ from their defaults, or those that are named, and
where each comes from: file and line, variable, flag or code. Passwords are
shown as **.`,
		RunE: func(cmd *cobra.Command, args []string) error { return p.config(cmd, args, all, asJSON) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "show defaults, too")
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	cmd.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "say what is wrong with the settings, and what has no effect",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return p.configCheck() },
	})
	return cmd
}

func (p *program) config(cmd *cobra.Command, names []string, all, asJSON bool) error {
	c, err := p.settings(nil)
	if err != nil {
		return err
	}
	entries := p.entries(c)
	for i, name := range names {
		names[i] = strings.ToLower(name)
		var known []string
		for _, e := range entries {
			known = append(known, e.Name)
		}
		if !contains(known, names[i]) {
			return misuse(cmd, "no setting %q is set, or has a meaning here.%s", name, didYouMean(names[i], known, ""))
		}
	}
	shown := []entry{}
	for _, e := range entries {
		if contains(names, e.Name) || len(names) == 0 && (all || e.Source != "default") {
			shown = append(shown, e)
		}
	}
	if asJSON {
		out := json.NewEncoder(p.Out)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(shown)
	}
	if len(shown) == 0 {
		fmt.Fprintln(p.Out, "every setting has its default: see them with --all")
		return nil
	}
	t := table{heads: []string{"setting", "value", "source"}}
	for _, e := range shown {
		source := e.Source
		if e.Effect != "works" {
			source += " (" + e.Effect + ")"
		}
		t.add(e.Name, string(e.Value), source)
	}
	t.write(p.Out, p.paint)
	return nil
}

// entries are all settings. For an app with settings in code, what equals a default is one.
func (p *program) entries(c *umbel.Config) []entry {
	defaults := make(map[string]string)
	for _, e := range (umbel.Config{}).Entries() {
		defaults[e.Name] = e.Value
	}
	list := c.Entries()
	out := make([]entry, len(list))
	for i, e := range list {
		if v, ok := defaults[e.Name]; ok && e.Source == "code" && v == e.Value {
			e.Source = "default"
		}
		out[i] = entry{Name: e.Name, Value: json.RawMessage(e.Value), Source: e.Source, Effect: e.Effect}
	}
	return out
}

func (p *program) configCheck() error {
	c, err := p.settings(nil)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings() {
		fmt.Fprintln(p.Out, w)
	}
	if _, err := p.app.RoutedQueues(); err != nil {
		return &fault{code: exitConfig, err: err}
	}
	where := c.File()
	if where == "" {
		where = "no settings file"
	}
	fmt.Fprintf(p.Out, "settings are in order (%s)\n", where)
	return nil
}
