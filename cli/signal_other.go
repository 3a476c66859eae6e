//go:build !unix

package cli

import (
	"os"
	"time"
)

var (
	termSignals   = []os.Signal{os.Interrupt}
	quitSignals   []os.Signal
	reopenSignals []os.Signal
	stackSignals  []os.Signal
)

// alive reports whether a process exists. Where a dead one cannot be asked for, it is taken to live.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}

// usage is not told on this system.
func usage() (cpu time.Duration, rss int64) { return 0, 0 }
