package worker_test

import (
	"context"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/scaling"
	"github.com/umbel-go/umbel/worker"
)

// What a worker tells of its queues: what runs, what waits in it, how many it has done and how long they took.
func TestAWorkerTellsWhatItHasToDo(t *testing.T) {
	app := newApp(t, umbel.Config{TaskQueues: []umbel.QueueConfig{{Name: "a"}, {Name: "b"}}, TaskDefaultQueue: "a"})
	release, started := make(chan struct{}), make(chan struct{}, 8)
	hold := umbel.Register(app, "hold", func(context.Context, int) (int, error) { started <- struct{}{}; <-release; return 0, nil })
	fine := umbel.Register(app, "fine", func(context.Context, int) (int, error) { time.Sleep(time.Millisecond); return 0, nil }, umbel.Queue("b"))
	start(t, app, worker.Config{Concurrency: 2, Nodename: "w@host"})
	result, err := fine.Send(deadline(t), 1)
	if err == nil {
		_, err = result.Get(deadline(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := hold.Send(deadline(t), i); err != nil {
			t.Fatal(err)
		}
	}
	<-started
	<-started
	look := func() (w scaling.Worker, a, b scaling.Load) {
		workers, err := scaling.NewGatherer(app.Control().To("w@host").Timeout(20 * time.Second)).Workers(deadline(t))
		if err != nil || len(workers) != 1 {
			t.Fatal(workers, err)
		}
		for _, l := range workers[0].Queues {
			if l.Queue == "a" {
				a = l
			} else {
				b = l
			}
		}
		return workers[0], a, b
	}
	until(t, "two run, three wait", func() bool {
		w, a, b := look()
		return w.Slots == 2 && !w.Stopping && a.Running == 2 && a.Waiting == 3 && a.Oldest > 0 && a.Done == 0 &&
			b.Running == 0 && b.Done == 1 && b.Took >= time.Millisecond && b.Longest == b.Took
	})
	tasks, err := scaling.NewGatherer(app.Control().To("w@host").Timeout(20 * time.Second)).Tasks(deadline(t))
	if err != nil || len(tasks["w@host"]) != 2 || tasks["w@host"][0].Name != "hold" || tasks["w@host"][0].Queue != "a" {
		t.Errorf("%+v %v", tasks, err)
	}
	close(release)
	until(t, "all have run", func() bool {
		_, a, _ := look()
		return a.Running == 0 && a.Waiting == 0 && a.Done == 5 && a.Oldest == 0 && a.Longest <= a.Took
	})
}
