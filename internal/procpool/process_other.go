//go:build !unix

package procpool

import (
	"os"
	"syscall"
)

// supported: a child inherits no pipes here.
const supported = false

func self() (string, error)                         { return os.Executable() }
func attributes() *syscall.SysProcAttr              { return nil }
func killGroup(p *os.Process)                       { _ = p.Kill() }
func signalProcess(p *os.Process, _ syscall.Signal) { _ = p.Kill() }
func awaitEnd(*os.Process) bool                     { return false }
