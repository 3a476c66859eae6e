package amqp

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// fillBacklog connects until the listener's line is full and Linux drops further packets.
func fillBacklog(t *testing.T, l net.Listener) {
	t.Helper()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(shorten); err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	t.Cleanup(func() {
		for _, c := range held {
			c.Close()
		}
		l.Close()
	})
	for range 100 {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 200*time.Millisecond)
		if err != nil {
			return // full
		}
		held = append(held, c)
	}
	t.Skip("this kernel does not drop connections to a full listener")
}

// shorten cuts a listener's line to one connection.
func shorten(fd uintptr) { _ = syscall.Listen(int(fd), 1) }
