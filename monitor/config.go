package monitor

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/umbel-go/umbel/event"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/api"
	"github.com/umbel-go/umbel/monitor/cloudwatch"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/monitor/mask"
	"github.com/umbel-go/umbel/scaling"
)

// A Config says how to watch and who may look. The zero value shows everything, changes nothing, and listens on loopback only.
type Config struct {
	// Listen is the address of the pages and the API. Defaults to 127.0.0.1:5555. Flower: address, port.
	Listen string

	// Prefix is the path beneath which they are found, for a proxy in front. Defaults to "". Flower: url_prefix.
	Prefix string

	// TLS serves the pages over TLS. Defaults to plain HTTP, for loopback or a proxy in front that ends TLS.
	TLS access.TLS

	// Access says who may do what. Listening beyond loopback is refused while nobody has a password or token, or everybody may
	// come in without.
	Access access.Config

	// History says where what was heard is kept.
	History history.Config

	// Mask hides secrets before anything is kept.
	Mask mask.Config

	// Events is where workers send events. Defaults to what the app's settings say.
	Events event.Config

	// ManagementURL is RabbitMQ's management API, with user and password, or names the secret that holds it (package secret), which
	// is read again when the API refuses the password. Defaults to none. Flower: broker_api.
	ManagementURL string

	// Vhost is the virtual host to ask the management API about. Defaults to "/".
	Vhost string

	// Schedules are what beat sends, for the page of that name. Defaults to none.
	Schedules api.Schedules

	// Every is how often queues and the broker are looked at. Defaults to 10 s.
	Every time.Duration

	// Forget is how long workers that are gone are shown. Defaults to a day. Flower: purge_offline_workers.
	Forget time.Duration

	// QuietWorkers leaves it to workers whether they send events. By default they are asked to, again and again. Flower:
	// enable_events = False.
	QuietWorkers bool

	// Scaling is what is wanted of the workers of each queue: its advice is told to Prometheus and CloudWatch.
	Scaling scaling.Config

	// Advise is how often workers are asked what they have to do, for that advice. Defaults to 15 s.
	Advise time.Duration

	// CloudWatch, if not nil, tells Amazon CloudWatch what the monitor knows.
	CloudWatch *cloudwatch.Config

	// Version is shown on the pages.
	Version string

	// Log defaults to nowhere.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:5555")
	if p := path.Clean("/" + c.Prefix); p == "/" {
		c.Prefix = ""
	} else {
		c.Prefix = p
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.History.Log == nil {
		c.History.Log = c.Log
	}
	if len(c.Access.Users) == 0 && len(c.Access.Tokens) == 0 && c.Access.OIDC == nil && c.Access.Anonymous == "" {
		c.Access.Anonymous = access.Viewer
	}
	return c
}

// ErrExposed: the monitor would be reached from other machines, and asks for no password.
var ErrExposed = errors.New("the monitor would be open to other machines, and asks for no password")

// check refuses what nobody can want.
func (c *Config) check() error {
	if c.CloudWatch != nil {
		if err := c.CloudWatch.Check(); err != nil {
			return err
		}
	}
	if err := c.Scaling.Check(); err != nil {
		return err
	}
	if strings.ContainsAny(c.Prefix, "{}?#%\"'<> ") {
		return fmt.Errorf("url prefix %q: want letters, digits, - and / only", c.Prefix)
	}
	if !access.Loopback(c.Listen) && !strings.HasPrefix(c.Listen, "/") && c.Access.Open() {
		return fmt.Errorf("listen at %s: %w: add users (--basic_auth, --users), tokens or a login (--oidc_issuer), or listen at 127.0.0.1", c.Listen, ErrExposed)
	}
	return nil
}
