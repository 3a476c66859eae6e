package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/internal/schedule"
)

func (p *program) scheduleCommand() *cobra.Command {
	where := &settingFlags{}
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "show and change what beat sends, while it runs",
		Long: `Show and change the schedule. Schedulers that run follow within a second.

A SCHEDULE is seconds (30), a duration (1h30m), five crontab fields
("0 4 * * mon-fri": minute, hour, day of month, month, day of week), an event
of the sun at a latitude and longitude ("sunset 52.52 13.405"), or one time
(2026-12-24T18:00:00+01:00).`,
		Example: `  umbel schedule list
  umbel schedule add nightly shop.report "0 4 * * *" --kwargs '{"format": "pdf"}'
  umbel schedule edit nightly --schedule "0 5 * * *"
  umbel schedule pause nightly`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	where.add(cmd.PersistentFlags(), "store", "s", "beat_schedule_filename", "the schedule kept in this SQLite `FILE`, or in the store of this URL")
	open := func(cmd *cobra.Command, f func(context.Context, *beat.Timetable) error) error {
		settings, err := where.values(cmd, nil)
		if err != nil {
			return err
		}
		if _, err := p.settings(settings); err != nil {
			return err
		}
		if err := p.prepare(); err != nil {
			return err
		}
		t, err := beat.OpenTimetable(cmd.Context(), p.app, beat.Config{})
		if err != nil {
			return beatFault(err)
		}
		return errors.Join(f(cmd.Context(), t), t.Close())
	}
	named := func(use, short, done string, f func(context.Context, *beat.Timetable, string) error) *cobra.Command {
		return &cobra.Command{
			Use: use + " NAME", Short: short, Args: exactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return open(cmd, func(ctx context.Context, t *beat.Timetable) error {
					err := f(ctx, t, args[0])
					if err == nil && done != "" && !p.global.quiet {
						fmt.Fprintf(p.Out, "%s %s\n", done, args[0])
					}
					return err
				})
			},
		}
	}
	cmd.AddCommand(
		p.scheduleListCommand(open),
		p.scheduleAddCommand(open),
		p.scheduleEditCommand(open),
		named("pause", "send an entry no more, until it is resumed", "paused", func(ctx context.Context, t *beat.Timetable, name string) error { return t.Pause(ctx, name) }),
		named("resume", "send a paused entry again; what was due meanwhile is not made up for", "resumed", func(ctx context.Context, t *beat.Timetable, name string) error { return t.Resume(ctx, name) }),
		named("run", "send an entry's task now, beside its schedule", "", func(ctx context.Context, t *beat.Timetable, name string) error {
			r, err := t.Run(ctx, name)
			if err == nil {
				fmt.Fprintln(p.Out, r.ID())
			}
			return err
		}),
		named("remove", "remove an entry that was added, or undo the changes to one of the settings", "", func(ctx context.Context, t *beat.Timetable, name string) error {
			restored, err := t.Remove(ctx, name)
			switch {
			case err == nil && restored:
				fmt.Fprintf(p.Out, "%s is as the settings say again\n", name)
			case err == nil:
				fmt.Fprintf(p.Out, "removed %s\n", name)
			}
			return err
		}),
		p.scheduleNextCommand(open),
	)
	return cmd
}

// An opener opens the timetable for one command.
type opener func(*cobra.Command, func(context.Context, *beat.Timetable) error) error

// exactArgs wants so many arguments, and says which.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return misuse(cmd, "want %s, got %d arguments", strings.TrimPrefix(cmd.Use, cmd.Name()+" "), len(args))
		}
		return nil
	}
}

func (p *program) scheduleListCommand(open opener) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "list", Short: "list all entries", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return open(cmd, func(ctx context.Context, t *beat.Timetable) error { return p.scheduleList(ctx, t, asJSON) })
		},
	}
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

// A scheduleLine is an entry as list prints it.
type scheduleLine struct {
	Name   string         `json:"name"`
	Entry  map[string]any `json:"entry"`
	Source string         `json:"source"`
	Edited bool           `json:"edited"`
	Error  string         `json:"error,omitempty"`
	Next   *time.Time     `json:"next"`
	Last   *time.Time     `json:"last"`
	Sent   *time.Time     `json:"sent"`
	ID     string         `json:"id,omitempty"`
	Count  int64          `json:"count"`
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (p *program) scheduleList(ctx context.Context, t *beat.Timetable, asJSON bool) error {
	items, err := t.List(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		lines := make([]scheduleLine, len(items))
		for i, it := range items {
			lines[i] = scheduleLine{Name: it.Name, Entry: schedule.Entry(it.ScheduleEntry).Plain(), Source: it.Source, Edited: it.Edited,
				Next: timeOrNil(it.Next), Last: timeOrNil(it.Last), Sent: timeOrNil(it.Sent), ID: it.ID, Count: it.Count}
			if it.Err != nil {
				lines[i].Error = it.Err.Error()
			}
		}
		out := json.NewEncoder(p.Out)
		out.SetIndent("", "  ")
		return out.Encode(lines)
	}
	leader, err := t.Leader(ctx)
	if err != nil {
		return err
	}
	if !p.global.quiet {
		if leader == "" {
			leader = "nobody: no beat is running"
		}
		fmt.Fprintf(p.Err, "schedule %q, led by %s\n", t.Name(), leader)
	}
	now := time.Now()
	table := &table{heads: []string{"entry", "task", "schedule", "next", " in", " sent", "from"}}
	for _, it := range items {
		next, in, from := "-", "-", it.Source
		switch {
		case it.Err != nil:
			next = "error"
		case it.Disabled:
			next = "paused"
		case !it.Next.IsZero():
			next, in = it.Next.Local().Format(time.DateTime), max(0, it.Next.Sub(now)).Round(time.Second).String()
		}
		if it.Edited {
			from += ", edited"
		}
		table.add(it.Name, orDash(it.Task), orDash(it.Schedule), next, in, fmt.Sprint(it.Count), from)
	}
	table.write(p.Out, p.paint)
	for _, it := range items {
		if it.Err != nil {
			fmt.Fprintf(p.Err, "%s is not sent: %v\n", it.Name, it.Err)
		}
	}
	return nil
}

func (p *program) scheduleNextCommand(open opener) *cobra.Command {
	n := 5
	cmd := &cobra.Command{
		Use: "next NAME", Short: "print when an entry is next due", Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if n < 1 || n > 10_000 {
				return misuse(cmd, "Invalid value for '-n': %d is not between 1 and 10000", n)
			}
			return open(cmd, func(ctx context.Context, t *beat.Timetable) error {
				times, err := t.Next(ctx, args[0], n)
				for _, at := range times {
					fmt.Fprintln(p.Out, at.Format("2006-01-02T15:04:05Z07:00 Mon"))
				}
				if err == nil && len(times) == 0 {
					return failed("%s is not due any more, or paused", args[0])
				}
				return err
			})
		},
	}
	cmd.Flags().IntVarP(&n, "number", "n", 5, "how many `TIMES`")
	return cmd
}
