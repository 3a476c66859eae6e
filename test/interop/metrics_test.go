package interop

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/monitor"
	"github.com/umbel-go/umbel/monitor/history"
)

// crews are counted by Python as celery-exporter does: workers and processes of each queue, by stats and active_queues of all; and, last,
// what they run at once.
const crews = `(lambda s, q: {n: [sum(1 for w in q for i in q[w] if i["name"] == n)] + [sum(f(s.get(w, {}).get("pool", {})) for w in q for i in q[w] if i["name"] == n)
	for f in (lambda pool: len(pool.get("processes", [])), lambda pool: pool.get("max-concurrency", 0))] for n in ("go", "py")})(
	app.control.inspect(timeout=10, limit=2).stats() or {}, app.control.inspect(timeout=10, limit=2).active_queues() or {})`

// What the monitor tells of a mixed fleet by celery-exporter's names is what celery-exporter would.
func (w *world) controlMetrics(t *testing.T) {
	app := w.newApp(t, func(c *umbel.Config) { c.MetricsNames = []string{"celery-exporter"} })
	m, err := monitor.New(app, monitor.Config{Listen: "127.0.0.1:0", History: history.Config{URL: filepath.Join(t.TempDir(), "h.db")}, Advise: time.Second, Every: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("monitor: %v", err)
		}
	})
	select {
	case <-m.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	line := regexp.MustCompile(`(?m)^celery_active_(worker|process)_count\{queue_name="(go|py)"\} (\d+)$`)
	scrape := func() map[string][2]int {
		resp, err := client.Get("http://" + m.Addr() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		told := make(map[string][2]int)
		for _, m := range line.FindAllStringSubmatch(string(text), -1) {
			n, _ := strconv.Atoi(m[3])
			both := told[m[2]]
			both[map[string]int{"worker": 0, "process": 1}[m[1]]] = n
			told[m[2]] = both
		}
		return told
	}
	var told map[string][2]int
	var theirs map[string][]int
	testenv.Await(t, "we tell what celery-exporter would", func() bool { // workers leave a question without an answer now and then
		told, theirs = scrape(), value[map[string][]int](t, w.client, crews)
		py, ours := theirs["py"], theirs["go"]
		// Goroutines are no processes of a pool: celery-exporter counts the worker's own, we count what runs at once.
		return py[0] == 1 && told["py"] == [2]int{py[0], py[1]} && ours[0] == 1 && ours[1] == 1 && told["go"] == [2]int{ours[0], ours[2]}
	}, func() string { return fmt.Sprint(told, theirs) })
	if told["py"][1] < 2 || told["go"][1] < 2 {
		t.Errorf("%v", told)
	}
}
