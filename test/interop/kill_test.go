package interop

import (
	"os"
	"os/exec"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// A worker dies in the middle of a late-acked task; the other language's worker runs it again.

func TestPythonTakesOverFromAKilledGoWorker(t *testing.T) {
	w := newWorld(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "INTEROP_ROLE=worker", "INTEROP_HANG=1", "INTEROP_SETTINGS="+w.settings, "INTEROP_QUEUE=survive")
	first := startProcess(t, "Go's worker", cmd)
	first.await("go worker ready")
	id := value[string](t, w.client, `
r = app.send_task("shared.survive", ("a crash",), queue="survive")
r.id`)
	first.await("survive: started")
	first.kill()
	w.startWorker(t, "survive", nil, "-P", "solo")
	if got := value[string](t, w.client, "get(r)"); got != "python saw a crash" {
		t.Errorf("task %s ended with %q", id, got)
	}
}

func TestGoTakesOverFromAKilledPythonWorker(t *testing.T) {
	w := newWorld(t)
	cmd := w.python(t, "-m", "celery", "-A", "tasks:app", "worker", "-Q", "survive", "-P", "solo", "-l", "INFO",
		"--without-gossip", "--without-mingle", "--without-heartbeat")
	cmd.Env = append(cmd.Env, "INTEROP_HANG=1")
	first := startProcess(t, "Python's worker", cmd)
	first.await(" ready.")
	r, err := w.app.Send(deadline(t), "shared.survive", umbel.Args{"a crash"}, umbel.Queue("survive"))
	if err != nil {
		t.Fatal(err)
	}
	first.await("survive: started")
	first.kill()
	startGo(t, w.app, worker.Config{Queues: []string{"survive"}})
	var got string
	if err := r.Get(deadline(t), &got); err != nil || got != "go saw a crash" {
		t.Errorf("it ended with %q, %v", got, err)
	}
	if sees := value[string](t, w.client, "get(given[0])", r.ID()); sees != got {
		t.Errorf("Python sees %q", sees)
	}
}
