package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/backend/database"
	_ "github.com/umbel-go/umbel/broker/sqlite"
	"github.com/umbel-go/umbel/tracing"
	_ "github.com/umbel-go/umbel/tracing/otlp"
	"github.com/umbel-go/umbel/worker"
)

func TestMain(m *testing.M) {
	if worker.InChild() {
		if err := runChild(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// patience only decides how long a failing test takes.
const patience = 2 * time.Minute

// A collecting is a collector of spans over OTLP.
type collecting struct {
	t  *testing.T
	mu sync.Mutex
	by map[string]*otlp.Span // by name and task

	came chan struct{} // cap 1: spans did
}

func collect(t *testing.T) *collecting {
	c := &collecting{t: t, by: make(map[string]*otlp.Span), came: make(chan struct{}, 1)}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	return c
}

func (c *collecting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &in)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		c.t.Errorf("%s: %v", r.URL, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range in.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				key := s.Name + " " + text(s, "celery.task_name")
				for _, a := range s.Attributes {
					if a.Key == "celery.retries" && a.Value.GetIntValue() > 0 {
						key += " again"
					}
				}
				c.by[key] = s
			}
		}
	}
	select {
	case c.came <- struct{}{}:
	default:
	}
}

func text(s *otlp.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// await waits for a span: operation, queue, task.
func (c *collecting) await(name string) *otlp.Span {
	c.t.Helper()
	for late := time.After(patience); ; {
		c.mu.Lock()
		s := c.by[name]
		names := fmt.Sprint(len(c.by), " spans:")
		for n := range c.by {
			names += "\n" + n
		}
		c.mu.Unlock()
		if s != nil {
			return s
		}
		select {
		case <-c.came:
		case <-late:
			c.t.Fatalf("no span %q among %s", name, names)
		}
	}
}

// under fails unless a span is the child of another.
func (c *collecting) under(parent *otlp.Span, name string) *otlp.Span {
	c.t.Helper()
	s := c.await(name)
	if string(s.ParentSpanId) != string(parent.SpanId) || string(s.TraceId) != string(parent.TraceId) {
		c.t.Errorf("%q is %x in trace %x under %x, want it under %q: %x in %x", name, s.SpanId, s.TraceId, s.ParentSpanId, parent.Name, parent.SpanId, parent.TraceId)
	}
	return s
}

// program is an app with some tasks, traced as the environment says.
func program(dir string) (*umbel.App, func(context.Context) error, error) {
	url := "sqlite://" + filepath.Join(dir, "t.db")
	app := umbel.New("traced", umbel.WithLogger(slog.New(slog.DiscardHandler)), umbel.WithConfig(umbel.Config{BrokerURL: []string{url}, ResultBackend: url}))
	umbel.Register(app, "t.parent", func(ctx context.Context, _ umbel.Args) (int, error) {
		_, err := app.Send(ctx, "t.child", nil, umbel.Queue("celery"))
		return 1, err
	})
	umbel.Register(app, "t.child", func(context.Context, umbel.Args) (int, error) { return 2, nil })
	umbel.Register(app, "t.next", func(context.Context, umbel.Args) (int, error) { return 3, nil })
	umbel.Register(app, "t.fails", func(context.Context, umbel.Args) (int, error) { return 0, errors.New("no") })
	umbel.Register(app, "t.retries", func(context.Context, umbel.Args) (int, error) { return 0, errors.New("again") },
		umbel.Retry{Max: 1, Backoff: time.Millisecond})
	m, end, err := tracing.FromEnvironment(context.Background(), tracing.About{Service: "traced", Log: slog.New(slog.DiscardHandler)})
	if m != nil {
		app.Use(m)
	}
	return app, end, err
}

func runChild() error {
	app, end, err := program(os.Getenv("TRACING_DIR"))
	if err != nil {
		return err
	}
	err = worker.New(app, worker.Config{Pool: "process"}).Run(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, app.Close(), end(ctx))
}

func TestATraceFollowsATask(t *testing.T) {
	for _, pool := range []string{"goroutine", "process"} {
		t.Run(pool, func(t *testing.T) {
			c := collect(t)
			dir := t.TempDir()
			t.Setenv("TRACING_DIR", dir)
			app, end, err := program(dir)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			ready, done := make(chan struct{}), make(chan error, 1)
			w := worker.New(app, worker.Config{Pool: pool, Concurrency: 1, OnReady: func() { close(ready) },
				ChildCommand: func() *exec.Cmd { return exec.Command(os.Args[0]) }})
			run, stop := context.WithCancel(ctx)
			go func() { done <- w.Run(run) }()
			defer func() {
				stop()
				if err := errors.Join(<-done, app.Close(), end(ctx)); err != nil {
					t.Error(err)
				}
			}()
			select {
			case <-ready:
			case err := <-done:
				t.Fatal(err)
			}
			chain := umbel.Chain(app.Signature("t.parent", nil), app.Signature("t.next", nil))
			r, err := chain.Send(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Get(ctx, nil); err != nil {
				t.Fatal(err)
			}
			sent := c.await("send celery t.parent")
			if len(sent.ParentSpanId) != 0 || sent.Kind != otlp.Span_SPAN_KIND_PRODUCER {
				t.Errorf("the first span: %v", sent)
			}
			parent := c.under(sent, "process celery t.parent")
			if parent.Kind != otlp.Span_SPAN_KIND_CONSUMER || text(parent, "messaging.operation.type") != "process" ||
				text(parent, "messaging.destination.name") != "celery" || text(parent, "messaging.message.id") == "" || text(parent, "messaging.system") != "celery" {
				t.Errorf("not as messaging conventions have it: %v", parent)
			}
			c.under(c.under(parent, "send celery t.child"), "process celery t.child")
			c.under(c.under(parent, "send celery t.next"), "process celery t.next") // sent when the handler had returned
			if _, err := app.Send(ctx, "t.retries", nil); err != nil {
				t.Fatal(err)
			}
			first := c.await("send celery t.retries")
			c.under(first, "process celery t.retries")
			c.under(first, "process celery t.retries again")
			if _, err := app.Send(ctx, "t.fails", nil); err != nil {
				t.Fatal(err)
			}
			if s := c.await("process celery t.fails"); s.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR || text(s, "error.type") == "" {
				t.Errorf("a failure is no error: %v", s)
			}
		})
	}
}

func TestTheEnvironmentSaysWhetherToTrace(t *testing.T) {
	for _, one := range []struct {
		env    map[string]string
		wanted bool
		fault  bool
	}{
		{nil, false, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, true, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, false, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, false, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, false, true},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, true},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, true, false},
	} {
		for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED",
			"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
			t.Setenv(name, one.env[name])
		}
		if wanted, err := tracing.Wanted(); wanted != one.wanted || (err != nil) != one.fault {
			t.Errorf("%v: %v, %v", one.env, wanted, err)
		}
	}
}
