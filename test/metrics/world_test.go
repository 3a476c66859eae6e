package metrics

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/backend/memory"
	"github.com/umbel-go/umbel/beat"
	_ "github.com/umbel-go/umbel/broker/memory"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/cloudwatch"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/scaling"
	"github.com/umbel-go/umbel/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience only decides how long a failing test takes.
const patience = 2 * time.Minute

// A family is what a page says of one metric.
type family struct {
	name, kind, help string
	labels           []string // of its samples; nil: it has none, or no samples
	samples          int
}

// A world is a worker, a scheduler and what else is started, on one page.
type world struct {
	t      *testing.T
	app    *umbel.App
	client *http.Client
	sky    *sky
}

// A sky keeps the latest of each metric that CloudWatch was told: "MessageCount Environment=test Queue=celery".
type sky struct {
	mu   sync.Mutex // guards seen
	seen map[string]cloudwatch.Datum
	told chan struct{} // cap 1: something was
}

func (s *sky) Put(_ context.Context, namespace string, data []cloudwatch.Datum) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range data {
		key := namespace + "/" + d.Name
		for _, x := range d.Dimensions {
			key += " " + x.Name + "=" + x.Value
		}
		if old, ok := s.seen[key]; ok && strings.HasPrefix(d.Name, "Tasks") {
			d.Value += old.Value // these are counted since the last time
		}
		s.seen[key] = d
	}
	select {
	case s.told <- struct{}{}:
	default:
	}
	return nil
}

type order struct {
	N int `json:"n"`
}

// start runs a worker and a scheduler that send and run some tasks of every kind.
func start(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "metrics") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "s")
	app := umbel.New("metrics", umbel.WithLogger(slog.New(slog.DiscardHandler)), umbel.WithConfig(umbel.Config{
		BrokerURL: []string{"memory://" + t.Name()}, ResultBackend: "memory://" + t.Name(), MetricsAddress: at,
		MetricsNames: []string{"celery-exporter", "flower"}, WorkerSendTaskEvents: true, TaskSendSentEvent: true,
		TaskQueues:   []umbel.QueueConfig{{Name: "celery", DeadLetter: "celery.dead"}},
		BeatSchedule: []umbel.ScheduleEntry{{Name: "every-second", Task: "m.ok", Schedule: "1", Args: []any{1}}},
	}))
	umbel.Register(app, "m.ok", func(context.Context, order) (string, error) { return "done", nil })
	umbel.Register(app, "m.fails", func(context.Context, order) (string, error) { return "", errors.New("no") })
	umbel.Register(app, "m.retries", func(context.Context, order) (string, error) { return "", errors.New("again") },
		umbel.Retry{Max: 1, Backoff: time.Millisecond})
	ready := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	w := worker.New(app, worker.Config{Concurrency: 2, OnReady: func() { close(ready) }})
	go func() { ended <- w.Run(ctx) }()
	go func() { ended <- beat.New(app, beat.Config{}).Run(ctx) }()
	told := &sky{seen: make(map[string]cloudwatch.Datum), told: make(chan struct{}, 1)}
	m, err := monitor.New(app, monitor.Config{Listen: "127.0.0.1:0", History: history.Config{URL: filepath.Join(t.TempDir(), "m.db")},
		ManagementURL: management(t), Scaling: scaling.Config{Backlog: 1}, Advise: time.Second, CloudWatch: &cloudwatch.Config{Sink: told, Every: 50 * time.Millisecond,
			Dimensions: []cloudwatch.Dimension{{Name: "Environment", Value: "test"}}}})
	if err != nil {
		t.Fatal(err)
	}
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended, <-ended, app.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatal("the worker is not ready")
	}
	select {
	case <-m.Ready():
	case <-time.After(patience):
		t.Fatal("the monitor is not ready")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", at)
	}}}
	return &world{t: t, app: app, client: client, sky: told}
}

// management answers as RabbitMQ's management API does.
func management(t *testing.T) string {
	mux := http.NewServeMux()
	for path, text := range map[string]string{
		"/api/queues/%2F": `[{"name": "celery", "type": "classic", "head_message_timestamp": 1770000000, "messages_ready": 1, "messages_unacknowledged": 2, "message_stats": {
			"publish_details": {"rate": 1.5}, "deliver_get_details": {"rate": 1}, "ack_details": {"rate": 0.5}}}]`,
		"/api/nodes": `[{"name": "rabbit@one", "running": true, "mem_used": 100000000, "mem_limit": 400000000, "disk_free": 5000000000,
			"disk_free_limit": 50000000, "fd_used": 30}]`,
		"/api/overview": `{"rabbitmq_version": "4.1.0", "cluster_name": "mq", "object_totals": {"connections": 7, "consumers": 5},
			"queue_totals": {"messages_ready": 40, "messages_unacknowledged": 2},
			"message_stats": {"publish_details": {"rate": 12.5}, "confirm_details": {"rate": 12}, "ack_details": {"rate": 11}}}`,
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/api/"
}

// work sends tasks and waits until they have ended.
func (w *world) work() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, name := range []string{"m.ok", "m.fails", "m.retries", "m.stranger"} {
		r, err := w.app.Send(ctx, name, order{1})
		if err != nil {
			w.t.Fatal(err)
		}
		var failed *umbel.TaskError
		if err := r.Get(ctx, nil); err != nil && !errors.As(err, &failed) {
			w.t.Fatal(err)
		}
	}
}

// await scrapes until what is shown is as wanted.
func (w *world) await(what string, enough func(map[string]*family) bool) (map[string]*family, string) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		text := w.scrape()
		if page := read(w.t, text); enough(page) {
			return page, text
		} else if time.Now().After(end) {
			w.t.Fatalf("%s: not so:\n%s", what, text)
		}
	}
}

func (w *world) scrape() string {
	w.t.Helper()
	resp, err := w.client.Get("http://localhost/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		w.t.Fatalf("%s %v", resp.Status, err)
	}
	return string(text)
}

var sampleLine = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? \S+$`)
var labelName = regexp.MustCompile(`([a-z_]+)="(?:[^"\\]|\\.)*"`)

// read takes a page apart.
func read(t *testing.T, text string) map[string]*family {
	t.Helper()
	page := make(map[string]*family)
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, _ := strings.Cut(rest, " ")
			page[name] = &family{name: name, help: help}
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			page[name].kind = kind
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a sample: %q", line)
		}
		name := m[1]
		for _, end := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, end); ok && page[base] != nil && page[base].kind == "histogram" {
				name = base
			}
		}
		f := page[name]
		if f == nil {
			t.Fatalf("a sample of no family: %q", line)
		}
		f.samples++
		for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(f.labels, l[1]) && (f.kind != "histogram" || l[1] != "le") {
				f.labels = append(f.labels, l[1])
			}
		}
	}
	return page
}
