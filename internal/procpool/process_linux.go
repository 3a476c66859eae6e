package procpool

import (
	"os"
	"syscall"
	"unsafe"
)

// supported: children can be had on this system.
const supported = true

// self is the program that runs, also when its file was replaced or removed since.
func self() (string, error) { return "/proc/self/exe", nil }

// attributes of a child: a process group of its own, and an end with its parent's.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup kills a child that is not reaped yet, and what it has started.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// signalProcess sends a signal to the child alone.
func signalProcess(p *os.Process, s syscall.Signal) { _ = syscall.Kill(p.Pid, s) }

// awaitEnd returns true when a process has ended, and leaves it to be reaped: until then its number belongs to nobody else.
func awaitEnd(p *os.Process) bool {
	const pid, exited, keep = 1, 4, 0x01000000 // P_PID, WEXITED, WNOWAIT
	var info [128]byte                         // siginfo_t
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pid, uintptr(p.Pid), uintptr(unsafe.Pointer(&info)), exited|keep, 0, 0)
		if errno != syscall.EINTR {
			return errno == 0
		}
	}
}
