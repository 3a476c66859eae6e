package manual

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/internal/amazonmq"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/worker"
)

// A footprint is what a process has at the broker, beside the queues of tasks themselves.
type footprint struct{ connections, channels, queues int }

// table are the rows of a page's table between two marks, by their first cell.
func table(t *testing.T, file, mark string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "<!-- "+mark+" -->\n")
	inner, _, closed := strings.Cut(rest, "<!-- /"+mark+" -->")
	if !ok || !closed {
		t.Fatalf("%s has no table %s", file, mark)
	}
	rows := make(map[string][]string)
	for i, line := range strings.Split(strings.TrimSpace(inner), "\n") {
		if i < 2 {
			continue
		}
		var cells []string
		for _, c := range strings.Split(strings.Trim(line, "|"), " | ") {
			cells = append(cells, strings.TrimSpace(c))
		}
		rows[cells[0]] = cells[1:]
	}
	return rows
}

// The capacity model of docs/scaling.md stands on these numbers; each process is started and counted at the broker.
func TestWhatProcessesHaveAtTheBroker(t *testing.T) {
	t.Parallel()
	written := table(t, "docs/scaling.md", "footprint")
	for name, start := range map[string]func(t *testing.T, app *umbel.App){
		"producer, 64 goroutines that send": func(t *testing.T, app *umbel.App) {
			task := umbel.Register(app, "none", nothing)
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					if _, err := task.Send(context.Background(), 1); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		},
		"worker of one queue, 8 slots": func(t *testing.T, app *umbel.App) {
			umbel.Register(app, "none", nothing)
			startWorker(t, app, worker.Config{Queues: []string{"q0"}, Concurrency: 8})
		},
		"worker of five queues, 200 slots": func(t *testing.T, app *umbel.App) {
			umbel.Register(app, "none", nothing)
			startWorker(t, app, worker.Config{Queues: []string{"q0", "q1", "q2", "q3", "q4"}, Concurrency: 200})
		},
		"beat": func(t *testing.T, app *umbel.App) {
			task := umbel.Register(app, "none", nothing)
			if _, err := task.Send(context.Background(), 1); err != nil { // so that it has published, as one that has sent a tick
				t.Fatal(err)
			}
			runs(t, "beat", beat.New(app, beat.Config{}).Run)
		},
		"monitor": func(t *testing.T, app *umbel.App) {
			m, err := monitor.New(app, monitor.Config{Listen: "127.0.0.1:0", History: history.Config{URL: filepath.Join(t.TempDir(), "m.db")}})
			if err != nil {
				t.Fatal(err)
			}
			runs(t, "monitor", m.Run)
			select {
			case <-m.Ready():
			case <-time.After(patience):
				t.Fatal("the monitor is not ready")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row, ok := written[name]
			if !ok {
				t.Fatalf("docs/scaling.md does not list %q", name)
			}
			rabbit := testenv.RabbitMQ(t)
			app := newApp(t, umbel.Config{BrokerURL: []string{rabbit.URL()}, ResultBackend: "memory://" + rabbit.Vhost()})
			start(t, app)
			want := fmt.Sprintf("[%s %s %s]", row[0], row[1], row[2])
			testenv.Await(t, name, func() bool { return seen(t, rabbit) == want }, func() string { return seen(t, rabbit) + ", and the manual says " + want })
		})
	}
}

func nothing(context.Context, int) (int, error) { return 0, nil }

// seen is what the broker has of a virtual host.
func seen(t *testing.T, rabbit *testenv.Rabbit) string {
	t.Helper()
	var f footprint
	var list []struct {
		Channels int `json:"channels"`
	}
	if err := json.Unmarshal(rabbit.API(http.MethodGet, "/api/vhosts/"+url.PathEscape(rabbit.Vhost())+"/connections", nil), &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		f.connections++
		f.channels += c.Channels
	}
	for _, q := range rabbit.Queues() {
		if q.Name != "celery" && !(len(q.Name) == 2 && q.Name[0] == 'q') {
			f.queues++
		}
	}
	return fmt.Sprintf("[%d %d %d]", f.connections, f.channels, f.queues)
}

// What a thousand workers had at the broker when they were run (test/bench, fleet.go) is what the footprint of one foretells.
func TestAThousandWorkersHadWhatTheModelSays(t *testing.T) {
	t.Parallel()
	one := table(t, "docs/scaling.md", "footprint")["worker of one queue, 8 slots"]
	run := table(t, "docs/scaling.md", "fleet")
	for i, name := range []string{"connections", "channels", "queues"} {
		var each int
		if _, err := fmt.Sscan(one[i], &each); err != nil {
			t.Fatal(err)
		}
		want := 1000 * each
		if name == "queues" {
			want++ // that of the tasks
		}
		for _, cell := range run[name] {
			if got := strings.ReplaceAll(cell, ",", ""); got != fmt.Sprint(want) {
				t.Errorf("%s: %s, want %d", name, cell, want)
			}
		}
		if len(run[name]) != 2 {
			t.Errorf("%s: want what the model says and what was measured, got %q", name, run[name])
		}
	}
}

// How many workers an instance of Amazon MQ takes follows from that, and from its limits.
func TestTheCapacityTableFollowsFromTheFootprint(t *testing.T) {
	t.Parallel()
	rows := table(t, "docs/scaling.md", "capacity")
	number := func(text string) int {
		var n int
		if _, err := fmt.Sscan(strings.ReplaceAll(text, ",", ""), &n); err != nil {
			t.Fatalf("%q is no number", text)
		}
		return n
	}
	cells := table(t, "docs/scaling.md", "footprint")["worker of one queue, 8 slots"]
	connections, channels, queues := number(cells[0]), number(cells[1]), number(cells[2])
	checked := 0
	for name, row := range rows {
		i, ok := amazonmq.FindInstance(strings.Trim(name, "`"))
		if !ok {
			t.Errorf("no instance %s", name)
			continue
		}
		checked++
		byConnections, byChannels, byQueues := i.Connections/connections, i.Channels/channels, i.Queues/queues
		for k, want := range []int{byConnections, byChannels, byQueues, min(byConnections, byChannels, byQueues)} {
			if got := number(row[k]); got != want {
				t.Errorf("%s: %d, want %d (column %d)", name, got, want, k)
			}
		}
	}
	if checked < 4 {
		t.Errorf("only %d instances in the table", checked)
	}
}
