package manual

import (
	"bytes"
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// Each command of the runbooks is run, on a fleet with a dead letter, and does what it says.
func TestCommandsOfTheRunbooksRun(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(root + "/docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	rabbit := testenv.RabbitMQ(t)
	config := umbel.Config{BrokerURL: []string{rabbit.URL()}, ResultBackend: "memory://" + rabbit.Vhost(), TaskDefaultQueue: "orders",
		TaskQueues: []umbel.QueueConfig{{Name: "orders", DeadLetter: "orders.dlq"}, {Name: "reports"}}}
	app := newApp(t, config)
	umbel.Register(app, "orders.charge", func(context.Context, int) (int, error) { return 0, errors.New("no such account") }, umbel.AcksLate())
	startWorker(t, app, worker.Config{Nodename: "orders@web1", Concurrency: 2})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel) // the commands run when this function has returned
	for _, id := range []string{"1c2f4a5e-8d6b-4b43-9a1e-3f3f0c9f6c11", "9e107d9d-372b-4826-bd81-d3542a419d6a"} {
		r, err := app.Send(ctx, "orders.charge", 7, umbel.TaskID(id))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Get(ctx, nil); err == nil {
			t.Fatal("it did not fail")
		}
	}
	var lines []string
	for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
		for _, line := range strings.Split(block[1], "\n") {
			if line = split(line)[0]; strings.HasPrefix(line, "umbel ") && !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) < 20 {
		t.Errorf("only %d commands: %v", len(lines), lines)
	}
	wait := regexp.MustCompile(` -t \d+`) // how long a worker may take is another matter here
	for _, line := range lines {
		if elsewhere[line] != "" {
			continue
		}
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(wait.ReplaceAllString(line, ""))
			if slices.Contains([]string{"status", "inspect", "scale"}, args[1]) {
				args = append(args, "-t", "5")
			}
			if slices.Contains(args, "--rates") || slices.Contains(args, "bindings") {
				args = append(args, "--broker-api", "http://guest:guest@"+rabbit.HTTPAddr()+"/api")
			}
			var out, log bytes.Buffer
			code := cli.Run(ctx, umbel.New("umbel", umbel.WithConfig(config)), args, cli.Std{In: strings.NewReader(""), Out: &out, Err: &log})
			want := 0
			if args[1] == "result" {
				want = 1 // the task has failed
			}
			if code != want || out.Len()+log.Len() == 0 {
				t.Errorf("exit code %d, want %d\n%s%s", code, want, out.String(), log.String())
			}
		})
	}
}

// elsewhere are commands that other tests run.
var elsewhere = map[string]string{
	"umbel healthcheck":    "it asks a process with metrics_address: cli/testdata/healthcheck.txt",
	"umbel schedule list":  "it wants a schedule that outlives the process: cli/testdata/schedule.txt",
	"umbel doctor connect": "cli/testdata/doctor.txt, and broker/amqp",
}
