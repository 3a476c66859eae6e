package hostile

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

const messages = 10_000

func TestTenThousandHostileMessages(t *testing.T) {
	for name, config := range map[string]func(t *testing.T) umbel.Config{
		"memory": func(t *testing.T) umbel.Config {
			return umbel.Config{BrokerURL: []string{"memory://hostile"}, ResultBackend: "memory://hostile"}
		},
		"sqlite": func(t *testing.T) umbel.Config {
			return umbel.Config{BrokerURL: []string{"sqlite://" + t.TempDir() + "/umbel.db"}}
		},
		"rabbitmq and redis": func(t *testing.T) umbel.Config {
			return umbel.Config{BrokerURL: []string{testenv.RabbitMQ(t).URL()}, ResultBackend: testenv.Redis(t).URL()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.AcceptContent = []string{"json", "yaml", "msgpack"}
			c.AcceptDecompressedBytes = 4 << 20
			withstand(t, newApp(t, c), uint64(len(name)))
		})
	}
}

func withstand(t *testing.T, app *umbel.App, seed uint64) {
	ran := make(chan struct{}, messages)
	umbel.Register(app, "hostile.raw", func(_ context.Context, in umbel.Args) (int, error) {
		ran <- struct{}{}
		return len(in), nil
	})
	umbel.Register(app, "hostile.struct", func(_ context.Context, in struct {
		N    int    `json:"n"`
		Note string `json:"note"`
	}) (string, error) {
		return in.Note, nil
	}, umbel.AcksLate())
	well := umbel.Register(app, "hostile.well", func(_ context.Context, n int) (int, error) { return n + 1, nil }, umbel.Queue("hostile"))

	b, err := app.Broker(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := well.Send(deadline(t), 0); err != nil { // declares the queue
		t.Fatal(err)
	}
	w, stop := start(t, app, worker.Config{Queues: []string{"hostile"}, Concurrency: 4})
	before := heap()

	ids := make(map[string]string) // known ids → the message, for reports
	g := newGenerator(seed)
	unsent := 0
	for g.made < messages {
		batch := make([]*broker.Message, 0, 250)
		for range cap(batch) {
			batch = append(batch, g.next())
		}
		errs := b.PublishBatch(deadline(t), batch)
		for i, m := range batch {
			if errs != nil && errs[i] != nil {
				var refused *broker.RefusedError
				if !errors.Is(errs[i], broker.ErrNotSent) && !errors.As(errs[i], &refused) {
					t.Fatalf("publish: %v", errs[i])
				}
				unsent++ // what this broker cannot carry does not leave
				continue
			}
			if id := knownID(m); id != "" {
				ids[id] = fmt.Sprintf("%+v %v %.200q", m.Properties, m.Headers, m.Body)
			}
		}
	}
	if unsent > messages/10 {
		t.Errorf("%d messages could not be sent at all", unsent)
	}

	// In order, so that all before it have been taken.
	results, err := well.SendMany(deadline(t), make([]int, 50))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if got, err := r.Get(deadline(t)); err != nil || got != 1 {
			t.Fatalf("a good task after the hostile ones: %d, %v", got, err)
		}
	}
	testenv.Await(t, "the end of every message", func() bool {
		s, err := b.Stat(t.Context(), "hostile")
		if err != nil {
			t.Fatal(err)
		}
		stats := w.Stats()
		return s.Ready == 0 && s.Unsettled <= 0 && stats.Active == 0 && stats.Received >= int64(messages-unsent)
	}, func() string { return fmt.Sprintf("%+v", w.Stats()) })

	ctx := deadline(t) // one for all: each is held until the test ends
	for id, message := range ids {
		r := app.Result(id)
		var state umbel.State
		testenv.Await(t, "an end of task "+id, func() bool {
			state, err = r.State(ctx)
			if err != nil {
				t.Fatalf("state of %q: %v\n%s", id, err, message)
			}
			return state.Ready()
		}, func() string { return string(state) + " " + message })
	}
	stats := w.Stats()
	stop()
	// Not one was left unsettled: then it would be there again.
	s, err := b.Stat(deadline(t), "hostile")
	if err != nil || s.Ready != 0 {
		t.Errorf("after the worker's end the queue holds %d messages, %v", s.Ready, err)
	}
	if len(ran) == 0 || stats.Rejected == 0 || stats.Succeeded == 0 {
		t.Errorf("the messages are not what they should be: %d ran, %+v", len(ran), stats)
	}
	known := len(ids)
	ids, results = nil, nil // what the test itself holds does not count
	grown := heap() - before
	t.Logf("%d sent (%d could not be), %d ids known, %+v, heap %+d KiB", messages, unsent, known, stats, grown>>10)
	if grown > 64<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
}

// knownID is the id of a message that names a task and an id, in a way that nobody can mistake, and wants a result.
func knownID(m *broker.Message) string {
	id, _ := m.Headers["id"].(string)
	task, _ := m.Headers["task"].(string)
	wanted := m.Headers["ignore_result"]
	if id == "" || task == "" || (wanted != nil && wanted != false) { // Python's truth of a number or a list is true, too
		return ""
	}
	if eta, ok := m.Headers["eta"].(time.Time); ok && time.Until(eta) > 0 {
		return ""
	}
	return id
}

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
