package interop

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/management"
	"github.com/umbel-go/umbel/topology"
	"github.com/umbel-go/umbel/worker"
)

// Python's programs work under the users of umbel topology apply --python: a worker with gossip, mingle and events, a sender, a
// listener that asks and hears. And the sender may do no more than that.
func TestPythonWorksUnderPlannedPermissions(t *testing.T) {
	w := newWorld(t)
	plan, err := topology.New(w.app, topology.Options{Vhost: w.rabbit.Vhost(), Python: true})
	if err != nil {
		t.Fatal(err)
	}
	m, err := management.New(management.Config{URL: "http://" + w.rabbit.HTTPAddr(), Vhost: w.rabbit.Vhost()})
	if err != nil {
		t.Fatal(err)
	}
	drift, err := plan.Compare(deadline(t), m)
	if err != nil {
		t.Fatal(err)
	}
	passwords := make(map[string]string)
	worlds := make(map[topology.Role]*world)
	for _, u := range plan.Users {
		passwords[u.Name] = "of-" + string(u.Role)
		t.Cleanup(func() { _, _, _ = w.rabbit.TryAPI(http.MethodDelete, "/api/users/"+url.PathEscape(u.Name), nil) })
		worlds[u.Role] = w.as(t, w.rabbit.URLFor(u.Name, passwords[u.Name]))
	}
	if out, err := drift.Apply(deadline(t), m, topology.ApplyOptions{Passwords: passwords}); err != nil || len(out.Left) > 0 {
		t.Fatalf("%v, %+v", err, out.Left)
	}

	startGo(t, worlds[topology.Worker].newApp(t, nil), worker.Config{Queues: []string{"go"}, Nodename: "go@host"})
	cmd := worlds[topology.Worker].python(t, "-m", "celery", "-A", "tasks:app", "worker", "-Q", "py,topic", "-n", "py@py", "-l", "INFO", "-c", "1", "-E")
	startProcess(t, "Python's worker", cmd).await(" ready.")

	monitor := worlds[topology.Monitor].newClient(t)
	for _, r := range value[[]map[string]any](t, monitor, `app.control.ping(timeout=20, limit=2)`) {
		for node := range r {
			if node != "go@host" && node != "py@py" {
				t.Errorf("%s answers", node)
			}
		}
	}
	producer := worlds[topology.Producer].newClient(t)
	if got := value[int](t, producer, `get(app.send_task("py.add", (2, 3), queue="py"))`); got != 5 {
		t.Errorf("Python's sum is %d", got)
	}
	if got := value[int](t, producer, `get(app.send_task("py.add", (2, 4), queue="py", countdown=1))`); got != 6 {
		t.Errorf("Python's later sum is %d", got)
	}
	sent, err := worlds[topology.Producer].newApp(t, nil).Send(deadline(t), "py.add", umbel.Args{3, 4}, umbel.Queue("py"), umbel.Countdown(1500*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	var sum int
	if err := sent.Get(deadline(t), &sum); err != nil || sum != 7 {
		t.Errorf("Go's later sum is %d: %v", sum, err)
	}
	heard := value[[]string](t, monitor, `
heard = []
def on(event):
    heard.append(event["type"])
with app.connection_for_read() as c:
    receiver = app.events.Receiver(c, handlers={"*": on})
    for _ in range(10):
        try:
            receiver.capture(limit=1, timeout=5, wakeup=True)
        except Exception as e:
            if type(e).__name__ not in ("timeout", "TimeoutError"):
                raise
        if heard:
            break
heard`)
	if len(heard) == 0 || !strings.HasPrefix(heard[0], "worker-") {
		t.Errorf("the monitor heard %q", heard)
	}
	for what, code := range map[string]string{
		"steer workers": `app.control.ping(timeout=1)`,
		"hear events": `
with app.connection_for_read() as c:
    app.events.Receiver(c, handlers={}).capture(limit=1, timeout=1)`,
		"take out of a queue": `
with app.connection_for_read() as c:
    c.default_channel.basic_get("topic")`,
		"make another queue": `
with app.connection_for_read() as c:
    c.default_channel.queue_declare("other")`,
	} {
		said := value[string](t, producer, `
said = "it may"
try:
    exec(given[0])
except Exception as e:
    said = type(e).__name__
said`, code)
		if said != "AccessRefused" {
			t.Errorf("the producer, asked to %s: %s", what, said)
		}
	}
}

// as is the same world by another broker URL, in clear.
func (w *world) as(t *testing.T, broker string) *world {
	t.Helper()
	text, err := os.ReadFile(w.settings)
	if err != nil {
		t.Fatal(err)
	}
	settings := make(map[string]any)
	if err := json.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	delete(settings, "broker_use_ssl")
	settings["broker_url"] = broker
	if text, err = json.Marshal(settings); err != nil {
		t.Fatal(err)
	}
	other := *w
	other.settings = filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(other.settings, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return &other
}
