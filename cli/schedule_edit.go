package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/beat"
)

// entryFlags are an entry's keys as options; those that are given become changes.
type entryFlags struct {
	text    map[string]*string // by option
	options []string
}

// entryOptions are options of an entry and the key that each sets; a dot leads into its publish options.
var entryOptions = []struct{ name, short, key, text string }{
	{"args", "a", "args", "positional arguments, a `JSON` array"},
	{"kwargs", "k", "kwargs", "keyword arguments, a `JSON` object"},
	{"queue", "Q", "options.queue", "send to this `QUEUE`"},
	{"priority", "", "options.priority", "`PRIORITY`, 0 to 255"},
	{"expires", "", "options.expires", "drop the task when it has not started so many `SECONDS` after it was sent"},
	{"timezone", "", "timezone", "`ZONE` of the schedule's clocks"},
	{"start", "", "start", "not due before this `TIME`"},
	{"end", "", "end", "not due after this `TIME`"},
	{"jitter", "", "jitter", "send up to this much later: `SECONDS` or a duration"},
	{"overlap", "", "overlap", "while the previous task has not ended: `allow`, skip, queue or cancel"},
	{"missed", "", "missed", "due times at which no beat ran: `last`, all or skip"},
	{"deadline", "", "deadline", "send at most this late: `SECONDS` or a duration"},
}

func (f *entryFlags) add(cmd *cobra.Command) {
	f.text = make(map[string]*string)
	for _, o := range entryOptions {
		f.text[o.key] = cmd.Flags().StringP(o.name, o.short, "", o.text)
	}
	cmd.Flags().StringArrayVarP(&f.options, "option", "o", nil, "another publish option, `NAME=VALUE`; the value is JSON or text")
	cmd.Flags().Bool("relative", false, "round an interval's times to its days, hours, minutes or seconds")
}

// changes are the keys that were given. An empty value is the default again. options are those that stand already.
func (f *entryFlags) changes(cmd *cobra.Command, options map[string]any) (map[string]any, error) {
	m := make(map[string]any)
	options = maps.Clone(options)
	if options == nil {
		options = make(map[string]any)
	}
	for _, o := range entryOptions {
		if !cmd.Flags().Changed(o.name) {
			continue
		}
		var v any
		if text := *f.text[o.key]; text != "" {
			v = text
			if o.key == "args" || o.key == "kwargs" || strings.HasPrefix(o.key, "options.") {
				v = jsonOrText(text)
			}
			switch v.(type) {
			case []any:
			case map[string]any:
			default:
				if o.key == "args" || o.key == "kwargs" {
					return nil, misuse(cmd, "Invalid value for '--%s': %s is not a JSON array or object", o.name, text)
				}
			}
		}
		if option, is := strings.CutPrefix(o.key, "options."); is {
			options[option] = v
			m["options"] = options
		} else {
			m[o.key] = v
		}
	}
	for _, o := range f.options {
		name, text, ok := strings.Cut(o, "=")
		if !ok {
			return nil, misuse(cmd, "Invalid value for '-o' / '--option': %s is not NAME=VALUE", o)
		}
		options[name] = jsonOrText(text)
		if text == "" {
			options[name] = nil
		}
		m["options"] = options
	}
	if cmd.Flags().Changed("relative") {
		m["relative"], _ = cmd.Flags().GetBool("relative")
	}
	return m, nil
}

// jsonOrText reads JSON, and takes what is none as text.
func jsonOrText(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return text
	}
	if _, err := d.Token(); err != io.EOF {
		return text
	}
	return v
}

func (p *program) scheduleAddCommand(open opener) *cobra.Command {
	f := &entryFlags{}
	paused := false
	cmd := &cobra.Command{
		Use: "add NAME TASK SCHEDULE", Short: "add an entry", Args: exactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := f.changes(cmd, nil)
			if err != nil {
				return err
			}
			m["task"], m["schedule"] = args[1], args[2]
			if paused {
				m["enabled"] = false
			}
			return open(cmd, func(ctx context.Context, t *beat.Timetable) error {
				err := t.AddPlain(ctx, args[0], m)
				if err == nil && !p.global.quiet {
					fmt.Fprintf(p.Out, "added %s\n", args[0])
				}
				return err
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&paused, "paused", false, "do not send it until it is resumed")
	return cmd
}

func (p *program) scheduleEditCommand(open opener) *cobra.Command {
	f := &entryFlags{}
	cmd := &cobra.Command{
		Use: "edit NAME", Short: "change an entry; an empty value makes it default again", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return open(cmd, func(ctx context.Context, t *beat.Timetable) error {
				now, err := t.Get(ctx, args[0])
				if err != nil {
					return err
				}
				m, err := f.changes(cmd, now.Options)
				if err != nil {
					return err
				}
				for _, name := range []string{"task", "schedule"} {
					if v, _ := cmd.Flags().GetString(name); v != "" {
						m[name] = v
					}
				}
				if len(m) == 0 {
					return misuse(cmd, "nothing to change was given")
				}
				err = t.Edit(ctx, args[0], m)
				if err == nil && !p.global.quiet {
					fmt.Fprintf(p.Out, "changed %s\n", args[0])
				}
				return err
			})
		},
	}
	cmd.Flags().String("task", "", "send this `TASK`")
	cmd.Flags().String("schedule", "", "be due by this `SCHEDULE`")
	f.add(cmd)
	return cmd
}
