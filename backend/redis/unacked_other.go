//go:build !linux

package redis

import "syscall"

// boundUnacked does nothing where the kernel offers no such bound: the socket timeout ends a call that hangs.
func boundUnacked(string, string, syscall.RawConn) error { return nil }
