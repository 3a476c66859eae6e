package render

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A process is one kind of process of a fleet: what it is started with and what it gets.
type process struct {
	name      string // as others see it: high-priority, beat, monitor
	node      string // of a worker, in front of the @
	args      []string
	variables []Variable
	secrets   []Secret
	min, max  int
	memory    int // MiB
	cpu       float64
	queues    []string
	backlog   int
	worker    bool
	monitor   bool
}

// where the health of each process in its container is asked for; docs/metrics.md.
const metricsPort = 9808

// processes are all kinds of the fleet. own are the settings that the platform wants, by name of their variable.
func (p *Plan) processes(own ...Variable) []process {
	var all []process
	for _, w := range p.Workers {
		q := process{name: Slug(w.Name), node: w.Name, queues: w.Queues, min: w.Min, max: w.Max, memory: w.Memory, cpu: w.CPU, backlog: w.Backlog, worker: true}
		q.args = []string{"worker", "-Q", strings.Join(w.Queues, ","), "--concurrency=" + strconv.Itoa(w.Concurrency)}
		if w.Pool != "" {
			q.args = append(q.args, "--pool="+w.Pool)
		}
		if w.MaxTasks > 0 {
			q.args = append(q.args, "--max-tasks-per-child="+strconv.Itoa(w.MaxTasks))
		}
		q.args = append(q.args, "-n", w.Name+"@%h")
		grace := Variable{"UMBEL_WORKER_SHUTDOWN_GRACE", strconv.Itoa(int(p.Grace.Seconds()))}
		p.equip(&q, append(own[:len(own):len(own)], grace))
		all = append(all, q)
	}
	if p.Beat {
		q := process{name: "beat", args: []string{"beat"}, min: 1, max: 1, memory: 256, cpu: 0.25}
		p.equip(&q, own)
		all = append(all, q)
	}
	if p.Monitor {
		q := process{name: "monitor", args: p.monitorArgs(), min: 1, max: 1, memory: 512, cpu: 0.25, monitor: true}
		p.equip(&q, own)
		all = append(all, q)
	}
	return all
}

// login are the options of the monitor by which people come in. Without one it stays on loopback.
var login = []string{"basic_auth", "users", "oidc_issuer"}

// open reports whether the monitor may be reached from elsewhere.
func (p *Plan) open() bool {
	return slices.ContainsFunc(login, func(option string) bool { return p.gives("monitor_" + option) })
}

// monitorPort is the monitor's, where nothing else is said.
const monitorPort = 5555

func (p *Plan) monitorArgs() []string {
	args := []string{"monitor"}
	if p.open() && !p.gives("monitor_address") {
		args = append(args, "--address", "0.0.0.0")
	}
	if !p.gives("monitor_db") {
		args = append(args, "--db", "/data/monitor.db")
	}
	return args
}

// forMonitor reports whether a variable is an option of the monitor.
func forMonitor(name string) bool {
	return strings.HasPrefix(name, "UMBEL_MONITOR_") || strings.HasPrefix(name, "FLOWER_")
}

// equip gives a process its variables. What is for the monitor goes to no other.
func (p *Plan) equip(q *process, own []Variable) {
	mine := func(name string) bool { return q.monitor || !forMonitor(name) }
	given := make(map[string]bool)
	for _, v := range p.Variables {
		if mine(v.Name) {
			q.variables = append(q.variables, v)
			given[v.Name] = true
		}
	}
	for _, v := range own {
		if !given[v.Name] { // whoever names it knows better
			q.variables = append(q.variables, v)
		}
	}
	for _, s := range p.Secrets {
		if mine(s.Name) {
			q.secrets = append(q.secrets, s)
		}
	}
}

// backlogQuery is PromQL for what one kind of worker has to do: messages that wait in its queues and within workers, and tasks
// that run. The depth of a queue alone would take workers away from what they are busy with; and a task that is
// acknowledged early is no message any more.
func (q *process) backlogQuery() string {
	match := fmt.Sprintf("queue=%s", strconv.Quote(q.queues[0]))
	if len(q.queues) > 1 {
		quoted := make([]string, len(q.queues))
		for i, name := range q.queues {
			quoted[i] = promQuote(name)
		}
		match = fmt.Sprintf("queue=~%s", strconv.Quote(strings.Join(quoted, "|")))
	}
	return fmt.Sprintf(`sum(max by (queue) (umbel_queue_messages{%s,state="ready"}))`+
		` + (sum(umbel_worker_running and on (worker) umbel_worker_consuming{%s}) or vector(0))`+
		` + (sum(umbel_worker_waiting{for="slot"} and on (worker) umbel_worker_consuming{%s}) or vector(0))`, match, match, match)
}

// promQuote is a name as a regular expression of Prometheus.
func promQuote(name string) string {
	var b strings.Builder
	for _, r := range name {
		if strings.ContainsRune(`\.+*?()|[]{}^$`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// millis is a number of processors in thousandths.
func millis(cpu float64) int { return int(math.Ceil(cpu*1000 - 1e-9)) }
