package interop

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// What is stored for a task whose process died, or was killed past its time limit, is what Python's prefork pool stores.
func TestLostProcessesLeaveWhatPythonLeaves(t *testing.T) {
	w := newWorld(t)
	w.startWorker(t, "lost.py", map[string]any{"worker_lost_wait": 1}, "-P", "prefork", "-c", "1")
	stop := startGo(t, w.app, worker.Config{Queues: []string{"lost.go"}, Pool: "process", Concurrency: 1, ChildCommand: func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "INTEROP_ROLE=worker", "INTEROP_SETTINGS="+w.settings, "INTEROP_QUEUE=lost.go")
		return cmd
	}})
	for _, c := range []struct {
		task, how string
		options   []umbel.SendOption
	}{
		{"shared.die", "exit", nil},
		{"shared.die", "kill", nil},
		{"shared.die.late", "exit", nil},
		{"shared.die.late", "kill", nil},
		{"shared.die", "hang", []umbel.SendOption{umbel.TimeLimit(time.Second)}},
		{"shared.die.late", "hang", []umbel.SendOption{umbel.TimeLimit(time.Second)}},
	} {
		documents := make(map[string]string)
		for _, side := range []string{"py", "go"} {
			r, err := w.app.Send(deadline(t), c.task, umbel.Args{c.how}, append(c.options, umbel.Queue("lost."+side))...)
			if err != nil {
				t.Fatal(err)
			}
			got := value[[]any](t, w.client, `
r = app.AsyncResult(given[0])
try:
    r.get(timeout=60)
except Exception as e:
    seen = type(e).__module__ + "." + repr(e)
d = app.backend.get_task_meta(given[0])
raw = json.loads(app.backend.client.get("celery-task-meta-" + given[0]))
[seen, json.dumps({k: v for k, v in raw.items() if k not in ("task_id", "date_done")}, sort_keys=True)]`, r.ID())
			documents[side] = strings.Join([]string{got[0].(string), got[1].(string)}, "\n")
		}
		if diff := cmp.Diff(documents["py"], documents["go"]); diff != "" {
			t.Errorf("%s(%s) (-python +go):\n%s", c.task, c.how, diff)
		}
		t.Log(documents["go"])
	}
	stop()
}
