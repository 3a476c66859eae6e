package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// Python's client calls every task as Celery's own integration tests do.
func TestEveryTaskServesPythonsClient(t *testing.T) {
	python := testenv.Python(t)
	rabbit, redis := testenv.RabbitMQ(t), testenv.Redis(t)
	at, err := url.Parse(redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(at.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("REDIS_HOST", host)
	t.Setenv("REDIS_PORT", port)
	app := newApp(umbel.WithLogger(slog.New(slog.DiscardHandler)), umbel.WithConfig(umbel.Config{
		BrokerURL: []string{rabbit.URL()}, ResultBackend: redis.URL(), ResultExtended: true}))
	defer app.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	running, stop := context.WithCancel(ctx)
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- worker.New(app, worker.Config{Concurrency: 4, OnReady: func() { close(ready) }}).Run(running)
	}()
	<-ready
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	cmd := exec.CommandContext(ctx, python, "client.py")
	cmd.Dir = "testdata"
	cmd.Env = append(os.Environ(), "BROKER="+rabbit.URL(), "RESULTS="+redis.URL(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var ran []string
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var check struct {
			Task  string
			Error *string
			Ran   []string
		}
		if err := json.Unmarshal(lines.Bytes(), &check); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if check.Ran != nil {
			ran = check.Ran
			continue
		}
		t.Run(check.Task, func(t *testing.T) {
			if check.Error != nil {
				t.Error(*check.Error)
			}
		})
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("Python's client: %v\n%s", err, said.String())
	}
	for _, task := range app.Tasks() {
		if name, ours := strings.CutPrefix(task.Name(), module+"."); ours && !slices.Contains(ran, name) {
			t.Errorf("%s was not called", name)
		}
	}
}
