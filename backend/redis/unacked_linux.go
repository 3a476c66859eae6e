package redis

import (
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h, which package syscall does not name.
const tcpUserTimeout = 0x12

// boundUnacked ends a connection whose peer acknowledges nothing for half a minute. Without it the kernel repeats what
// was sent for a quarter of an hour, and every call waits behind it.
func boundUnacked(network, _ string, c syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var err error
	if e := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int((30 * time.Second).Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}
