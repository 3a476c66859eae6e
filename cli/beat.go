package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/beat"
)

// beatFlags are the options of beat that are not settings.
type beatFlags struct {
	settings settingFlags
	empty    emptyFlags
	jsonLog  bool
	detach   bool
}

func (p *program) beatCommand() *cobra.Command {
	f := &beatFlags{}
	cmd := &cobra.Command{
		Use:   "beat [SETTING=VALUE]...",
		Short: "send tasks by schedule",
		Long: `Send the tasks of beat_schedule, of beat_schedule_file, and of those that
"schedule add" added, when they are due.

Any number may run at once: one leads, the others stand by and take over when
it has not been heard of for beat_lease. SIGTERM or Ctrl-C stops, and another
leads at once.`,
		Example: "  umbel beat\n  umbel beat -s /var/lib/shop/schedule.db -l debug\n  umbel beat -s redis://localhost/2 beat_lease=5",
		RunE:    func(cmd *cobra.Command, args []string) error { return p.runBeat(cmd, f, args) },
	}
	fl := cmd.Flags()
	f.settings.addSchedule(fl)
	f.settings.add(fl, "max-interval", "", "beat_max_loop_interval", "longest sleep between two looks at the schedule, in `SECONDS`; default 300")
	f.settings.add(fl, "loglevel", "l", "worker_loglevel", "lowest `LEVEL` that is logged: DEBUG, INFO, WARNING, ERROR, CRITICAL or FATAL; default INFO")
	f.settings.add(fl, "logfile", "f", "beat_logfile", "log to this `FILE`")
	fl.BoolVar(&f.jsonLog, "json-logs", false, "log one JSON object per line")
	f.settings.addMetrics(fl)
	f.settings.add(fl, "pidfile", "", "beat_pidfile", "keep the process id in this `FILE`; refuse to start when it is taken")
	fl.BoolVar(&f.detach, "detach", false, "")
	_ = fl.MarkHidden("detach")
	f.empty.add(fl, emptyBeatFlags)
	p.completeWords(cmd, "loglevel", "debug", "info", "warning", "error", "critical", "fatal")
	return cmd
}

// addSchedule adds the option that says where the schedule is kept.
func (s *settingFlags) addSchedule(fl *pflag.FlagSet) {
	s.add(fl, "schedule", "s", "beat_schedule_filename", "keep the schedule in this SQLite `FILE`, or in the store of this URL; default: the result store")
}

func (p *program) runBeat(cmd *cobra.Command, f *beatFlags, args []string) error {
	if f.detach {
		return misuse(cmd, "--detach: beat does not leave its terminal by itself: start it from systemd or a container, or with nohup and &")
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
	log, file, err := p.openLog(&c, "beat_logfile", c.BeatLogfile, beatNode())
	if err != nil {
		return err
	}
	if file != nil {
		defer file.close()
	}
	p.app.SetLogger(log)
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	defer heed(cancel, log, file)() // before the pid file tells others whom to signal
	if c.BeatPidfile != "" {
		path, err := nodePath(c.BeatPidfile, beatNode())
		if err != nil {
			return &fault{code: exitConfig, err: fmt.Errorf("beat_pidfile: %w", err)}
		}
		release, err := claimPidFile(path)
		if err != nil {
			return &fault{code: exitCantCreate, err: err}
		}
		defer release()
	}
	for _, w := range given.Warnings() {
		log.Warn(w)
	}
	f.empty.warn(log)
	return beatFault(p.scheduler(log).Run(ctx))
}

// scheduler is the app's, as the commands beat and worker --beat run it.
func (p *program) scheduler(log *slog.Logger) *beat.Scheduler {
	return beat.New(p.app, beat.Config{Log: log})
}

// beatFault tells a schedule's store that does not answer from settings that are wrong.
func beatFault(err error) error {
	var config *umbel.ConfigError
	if err == nil || errors.As(err, &config) {
		return err
	}
	return unavailable(err)
}

func beatNode() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return "beat@" + host
}

// heed turns signals into the end of the command: the first that asks for it cancels, another leaves at once. SIGHUP begins
// the log file anew, SIGUSR1 logs what every goroutine does.
func heed(cancel func(), log *slog.Logger, file *logFile) (stop func()) {
	heard := make(chan os.Signal, 8) // a person's fingers are slower
	signal.Notify(heard, wantedSignals(file)...)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var asked time.Time
		for {
			var sig os.Signal
			select {
			case <-done:
				return
			case sig = <-heard:
			}
			switch {
			case slices.Contains(stackSignals, sig):
				stacks := make([]byte, 1<<20)
				log.Warn("stacks of all goroutines", "signal", sig.String(), "stacks", string(stacks[:runtime.Stack(stacks, true)]))
			case slices.Contains(reopenSignals, sig) && file != nil:
				if err := file.reopen(); err != nil {
					log.Error("cannot begin the log file anew; going on with the old one", "file", file.path, "error", err)
				}
			case !asked.IsZero() && time.Since(asked) < time.Second: // one wish, said to the process and to its group
			case !asked.IsZero():
				log.Error("signal: leaving at once", "signal", sig.String())
				os.Exit(exitFailure)
			default:
				log.Info("signal: stopping", "signal", strings.ToLower(sig.String()))
				asked = time.Now()
				cancel()
			}
		}
	}()
	return func() {
		signal.Stop(heard)
		close(done)
		<-ended
	}
}
