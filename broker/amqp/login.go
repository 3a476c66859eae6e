package amqp

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

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
