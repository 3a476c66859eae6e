package procpool

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// peakMemory is the most memory that a process has held so far, in bytes; 0 when that cannot be told.
func peakMemory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, found := bytes.Cut(text, []byte("\nVmHWM:"))
	fields := bytes.Fields(rest)
	if !found || len(fields) < 2 || string(fields[1]) != "kB" {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return n << 10
}

// rename makes a list of processes show the program's name in place of "exe", as which it was started.
func rename(name string) { _ = os.WriteFile("/proc/self/comm", []byte(name), 0) }
