//go:build unix

package cli

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// What signals say to a worker. Celery: celery/apps/worker.py.
var (
	termSignals   = []os.Signal{syscall.SIGTERM, os.Interrupt} // warm, then cold, then out
	quitSignals   = []os.Signal{syscall.SIGQUIT}               // cold at once
	reopenSignals = []os.Signal{syscall.SIGHUP}                // begin the log file anew
	stackSignals  = []os.Signal{syscall.SIGUSR1}               // log what every goroutine does
)

// alive reports whether a process exists.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// usage is what this process has used so far: CPU time, and the most memory it ever held, in bytes.
func usage() (cpu time.Duration, rss int64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), int64(u.Maxrss) * rssUnit
}
