package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/umbel-go/umbel/scaling"
)

// scaleFlags are what scale and monitor share: what is wanted of a queue's workers.
type scaleFlags struct {
	config scaling.Config
	least  int
}

// add declares them under a prefix.
func (f *scaleFlags) add(fl *pflag.FlagSet, prefix string) {
	fl.DurationVar(&f.config.Wait, prefix+"wait", time.Minute, "all that waits in a queue shall have begun within this `DURATION`")
	fl.Float64Var(&f.config.Utilization, prefix+"utilization", 0.75, "`SHARE` of the slots that steady work may take")
	fl.IntVar(&f.config.Backlog, prefix+"backlog", 100, "`N` messages, waiting and running, for each worker, where nobody knows how long they take")
	fl.IntVar(&f.least, prefix+"min", 1, "never want fewer workers than `N` for a queue; 0 lets an idle queue have none")
	fl.IntVar(&f.config.Max, prefix+"max", 100, "nor more than `N`")
	fl.DurationVar(&f.config.Grace, prefix+"grace", 30*time.Second, "a worker that is told to stop may take this `DURATION` to finish")
}

// wanted is what they say.
func (f *scaleFlags) wanted() (scaling.Config, error) {
	c := f.config
	if c.Min = f.least; f.least == 0 {
		c.Min = scaling.NoWorkers
	}
	if err := c.Check(); err != nil {
		return c, &fault{code: exitUsage, err: err}
	}
	return c, nil
}

func (p *program) scaleCommand() *cobra.Command {
	f, fleet := &scaleFlags{}, &fleetFlags{}
	var queues []string
	var over time.Duration
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "say how many workers each queue should have, and which may go",
		Long: `Watch the fleet for a while, Celery's workers too, and say how many workers each
queue should have and why, and of each worker whether it may be stopped now: it
is idle, or ends what it runs within the grace. "remove" are those that may go
and are too many. Nothing is started or stopped.

A queue wants slots for its flow (tasks a second × seconds a task ÷ utilization)
and to begin all that waits within --wait, and never fewer workers than have long
tasks to finish. Where workers do not answer, messages decide.`,
		Example: "  umbel scale\n  umbel scale -Q reports --max 20 --grace 2m\n  umbel scale --json | jq '.queues[] | {queue, desired}'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.scale(cmd, f, fleet, queues, over)
		},
	}
	cmd.Flags().StringSliceVarP(&queues, "queues", "Q", nil, "queue `NAMES`, with commas between them")
	cmd.Flags().DurationVar(&over, "over", 10*time.Second, "watch for this `DURATION`")
	f.add(cmd.Flags(), "")
	cmd.Flags().Float64VarP(&fleet.timeout, "timeout", "t", 1, "wait `SECONDS` for the next worker's answer")
	cmd.Flags().BoolVarP(&fleet.asJSON, "json", "j", false, "print JSON")
	p.completeQueues(cmd, "queues")
	cmd.AddCommand(p.scaleRecordCommand(), p.scaleSimulateCommand())
	return cmd
}

// scaleLooks is how often the fleet is looked at beside the first time.
const scaleLooks = 4

func (p *program) scale(cmd *cobra.Command, f *scaleFlags, fleet *fleetFlags, queues []string, over time.Duration) error {
	if over < time.Second || over > time.Hour {
		return misuse(cmd, "--over %v: want 1s to 1h", over)
	}
	c, err := f.wanted()
	if err != nil {
		return err
	}
	c.Settle = over // whoever asks once decides for himself how long to wait
	ctx := cmd.Context()
	if _, err := p.connect(ctx); err != nil {
		return err
	}
	ctl, err := fleet.control(p.app)
	if err != nil {
		return err
	}
	if !p.global.quiet && !fleet.asJSON {
		fmt.Fprintf(p.Err, "watching for %v\n", over)
	}
	advisor, gatherer := scaling.New(c), scaling.NewGatherer(ctl)
	var advice *scaling.Advice
	for i, begun := 0, time.Now(); i <= scaleLooks; i++ {
		if err := waitUntil(ctx, begun.Add(over*time.Duration(i)/scaleLooks)); err != nil {
			return err
		}
		workers, err := gatherer.Workers(ctx)
		if err != nil {
			return unavailable(err)
		}
		ready, err := p.readyMessages(ctx, queues, workers)
		if err != nil {
			return err
		}
		now := time.Now()
		if i == 0 {
			begun = now
			gatherer.Settle()
		}
		advice = advisor.Look(now, ready, workers)
	}
	tasks, err := gatherer.Tasks(ctx)
	if err != nil {
		return unavailable(err)
	}
	if fleet.asJSON {
		out := json.NewEncoder(p.Out)
		out.SetIndent("", "  ")
		return out.Encode(scaleJSON(advice, tasks))
	}
	p.sayScale(advice, tasks)
	return nil
}

func waitUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readyMessages are those of the named queues, or of all that the settings know and workers consume.
func (p *program) readyMessages(ctx context.Context, names []string, workers []scaling.Worker) (map[string]int, error) {
	b, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if names, err = p.knownQueues(); err != nil {
			return nil, err
		}
		for _, w := range workers {
			for _, l := range w.Queues {
				names = append(names, l.Queue)
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	depths, err := p.depths(ctx, b, names, nil)
	if err != nil {
		return nil, err
	}
	ready := make(map[string]int)
	for _, d := range depths {
		if d.Exists {
			ready[d.Name] = d.Ready
		}
	}
	return ready, nil
}

// What scale prints as JSON; names and units are part of the contract with scripts.
type (
	scaleDocument struct {
		At      time.Time     `json:"at"`
		Queues  []scaleQueue  `json:"queues"`
		Workers []scaleWorker `json:"workers"`
	}
	scaleQueue struct {
		Queue    string   `json:"queue"`
		Ready    int      `json:"ready"`
		Waiting  int      `json:"waiting"` // in workers
		Running  int      `json:"running"`
		Workers  int      `json:"workers"`
		Slots    int      `json:"slots_per_worker"`
		Arrivals *float64 `json:"arrivals_per_second"` // null: not known
		Duration *float64 `json:"seconds_per_task"`    // null: not known
		Held     int      `json:"held"`
		Desired  int      `json:"desired"`
		Why      string   `json:"why"`
	}
	scaleWorker struct {
		Worker   string      `json:"worker"`
		Queues   []string    `json:"queues"`
		Slots    int         `json:"slots"`
		Running  int         `json:"running"`
		Stopping bool        `json:"stopping"`
		Safe     bool        `json:"safe"`
		Remove   bool        `json:"remove"`
		Why      string      `json:"why"`
		Tasks    []scaleTask `json:"tasks"`
	}
	scaleTask struct {
		ID      string  `json:"id"`
		Name    string  `json:"name"`
		Queue   string  `json:"queue"`
		Seconds float64 `json:"seconds"`
	}
)

func scaleJSON(a *scaling.Advice, tasks map[string][]scaling.Task) *scaleDocument {
	d := &scaleDocument{At: a.At.UTC(), Queues: []scaleQueue{}, Workers: []scaleWorker{}}
	for _, q := range a.Queues {
		out := scaleQueue{Queue: q.Queue, Ready: q.Ready, Waiting: q.Waiting, Running: q.Running, Workers: q.Workers, Slots: q.Slots, Held: q.Held, Desired: q.Desired, Why: q.Why}
		if q.Arrivals >= 0 {
			rate := rounded(q.Arrivals)
			out.Arrivals = &rate
		}
		if q.Duration > 0 {
			s := rounded(q.Duration.Seconds())
			out.Duration = &s
		}
		d.Queues = append(d.Queues, out)
	}
	for _, w := range a.Workers {
		out := scaleWorker{Worker: w.Name, Queues: workerQueues(w), Slots: w.Slots, Running: w.Running, Stopping: w.Stopping, Safe: w.Safe, Remove: w.Remove, Why: w.Why, Tasks: []scaleTask{}}
		for _, t := range tasks[w.Name] {
			out.Tasks = append(out.Tasks, scaleTask{t.ID, t.Name, t.Queue, rounded(t.For.Seconds())})
		}
		d.Workers = append(d.Workers, out)
	}
	return d
}

// rounded is to four digits behind the point.
func rounded(v float64) float64 { return math.Round(v*1e4) / 1e4 }

func workerQueues(w scaling.WorkerAdvice) []string {
	names := []string{}
	for _, l := range w.Queues {
		names = append(names, l.Queue)
	}
	slices.Sort(names)
	return names
}

func (p *program) sayScale(a *scaling.Advice, tasks map[string][]scaling.Task) {
	t := &table{heads: []string{"queue", " waiting", " running", " workers", " desired", "why"}}
	for _, q := range a.Queues {
		t.add(q.Queue, strconv.Itoa(q.Ready+q.Waiting), strconv.Itoa(q.Running), strconv.Itoa(q.Workers), strconv.Itoa(q.Desired), q.Why)
	}
	t.write(p.Out, p.paint)
	if len(a.Workers) == 0 {
		fmt.Fprintln(p.Out, "\nno worker answers")
		return
	}
	fmt.Fprintln(p.Out)
	t = &table{heads: []string{"worker", "queues", " runs", " slots", "may go", "why"}}
	for _, w := range a.Workers {
		may := "no"
		if w.Remove {
			may = "remove"
		} else if w.Safe {
			may = "yes"
		}
		why := w.Why
		if list := tasks[w.Name]; !w.Safe && len(list) > 0 {
			slices.SortFunc(list, func(x, y scaling.Task) int { return int(y.For - x.For) })
			why += fmt.Sprintf(" (%s %s)", list[0].Name, list[0].ID)
		}
		t.add(w.Name, strings.Join(workerQueues(w), ","), strconv.Itoa(w.Running), strconv.Itoa(w.Slots), may, why)
	}
	t.write(p.Out, p.paint)
}
