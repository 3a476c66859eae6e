package amqp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
)

// Credentials that are rotated are used at the next attempt, whichever side learns of it first.
func TestRotatedCredentialsAreUsedWithoutARestart(t *testing.T) {
	t.Parallel()
	rabbit, link, _ := linked(t)
	user := "rotated-" + rabbit.Vhost()
	rabbit.User(user, "first", ".*", ".*", ".*")
	var password atomic.Pointer[string]
	set := func(s string) { password.Store(&s) }
	set("first")
	b := open(t, rabbit.URLAt("amqp", link.Addr()), func(c *broker.Config) {
		c.Credentials = func(context.Context, string, bool) (broker.Credentials, error) {
			if p := *password.Load(); p != "" {
				return broker.Credentials{User: user, Password: p}, nil
			}
			return broker.Credentials{}, errors.New("not there yet")
		}
	})
	hurry(b)
	declareQueue(t, b, "q", nil)
	in := consume(t, b, broker.Subscription{Queue: "q", Prefetch: 1})
	for round, next := range []string{"second", "third"} {
		if round == 1 {
			set("") // the file is being replaced
		}
		rabbit.API(http.MethodPut, "/api/users/"+url.PathEscape(user), map[string]any{"password": next, "tags": ""})
		link.Cut()
		in.state(broker.ConsumerLost)
		// The old password is refused, again and again, until the new one is there.
		testenv.Await(t, "an attempt that fails", func() bool { return b.publishing.why() != nil && b.consuming.why() != nil }, nil)
		set(next)
		in.state(broker.ConsumerRestored)
		publish(t, b, message("q", next))
		d := <-in.deliveries
		if string(d.Body) != next {
			t.Errorf("delivered %q", d.Body)
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
	}
}

func TestCredentialsThatCannotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	_, err := tryOpen(rabbit.URL(), func(c *broker.Config) {
		c.Credentials = func(context.Context, string, bool) (broker.Credentials, error) {
			return broker.Credentials{}, errors.New("no such secret")
		}
	})
	var o *broker.OpenError
	if !errors.As(err, &o) || o.Op != "read credentials" || !strings.Contains(err.Error(), "no such secret") {
		t.Errorf("open: %v", err)
	}
}
