package control_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel/broker"
	_ "github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/control"
)

// A blocked broker takes no message for as long as its alarm lasts.
type blocked struct{ broker.Broker }

func (blocked) Publish(ctx context.Context, _ *broker.Message) error {
	<-ctx.Done()
	return &broker.RefusedError{Reason: broker.Blocked, Detail: "low on memory"}
}

// Nobody asks a worker for the length of an alarm: the command is given up, and says why.
func TestACommandIsGivenUpWhenTheBrokerTakesNoMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := broker.Open(t.Context(), broker.Config{URLs: []string{"memory://blocked"}})
		if err != nil {
			t.Fatal(err)
		}
		client := control.NewClient(blocked{b}, control.Mailbox{})
		begun := time.Now()
		err = client.Cast(t.Context(), control.Command{Method: "ping"})
		var refused *broker.RefusedError
		if !errors.As(err, &refused) || refused.Reason != broker.Blocked {
			t.Errorf("cast: %v, want Blocked", err)
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("given up after %v", took)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}
