package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/broker"
)

// scheduledMost is how many delayed messages are looked at unless -n says otherwise. RabbitMQ hands each one out to be
// looked at, so that a million are not for every day.
const scheduledMost = 1000

type scheduledFlags struct {
	queue  string
	cancel []string
	limit  int
	asJSON bool
}

// A scheduled is a task that waits in the broker.
type scheduled struct {
	ID       string    `json:"id"`
	Task     string    `json:"task"`
	Queue    string    `json:"queue"`
	Due      time.Time `json:"due"` // zero: the message does not say
	Retries  int64     `json:"retries"`
	Args     string    `json:"args"`
	Kwargs   string    `json:"kwargs"`
	Priority uint8     `json:"priority"`
}

func (p *program) scheduledCommand() *cobra.Command {
	f := &scheduledFlags{}
	cmd := &cobra.Command{
		Use:   "scheduled",
		Short: "show tasks that wait in the broker for their time, or cancel them",
		Long: `Show the tasks that wait in the broker for their ETA or countdown, retries
included, or cancel some by id.

On RabbitMQ they wait in the celery_delayed_* queues, Python's tasks among them,
and are taken out and given back to be looked at; the shortest delays come
first. Tasks that a Python worker holds in its memory are not seen. A cancelled
task leaves no result: use it for what nobody waits for.`,
		Example: "  umbel scheduled\n  umbel scheduled -Q orders --json\n  umbel scheduled --cancel 1c2f4a5e-8d6b-4b43-9a1e-3f3f0c9f6c11",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.scheduled(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.queue, "queue", "Q", "", "only tasks for the queue `NAME`")
	fl.StringSliceVar(&f.cancel, "cancel", nil, "remove the tasks with these `IDS`, with commas between them")
	fl.IntVarP(&f.limit, "limit", "n", scheduledMost, "look at no more than `N` messages")
	fl.BoolVarP(&f.asJSON, "json", "j", false, "print JSON")
	p.completeQueues(cmd, "queue")
	return cmd
}

func (p *program) scheduled(ctx context.Context, f *scheduledFlags) error {
	if f.limit < 1 {
		return &fault{code: exitUsage, err: fmt.Errorf("limit is %d: want 1 or more", f.limit)}
	}
	if len(f.cancel) > 0 && (f.queue != "" || f.asJSON) {
		return &fault{code: exitUsage, err: errors.New("--cancel goes by id alone: leave out --queue and --json")}
	}
	b, err := p.connect(ctx)
	if err != nil {
		return err
	}
	s, ok := b.(broker.Scheduler)
	if !ok {
		return errors.New("this broker cannot tell what it keeps for later")
	}
	if len(f.cancel) > 0 {
		return p.unschedule(ctx, s, f)
	}
	list, more, err := s.Scheduled(ctx, f.queue, f.limit)
	if err != nil {
		return err
	}
	tasks := make([]scheduled, len(list))
	for i := range list {
		tasks[i] = scheduledTask(&list[i])
	}
	if more && !p.global.quiet {
		fmt.Fprintf(p.Err, "more than %d messages wait: -n looks at more of them\n", f.limit)
	}
	if f.asJSON {
		out := json.NewEncoder(p.Out)
		out.SetIndent("", "  ")
		return out.Encode(tasks)
	}
	p.scheduledTable(tasks, time.Now()).write(p.Out, p.paint)
	return nil
}

// unschedule cancels by id, and fails when one was not found.
func (p *program) unschedule(ctx context.Context, s broker.Scheduler, f *scheduledFlags) error {
	var missing []error
	for _, id := range f.cancel {
		n, err := s.Unschedule(ctx, id, f.limit)
		unseen := errors.Is(err, broker.ErrNotAllSeen)
		switch {
		case err != nil && !unseen:
			return fmt.Errorf("cancel %s: %w", id, err)
		case n > 0:
			fmt.Fprintf(p.Out, "cancelled %s\n", id)
		case unseen:
			missing = append(missing, fmt.Errorf("no task %s among the first %d messages: -n looks at more of them", id, f.limit))
		default:
			missing = append(missing, fmt.Errorf("no task %s waits in the broker", id))
		}
	}
	return errors.Join(missing...)
}

func scheduledTask(m *broker.Scheduled) scheduled {
	text := func(name string) string { s, _ := m.Headers[name].(string); return s }
	t := scheduled{ID: m.Properties.CorrelationID, Task: text("task"), Queue: m.Queue, Due: m.Due, Args: text("argsrepr"),
		Kwargs: text("kwargsrepr"), Priority: m.Properties.Priority}
	switch n := m.Headers["retries"].(type) {
	case int32:
		t.Retries = int64(n)
	case int64:
		t.Retries = n
	case int:
		t.Retries = int64(n)
	}
	if id := text("id"); id != "" {
		t.ID = id
	}
	if t.Queue == "" && m.Exchange == "" {
		t.Queue = m.RoutingKey
	}
	return t
}

func (p *program) scheduledTable(tasks []scheduled, now time.Time) *table {
	t := &table{heads: []string{"id", "task", "queue", "due", " in", " retries"}}
	for _, s := range tasks {
		due, in := "-", "-"
		if !s.Due.IsZero() {
			due, in = s.Due.Local().Format(time.DateTime), untilText(s.Due.Sub(now))
		}
		t.add(orDash(s.ID), orDash(s.Task), orDash(s.Queue), due, in, fmt.Sprint(s.Retries))
	}
	return t
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// untilText is a time to wait as people say it: in days where it is many.
func untilText(d time.Duration) string {
	const day = 24 * time.Hour
	if d < 10*day {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%dd", d.Round(day)/day)
}
