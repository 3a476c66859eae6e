package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
)

// A deadLetter is one as JSON shows it.
type deadLetter struct {
	ID         string         `json:"id"`
	Task       string         `json:"task"`
	Reason     string         `json:"reason"`
	Error      string         `json:"error,omitempty"`
	Stack      string         `json:"stack,omitempty"`
	Attempts   int            `json:"attempts"`
	Queue      string         `json:"queue"` // it came from
	Worker     string         `json:"worker,omitempty"`
	Time       *time.Time     `json:"time,omitempty"`
	Args       string         `json:"args"`
	Kwargs     string         `json:"kwargs"`
	Kept       string         `json:"kept"` // where it lies
	Headers    map[string]any `json:"headers,omitempty"`
	Properties any            `json:"properties,omitempty"`
	Body       string         `json:"body,omitempty"`
}

func (p *program) deadListCommand() *cobra.Command {
	f, asJSON := &deadFilter{}, false
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "list dead letters",
		Example: "umbel dead list\numbel dead list -Q orders --reason failed --newer 1h\numbel dead list -t 'orders.*' -a \"'order_id': 7\" --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := p.findDead(cmd, f, nil)
			if err != nil {
				return err
			}
			if asJSON {
				out := make([]deadLetter, len(list))
				for i, l := range list {
					out[i] = deadLetterOf(l)
				}
				return p.writeJSON(out)
			}
			p.deadTable(list, time.Now()).write(p.Out, p.paint)
			return nil
		},
	}
	p.bindDeadFilter(cmd, f)
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

func (p *program) deadShowCommand() *cobra.Command {
	f, asJSON := &deadFilter{}, false
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "show all of one dead letter: error, stack, headers and body",
		Args:  oneArg("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := p.findDead(cmd, f, args)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return failed("no dead letter has the id %s: -n looks at more messages", args[0])
			}
			if asJSON {
				out := make([]deadLetter, len(list))
				for i, l := range list {
					out[i] = deadLetterOf(l)
					out[i].Headers, out[i].Properties, out[i].Body = l.Message.Headers, l.Message.Properties, string(l.Message.Body)
				}
				return p.writeJSON(out)
			}
			for _, l := range list {
				p.writeDead(l)
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVarP(&f.queues, "queues", "Q", nil, "queue `NAMES`, with commas between them")
	fl.IntVarP(&f.limit, "limit", "n", umbel.DeadLimit, "look at no more than `N` messages of each queue")
	fl.BoolVarP(&asJSON, "json", "j", false, "print JSON")
	p.completeQueues(cmd, "queues")
	return cmd
}

// findDead lists the letters of all queues that fit.
func (p *program) findDead(cmd *cobra.Command, f *deadFilter, ids []string) ([]*umbel.DeadLetter, error) {
	filter, err := f.filter(cmd, ids)
	if err != nil {
		return nil, err
	}
	queues, err := p.deadQueues(cmd.Context(), f.queues)
	if err != nil {
		return nil, err
	}
	var all []*umbel.DeadLetter
	for _, q := range queues {
		list, more, err := q.letters.List(cmd.Context(), filter)
		if err != nil {
			return nil, fmt.Errorf("look at queue %q: %w", q.name, err)
		}
		all = append(all, list...)
		p.tellMore(q.name, more, filter.Limit)
	}
	return all, nil
}

func (p *program) tellMore(queue string, more bool, limit int) {
	if more && !p.global.quiet {
		fmt.Fprintf(p.Err, "queue %q holds more than %s: -n looks at more of them\n", queue, strconv.Itoa(limit)+" "+plural(limit, "message"))
	}
}

func deadLetterOf(l *umbel.DeadLetter) deadLetter {
	out := deadLetter{ID: l.ID, Task: l.Task, Reason: l.Reason, Error: l.Error, Stack: l.Stack, Attempts: l.Attempts, Queue: l.Queue,
		Worker: l.Worker, Args: l.Args, Kwargs: l.Kwargs, Kept: l.Kept}
	if !l.Time.IsZero() {
		out.Time = &l.Time
	}
	return out
}

func (p *program) writeJSON(v any) error {
	out := json.NewEncoder(p.Out)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// deadErrorWidth is how much of an error a table shows, in characters.
const deadErrorWidth = 60

func (p *program) deadTable(list []*umbel.DeadLetter, now time.Time) *table {
	t := &table{heads: []string{"id", "task", "queue", "reason", " attempts", " age", "error"}}
	for _, l := range list {
		age := "-"
		if !l.Time.IsZero() {
			age = ageText(now.Sub(l.Time))
		}
		t.add(orDash(l.ID), orDash(l.Task), orDash(l.Queue), orDash(l.Reason), strconv.Itoa(l.Attempts), age, orDash(oneLine(l.Error, deadErrorWidth)))
	}
	return t
}

// ageText is an age in the one unit that says enough.
func ageText(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// oneLine is text as a cell shows it.
func oneLine(text string, width int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}

// writeDead shows one letter for people.
func (p *program) writeDead(l *umbel.DeadLetter) {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(p.Out, "%s %s\n", p.paint.faint(fmt.Sprintf("%-9s", name)), oneLine(text, 10_000))
		}
	}
	line("id", l.ID)
	line("task", l.Task)
	line("reason", l.Reason)
	line("error", l.Error)
	line("attempts", strconv.Itoa(l.Attempts))
	line("queue", l.Queue)
	line("kept in", l.Kept)
	line("worker", l.Worker)
	if !l.Time.IsZero() {
		line("time", l.Time.Local().Format(time.DateTime))
	}
	line("args", l.Args)
	line("kwargs", l.Kwargs)
	if l.Stack != "" {
		fmt.Fprintf(p.Out, "%s\n", p.paint.faint("stack"))
		for s := range strings.Lines(l.Stack) {
			fmt.Fprintf(p.Out, "  %s\n", oneLine(strings.TrimRight(s, "\n"), 10_000))
		}
	}
	fmt.Fprintf(p.Out, "%s\n", p.paint.faint("headers"))
	names := make([]string, 0, len(l.Message.Headers))
	for name := range l.Message.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if name != umbel.HeaderDeadStack {
			fmt.Fprintf(p.Out, "  %s: %s\n", oneLine(name, 200), oneLine(fmt.Sprint(l.Message.Headers[name]), 1000))
		}
	}
	fmt.Fprintf(p.Out, "%s %s, %d bytes\n", p.paint.faint("body"), orDash(l.Message.Properties.ContentType), len(l.Message.Body))
	writeBody(p.Out, l.Message.Body)
}

// deadBodyMost is how much of a body is shown, bytes.
const deadBodyMost = 4 << 10

func writeBody(w io.Writer, body []byte) {
	shown := body[:min(len(body), deadBodyMost)]
	fmt.Fprintf(w, "  %s\n", oneLine(strings.ToValidUTF8(string(shown), "�"), deadBodyMost))
	if len(body) > len(shown) {
		fmt.Fprintf(w, "  … %d bytes more: --json shows all\n", len(body)-len(shown))
	}
}
