package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
)

type benchFlags struct {
	tasks, concurrency, prefetch, payload int
	senders, batch, latency               int
	noResults, acksLate, json             bool
}

func (p *program) benchCommand() *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "measure how fast this broker and store let tasks be sent and run",
		Long: `Send and run tasks that do nothing, with a sender and a worker in this process,
on a private queue that is deleted at the end. A warm-up comes first and is not
counted. Then, one after the other:

  send     --tasks are sent while no worker runs, each confirmed by the broker.
           sent_per_second: tasks / time from the first send to the last confirm
  run      a worker starts and runs them all.
           run_per_second: tasks / time from the first task's start to the last
           one's end, results stored if there is a result store
           cpu_us_per_task: CPU time, user and system, of this process from the
           start of that worker until it has stopped, all settled / tasks
  latency  --latency tasks are sent one by one to the idle worker.
           latency_p50_ms, latency_p99_ms: from the call of Send until the task
           starts

max_rss_mb is the most memory this process ever held, in MiB. The broker's own
work is in none but the rates. The worker logs nothing but errors.

Results are stored when --result-backend or the setting result_backend names a
store, and forgotten at the end.

Without a broker a temporary SQLite file in this directory is measured.`,
		Example: `umbel bench --broker amqp://localhost// --result-backend redis://localhost
umbel bench --tasks 100000 --concurrency 50 --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.bench(cmd, f) },
	}
	fl := cmd.Flags()
	fl.IntVar(&f.tasks, "tasks", 20000, "`NUMBER` of tasks to send and run")
	fl.IntVarP(&f.concurrency, "concurrency", "c", 100, "`NUMBER` of tasks that run at once")
	fl.IntVar(&f.prefetch, "prefetch", 0, "`NUMBER` of messages the worker holds unsettled, rounded up to a multiple of --concurrency; default 4 times it")
	fl.IntVar(&f.payload, "payload-bytes", 100, "`BYTES` of text in each task's argument")
	fl.IntVar(&f.senders, "senders", 64, "`NUMBER` of goroutines that send")
	fl.IntVar(&f.batch, "batch", 1, "send in pipelined batches of this `NUMBER`")
	fl.IntVar(&f.latency, "latency", 1000, "`NUMBER` of tasks to measure latency with")
	fl.BoolVar(&f.noResults, "no-results", false, "store no results, whatever the settings say")
	fl.BoolVar(&f.acksLate, "acks-late", false, "ack each task after it has run")
	fl.BoolVarP(&f.json, "json", "j", false, "print JSON")
	return cmd
}

// benchLimit bounds what can be asked for: more is surely a slip of the hand.
const benchLimit = 100_000_000

func (f *benchFlags) check(cmd *cobra.Command) error {
	for _, n := range []struct {
		flag             string
		value, low, high int
	}{
		{"tasks", f.tasks, 1, benchLimit}, {"concurrency", f.concurrency, 1, 65535}, {"prefetch", f.prefetch, 0, 65535},
		{"payload-bytes", f.payload, 0, 64 << 20}, {"senders", f.senders, 1, 10_000}, {"batch", f.batch, 1, 100_000},
		{"latency", f.latency, 1, 1_000_000},
	} {
		if n.value < n.low || n.value > n.high {
			return misuse(cmd, "--%s %d is out of range: want %d to %d", n.flag, n.value, n.low, n.high)
		}
	}
	return nil
}

func (p *program) bench(cmd *cobra.Command, f *benchFlags) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	given, err := p.settings(nil)
	if err != nil {
		return err
	}
	config, remove, err := benchConfig(*given, f)
	if err != nil {
		return err
	}
	defer remove()
	defer steadyMemory()()
	ctx, stop := signal.NotifyContext(cmd.Context(), termSignals...)
	defer stop()

	log := slog.New(textHandler(p.Err, slog.LevelError, p.ink.on))
	b := newLoad(config, f, log, newBar(p.Err, p.ink, !p.global.quiet && !f.json))
	full := config.WithDefaults()
	b.figures.Broker, b.figures.Store = brokerText(&full), storeText(&full)
	err = b.open(ctx)
	if err == nil {
		err = b.run(ctx)
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWait)
		defer cancel()
		if left := b.close(clean); left != nil {
			err = errors.Join(err, left)
		} else if ctx.Err() != nil {
			err = errors.New("its queue and results are removed")
		}
	}
	if ctx.Err() != nil {
		fmt.Fprintf(p.Err, "Aborted! %v\n", err)
		return &fault{code: exitFailure}
	}
	if err != nil {
		return err
	}
	if f.json {
		return b.figures.writeJSON(p.Out)
	}
	return b.figures.writeText(p.Out, p.paint)
}

// cleanWait bounds deleting the queue and forgetting the results.
const cleanWait = 60 * time.Second

// benchConfig is the user's way to broker and store, with queues and routes of the benchmark alone. remove deletes the
// file of a broker that is there for this run only.
func benchConfig(c umbel.Config, f *benchFlags) (config umbel.Config, remove func(), err error) {
	remove = func() {}
	if embedded(&c) {
		file, err := os.CreateTemp(".", "umbel-bench-*.db")
		if err != nil {
			return c, nil, fmt.Errorf("make a temporary broker: %w", err)
		}
		if err := file.Close(); err != nil {
			return c, nil, err
		}
		name := file.Name()
		c.BrokerURL = []string{"sqlite://" + name}
		remove = func() {
			for _, end := range []string{"", "-wal", "-shm", "-lock"} {
				_ = os.Remove(name + end)
			}
		}
	}
	if c.ResultBackend == "" || f.noResults {
		c.ResultBackend = "disabled"
	}
	name := "umbel-bench-" + uuid.NewString()[:8]
	c.Profile = ""
	c.TaskQueues, c.TaskRoutes = nil, nil
	c.TaskDefaultQueue, c.TaskDefaultExchange, c.TaskDefaultRoutingKey, c.TaskDefaultExchangeType = name, "", "", ""
	c.TaskIgnoreResult = c.ResultBackend == "disabled"
	c.TaskAcksLate = f.acksLate
	c.ResultExpires = time.Hour // for what an interrupted run leaves behind
	c.WorkerPool = ""
	return c, remove, nil
}
