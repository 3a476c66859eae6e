package amqp

import (
	"testing"

	"github.com/umbel-go/umbel/broker"
)

func TestAnExpirationBeyondRabbitMQsIsLeftOut(t *testing.T) {
	for given, want := range map[string]string{"": "", "0": "0", "4294967295": "4294967295", "4294967296": "", "99999999999999999999": ""} {
		m := &broker.Message{RoutingKey: "q"}
		m.Properties.Expiration = given
		var p prepared
		if err := prepare(&p, m); err != nil || p.pub.Expiration != want {
			t.Errorf("expiration %q is sent as %q, %v; want %q", given, p.pub.Expiration, err, want)
		}
	}
}
