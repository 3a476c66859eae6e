package testenv

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Where Debian keeps the command that does not switch users.
const rabbitCtl = "/usr/lib/rabbitmq/bin/rabbitmqctl"

// Ctl runs rabbitmqctl on this server and returns what it printed; it takes about two seconds. An error fails the test.
//
//	r.Ctl("set_vm_memory_high_watermark", "0.00001") // raises the memory alarm
func (r *OwnRabbit) Ctl(args ...string) string {
	r.own.tb.Helper()
	server := r.own.node.spec.Commands
	out, err := ctl(server[len(server)-1].Env, filepath.Dir(r.own.node.Dir), args...) // the cookie's home, epmd's port, the node's name
	if err != nil {
		r.own.tb.Fatalf("rabbitmqctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// ctl runs rabbitmqctl. On a machine that is very busy it takes a server that answers late for one that does not run: it is then
// run again.
func ctl(env []string, dir string, args ...string) (out string, err error) {
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(pollEvery) {
		cmd := exec.Command(rabbitCtl, append([]string{"--quiet"}, args...)...)
		cmd.Env, cmd.Dir = env, dir
		text, err := cmd.CombinedOutput()
		late := strings.Contains(string(text), "app to be running") || strings.Contains(string(text), "unable to perform an operation on node")
		if err == nil || !late || time.Now().After(deadline) {
			return string(text), err
		}
	}
}

// Eval evaluates Erlang inside the server and returns what came of it, for what neither the API nor AMQP can do to a broker; it
// takes about two seconds. An error fails the test.
func (r *Rabbit) Eval(expression string) string {
	r.t.Helper()
	out, err := ctl(cleanEnv(r.server.Dir, fmt.Sprint("ERL_EPMD_PORT=", r.server.Ports[rabbitEpmd]), "RABBITMQ_NODENAME=testenv@localhost",
		"RABBITMQ_CONF_ENV_FILE=/dev/null"), r.server.Dir, "eval", expression)
	if err != nil {
		r.t.Fatalf("rabbitmqctl eval: %v\n%s", err, out)
	}
	return out
}
