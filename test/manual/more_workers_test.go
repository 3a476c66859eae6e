package manual

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// A meeting lets nobody go before all are there.
type meeting struct {
	mu    sync.Mutex
	want  int
	here  map[string]int // how many of each worker
	begun chan struct{}
}

func (m *meeting) attend(ctx context.Context, who string) error {
	m.mu.Lock()
	m.here[who]++
	n := 0
	for _, k := range m.here {
		n += k
	}
	if n == m.want {
		close(m.begun)
	}
	m.mu.Unlock()
	select {
	case <-m.begun:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Reports scale alone: with three more workers four times as many run at once, shared evenly, and the workers of orders are what and
// where they were. Tasks that end only when all run at once need every slot of every worker.
func TestThreeMoreWorkersRunFourTimesAsManyAtOnce(t *testing.T) {
	t.Parallel()
	rabbit := testenv.RabbitMQ(t)
	config := umbel.Config{BrokerURL: []string{rabbit.URL()}, ResultBackend: "memory://" + rabbit.Vhost(), WorkerPrefetchMultiplier: 1,
		TaskQueues: []umbel.QueueConfig{{Name: "orders"}, {Name: "reports"}}, TaskDefaultQueue: "orders"}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	const slots = 2
	var all atomic.Pointer[meeting]
	var reports *umbel.Task[int, string]
	var orders *umbel.Task[int, int]
	start := func(name, queue string) *umbel.App {
		app := newApp(t, config)
		reports = umbel.Register(app, "reports.make", func(ctx context.Context, _ int) (string, error) {
			return name, all.Load().attend(ctx, name)
		}, umbel.Queue("reports"), umbel.AcksLate())
		orders = umbel.Register(app, "orders.take", func(_ context.Context, n int) (int, error) { return n, nil }, umbel.Queue("orders"))
		startWorker(t, app, worker.Config{Queues: []string{queue}, Concurrency: slots, Nodename: name + "@host"})
		return app
	}
	order := func() {
		t.Helper()
		r, err := orders.Send(ctx, 1)
		if err == nil {
			_, err = r.Get(ctx)
		}
		if err != nil {
			t.Fatalf("an order beside the reports: %v", err)
		}
	}
	start("orders", "orders")
	start("r1", "reports")
	for _, workers := range []int{1, 4} {
		for n := 2; n <= workers; n++ {
			start(fmt.Sprintf("r%d", n), "reports")
		}
		m := &meeting{want: workers * slots, here: make(map[string]int), begun: make(chan struct{})}
		all.Store(m)
		results, err := reports.SendMany(ctx, make([]int, workers*slots))
		if err != nil {
			t.Fatal(err)
		}
		order() // while every slot for reports is taken, or about to be
		for _, r := range results {
			if _, err := r.Get(ctx); err != nil {
				t.Fatalf("%d workers do not run %d reports at once: %v", workers, workers*slots, err)
			}
		}
		m.mu.Lock()
		for n := 1; n <= workers; n++ {
			if name := fmt.Sprintf("r%d", n); m.here[name] != slots {
				t.Errorf("of %d workers %s ran %d of %d", workers, name, m.here[name], workers*slots)
			}
		}
		if len(m.here) != workers {
			t.Errorf("reports ran on %v", m.here)
		}
		m.mu.Unlock()
	}
	testenv.Await(t, "consumers", func() bool {
		o, _ := rabbit.Queue("orders")
		r, _ := rabbit.Queue("reports")
		return o.Consumers == 1 && r.Consumers == 4
	}, nil)
}
