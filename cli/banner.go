package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
)

// bannerTasks is how many tasks the banner names.
const bannerTasks = 20

// banner shows what the worker is about to do.
func (p *program) banner(c *umbel.Config, node string, queues []string) {
	version, _ := build()
	fmt.Fprintf(p.Out, "\n  %s %s  %s\n\n", p.paint.green("❀"), p.paint.bold(node), p.paint.faint("umbel "+version))
	line := func(what, text string) {
		fmt.Fprintf(p.Out, "  %s  %s\n", p.paint.faint(fmt.Sprintf("%-11s", what)), text)
	}
	line("broker", brokerText(c))
	line("results", broker.MaskURL(c.ResultBackend))
	slots, prefetch := c.WorkerConcurrency, "no limit"
	if c.WorkerPool == "solo" {
		slots = 1
	}
	if c.WorkerPrefetchMultiplier > 0 {
		prefetch = strconv.Itoa(c.WorkerPrefetchMultiplier * slots)
	}
	line("concurrency", fmt.Sprintf("%d (%s, prefetch %s)", slots, c.WorkerPool, prefetch))
	line("queues", strings.Join(queues, ", "))
	tasks := p.app.Tasks()
	if len(tasks) == 0 {
		line("tasks", "none: this program has no tasks of its own")
	}
	for i, d := range tasks {
		what := ""
		if i == 0 {
			what = "tasks"
		}
		if i == bannerTasks {
			line(what, fmt.Sprintf("and %d more", len(tasks)-i))
			break
		}
		line(what, d.Name())
	}
	fmt.Fprintln(p.Out)
}

// brokerText is the URLs of the broker without their passwords.
func brokerText(c *umbel.Config) string {
	if len(c.BrokerURL) == 0 {
		return c.BrokerTransport + "://" + c.BrokerHost
	}
	urls := make([]string, len(c.BrokerURL))
	for i, u := range c.BrokerURL {
		parts := strings.Split(u, ";")
		for j := range parts {
			parts[j] = broker.MaskURL(strings.TrimSpace(parts[j]))
		}
		urls[i] = strings.Join(parts, ", ")
	}
	return strings.Join(urls, ", ")
}
