package cli

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/render"
)

// renderWorkers are the workers of the fleet: those that --worker names, and one for each queue that is left.
func (p *program) renderWorkers(cmd *cobra.Command, f *renderFlags, c *umbel.Config) ([]render.Worker, error) {
	known, err := p.knownQueues()
	if err != nil {
		return nil, &fault{code: exitConfig, err: err}
	}
	spoken := append(slices.Clone(known), c.WithDefaults().TaskDefaultQueue)
	for _, q := range f.queues {
		if err := spokenOf(cmd, "--queues", q, spoken); err != nil {
			return nil, err
		}
	}
	rest := render.Worker{Concurrency: f.concurrency, Memory: f.memory, CPU: f.cpu}
	if rest.Concurrency == 0 {
		rest.Concurrency = 4
		if c.WorkerConcurrency > 0 {
			rest.Concurrency = c.WorkerConcurrency
		}
	}
	if rest.Min, rest.Max, err = between(cmd, "--replicas", f.replicas); err != nil {
		return nil, err
	}
	var workers []render.Worker
	taken := make(map[string]bool)
	for _, text := range f.workers {
		w, err := workerOf(cmd, text, rest)
		if err != nil {
			return nil, err
		}
		for _, q := range w.Queues {
			taken[q] = true
			if err := spokenOf(cmd, "--worker", q, spoken); err != nil {
				return nil, err
			}
		}
		workers = append(workers, w)
	}
	if len(f.queues) > 0 {
		known = f.queues
	}
	for _, q := range known {
		if taken[q] {
			continue
		}
		w := rest
		w.Name, w.Queues = q, []string{q}
		workers = append(workers, w)
	}
	for i := range workers {
		if workers[i].Backlog == 0 {
			workers[i].Backlog = 10 * workers[i].Concurrency
		}
	}
	return workers, nil
}

// spokenOf refuses a queue that is in no setting: its workers would wait for messages that nobody routes there.
func spokenOf(cmd *cobra.Command, option, queue string, known []string) error {
	if contains(known, queue) {
		return nil
	}
	return misuse(cmd, "%s: no setting speaks of a queue %q: put it into task_queues or a route.%s", option, queue, didYouMean(queue, slices.Clone(known), ""))
}

// workerOf reads QUEUE+QUEUE,KEY=VALUE.
func workerOf(cmd *cobra.Command, text string, w render.Worker) (render.Worker, error) {
	parts := strings.Split(text, ",")
	w.Queues = strings.Split(parts[0], "+")
	w.Name = strings.Join(w.Queues, "-")
	for _, part := range parts[1:] {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return w, misuse(cmd, "--worker %s: want KEY=VALUE behind the queues, not %q", text, part)
		}
		var err error
		switch key {
		case "name":
			w.Name = value
		case "concurrency":
			w.Concurrency, err = strconv.Atoi(value)
		case "replicas":
			if w.Min, w.Max, err = between(cmd, "--worker "+text, value); err != nil {
				return w, err
			}
		case "memory":
			w.Memory, err = strconv.Atoi(value)
		case "cpu":
			w.CPU, err = strconv.ParseFloat(value, 64)
		case "pool":
			w.Pool = value
		case "max-tasks-per-child":
			w.MaxTasks, err = strconv.Atoi(value)
		case "backlog":
			w.Backlog, err = strconv.Atoi(value)
		default:
			keys := []string{"name", "concurrency", "replicas", "memory", "cpu", "pool", "max-tasks-per-child", "backlog"}
			return w, misuse(cmd, "--worker %s: there is no %q: %s.%s", text, key, strings.Join(keys, ", "), didYouMean(key, keys, ""))
		}
		if err != nil {
			return w, misuse(cmd, "--worker %s: %s is no number: %q", text, key, value)
		}
	}
	return w, nil
}

// between reads a number, or two with a dash between them.
func between(cmd *cobra.Command, where, text string) (least, most int, err error) {
	a, b, ranged := strings.Cut(text, "-")
	if !ranged {
		b = a
	}
	least, err1 := strconv.Atoi(a)
	most, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || least > most {
		return 0, 0, misuse(cmd, "%s: want a number of workers, or two such as 2-10, not %q", where, text)
	}
	return least, most, nil
}

// local are settings of one process or one host: a fleet gets them from whoever renders it, or does without.
var local = []string{"worker_concurrency", "worker_logfile", "worker_pidfile", "worker_state_db", "worker_shutdown_grace", "worker_log_color", "beat_logfile",
	"beat_pidfile", "metrics_address", "metrics_public", "audit_file"}

// carried are the settings of file, variables and code that go along as variables: all that are set and work, but what is
// secret and what concerns this machine.
func (p *program) carried(c *umbel.Config, plan render.Plan) []render.Variable {
	given := make(map[string]bool)
	for _, v := range plan.Variables {
		given[v.Name] = true
	}
	for _, s := range plan.Secrets {
		given[s.Name] = true
	}
	var out []render.Variable
	for _, e := range p.entries(c) {
		upper := strings.ToUpper(e.Name)
		if e.Source == "default" || e.Effect != "works" || slices.Contains(local, e.Name) || given["UMBEL_"+upper] || given["CELERY_"+upper] {
			continue
		}
		value := string(e.Value)
		if value == "null" || strings.Contains(value, "**") { // a secret, masked
			continue
		}
		if (e.Name == "broker_url" || e.Name == "result_backend") && here(value) {
			continue
		}
		var text string
		if json.Unmarshal(e.Value, &text) == nil {
			value = text
		}
		out = append(out, render.Variable{Name: "UMBEL_" + upper, Value: value})
	}
	return out
}

// here reports whether a URL leads to this machine, or to a file of it.
func here(url string) bool {
	for _, s := range []string{"localhost", "127.0.0.1", "[::1]", "sqlite:", "memory:"} {
		if strings.Contains(url, s) {
			return true
		}
	}
	return false
}
