package guide

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
)

// The settings that the guide ends with are taken as they stand, and come to what it says of them.
func TestTheSettingsOfTheGuideAreTaken(t *testing.T) {
	_, block, found := strings.Cut(read(t, page), "```yaml\n# umbel.yaml\n")
	block, _, ended := strings.Cut(block, "```")
	if !found || !ended {
		t.Fatal("the guide has no block that begins with # umbel.yaml")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "umbel.yaml"), []byte(block), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := umbel.LoadConfig(umbel.LoadOptions{Dir: dir, Environ: []string{"CELERY_BROKER_URL=amqps://shop:x@b-1.mq.eu-west-1.amazonaws.com:5671"}})
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
	app := umbel.New("shop", umbel.WithConfig(c))
	queues, err := app.Queues()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, q := range queues {
		names[q.Name] = true
		if q.DeadLetter != q.Name+".dlq" {
			t.Errorf("dead letters of %s go to %q", q.Name, q.DeadLetter)
		}
		for _, declared := range q.Topology.Queues {
			if declared.Arguments["x-queue-type"] != "quorum" || !declared.Durable {
				t.Errorf("%s is declared with %v", declared.Name, declared.Arguments)
			}
		}
	}
	for _, name := range []string{"high_priority", "default", "low_priority", "reports", "maintenance", "notifications"} {
		if !names[name] {
			t.Errorf("there is no queue %s", name)
		}
	}
	if c.TaskDefaultQueue != "default" || !c.TaskAcksLate || c.WorkerPrefetchMultiplier != umbel.AutoPrefetch {
		t.Errorf("default queue %q, acks late %v, prefetch %d", c.TaskDefaultQueue, c.TaskAcksLate, c.WorkerPrefetchMultiplier)
	}
	// Without a broker's URL nothing starts.
	if _, err := umbel.LoadConfig(umbel.LoadOptions{Dir: dir, Environ: []string{"_=x"}}); err == nil || !strings.Contains(err.Error(), "broker_url is not set") {
		t.Errorf("without a broker: %v", err)
	}
}
