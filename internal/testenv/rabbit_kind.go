package testenv

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Where Debian keeps the script that does not switch users.
const rabbitScript = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// Which of a RabbitMQ's ports is which.
const (
	rabbitPlain = iota
	rabbitTLS
	rabbitHTTP
	rabbitDist
	rabbitEpmd
	rabbitPorts
)

const rabbitConf = `listeners.tcp.1 = 127.0.0.1:%d
listeners.ssl.1 = 127.0.0.1:%d
management.tcp.ip = 127.0.0.1
management.tcp.port = %d
ssl_options.cacertfile = %s
ssl_options.certfile = %s
ssl_options.keyfile = %s
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
collect_statistics_interval = 500
log.file.level = warning
`

// What a quorum queue was dead-lettering when a node went is sent again after 10 s, not after 3 minutes: no test waits so long.
const rabbitAdvanced = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]}].\n"

var rabbitKind = &kind{
	name: "rabbitmq", debian: "rabbitmq-server", version: version(rabbitConf + rabbitAdvanced), ports: rabbitPorts,
	find: findRabbit, prepare: prepareRabbit, ready: rabbitReady, signal: syscall.SIGKILL,
}

// version tells configurations apart.
func version(conf string) string {
	h := fnv.New32a()
	h.Write([]byte(conf))
	return fmt.Sprintf("%08x", h.Sum32())
}

func findRabbit() error {
	if _, err := os.Stat(rabbitScript); err != nil {
		return errors.New("RabbitMQ is not installed")
	}
	if _, err := exec.LookPath("epmd"); err != nil {
		return errors.New("epmd of Erlang is not installed")
	}
	return nil
}

func prepareRabbit(s *server, conf []string) ([]command, error) {
	ca, err := userCA()
	if err != nil {
		return nil, err
	}
	cert, err := ca.issueTo(s.Dir, "server")
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(rabbitConf, s.Ports[rabbitPlain], s.Ports[rabbitTLS], s.Ports[rabbitHTTP], ca.File, cert.CertFile, cert.KeyFile)
	erl := ""
	for _, line := range conf {
		if flags, is := strings.CutPrefix(line, "erl "); is {
			erl += " " + flags
			continue
		}
		text += line + "\n"
	}
	file := func(name string) string { return filepath.Join(s.Dir, name) }
	if err := errors.Join(os.WriteFile(file("rabbitmq.conf"), []byte(text), 0o600),
		os.WriteFile(file("advanced.config"), []byte(rabbitAdvanced), 0o600),
		os.WriteFile(file("enabled_plugins"), []byte("[rabbitmq_management].\n"), 0o600)); err != nil {
		return nil, err
	}
	epmd, err := exec.LookPath("epmd")
	if err != nil {
		return nil, err
	}
	// An epmd of its own: a shared one would outlive us, and the default port may be another user's.
	epmdPort := fmt.Sprint(s.Ports[rabbitEpmd])
	env := cleanEnv(s.Dir,
		"ERL_EPMD_PORT="+epmdPort,
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME=testenv@localhost",
		fmt.Sprint("RABBITMQ_NODE_PORT=", s.Ports[rabbitPlain]),
		fmt.Sprint("RABBITMQ_DIST_PORT=", s.Ports[rabbitDist]),
		"RABBITMQ_MNESIA_BASE="+file("mnesia"),
		"RABBITMQ_LOG_BASE="+file("log"),
		"RABBITMQ_PID_FILE="+file("pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+file("enabled_plugins"),
		"RABBITMQ_CONFIG_FILE="+file("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE="+file("advanced.config"),
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RUNNING_UNDER_SYSTEMD=1", // the script then becomes the server instead of its parent
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"+erl,
	)
	return []command{
		{Path: epmd, Args: []string{"-address", "127.0.0.1", "-port", epmdPort}, Env: env, Log: file("epmd.out")},
		{Path: rabbitScript, Env: env, Log: file("out")},
	}, nil
}

func rabbitReady(s *server) error {
	a := rabbitAPI{port: s.Ports[rabbitHTTP], user: "guest", password: "guest"}
	status, body, err := a.do(http.MethodGet, "/api/vhosts/%2F", nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("management API: %d %s", status, body)
	}
	if !strings.Contains(string(body), `"running"`) {
		return errors.New("vhost / is not running yet")
	}
	// The API answers before the listeners for clients are open.
	status, _, err = a.do(http.MethodGet, fmt.Sprintf("/api/health/checks/port-listener/%d", s.Ports[rabbitTLS]), nil)
	if err == nil && status != http.StatusOK {
		err = errors.New("clients are not served yet")
	}
	return err
}
