//go:build unix && !linux

package procpool

import (
	"os"
	"syscall"
)

// supported: children can be had on this system.
const supported = true

// self is the program that runs.
func self() (string, error) { return os.Executable() }

// attributes of a child: a process group of its own. It leaves when it reads the end of its pipe.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills a child that is not reaped yet, and what it has started.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// signalProcess sends a signal to the child alone.
func signalProcess(p *os.Process, s syscall.Signal) { _ = syscall.Kill(p.Pid, s) }

// awaitEnd cannot wait without reaping here.
func awaitEnd(*os.Process) bool { return false }
