package testenv

import "syscall"

// endWithParent asks the kernel to kill the process when the watcher that starts it dies.
func endWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
