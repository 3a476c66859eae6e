package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/management"
)

var errNoManagement = errors.New("your transport cannot list bindings: only RabbitMQ has them, in its management API")

// management finds the API of the configured broker: at address if that is given, else at the broker's host, as
// management.Beside says. User and password are the broker's unless address has some.
func (p *program) management(address string) (*management.Client, error) {
	if err := p.prepare(); err != nil {
		return nil, err
	}
	c, err := p.app.Config()
	if err != nil {
		return nil, err
	}
	bc, err := c.BrokerConfig()
	if err != nil {
		return nil, err
	}
	return managementOf(bc, address)
}

// managementOf finds the API of a broker.
func managementOf(bc broker.Config, address string) (*management.Client, error) {
	u, err := url.Parse(bc.URLs[0])
	if err != nil {
		return nil, &fault{code: exitConfig, err: errors.New("broker_url cannot be read as a URL: give --broker-api")}
	}
	if !strings.Contains(u.Scheme, "amqp") {
		return nil, &fault{code: exitUsage, err: errNoManagement}
	}
	mc := management.Config{URL: management.Beside(u), Vhost: strings.TrimPrefix(u.Path, "/"), TLS: bc.TLS, User: u.User.Username()}
	mc.Password, _ = u.User.Password()
	if bc.Credentials != nil {
		now, err := bc.Credentials(context.Background(), bc.URLs[0], false)
		if err != nil {
			return nil, &fault{code: exitConfig, err: err}
		}
		bc.User, bc.Password = cmp.Or(now.User, bc.User), cmp.Or(now.Password, bc.Password)
	}
	mc.User, mc.Password = cmp.Or(bc.User, mc.User), cmp.Or(bc.Password, mc.Password) // broker_password may stand without broker_user
	if address != "" {
		mc.URL = address
	}
	m, err := management.Open(context.Background(), mc)
	if err != nil {
		return nil, &fault{code: exitUsage, err: fmt.Errorf("--broker-api: %w", err)}
	}
	return m, nil
}

// managementFault is what the API refuses, or that it is out of reach.
func managementFault(err error) error {
	var refused *management.Error
	if err == nil || errors.As(err, &refused) {
		return unavailable(err)
	}
	return unavailable(fmt.Errorf("%w (is the plugin on? --broker-api says where)", err))
}
