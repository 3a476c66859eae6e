package interop

import (
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/scaling"
)

// What the workers of a mixed fleet have to do, for how many there should be: Python's do not know our word for it, and are asked by
// theirs.
func (w *world) controlLoad(t *testing.T) {
	gatherer := scaling.NewGatherer(w.app.Control().To("go@host", "py@py").Timeout(5 * time.Second))
	look := func() map[string]scaling.Worker {
		workers, err := gatherer.Workers(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		out := make(map[string]scaling.Worker)
		for _, x := range workers {
			out[x.Name] = x
		}
		return out
	}
	var before map[string]scaling.Worker
	testenv.Await(t, "both answer", func() bool { // Python's worker leaves a question without an answer now and then
		before = look()
		return len(before) == 2
	}, nil)
	py := func() (load scaling.Load) {
		testenv.Await(t, "Python's worker answers", func() bool {
			queues := look()["py@py"].Queues
			if len(queues) > 0 {
				load = queues[0]
			}
			return len(queues) > 0
		}, nil)
		return load
	}
	if py, ours := before["py@py"], before["go@host"]; py.Slots != 2 || ours.Slots != 2 || len(py.Queues) != 1 || len(ours.Queues) == 0 || !py.Queues[0].Sampled || ours.Queues[0].Sampled {
		t.Fatalf("%+v", before)
	}
	var ids []string
	for range 3 {
		r, err := w.app.Send(deadline(t), "py.sleep", umbel.Args{60})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID())
	}
	testenv.Await(t, "two run, one waits", func() bool {
		l := py()
		return l.Running == 2 && l.Waiting == 1 && l.Oldest > 0 && l.Done == before["py@py"].Queues[0].Done
	}, nil)
	var both map[string]scaling.Worker
	testenv.Await(t, "both answer again", func() bool {
		both = look()
		return len(both) == 2
	}, nil)
	advice := scaling.New(scaling.Config{}).Look(time.Now(), map[string]int{"py": 0, "go": 0}, []scaling.Worker{both["py@py"], both["go@host"]})
	for _, a := range advice.Workers {
		if a.Safe != (a.Name == "go@host") {
			t.Errorf("%s: %+v", a.Name, a)
		}
	}
	if err := w.app.Revoke(deadline(t), ids, umbel.Terminate()); err != nil {
		t.Error(err)
	}
	testenv.Await(t, "none run", func() bool {
		l := py()
		return l.Running == 0 && l.Waiting == 0 && l.Done > before["py@py"].Queues[0].Done
	}, nil)
}
