package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// The page keeps its words; what lies between these is written anew.
const (
	beginMark = "<!-- figures: written by make bench -->"
	endMark   = "<!-- end of figures -->"
)

func write(path, text string) error {
	if path == "" {
		_, err := fmt.Print(text)
		return err
	}
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(page, []byte(beginMark))
	_, after, ok2 := bytes.Cut(rest, []byte(endMark))
	if !ok || !ok2 {
		return errors.New(path + " lacks the two marker comments between which figures are written")
	}
	return os.WriteFile(path, fmt.Appendf(nil, "%s%s\n\n%s\n%s%s", before, beginMark, text, endMark, after), 0o644)
}

func report(f *flags, r results, machine []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s by `make bench`, medians of %d rounds, each contender in turn:\n\n", time.Now().UTC().Format(time.DateOnly), f.rounds)
	for _, line := range machine {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	fmt.Fprintf(&b, "\n### Running tasks\n\nA durable queue holds %s tasks that do nothing (for Celery %s); at most %d unsettled at once.\n\n", thousands(f.tasks), thousands(f.celery), prefetch)
	table(&b, r, f, []string{"bare amqp091-go", "umbel", "celery", "machinery", "asynq", "umbel, results in Redis", "celery, results in Redis"})
	fmt.Fprintf(&b, "\n### Sending tasks\n\n%s durable, mandatory, confirmed messages to one queue.\n\n", thousands(f.tasks))
	table(&b, r, f, []string{"bare senders", "bare window", "umbel senders"})
	watchTable(&b, r, f)
	fleetTable(&b, r)
	b.WriteString("\n### Against the goals\n\n| goal | measured | holds |\n| --- | --- | --- |\n")
	for _, g := range goals {
		if v, ok := g.value(r); ok {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", g.text, g.print(v), map[bool]string{true: "yes", false: "**no**"}[g.holds(v)])
		}
	}
	return b.String()
}

func table(b *strings.Builder, r results, f *flags, rows []string) {
	b.WriteString("| | how | a second | lowest to highest | CPU µs a task | servers' CPU µs |\n| --- | --- | ---: | ---: | ---: | ---: |\n")
	about := make(map[string]string)
	for _, t := range trials(f) {
		about[t.name] = t.about
	}
	for _, name := range rows {
		rate, ok := r.median(name, "rate")
		if !ok {
			continue
		}
		cpu, _ := r.median(name, "cpu")
		server, _ := r.median(name, "server")
		low, high := r.spread(name, "rate")
		fmt.Fprintf(b, "| %s | %s | %s | %s to %s | %.1f | %.1f |\n", name, about[name], thousands(int(rate)), thousands(int(low)), thousands(int(high)), cpu, server)
	}
}

// watchTable is what the monitor costs, with Celery's own beside it.
func watchTable(b *strings.Builder, r results, f *flags) {
	if _, ok := r.median("monitor", "rate"); !ok {
		return
	}
	fmt.Fprintf(b, "\n### Watching tasks\n\n`umbel worker -E -c 100` runs %s tasks that do nothing while the monitor writes what it hears and its pages are asked for, "+
		"one every %v; for Celery's own %s tasks. *Known* is the share of events that was heard before the broker dropped them (`event_queue_ttl`, 5 s); *behind* is from the end of the "+
		"last task until the last event was written.\n\n", thousands(f.monitor), lookEvery, thousands(f.celery))
	b.WriteString("| | tasks a second | resident at most, MiB | known | behind, s | CPU µs a task | pages p50, ms | p99, ms |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, name := range []string{"monitor", "celery events"} {
		cell := func(figure, format string) string {
			if v, ok := r.median(name, figure); ok {
				return fmt.Sprintf(format, v)
			}
			return "–"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", name, cell("rate", "%.0f"), cell("rss", "%.0f"), cell("known", "%.1f %%"), cell("behind", "%.1f"), cell("cpu", "%.0f"),
			cell("p50", "%.1f"), cell("p99", "%.1f"))
	}
}

// fleetTable is what many workers cost their broker.
func fleetTable(b *strings.Builder, r results) {
	n, ok := r.median("fleet", "workers")
	if !ok {
		return
	}
	fmt.Fprintf(b, "\n### Many workers\n\n%s workers of one queue, 8 slots each, in %d processes (each an app and a worker with connections of its own) on one RabbitMQ with its management API, "+
		"clients and broker on the same cores; CPU is that of one core.\n\n| | |\n| --- | ---: |\n", thousands(int(n)), fleetProcesses)
	row := func(text, format string, names ...string) {
		values := make([]any, len(names))
		for i, name := range names {
			v, ok := r.median("fleet", name)
			if !ok {
				return
			}
			values[i] = v
		}
		fmt.Fprintf(b, "| %s | %s |\n", text, fmt.Sprintf(format, values...))
	}
	row("started at once, until all consume (attempts to connect that failed)", "%.1f s (%.0f)", "started", "start failures")
	row("connections, channels, queues, consumers at the broker", "%.0f, %.0f, %.0f, %.0f", "connections", "channels", "queues", "consumers")
	row("broker's memory before, and with them idle", "%.0f, %.0f MiB", "rss before", "rss")
	row("idle: broker's CPU, all workers' CPU", "%.1f %%, %.1f %%", "idle cpu", "idle clients")
	row("idle: messages a minute", "%.0f", "idle messages")
	row("`ping` until the last has answered: idle, after the drop", "%.2f, %.2f s", "ping", "ping again")
	row(fmt.Sprintf("at %d tasks a second: broker's CPU, memory", fleetRate), "%.1f %%, %.0f MiB", "load cpu", "load rss")
	row(fmt.Sprintf("of %d tasks each in the mean a worker ran", fleetEach), "%.0f to %.0f", "least", "most")
	row("broker closes all connections at once: until all consume again (attempts that failed), broker's memory at most", "%.1f s (%.0f), %.0f MiB", "drop", "drop failures", "drop rss")
	row(fmt.Sprintf("broker killed, away for %v and its start: until all consume once it is ready", fleetAway), "%.1f s", "restart")
	row("SIGTERM to all, until all have left", "%.1f s", "stop")
}

func itoa(n int) string { return strconv.Itoa(n) }

// thousands writes a number in groups of three.
func thousands(n int) string {
	s := itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
