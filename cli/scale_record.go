package cli

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/protocol"
)

// recordFlags say whose load is recorded, and from where.
type recordFlags struct {
	queues, tasks []string
	since, until  string
	db            string
	force         bool
}

func (p *program) scaleRecordCommand() *cobra.Command {
	f := &recordFlags{}
	cmd := &cobra.Command{
		Use:   "record [FILE]",
		Short: "write the load of a queue, minute by minute, from the monitor's history",
		Long: `Read the history of "umbel monitor" and write, for each minute, how many tasks
of a queue came and how long they ran: a few bytes a minute, without names,
arguments or results. "umbel scale simulate" plays policies on it.

Each attempt of a task counts, in the minute in which it came: when it was sent,
at its ETA, or when a worker took it after a retry. Workers do not say which queue
a task came from, nor when it was sent: with task_send_sent_event clients do.
Without, the queue is the one that these settings route the task to, and a task
that waited counts later than it came.

Without FILE, or with -, it is printed.`,
		Example: `  umbel scale record orders.csv -Q orders --since 7d
  umbel scale record -Q reports --since 2026-11-20 --until 2026-11-21 --db postgres://ops@db/umbel > reports.csv
  umbel scale record mails.csv --task 'apps.mails.*'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misuse(cmd, "want one FILE at most, got %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.scaleRecord(cmd, f, append(args, "-")[0])
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVarP(&f.queues, "queues", "Q", nil, "queue `NAMES`, with commas between them, whose tasks count")
	fl.StringSliceVar(&f.tasks, "task", nil, "task `NAMES`, with * for any text: only these count")
	fl.StringVar(&f.since, "since", "24h", "from this `TIME` on, or so long ago: 90m, 24h, 7d")
	fl.StringVar(&f.until, "until", "0s", "until this `TIME`, or so long ago")
	fl.StringVar(&f.db, "db", "monitor.db", "the monitor's history: a SQLite `FILE`, or postgres://…")
	fl.BoolVarP(&f.force, "force", "f", false, "write over FILE")
	p.completeQueues(cmd, "queues")
	return cmd
}

func (p *program) scaleRecord(cmd *cobra.Command, f *recordFlags, to string) error {
	if len(f.queues) == 0 && len(f.tasks) == 0 {
		return misuse(cmd, "whose load? -Q QUEUE or --task NAME")
	}
	now := time.Now()
	since, err := momentOf(f.since, now)
	if err != nil {
		return misuse(cmd, "--since %w", err)
	}
	until, err := momentOf(f.until, now)
	if err != nil {
		return misuse(cmd, "--until %w", err)
	}
	if !since.Before(until) {
		return misuse(cmd, "--since %s --until %s: want a time before the other", f.since, f.until)
	}
	for _, pattern := range f.tasks {
		if _, err := path.Match(pattern, ""); err != nil {
			return misuse(cmd, "--task %q: %w", pattern, err)
		}
	}
	if _, err := os.Stat(to); err == nil && to != "-" && !f.force { // before a long look
		return &fault{code: exitCantCreate, err: fmt.Errorf("%s is there already: -f writes over it", to)}
	}
	if err := takeEnv(cmd, "db"); err != nil {
		return err
	}
	if _, err := p.settings(nil); err != nil {
		return err
	}
	s, err := history.Open(cmd.Context(), history.Config{URL: f.db, Existing: true})
	if errors.Is(err, history.ErrNotFound) {
		return failed("%w: --db says where \"umbel monitor\" keeps it", err)
	} else if err != nil {
		return unavailable(err)
	}
	defer s.Close()
	w := &whose{program: p, flags: f, seen: make(map[string]bool), route: make(map[string]string)}
	load, err := s.Load(cmd.Context(), history.LoadQuery{Since: since, Until: until, Of: w.counts})
	if errors.Is(err, history.ErrNoLoad) {
		return failed("%w%s", err, w.others())
	} else if err != nil {
		return unavailable(err)
	}
	load.Trace.Queue = strings.Join(f.queues, ",")
	var text bytes.Buffer
	if err := load.Trace.Write(&text); err != nil {
		return err
	}
	if to == "-" {
		_, err := p.Out.Write(text.Bytes())
		return err
	}
	if err := os.WriteFile(to, text.Bytes(), 0o644); err != nil {
		return &fault{code: exitCantCreate, err: err}
	}
	if !p.global.quiet {
		p.sayRecorded(to, load)
	}
	return nil
}

// sayRecorded says what the file holds, and what its reader should know of it.
func (p *program) sayRecorded(file string, l *history.Load) {
	fmt.Fprintf(p.Err, "%s: %s\n", file, traceLine(&l.Trace))
	if l.Unsent > 0 {
		fmt.Fprintf(p.Err, "%s of them: nobody told when they were sent (task_send_sent_event does); they count when a worker took them\n", thousands(float64(l.Unsent)))
	}
	if l.Open > 0 {
		fmt.Fprintf(p.Err, "%s of them: how long they ran is not known; they count as long as the others of their minute\n", thousands(float64(l.Open)))
	}
}

// whose tells tasks of the load from others.
type whose struct {
	*program
	flags *recordFlags
	seen  map[string]bool   // queues that had tasks
	route map[string]string // from a task's name to the queue that the settings send it to
}

// whoseMost bounds what is remembered of names: they come from strangers.
const whoseMost = 10_000

func (w *whose) counts(name, queue string) bool {
	if queue == "" {
		known, ok := w.route[name]
		if !ok {
			known, _ = w.app.QueueOf(name) // a task that the settings cannot route is in no queue
			if len(w.route) < whoseMost {
				w.route[name] = known
			}
		}
		queue = known
	}
	if len(w.seen) < whoseMost {
		w.seen[queue] = true
	}
	if len(w.flags.queues) > 0 && !slices.Contains(w.flags.queues, queue) {
		return false
	}
	return len(w.flags.tasks) == 0 || slices.ContainsFunc(w.flags.tasks, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

// others names queues that do have tasks.
func (w *whose) others() string {
	delete(w.seen, "")
	names := slices.Sorted(maps.Keys(w.seen))
	if len(names) == 0 {
		return ""
	}
	if len(names) > 20 {
		names = append(names[:20], "…")
	}
	return "; there are tasks of " + strings.Join(names, ", ")
}

// momentOf reads a time, or how long before now it was.
func momentOf(text string, now time.Time) (time.Time, error) {
	if days, is := strings.CutSuffix(text, "d"); is {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n < 10_000 {
			return now.Add(-time.Duration(n * 24 * float64(time.Hour))), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := protocol.ParseTime(text); err == nil {
		return t, nil
	}
	return now, fmt.Errorf("%q: want so long ago, such as 90m, 24h or 7d, or a time such as 2026-11-20T08:00:00Z", text)
}
