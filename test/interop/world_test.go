package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"

	_ "github.com/umbel-go/umbel/backend/redis"
	_ "github.com/umbel-go/umbel/backend/rpc"
	_ "github.com/umbel-go/umbel/broker/amqp"
)

func TestMain(m *testing.M) {
	if os.Getenv("INTEROP_ROLE") == "worker" {
		os.Exit(workerProcess())
	}
	goleak.VerifyTestMain(m)
}

// A world is a virtual host and a Redis database that both sides use, over TLS, by one settings file.
type world struct {
	rabbit   *testenv.Rabbit
	redis    *testenv.RedisServer
	settings string // path of the file
	app      *umbel.App
	client   *client
}

// newWorld makes one; more are settings over the usual ones.
func newWorld(t *testing.T, more ...map[string]any) *world {
	t.Helper()
	testenv.Python(t)
	w := &world{rabbit: testenv.RabbitMQ(t), redis: testenv.Redis(t), settings: filepath.Join(t.TempDir(), "settings.json")}
	ca := testenv.CA(t).File
	settings := map[string]any{
		"broker_url":            w.rabbit.TLSURL(),
		"broker_use_ssl":        map[string]any{"ca_certs": ca, "cert_reqs": 2}, // ssl.CERT_REQUIRED
		"result_backend":        w.redis.TLSURL(),
		"redis_backend_use_ssl": map[string]any{"ssl_ca_certs": ca, "ssl_cert_reqs": 2},
		"accept_content":        []string{"json", "yaml", "msgpack"},
		"task_queues": map[string]any{
			"go":     map[string]any{"exchange": "go", "routing_key": "go"},
			"py":     map[string]any{"exchange": "py", "routing_key": "py"},
			"prio":   map[string]any{"exchange": "prio", "routing_key": "prio", "queue_arguments": map[string]any{"x-max-priority": 10}},
			"topic":  map[string]any{"exchange": "orders", "exchange_type": "topic", "routing_key": "orders.#"},
			"quorum": map[string]any{"exchange": "quorum", "routing_key": "quorum", "queue_arguments": map[string]any{"x-queue-type": "quorum"}},
		},
		"task_routes": map[string]any{
			"go.routed.*": map[string]any{"exchange": "orders", "exchange_type": "topic", "routing_key": "orders.eu.new"},
			"go.quorum":   map[string]any{"queue": "quorum"},
			"py.*":        map[string]any{"queue": "py"},
		},
	}
	for _, m := range more {
		maps.Copy(settings, m)
	}
	text, err := json.MarshalIndent(settings, "", "  ")
	if err == nil {
		err = os.WriteFile(w.settings, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.app = w.newApp(t, nil)
	w.client = w.newClient(t)
	return w
}

// newApp is a Go app of the world's settings, with some changed.
func (w *world) newApp(t *testing.T, change func(*umbel.Config)) *umbel.App {
	t.Helper()
	c, err := umbel.LoadConfig(umbel.LoadOptions{File: w.settings, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&c)
	}
	log := slog.New(slog.NewTextHandler(&testLog{t: t}, nil))
	app := umbel.New("interop", umbel.WithConfig(c), umbel.WithLogger(log))
	t.Cleanup(func() {
		if err := app.Close(); err != nil {
			t.Errorf("close app: %v", err)
		}
	})
	registerTasks(app, w.redis)
	return app
}

// testLog keeps what an app logs for tests that fail.
type testLog struct {
	t    *testing.T
	once sync.Once
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *testLog) Write(p []byte) (int, error) {
	l.once.Do(func() {
		l.t.Cleanup(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.t.Failed() {
				l.t.Logf("Umbel said:\n%s", l.text.String())
			}
		})
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() < 1<<20 {
		l.text.Write(p)
	}
	return len(p), nil
}

// startGo runs a Go worker until stop, which waits for it.
func startGo(t *testing.T, app *umbel.App, c worker.Config) (stop func()) {
	t.Helper()
	ready := make(chan struct{})
	c.OnReady = func() { close(ready) }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker.New(app, c).Run(ctx) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatalf("worker ended before it was ready: %v", err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// workerProcess is a Go worker in a process of its own, for tests that kill one.
func workerProcess() int {
	c, err := umbel.LoadConfig(umbel.LoadOptions{File: os.Getenv("INTEROP_SETTINGS"), Environ: []string{}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	app := umbel.New("interop", umbel.WithConfig(c))
	registerTasks(app, nil)
	registerStateTasks(app)
	err = worker.New(app, worker.Config{Queues: []string{os.Getenv("INTEROP_QUEUE")}, Nodename: os.Getenv("INTEROP_NODE"), Concurrency: 1,
		OnReady: func() { fmt.Fprintln(os.Stderr, "go worker ready") }}).Run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
