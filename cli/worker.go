package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/worker"
)

// workerFlags are the options of worker that are not settings.
type workerFlags struct {
	queues, exclude []string
	nodename        string
	jsonLog         bool
	purge           bool
	settings        settingFlags
	empty           emptyFlags
	detach          bool
	beat            bool
	heartbeat       string // seconds
	heartless       bool
}

func (p *program) workerCommand() *cobra.Command {
	f := &workerFlags{}
	cmd := &cobra.Command{
		Use:   "worker [SETTING=VALUE]...",
		Short: "run tasks",
		Long: `Run tasks until told to stop.

SIGTERM or Ctrl-C stops warmly: nothing more is taken, running tasks finish.
Once more stops coldly: running tasks are cancelled, and late-acked ones go back
to their queue. Once more leaves at once. SIGQUIT stops coldly. SIGHUP begins
the log file anew. SIGUSR1 logs what every goroutine does.

Arguments such as task_acks_late=true override settings. Celery's other options
are taken as well; the log says why they have no effect.`,
		Example: `umbel worker -Q high_priority --concurrency=8 -n high@%h
umbel worker -l debug worker_prefetch_multiplier=1`,
		RunE: func(cmd *cobra.Command, args []string) error { return p.runWorker(cmd, f, args) },
	}
	fl := cmd.Flags()
	fl.StringSliceVarP(&f.queues, "queues", "Q", nil, "queue `NAMES` to consume, with commas between them; name=5 gives one a weight")
	fl.StringSliceVarP(&f.exclude, "exclude-queues", "X", nil, "queue `NAMES` to leave out of the configured ones")
	f.settings.add(fl, "queue-order", "", "worker_queue_order", "`ORDER` in which tasks of several queues begin: arrival (as they come), strict (an earlier queue first) or weighted")
	f.settings.add(fl, "concurrency", "c", "worker_concurrency", "`NUMBER` of tasks that run at once; defaults to the number of CPUs")
	f.settings.add(fl, "prefetch-multiplier", "", "worker_prefetch_multiplier", "messages held for each of them: `NUMBER`, default 4; 0 is no limit; auto follows the length of the tasks")
	fl.StringVarP(&f.nodename, "hostname", "n", "", "node `NAME`; %h host, %n its first part, %d its domain, %i 0")
	f.settings.add(fl, "loglevel", "l", "worker_loglevel", "lowest `LEVEL` that is logged: DEBUG, INFO, WARNING, ERROR, CRITICAL or FATAL; default INFO")
	f.settings.add(fl, "logfile", "f", "worker_logfile", "log to this `FILE`; %n and %h are the node name's halves, %p is all of it")
	fl.BoolVar(&f.jsonLog, "json-logs", false, "log one JSON object per line")
	f.settings.add(fl, "pidfile", "", "worker_pidfile", "keep the process id in this `FILE`; refuse to start when it is taken")
	fl.BoolVar(&f.purge, "purge", false, "empty the queues first, without asking")
	fl.BoolVar(&f.purge, "discard", false, "")
	fl.BoolVarP(&f.beat, "beat", "B", false, "send tasks by schedule as well; beside other schedulers one leads")
	f.settings.add(fl, "schedule-filename", "s", "beat_schedule_filename", "keep the schedule in this SQLite `FILE`, or in the store of this URL")
	f.settings.add(fl, "pool", "P", "worker_pool", "`POOL`: goroutine; solo for one task at a time; process or prefork for child processes, which can be killed")
	f.settings.add(fl, "autoscale", "", "worker_autoscale", "`MAX,MIN` tasks at once, as many as there is work for, in place of --concurrency")
	f.settings.add(fl, "time-limit", "", "task_time_limit", "hard time limit of tasks, in `SECONDS`")
	f.settings.add(fl, "soft-time-limit", "", "task_soft_time_limit", "soft time limit of tasks, in `SECONDS`")
	f.settings.add(fl, "max-tasks-per-child", "", "worker_max_tasks_per_child", "`NUMBER` of tasks after which a child process is replaced")
	f.settings.add(fl, "max-memory-per-child", "", "worker_max_memory_per_child", "`KIB` of memory after which a child process is replaced")
	f.settings.add(fl, "statedb", "S", "worker_state_db", "keep what was revoked in this `FILE` over restarts")
	f.settings.addMetrics(fl)
	f.settings.addSwitch(fl, "task-events", "E", "worker_send_task_events", "send events of tasks and heartbeats, for monitors")
	fl.StringVar(&f.heartbeat, "heartbeat-interval", "", "")
	fl.BoolVar(&f.heartless, "without-heartbeat", false, "")
	f.settings.addSwitch(fl, "events", "", "worker_send_task_events", "")
	f.settings.addSwitch(fl, "disable-prefetch", "", "worker_disable_prefetch", "")
	fl.BoolVarP(&f.detach, "detach", "D", false, "")
	for _, name := range []string{"discard", "heartbeat-interval", "without-heartbeat", "events", "disable-prefetch", "detach"} {
		_ = fl.MarkHidden(name)
	}
	f.empty.add(fl, emptyWorkerFlags)
	p.completeQueues(cmd, "queues", "exclude-queues")
	p.completeWords(cmd, "loglevel", "debug", "info", "warning", "error", "critical", "fatal")
	p.completeWords(cmd, "queue-order", "arrival", "strict", "weighted")
	p.completeWords(cmd, "pool", "goroutine", "solo", "process", "prefork")
	return cmd
}

func (p *program) runWorker(cmd *cobra.Command, f *workerFlags, args []string) error {
	if f.detach {
		return misuse(cmd, "--detach: a worker does not leave its terminal by itself: start it from systemd or a container, or with nohup and &")
	}
	if len(f.queues) > 0 && len(f.exclude) > 0 {
		return misuse(cmd, "--queues and --exclude-queues were both given: give one")
	}
	settings, err := f.settings.values(cmd, args)
	if err != nil {
		return err
	}
	if f.jsonLog {
		settings["worker_log_json"] = "true"
	}
	given, err := p.settings(settings)
	if err != nil {
		return err
	}
	c := given.WithDefaults()
	beat, err := secondsFlag(cmd, "heartbeat-interval", f.heartbeat)
	if err != nil {
		return err
	}
	node, err := worker.Nodename(f.nodename)
	if err != nil {
		return misuse(cmd, "%w", err)
	}
	log, file, err := p.workerLog(&c, node)
	if err != nil {
		return err
	}
	if file != nil {
		defer file.close()
	}
	if worker.InChild() {
		log = log.With("child", os.Getpid())
		if file != nil {
			file.follow = true // the signal to begin it anew goes to the parent
		}
	}
	p.app.SetLogger(log)
	stateFile := ""
	if c.WorkerStateDB != "" {
		if stateFile, err = nodePath(c.WorkerStateDB, node); err != nil {
			return &fault{code: exitConfig, err: fmt.Errorf("worker_state_db: %w", err)}
		}
	}
	w := worker.New(p.app, worker.Config{Queues: f.queues, ExcludeQueues: f.exclude, Nodename: node, StateFile: stateFile, Log: log,
		HeartbeatInterval: beat, WithoutHeartbeat: f.heartless, SetLogLevel: p.setLogLevel})
	if worker.InChild() {
		return w.Run(cmd.Context()) // what follows is the parent's affair
	}
	s := &steersman{worker: w, log: log, file: file, exit: os.Exit, remap: os.Getenv("REMAP_SIGTERM") == "SIGQUIT",
		soft: c.WorkerSoftShutdownTimeout > 0}
	defer s.steer()() // before the pid file tells others whom to signal
	if c.WorkerPidfile != "" {
		path, err := nodePath(c.WorkerPidfile, node)
		if err != nil {
			return &fault{code: exitConfig, err: fmt.Errorf("worker_pidfile: %w", err)}
		}
		release, err := claimPidFile(path)
		if err != nil {
			return &fault{code: exitCantCreate, err: err}
		}
		defer release()
	}
	defer steadyMemory()()
	queues, err := p.workerQueues(f)
	if err != nil {
		return &fault{code: exitConfig, err: err}
	}
	if !p.global.quiet && !c.WorkerLogJSON && file == nil {
		p.banner(&c, node, queues)
	}
	for _, w := range given.Warnings() {
		log.Warn(w)
	}
	f.empty.warn(log)
	p.warnQueues(f, log)
	if f.purge {
		if err := p.purgeFirst(cmd.Context(), queues, log); err != nil {
			return err
		}
	}
	run := w.Run
	if f.beat {
		run = func(ctx context.Context) error { return p.runWithBeat(ctx, w, log) }
	}
	if err := run(cmd.Context()); err != nil {
		return err
	}
	if w.Stage() >= worker.Cold {
		return &fault{code: exitFailure} // as Celery's: the log has told of each task that was cut short
	}
	return nil
}

// runWithBeat runs a scheduler beside the worker, for as long as it takes tasks. Celery: worker --beat.
func (p *program) runWithBeat(ctx context.Context, w *worker.Worker, log *slog.Logger) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() {
		err := p.scheduler(log).Run(ctx)
		if err != nil {
			log.Error("beat: cannot run; the worker stops", "error", err)
			w.Stop(worker.Warm)
		}
		ended <- err
	}()
	err := w.Run(ctx)
	end()
	return errors.Join(err, beatFault(<-ended))
}

// workerLog makes the worker's log: where worker_logfile says, else on standard error.
func (p *program) workerLog(c *umbel.Config, node string) (*slog.Logger, *logFile, error) {
	return p.openLog(c, "worker_logfile", c.WorkerLogfile, node)
}

// openLog makes the log of a command that runs: in a file if the setting names one, else on standard error.
func (p *program) openLog(c *umbel.Config, setting, name, node string) (*slog.Logger, *logFile, error) {
	var out io.Writer = p.Err
	var file *logFile
	colour := p.ink.on
	if c.WorkerLogColor != nil {
		colour = *c.WorkerLogColor && !p.global.noColor
	}
	if name != "" {
		path, err := nodePath(name, node)
		if err != nil {
			return nil, nil, &fault{code: exitConfig, err: fmt.Errorf("%s: %w", setting, err)}
		}
		if file, err = openLogFile(path); err != nil {
			return nil, nil, &fault{code: exitCantCreate, err: fmt.Errorf("open log file: %w", err)}
		}
		out, colour = file, false
	}
	p.level.Set(levels[strings.ToLower(c.WorkerLogLevel)])
	if c.WorkerLogJSON {
		return slog.New(jsonHandler(out, &p.level)), file, nil
	}
	return slog.New(textHandler(out, &p.level, colour)), file, nil
}

// workerQueues are the queues that the worker will consume.
func (p *program) workerQueues(f *workerFlags) ([]string, error) {
	var names []string
	if len(f.queues) > 0 {
		for _, name := range f.queues {
			q, err := p.app.QueueWeighed(name)
			if err != nil {
				return nil, err
			}
			names = append(names, q.Name)
		}
		return names, nil
	}
	plans, err := p.app.Queues()
	if err != nil {
		return nil, err
	}
	for _, q := range plans {
		if !contains(f.exclude, q.Name) {
			names = append(names, q.Name)
		}
	}
	return names, nil
}

// warnQueues tells of queues named by -Q that no setting names, and that look like one that a setting does.
func (p *program) warnQueues(f *workerFlags, log *slog.Logger) {
	known, err := p.knownQueues()
	if err != nil {
		return // the worker will say so
	}
	for _, name := range f.queues {
		if q, err := p.app.QueueWeighed(name); err == nil {
			name = q.Name
		}
		if near := nearest(name, known); !contains(known, name) && near != "" {
			log.Warn("queue of -Q is in no setting, and is made; did you mean another?", "queue", name, "nearest", near)
		}
	}
}

func (p *program) purgeFirst(ctx context.Context, queues []string, log *slog.Logger) error {
	b, err := p.app.Broker(ctx)
	if err != nil {
		return connectFault(err)
	}
	for _, q := range queues {
		n, err := b.Purge(ctx, q)
		if err != nil && !errors.Is(err, broker.ErrNoQueue) {
			return fmt.Errorf("purge queue %q: %w", q, err)
		}
		log.Info("purged", "queue", q, "messages", n)
	}
	return nil
}
