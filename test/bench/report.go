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

func itoa(n int) string { return strconv.Itoa(n) }

// thousands writes a number in groups of three.
func thousands(n int) string {
	s := itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
