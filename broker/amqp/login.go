package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/umbel-go/umbel/broker"
)

// current is the endpoint with the credentials that c has for it now. refused says that those it had before are not accepted.
func (e *endpoint) current(ctx context.Context, c broker.Config, refused bool) (*endpoint, error) {
	if c.Credentials == nil {
		return e, nil
	}
	fail := func(err error) (*endpoint, error) {
		return nil, &broker.OpenError{URL: e.masked, Op: "read credentials", Err: oneLine(err)}
	}
	given, err := c.Credentials(ctx, e.listed, refused)
	if err != nil {
		return fail(err)
	}
	fresh := *e
	if given.URL != "" {
		urls := splitURLs(given.URL)
		if e.part >= len(urls) {
			return fail(fmt.Errorf("there were more URLs than the %d of now", len(urls)))
		}
		parsed, err := parseURL(urls[e.part], c)
		if err != nil {
			return fail(err)
		}
		fresh = *parsed
		fresh.listed, fresh.part = e.listed, e.part
	}
	fresh.user, fresh.password = cmp.Or(given.User, fresh.user), cmp.Or(given.Password, fresh.password)
	return &fresh, nil
}

// anew is the endpoint with other credentials than e has, where an attempt with those ended in err and others can be had: they were
// rotated since they were read.
func (e *endpoint) anew(ctx context.Context, c broker.Config, listed *endpoint, err error) (*endpoint, bool) {
	var open *broker.OpenError
	if c.Credentials == nil || !errors.As(err, &open) || !open.Refused {
		return nil, false
	}
	fresh, again := listed.current(ctx, c, true)
	if again != nil {
		open.Err = fmt.Errorf("%w; and others cannot be read: %w", open.Err, errors.Unwrap(again))
		return nil, false
	}
	return fresh, fresh.user != e.user || fresh.password != e.password
}

// A login is the SASL mechanism of one attempt.
type login struct {
	mechanism string
	response  string
	client    amqp091.Table // the client properties of the same attempt
}

func newLogin(e *endpoint, client amqp091.Table) *login {
	l := &login{mechanism: e.login, client: client}
	switch e.login {
	case "AMQPLAIN":
		l.response = (&amqp091.AMQPlainAuth{Username: e.user, Password: e.password}).Response()
	case "EXTERNAL":
		l.response = (&amqp091.ExternalAuth{}).Response()
	default:
		l.response = (&amqp091.PlainAuth{Username: e.user, Password: e.password}).Response()
	}
	return l
}

// Mechanism implements amqp091.Authentication.
func (l *login) Mechanism() string { return l.mechanism }

// Response implements amqp091.Authentication. The library overwrites the capabilities in the client properties just
// before it asks for this, and encodes them right after: here is the one moment to add authentication_failure_close,
// without which RabbitMQ hangs up on a wrong password and does not say why.
func (l *login) Response() string {
	if capabilities, ok := l.client["capabilities"].(amqp091.Table); ok {
		capabilities["authentication_failure_close"] = true
	}
	return l.response
}

// clientProperties is what the broker shows about our connections. role tells the two of a process apart.
func clientProperties(name, role string) amqp091.Table {
	if name == "" {
		name = fmt.Sprintf("%s (pid %d)", filepath.Base(os.Args[0]), os.Getpid())
	}
	return amqp091.Table{
		"product":         "umbel",
		"version":         buildVersion(),
		"platform":        "Go " + runtime.Version(),
		"information":     "https://github.com/umbel-go/umbel",
		"connection_name": name + " " + role,
	}
}

func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	const module = "github.com/umbel-go/umbel"
	if info.Main.Path == module && info.Main.Version != "" {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return "unknown"
}
