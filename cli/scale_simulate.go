package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel/scaling"
)

// simulateFlags say what the fleet is like, and which policies are played beside the advice.
type simulateFlags struct {
	scale  scaleFlags
	fleet  scaling.Fleet
	depth  int
	cpu    float64
	always int
	json   bool
	wanted bool
}

func (p *program) scaleSimulateCommand() *cobra.Command {
	f := &simulateFlags{}
	cmd := &cobra.Command{
		Use:   "simulate FILE",
		Short: "play the advice and other policies on a load that was recorded",
		Long: `Play a load of "umbel scale record" in virtual time and say for each policy how
long tasks would have waited and what it would have cost:

  advice, removable workers go   what "umbel scale" advises; its choice of workers goes
  advice, any worker goes        the same numbers for an autoscaler that picks blindly
  depth                          a worker for so many ready messages, five minutes before fewer
  CPU                            60 % of the processors, five minutes before fewer
  always                         a fixed number, enough for the busiest five minutes

"turns" is how often a policy changed its mind between more and fewer, "cut" how
many tasks were stopped in the middle and ran again, "left" how many still waited
at the end. The same file and options give the same table each time.

FILE holds a line tasks,seconds,spread for each minute; - is standard input.`,
		Example: `  umbel scale simulate orders.csv
  umbel scale simulate orders.csv --slots 8 --max 20 --wait 30s
  umbel scale record -Q reports --since 7d | umbel scale simulate - --slots 2 --grace 2m --json`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.scaleSimulate(cmd, f, args[0]) },
	}
	fl := cmd.Flags()
	fl.IntVar(&f.fleet.Slots, "slots", 4, "a worker runs `N` tasks at once")
	fl.DurationVar(&f.fleet.Boot, "boot", time.Minute, "`DURATION` from the wish for a worker to its first task")
	fl.IntVar(&f.fleet.Workers, "workers", 0, "`N` workers are there at first; 0: as many as the first minutes need")
	f.scale.add(fl, "")
	fl.DurationVar(&f.scale.config.Settle, "settle", 5*time.Minute, "the advice is fewer workers when they have been enough for this `DURATION`")
	fl.IntVar(&f.depth, "depth", 0, "policy depth: `N` ready messages for each worker; 0: as many as it ends within --wait")
	fl.Float64Var(&f.cpu, "cpu", 0.9, "policy CPU: `SHARE` of its slot's processor that a running task uses; tasks that wait for others use little")
	fl.IntVar(&f.always, "always", 0, "policy always: `N` workers; 0: enough for the busiest five minutes")
	fl.BoolVarP(&f.json, "json", "j", false, "print JSON")
	fl.BoolVar(&f.wanted, "wanted", false, "in the JSON, how many workers were wanted in each minute")
	return cmd
}

// policies are those to play on a trace.
func (f *simulateFlags) policies(t *scaling.Trace, c scaling.Config) []scaling.Policy {
	least := max(f.scale.least, 1) // by what they look at the others would never leave nothing again
	slots, mean := float64(f.fleet.Slots), t.Mean().Seconds()
	depth := cmp.Or(f.depth, max(int(slots*c.Wait.Seconds()/mean), 1))
	always := cmp.Or(f.always, max(int(math.Ceil(t.Busiest(5)/slots/cmp.Or(c.Utilization, 0.75))), 1))
	return []scaling.Policy{scaling.FollowAdvice(c, true), scaling.FollowAdvice(c, false), scaling.FollowDepth(depth, least, c.Max),
		scaling.FollowCPU(f.cpu, least, c.Max), scaling.Always(always)}
}

func (p *program) scaleSimulate(cmd *cobra.Command, f *simulateFlags, file string) error {
	c, err := f.scale.wanted()
	if err != nil {
		return err
	}
	if f.fleet.Slots < 1 || f.depth < 0 || f.always < 0 || f.always > 100_000 || c.Max > 100_000 || !(f.cpu > 0 && f.cpu <= 1) {
		return misuse(cmd, "--slots %d --depth %d --always %d --max %d --cpu %v: want a slot at least, positive numbers up to 100000, and a share of 1", f.fleet.Slots, f.depth, f.always, c.Max, f.cpu)
	}
	if f.wanted && !f.json {
		return misuse(cmd, "--wanted is for --json")
	}
	if f.fleet.Grace = c.Grace; f.fleet.Grace == 0 || f.fleet.Boot == 0 {
		return misuse(cmd, "--grace %v --boot %v: want more than nothing; 1ms is nearly that", f.fleet.Grace, f.fleet.Boot)
	}
	if err := f.fleet.Check(); err != nil {
		return &fault{code: exitUsage, err: err}
	}
	t, err := readTrace(p.In, file)
	if err != nil {
		return failed("%s: %w", file, err)
	}
	var outcomes []*scaling.Outcome
	for _, policy := range f.policies(t, c) {
		o, err := scaling.Simulate(cmd.Context(), t, f.fleet, policy)
		if err != nil {
			return err
		}
		outcomes = append(outcomes, o)
	}
	if f.json {
		out := json.NewEncoder(p.Out)
		out.SetIndent("", "  ")
		return out.Encode(simulateJSON(f, t, outcomes))
	}
	slots := "slots"
	if f.fleet.Slots == 1 {
		slots = "slot"
	}
	fmt.Fprintf(p.Out, "%s\nworkers of %d %s, at work %v after they are wanted, with %v to stop\n\n", traceLine(t), f.fleet.Slots, slots, f.fleet.Boot, f.fleet.Grace)
	table := &table{heads: []string{"policy", " workers", " wait p50", " p99", " longest", " worker-hours", " turns", " cut", " left"}}
	for _, o := range outcomes {
		workers := strconv.Itoa(o.Least)
		if o.Most > o.Least {
			workers += "–" + strconv.Itoa(o.Most)
		}
		table.add(o.Policy, workers, waitText(o.Wait50), waitText(o.Wait99), waitText(o.WaitMost), fmt.Sprintf("%.1f", o.WorkerHours), strconv.Itoa(o.Turns), strconv.Itoa(o.Cut), strconv.Itoa(o.Left))
	}
	table.write(p.Out, p.paint)
	return nil
}

func readTrace(in io.Reader, file string) (*scaling.Trace, error) {
	if file == "-" {
		return scaling.ReadTrace(in)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return scaling.ReadTrace(f)
}

// traceLine is what a load holds, in half a line.
func traceLine(t *scaling.Trace) string {
	whose, from := "", ""
	if t.Queue != "" {
		whose = " of " + t.Queue
	}
	if !t.Begin.IsZero() {
		from = " from " + t.Begin.UTC().Format("2006-01-02 15:04 UTC")
	}
	return fmt.Sprintf("%s tasks%s in %s%s, %s each; the busiest five minutes keep %.1f slots busy", thousands(float64(t.Tasks())), whose, spanText(t.Span()), from, waitText(t.Mean()), t.Busiest(5))
}

// spanText is a time of whole minutes.
func spanText(d time.Duration) string {
	if m := int(d.Minutes()); m%60 != 0 || m == 0 {
		if m < 120 {
			return fmt.Sprintf("%d min", m)
		}
		return fmt.Sprintf("%d h %d min", m/60, m%60)
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}

// waitText is a time for people, three digits of it.
func waitText(d time.Duration) string {
	switch s := d.Seconds(); {
	case s == 0:
		return "0"
	case s < 1:
		return fmt.Sprintf("%.3g ms", max(s*1000, 0.01))
	case s < 600:
		return fmt.Sprintf("%.1f s", s)
	case s < 36000:
		return fmt.Sprintf("%.1f min", s/60)
	default:
		return fmt.Sprintf("%.1f h", s/3600)
	}
}

// What scale simulate prints as JSON; names and units are part of the contract with scripts.
type (
	simulateDocument struct {
		Load     simulateLoad     `json:"load"`
		Fleet    simulateFleet    `json:"fleet"`
		Policies []simulatePolicy `json:"policies"`
	}
	simulateLoad struct {
		Queue   string     `json:"queue"`
		Begin   *time.Time `json:"begin"` // null: not known
		Minutes int        `json:"minutes"`
		Tasks   int        `json:"tasks"`
		Mean    float64    `json:"seconds_per_task"`
		Busiest float64    `json:"busiest_slots"` // of five minutes, in the mean
	}
	simulateFleet struct {
		Slots int     `json:"slots_per_worker"`
		Boot  float64 `json:"boot_seconds"`
		Grace float64 `json:"grace_seconds"`
		Least int     `json:"min_workers"`
		Most  int     `json:"max_workers"`
	}
	simulatePolicy struct {
		Policy  string  `json:"policy"`
		Least   int     `json:"fewest_workers"`
		Most    int     `json:"most_workers"`
		Wait50  float64 `json:"wait_p50_seconds"`
		Wait99  float64 `json:"wait_p99_seconds"`
		Longest float64 `json:"wait_longest_seconds"`
		Hours   float64 `json:"worker_hours"`
		Turns   int     `json:"turns"`
		Cut     int     `json:"cut"`
		Left    int     `json:"left"`
		Wanted  []int   `json:"wanted_by_minute,omitempty"`
	}
)

func simulateJSON(f *simulateFlags, t *scaling.Trace, outcomes []*scaling.Outcome) *simulateDocument {
	d := &simulateDocument{Load: simulateLoad{Queue: t.Queue, Minutes: len(t.Minutes), Tasks: t.Tasks(), Mean: rounded(t.Mean().Seconds()), Busiest: rounded(t.Busiest(5))},
		Fleet: simulateFleet{Slots: f.fleet.Slots, Boot: f.fleet.Boot.Seconds(), Grace: f.fleet.Grace.Seconds(), Least: f.scale.least, Most: f.scale.config.Max}}
	if !t.Begin.IsZero() {
		d.Load.Begin = &t.Begin
	}
	for _, o := range outcomes {
		one := simulatePolicy{Policy: o.Policy, Least: o.Least, Most: o.Most, Wait50: rounded(o.Wait50.Seconds()), Wait99: rounded(o.Wait99.Seconds()), Longest: rounded(o.WaitMost.Seconds()),
			Hours: rounded(o.WorkerHours), Turns: o.Turns, Cut: o.Cut, Left: o.Left}
		if f.wanted {
			const each = int(time.Minute / scaling.SimulationLook)
			for i := each - 1; i < len(o.Wanted); i += each {
				one.Wanted = append(one.Wanted, o.Wanted[i])
			}
		}
		d.Policies = append(d.Policies, one)
	}
	return d
}
