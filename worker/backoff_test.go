package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/umbel-go/umbel/broker"
)

// A worker that starts before its broker waits for it; one with wrong settings says so and ends.
func TestWhatIsAwayAtTheStartIsTriedAgain(t *testing.T) {
	refused := errors.New("refused")
	for _, op := range []string{"dial mq:5672", "resolve mq", "tls handshake", "amqp handshake", "open connection", "connect"} {
		if !retriable(fmt.Errorf("open: %w", &broker.OpenError{Op: op, Err: refused})) {
			t.Errorf("%s is not tried again", op)
		}
	}
	for _, op := range []string{`authenticate as "shop"`, `open vhost "v"`, "parse URL", "read TLS settings", "open file"} {
		if retriable(&broker.OpenError{Op: op, Err: refused}) {
			t.Errorf("%s is tried again", op)
		}
	}
	if !retriable(fmt.Errorf("open result backend: %w", &net.OpError{Op: "dial", Err: refused})) {
		t.Error("a result store that is away is not tried again")
	}
	if retriable(refused) || retriable(&broker.OpenError{Op: "dial mq:5672", Err: context.Canceled}) {
		t.Error("what will not change is tried again")
	}
}
