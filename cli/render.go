package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/render"
)

// renderFlags are what every platform is told.
type renderFlags struct {
	name, image, program string
	queues, workers      []string
	concurrency, memory  int
	cpu                  float64
	replicas             string
	variables, secrets   []string
	grace                time.Duration
	beat, monitor        bool
	out                  string
}

func (p *program) renderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render",
		Short: "write what ECS, Terraform, Kubernetes, systemd or compose run the fleet from",
		Long: `Write what a platform runs the fleet from: a worker for each queue of the
settings, beat if there is a schedule, and the monitor. What the settings file
says goes along as variables; the broker's URL and the result store's are secrets
that the platform keeps, and are only named. Nothing is connected to.

The output is complete, and meant to be kept and reviewed: warm shutdown within
the platform's patience, health checks, no root, a file system that is read only.`,
		Example: `  umbel render compose --image shop:1.0 > compose.yaml
  umbel render kubernetes --image registry.example/shop@sha256:… --autoscale keda
      --prometheus http://prometheus:9090 --worker high_priority,concurrency=8,replicas=2-10
      --secret CELERY_BROKER_URL=shop#broker_url --secret CELERY_RESULT_BACKEND=shop#redis_url
  umbel render systemd -o units --secret CELERY_BROKER_URL=/etc/shop/broker_url …`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.renderECSCommand(), p.renderTerraformCommand(), p.renderKubernetesCommand(), p.renderSystemdCommand(), p.renderComposeCommand())
	return cmd
}

// add declares the options that all platforms share.
func (f *renderFlags) add(p *program, cmd *cobra.Command, program string) {
	fl := cmd.Flags()
	fl.StringVar(&f.name, "name", slugName(p.app.Name()), "`NAME` of the fleet, in front of all others")
	if cmd.Name() != "systemd" {
		fl.StringVar(&f.image, "image", "", "container `IMAGE`; best by its digest")
	}
	fl.StringVar(&f.program, "program", program+p.name, "`PATH` of the program")
	fl.StringSliceVarP(&f.queues, "queues", "Q", nil, "only these queues: `NAMES` with commas between them")
	fl.StringArrayVarP(&f.workers, "worker", "w", nil, "a `WORKER` other than the rest: QUEUE[+QUEUE][,name=,concurrency=,replicas=,memory=,cpu=,pool=,max-tasks-per-child=,backlog=]; may be repeated")
	fl.IntVarP(&f.concurrency, "concurrency", "c", 0, "`NUMBER` of tasks a worker runs at once; default: worker_concurrency, else 4")
	fl.StringVar(&f.replicas, "replicas", "1", "how many workers of a kind: a `NUMBER`, or 2-10 to follow the load")
	fl.IntVar(&f.memory, "memory", 512, "memory of a worker, in `MIB`")
	fl.Float64Var(&f.cpu, "cpu", 0.25, "`PROCESSORS` of a worker")
	fl.StringArrayVarP(&f.variables, "env", "e", nil, "a further `NAME=VALUE` of the environment; may be repeated")
	fl.StringArrayVarP(&f.secrets, "secret", "s", nil, "a variable whose value the platform keeps, as `NAME=WHERE`; may be repeated")
	fl.DurationVar(&f.grace, "grace", 0, "how long a worker may take to stop: a `DURATION`; default: worker_shutdown_grace, else worker_soft_shutdown_timeout and 12s, else 2m")
	fl.Lookup("grace").DefValue = "" // said in words
	fl.BoolVar(&f.beat, "beat", false, "with a scheduler; default: if the settings have a schedule")
	fl.BoolVar(&f.monitor, "monitor", true, "with the monitor")
	fl.StringVarP(&f.out, "output", "o", "", "write files into this `DIR` instead of to standard output")
	p.completeQueues(cmd, "queues")
}

func slugName(name string) string {
	if name = render.Slug(name); name == "" {
		return "umbel"
	}
	return name
}

// plan is the fleet that settings and options speak of.
func (p *program) plan(cmd *cobra.Command, f *renderFlags) (render.Plan, error) {
	given, err := p.settingsFor(umbel.LoadOptions{Elsewhere: true})
	if err != nil {
		return render.Plan{}, err
	}
	c := given.WithDefaults()
	plan := render.Plan{Name: f.name, Image: f.image, Program: f.program, Monitor: f.monitor, Beat: f.beat, Grace: stopWithin(f.grace, given)}
	if !cmd.Flags().Changed("beat") {
		plan.Beat = len(c.BeatSchedule) > 0 || c.BeatScheduleFile != ""
	}
	if plan.Variables, err = pairsOf(cmd, "env", f.variables); err != nil {
		return plan, err
	}
	secrets, err := pairsOf(cmd, "secret", f.secrets)
	if err != nil {
		return plan, err
	}
	for _, s := range secrets {
		plan.Secrets = append(plan.Secrets, render.Secret{Name: s.Name, From: s.Value})
	}
	plan.Variables = append(p.carried(given, plan), plan.Variables...)
	plan.Workers, err = p.renderWorkers(cmd, f, given)
	taken := slices.ContainsFunc(plan.Workers, func(w render.Worker) bool { return contains(w.Queues, c.TaskDefaultQueue) })
	if err == nil && !taken && len(f.queues) == 0 && !p.global.quiet {
		fmt.Fprintf(p.Err, "no worker takes from queue %q, where tasks without a route go: --worker %s, or another task_default_queue\n", c.TaskDefaultQueue, c.TaskDefaultQueue)
	}
	return plan, err
}

// stopWithin is how long a worker may take to stop. A soft shutdown ends cold, which takes 12 s.
func stopWithin(asked time.Duration, c *umbel.Config) time.Duration {
	switch {
	case asked > 0:
		return asked
	case c.WorkerShutdownGrace > 0:
		return c.WorkerShutdownGrace
	case c.WorkerSoftShutdownTimeout > 0:
		return c.WorkerSoftShutdownTimeout + 12*time.Second
	}
	return 2 * time.Minute
}

// pairsOf reads NAME=VALUE options.
func pairsOf(cmd *cobra.Command, option string, list []string) (out []render.Variable, err error) {
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, misuse(cmd, "--%s %s: want NAME=VALUE", option, name)
		}
		out = append(out, render.Variable{Name: name, Value: value})
	}
	return out, nil
}

// deliver prints files, or writes them into a folder.
func (p *program) deliver(f *renderFlags, files []render.File) error {
	if f.out == "" {
		for i, file := range files {
			if len(files) > 1 && !strings.HasSuffix(file.Name, ".json") { // JSON documents follow each other as they are
				if i > 0 {
					fmt.Fprintln(p.Out)
				}
				fmt.Fprintf(p.Out, "# %s\n", file.Name)
			}
			if _, err := fmt.Fprint(p.Out, file.Text); err != nil {
				return err
			}
		}
		return nil
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return &fault{code: exitCantCreate, err: err}
	}
	for _, file := range files {
		path := filepath.Join(f.out, file.Name)
		if err := os.WriteFile(path, []byte(file.Text), 0o644); err != nil {
			return &fault{code: exitCantCreate, err: err}
		}
		if !p.global.quiet {
			fmt.Fprintln(p.Err, "wrote "+path)
		}
	}
	left, err := os.ReadDir(f.out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range left {
		known := slices.ContainsFunc(files, func(file render.File) bool { return file.Name == e.Name() })
		if !known && !e.IsDir() && !p.global.quiet {
			fmt.Fprintf(p.Err, "%s is not of this fleet, and was left alone\n", filepath.Join(f.out, e.Name()))
		}
	}
	return nil
}

// remark tells what whoever rolls out should know.
func (p *program) remark(plan *render.Plan, notes []string) {
	if p.global.quiet {
		return
	}
	if plan.Image != "" && render.Floating(plan.Image) {
		notes = append(notes, "image "+plan.Image+" is whatever is latest: two processes started an hour apart can run different code. Better its digest")
	}
	for _, n := range notes {
		fmt.Fprintln(p.Err, n)
	}
}

// rendered ends a command: a plan that makes no sense is a mistake of the command line.
func rendered(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return misuse(cmd, "%w", err)
}
