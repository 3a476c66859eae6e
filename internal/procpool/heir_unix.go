//go:build unix

package procpool

import "syscall"

// isPipe reports whether a descriptor is a pipe.
func isPipe(fd int) bool {
	var st syscall.Stat_t
	return syscall.Fstat(fd, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFIFO
}

// keepFromHeirs keeps descriptors from the programs that this process starts.
func keepFromHeirs(fds ...int) {
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
}
