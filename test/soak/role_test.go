package soak

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/worker"
)

// A role is what this binary does when it is run again: SOAK_ROLE names it, SOAK_SETUP is a part in JSON.
//
// It is told what to do on stdin, line by line, and answers on stdout. When stdin ends so does the process: none outlives
// the lab.
var roles = map[string]func(p *part) int{"worker": workerRole, "producer": producerRole}

// A part is what a role needs to know.
type part struct {
	Name     string   // of this process, in the ledger
	Ledger   string   // path
	Brokers  []string // URLs
	Redis    string   // URL
	Quorum   bool     // the queues' type
	Args     []string // worker: of the command
	Producer assignment
	Kill     *killPoint // where this process is to be killed; nil: nowhere
	Refuse   []string   // addresses for which its broker refuses messages for good
	Limit    int        // task_delivery_limit; 0: the default

	ledger *ledger
}

var stdout sync.Mutex // one line at a time

// play runs a role if the environment asks for one, and does not return then.
func play() {
	role := roles[os.Getenv("SOAK_ROLE")]
	if role == nil {
		return
	}
	var p part
	err := json.Unmarshal([]byte(os.Getenv("SOAK_SETUP")), &p)
	if err == nil {
		p.ledger, err = openLedger(p.Ledger)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
	os.Exit(role(&p))
}

func (p *part) say(format string, args ...any) {
	stdout.Lock()
	defer stdout.Unlock()
	fmt.Printf(format+"\n", args...)
}

// told hands each line of stdin to do, and ends the process when there are no more.
func (p *part) told(do func(line string)) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		do(in.Text())
	}
	os.Exit(3)
}

// config is what producers and workers have in common.
func (p *part) config() umbel.Config {
	return config(p.Brokers, p.Redis, p.Quorum, p.Limit)
}

func config(brokers []string, redis string, quorum bool, limit int) umbel.Config {
	kind := "classic"
	if quorum {
		kind = "quorum"
	}
	queue := func(name string) umbel.QueueConfig {
		return umbel.QueueConfig{Name: name, Exchange: name, RoutingKey: name, DeadLetter: dead,
			Arguments: map[string]any{"x-queue-type": kind}}
	}
	return umbel.Config{
		BrokerURL: brokers, BrokerHeartbeat: heartbeat,
		ResultBackend: redis, TaskQueues: []umbel.QueueConfig{queue(queueA), queue(queueB)}, TaskDefaultQueue: queueA,
		TaskDeliveryLimit: limit,
	}
}

// workerRole is the command "worker" of an app with the lab's tasks.
func workerRole(p *part) int {
	crash := newCrash(p.Kill, p.Refuse)
	crash.wrapDrivers()
	app := umbel.New("soak", umbel.WithConfig(p.config()))
	started := func(r *umbel.Request) {
		p.ledger.starts(r.ID, r.Retries, p.Name, r.Redelivered)
		crash.at("run", r.Name)
	}
	register(app, started)
	registerSlow(app, started, crash.renewed)
	if !worker.InChild() {
		go p.told(func(line string) {
			if line == "stats" {
				p.say("stats %s", takeStats())
			}
		})
	}
	std := cli.Std{In: strings.NewReader(""), Out: io.Discard, Err: &watchedLog{p: p}}
	args := append([]string{"soak", "worker", "-n", p.Name + "@soak", "-l", "info"}, p.Args...)
	code := cli.Run(context.Background(), app, args, std)
	_ = p.ledger.close()
	return code
}

// stats are what must not grow.
type stats struct {
	Goroutines int
	Heap       int64 // bytes in use after a collection
}

func takeStats() string {
	runtime.GC()
	runtime.GC() // what finalizers let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	text, _ := json.Marshal(stats{runtime.NumGoroutine(), int64(m.HeapAlloc)})
	return string(text)
}

// A watchedLog is a worker's log: it passes on to stderr, and the ledger learns of lost connections.
type watchedLog struct{ p *part }

func (w *watchedLog) Write(line []byte) (int, error) {
	switch {
	case bytes.Contains(line, []byte("connection lost")), bytes.Contains(line, []byte("consumer lost")):
		w.p.ledger.loses(w.p.Name, string(bytes.TrimSpace(line)))
	case bytes.Contains(line, []byte("worker ready")):
		w.p.say("ready")
	}
	return os.Stderr.Write(line)
}

func (w *watchedLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
