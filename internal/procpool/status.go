package procpool

import (
	"fmt"
	"os"
	"syscall"
)

// status tells how a process ended as Celery does: "exitcode 1", "signal 9 (SIGKILL)". Celery: billiard's human_status.
func status(p *os.ProcessState) string {
	if p == nil {
		return "exitcode None"
	}
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		n := int(ws.Signal())
		if n < len(signals) && signals[n] != "" {
			return fmt.Sprintf("signal %d (%s)", n, signals[n])
		}
		return fmt.Sprintf("signal %d", n)
	}
	return fmt.Sprintf("exitcode %d", p.ExitCode())
}
