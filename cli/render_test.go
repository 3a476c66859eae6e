//go:build unix

package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
)

// everything are settings of every kind that a fleet takes with it.
const everything = `
task_acks_late: true
task_default_queue: default
task_queues:
  orders: {dead_letter: true, weight: 5, arguments: {x-max-priority: 10}}
  reports: {exchange: reports, routing_key: "reports.#", exchange_type: topic}
task_routes:
  - shop.*: {queue: orders, priority: 5}
  - "re:^mail\\.": {queue: reports}
task_publish_retry_policy: {max_retries: null, interval_start: 0.5}
result_expires: 3600
broker_heartbeat: null
broker_transport_options: {confirm_publish: true, note: "a 'b' \"c\" $D %d \\ é"}
worker_prefetch_multiplier: auto
accept_content: [json, yaml]
timezone: Europe/Rome
beat_schedule:
  nightly: {task: shop.greet, schedule: {minute: 0, hour: 3}, args: ["it's", 1], options: {queue: reports}}
`

// A process that is started with what was rendered has the settings that the file has.
func TestSettingsTravelWhole(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "umbel.yaml"), []byte(everything), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	args := []string{"shop", "render", "ecs", "--config", filepath.Join(dir, "umbel.yaml"), "-o", filepath.Join(dir, "ecs"), "--image", "shop:1.0", "--region", "eu-west-1",
		"--execution-role", "arn:aws:iam::123456789012:role/x", "-s", "CELERY_BROKER_URL=/shop/broker", "-s", "CELERY_RESULT_BACKEND=/shop/redis"}
	if code := cli.Run(t.Context(), umbel.New("shop"), args, cli.Std{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	text, err := os.ReadFile(filepath.Join(dir, "ecs", "orders.task.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		ContainerDefinitions []struct {
			Environment []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	environ := []string{"HOME=/"}
	for _, v := range d.ContainerDefinitions[0].Environment {
		if v.Name != "UMBEL_METRICS_ADDRESS" && v.Name != "UMBEL_WORKER_SHUTDOWN_GRACE" {
			environ = append(environ, v.Name+"="+v.Value)
		}
	}
	want, err := umbel.LoadConfig(umbel.LoadOptions{File: filepath.Join(dir, "umbel.yaml"), Environ: []string{"HOME=/"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := umbel.LoadConfig(umbel.LoadOptions{Dir: t.TempDir(), Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	before, after := want.Entries(), got.Entries()
	set := 0
	for i := range before {
		if before[i].Value != after[i].Value {
			t.Errorf("%s: %s in the file, %s in the process", before[i].Name, before[i].Value, after[i].Value)
		}
		if before[i].Source != "default" {
			set++
		}
	}
	if set < 12 {
		t.Errorf("the file sets %d settings", set)
	}
}
