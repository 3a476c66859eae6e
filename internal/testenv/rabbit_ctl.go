package testenv

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Where Debian keeps the command that does not switch users.
const rabbitCtl = "/usr/lib/rabbitmq/bin/rabbitmqctl"

// Ctl runs rabbitmqctl on this server and returns what it printed; it takes about two seconds. An error fails the test.
//
//	r.Ctl("set_vm_memory_high_watermark", "0.00001") // raises the memory alarm
func (r *OwnRabbit) Ctl(args ...string) string {
	r.own.tb.Helper()
	cmd := exec.Command(rabbitCtl, append([]string{"--quiet"}, args...)...)
	server := r.own.node.spec.Commands
	cmd.Env = server[len(server)-1].Env // the cookie's home, epmd's port, the node's name
	cmd.Dir = filepath.Dir(r.own.node.Dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.own.tb.Fatalf("rabbitmqctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Eval evaluates Erlang inside the server and returns what came of it, for what neither the API nor AMQP can do to a broker; it
// takes about two seconds. An error fails the test.
func (r *Rabbit) Eval(expression string) string {
	r.t.Helper()
	cmd := exec.Command(rabbitCtl, "--quiet", "eval", expression)
	cmd.Env = cleanEnv(r.server.Dir, fmt.Sprint("ERL_EPMD_PORT=", r.server.Ports[rabbitEpmd]), "RABBITMQ_NODENAME=testenv@localhost",
		"RABBITMQ_CONF_ENV_FILE=/dev/null")
	cmd.Dir = r.server.Dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("rabbitmqctl eval: %v\n%s", err, out)
	}
	return string(out)
}
