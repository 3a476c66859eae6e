package cli

import (
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"

	"github.com/umbel-go/umbel/worker"
)

// A steersman turns signals into the stages of one worker's shutdown.
//
//	SIGTERM, SIGINT   warm; once more: cold; once more: out
//	SIGQUIT           cold; once more: out. With worker_soft_shutdown_timeout, soft comes before cold. So is SIGTERM where REMAP_SIGTERM=SIGQUIT (Celery on Heroku)
//	SIGHUP            the log file is begun anew; without one: as SIGTERM
//	SIGUSR1           the stacks of all goroutines go to the log
type steersman struct {
	worker *worker.Worker
	log    *slog.Logger
	file   *logFile // nil: the log goes to standard error
	exit   func(code int)
	remap  bool // SIGTERM is SIGQUIT
	soft   bool // a cold shutdown waits for tasks first (worker_soft_shutdown_timeout)
}

// steer listens until the returned function is called.
func (s *steersman) steer() (stop func()) {
	heard := make(chan os.Signal, 8) // a person's fingers are slower
	signal.Notify(heard, wantedSignals(s.file)...)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case sig := <-heard:
				s.obey(sig)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(heard)
		close(done)
		<-ended
	}
}

// wantedSignals are those that a command which runs listens to. Under nohup the end of a terminal's session is none of them; where
// there is a log file the signal means that.
func wantedSignals(file *logFile) []os.Signal {
	var wanted []os.Signal
	for _, sig := range slices.Concat(termSignals, quitSignals, reopenSignals, stackSignals) {
		if !slices.Contains(reopenSignals, sig) || file != nil || !signal.Ignored(sig) {
			wanted = append(wanted, sig)
		}
	}
	return wanted
}

func (s *steersman) obey(sig os.Signal) {
	quit := slices.Contains(quitSignals, sig) || s.remap && sig == termSignals[0] && len(quitSignals) > 0
	switch {
	case slices.Contains(stackSignals, sig):
		stacks := make([]byte, 1<<20)
		s.log.Warn("stacks of all goroutines", "signal", sig.String(), "stacks", string(stacks[:runtime.Stack(stacks, true)]))
	case slices.Contains(reopenSignals, sig) && s.file != nil:
		if err := s.file.reopen(); err != nil {
			s.log.Error("cannot begin the log file anew; going on with the old one", "file", s.file.path, "error", err)
			return
		}
		s.log.Info("log file begun anew", "file", s.file.path)
	case s.worker.Stage() >= worker.Cold:
		s.log.Error("signal: leaving at once", "signal", sig.String())
		s.exit(exitFailure)
	case s.soft && (quit || s.worker.Stage() == worker.Warm) && s.worker.Stage() < worker.Soft:
		s.log.Warn("signal: running tasks have a while to finish; once more cancels them", "signal", sig.String())
		s.worker.Stop(worker.Soft)
	case quit || s.worker.Stage() >= worker.Warm:
		s.log.Warn("signal: running tasks are cancelled; once more leaves at once", "signal", sig.String())
		s.worker.Stop(worker.Cold)
	default:
		s.log.Info("signal: running tasks finish; once more cancels them", "signal", sig.String())
		s.worker.Stop(worker.Warm)
	}
}
