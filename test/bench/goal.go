package main

import "fmt"

// A goal is a promise about a figure. Those that are missed stay in the table.
type goal struct {
	text  string
	value func(r results) (float64, bool)
	print func(v float64) string
	holds func(v float64) bool
}

var goals = []goal{
	{"at least the rate of a bare consumer", ratio("rate", "umbel", "bare amqp091-go"), times, atLeast(1)},
	{"at most 1.3 of a bare consumer's CPU a task", ratio("cpu", "umbel", "bare amqp091-go"), times, atMost(1.3)},
	{"at least 6 times Celery's rate", ratio("rate", "umbel", "celery"), times, atLeast(6)},
	{"at most a twelfth of Celery's CPU a task", ratio("cpu", "celery", "umbel"), part, atLeast(12)},
	{"ahead of asynq", ratio("rate", "umbel", "asynq"), times, atLeast(1)},
	{"ahead of machinery", ratio("rate", "umbel", "machinery"), times, atLeast(1)},
	{"with results in Redis at least 6 times Celery's rate", ratio("rate", "umbel, results in Redis", "celery, results in Redis"), times, atLeast(6)},
	{"64 senders: at least 0.85 of bare pipelined confirms, 64 goroutines", ratio("rate", "umbel senders", "bare senders"), times, atLeast(0.85)},
	{"64 senders: at least 0.85 of bare pipelined confirms, one goroutine and a window of 64", ratio("rate", "umbel senders", "bare window"), times, atLeast(0.85)},
	{"from `Send` to the handler's start when idle, p50 under 2 ms", one("latency", "p50"), unit("ms"), under(2)},
	{"the same, p99", one("latency", "p99"), unit("ms"), func(float64) bool { return true }},
	{"SQLite, every commit synced: at least 5,000 tasks a second sent, run and their results stored", one("sqlite", "rate"), whole, atLeast(5000)},
	{"an idle worker, connected to RabbitMQ and Redis, resident under 30 MB", one("idle memory", "rss"), unit("MiB"), under(30e6 / (1 << 20))},
	{"the monitor, resident at most while it watches", one("monitor", "rss"), unit("MiB"), under(200)},
	{"the monitor, behind events after the last task", one("monitor", "behind"), unit("s"), under(5)},
	{"the monitor's pages meanwhile, p99", one("monitor", "p99"), unit("ms"), under(1000)},
	{"tasks that wait in their handlers: under 10 KB each", one("waiting memory", "each"), unit("KiB"), under(10e3 / 1024)},
	{"a chord of 10,000 members, results in Redis, from `Send` to its result", one("workflows", "chord"), unit("ms"), known},
	{"the same by Celery, `-c 2`", one("celery workflows", "chord"), unit("ms"), known},
	{"a chain of 100 tasks, results in Redis, from `Send` to its result", one("workflows", "chain"), unit("ms"), known},
	{"the same by Celery", one("celery workflows", "chain"), unit("ms"), known},
	{"100,000 schedule entries, each due once a minute: memory of one", one("schedules", "each"), unit("KiB"), known},
	{"the same: from the due time until the broker has the task, p50", one("schedules", "p50"), unit("ms"), known},
	{"the same, p99", one("schedules", "p99"), unit("ms"), known},
}

func ratio(name, over, under string) func(results) (float64, bool) {
	return func(r results) (float64, bool) {
		a, ok := r.median(over, name)
		b, ok2 := r.median(under, name)
		if !ok || !ok2 || b == 0 {
			return 0, false
		}
		return a / b, true
	}
}

func one(trial, name string) func(results) (float64, bool) {
	return func(r results) (float64, bool) { return r.median(trial, name) }
}

func atLeast(limit float64) func(float64) bool { return func(v float64) bool { return v >= limit } }
func atMost(limit float64) func(float64) bool  { return func(v float64) bool { return v <= limit } }
func under(limit float64) func(float64) bool   { return func(v float64) bool { return v < limit } }

func times(v float64) string { return fmt.Sprintf("%.2f", v) }
func part(v float64) string  { return fmt.Sprintf("1/%.1f", v) }
func whole(v float64) string { return thousands(int(v)) }

func unit(name string) func(float64) string {
	return func(v float64) string { return fmt.Sprintf("%.2f %s", v, name) }
}

// known is the limit of what has none.
func known(float64) bool { return true }
