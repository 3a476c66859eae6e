//go:build !linux

package amqp

import (
	"net"
	"testing"
)

func fillBacklog(t *testing.T, l net.Listener) {
	t.Helper()
	l.Close()
	t.Skip("only Linux is known to drop connections to a full listener")
}
