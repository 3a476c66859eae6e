package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// killChild is kill -9 of one process of a worker's pool, as the kernel does when memory is short. The worker gives its task
// back (task_reject_on_worker_lost) and starts another.
type killChild struct{}

func (killChild) name() string { return "child killed" }

func (f killChild) strike(l *lab, r *rand.Rand) {
	for _, m := range l.members {
		if !slices.Contains(m.part.Args, "process") {
			continue
		}
		c := m.process()
		children := childrenOf(c.cmd.Process.Pid)
		if len(children) == 0 {
			continue // it is starting
		}
		over := l.ledger.strikes(f.name(), c.name)
		_ = syscall.Kill(children[r.IntN(len(children))], syscall.SIGKILL)
		over()
	}
}

// childrenOf lists the processes that a process has started.
func childrenOf(parent int) (pids []int) {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", parent))
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", parent, task.Name()))
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	slices.Sort(pids)
	return pids
}
