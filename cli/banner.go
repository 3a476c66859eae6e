package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/setting"
)

// bannerTasks is how many tasks the banner names.
const bannerTasks = 20

// banner shows what the worker is about to do.
func (p *program) banner(c *umbel.Config, node string, queues []string) {
	v, _ := build()
	fmt.Fprintf(p.Out, "\n  %s %s  %s\n\n", p.paint.green("❀"), p.paint.bold(node), p.paint.faint("umbel "+v))
	line := func(what, text string) {
		fmt.Fprintf(p.Out, "  %s  %s\n", p.paint.faint(fmt.Sprintf("%-11s", what)), text)
	}
	line("broker", brokerText(c))
	line("results", storeText(c))
	slots, prefetch := c.WorkerConcurrency, "no limit"
	if c.WorkerPool == "solo" {
		slots = 1
	}
	atOnce := strconv.Itoa(slots)
	if most, least, err := c.Autoscale(); err == nil && most > 0 {
		slots, atOnce = most, fmt.Sprintf("%d to %d", max(least, 1), most)
	}
	switch {
	case c.WorkerPrefetchMultiplier == umbel.AutoPrefetch:
		prefetch = "auto"
	case c.WorkerPrefetchMultiplier > 0:
		prefetch = strconv.Itoa(c.WorkerPrefetchMultiplier * slots)
	}
	line("concurrency", fmt.Sprintf("%s (%s, prefetch %s)", atOnce, c.WorkerPool, prefetch))
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
	return strings.Join(masked("broker_url", c.BrokerURL), ", ")
}

// storeText is the URL of the result store without its password.
func storeText(c *umbel.Config) string { return masked("result_backend", c.ResultBackend) }

// masked is the value of a setting as it may be shown.
func masked[T any](name string, value T) T {
	row, ok := setting.Lookup(name)
	if !ok {
		panic("no setting " + name)
	}
	return row.Mask(value).(T)
}
