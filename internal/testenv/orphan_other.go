//go:build !linux

package testenv

import "syscall"

// endWithParent does nothing: only Linux can tie a process to its parent. Kill a server's watcher elsewhere, and the
// server stays.
func endWithParent(*syscall.SysProcAttr) {}
