package cli

import (
	"os"
	"runtime/debug"
)

// workerGC is the collector's target for a process that runs tasks, in per cent.
const workerGC = 200

// tuneMemory gives the collector more room than Go's default, unless the environment says what it wants (GOGC,
// GOMEMLIMIT). restore undoes it.
func tuneMemory() (restore func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	old := debug.SetGCPercent(workerGC)
	return func() { debug.SetGCPercent(old) }
}
