package amqp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/internal/testenv"
)

// The relay that stands for RabbitMQ 4 refuses what that refuses: else to be served through it would prove nothing.
func TestWhatRabbitMQ4RefusesIsRefused(t *testing.T) {
	t.Parallel()
	r := testenv.RabbitMQ(t)
	relay := testenv.RabbitMQ4(t, r.Addr())
	channel := func(t *testing.T) *amqp091.Channel {
		t.Helper()
		c, err := amqp091.Dial(r.URLAt("amqp", relay.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		ch, err := c.Channel()
		if err != nil {
			t.Fatal(err)
		}
		return ch
	}
	for about, row := range map[string]struct {
		do   func(*amqp091.Channel) error
		code int
		says string
	}{
		"a prefetch of the whole channel": {func(c *amqp091.Channel) error { return c.Qos(10, 0, true) }, 540, "global qos"},
		"a transient queue": {func(c *amqp091.Channel) error {
			_, err := c.QueueDeclare("t1", false, true, false, false, nil)
			return err
		}, 541, "transient_nonexcl_queues"},
		"x-queue-mode": {func(c *amqp091.Channel) error {
			_, err := c.QueueDeclare("t2", true, false, false, false, amqp091.Table{"x-max-length": int32(5), "x-queue-mode": "lazy"})
			return err
		}, 541, "x-queue-mode"},
	} {
		t.Run(about, func(t *testing.T) {
			before := len(relay.Refused())
			err := row.do(channel(t))
			var refused *amqp091.Error
			if !errors.As(err, &refused) || refused.Code != row.code || !strings.Contains(refused.Reason, row.says) {
				t.Errorf("%v, want %d that speaks of %s", err, row.code, row.says)
			}
			if now := relay.Refused(); len(now) != before+1 {
				t.Errorf("it was noted as %q", now)
			}
		})
	}
	t.Run("the type is quorum unless said", func(t *testing.T) {
		c := channel(t)
		for name, arguments := range map[string]amqp091.Table{
			"plain": nil, "classic": {"x-queue-type": "classic", "x-max-priority": int32(5)}, "limited": {"x-queue-type": "quorum", "x-delivery-limit": int32(3)},
		} {
			for range 2 { // the same again is no drift
				if _, err := c.QueueDeclare(name, true, false, false, false, arguments); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
		if _, err := c.QueueDeclare("mine", false, true, true, false, amqp091.Table{"x-expires": int64(60000)}); err != nil {
			t.Fatalf("exclusive: %v", err)
		}
		for name, want := range map[string]string{"plain": "quorum 20", "classic": "classic <nil>", "limited": "quorum 3", "mine": "classic <nil>"} {
			q, ok := r.Queue(name)
			if got := fmt.Sprint(q.Type, " ", q.Arguments["x-delivery-limit"]); !ok || got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	})
	t.Run("twenty deliveries are enough", func(t *testing.T) {
		c := channel(t)
		if _, err := c.QueueDeclare("poison", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Confirm(false); err != nil {
			t.Fatal(err)
		}
		sent, err := c.PublishWithDeferredConfirm("", "poison", true, false, amqp091.Publishing{Body: []byte("x")})
		if err != nil || !sent.Wait() {
			t.Fatalf("publish: %v", err)
		}
		in, err := c.Consume("poison", "", false, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 21 {
			d := <-in
			if err := d.Nack(false, true); err != nil {
				t.Fatal(err)
			}
		}
		r.AwaitQueue("poison", func(q testenv.RabbitQueue) bool { return q.Messages == 0 })
	})
}
