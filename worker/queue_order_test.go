package worker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// orderOf has one slot work off three queues that are full, and returns the order in which the tasks of each began.
func orderOf(t *testing.T, app *umbel.App, c worker.Config, each int, wait func()) (order []string) {
	t.Helper()
	var mu sync.Mutex
	busy, release := make(chan struct{}), make(chan struct{})
	task := umbel.Register(app, "t", func(ctx context.Context, n int) (int, error) {
		if n < 0 {
			close(busy)
			<-release
			return n, nil
		}
		mu.Lock()
		defer mu.Unlock()
		order = append(order, fmt.Sprint(umbel.RequestFrom(ctx).Queue, " ", n))
		return n, nil
	}, umbel.AcksLate())
	c.Concurrency, c.PrefetchMultiplier = 1, each+1
	w, stop := start(t, app, c)
	if _, err := task.Send(deadline(t), -1, umbel.Queue("mid")); err != nil {
		t.Fatal(err)
	}
	<-busy
	for n := range each {
		for _, q := range []string{"low", "mid", "high"} { // the least important first
			if _, err := task.Send(deadline(t), n, umbel.Queue(q)); err != nil {
				t.Fatal(err)
			}
		}
	}
	testenv.Await(t, "every task waits in the worker", func() bool { wait(); return w.Stats().Received == int64(3*each+1) }, nil)
	wait()
	close(release)
	testenv.Await(t, "every task has run", func() bool { wait(); return w.Stats().Succeeded == int64(3*each+1) }, nil)
	if err := stop(); err != nil {
		t.Error(err)
	}
	return order
}

var orderQueues = []umbel.QueueConfig{{Name: "high", Weight: 5}, {Name: "mid", Weight: 2}, {Name: "low"}}

// wantStrict and wantWeighted check an order.
func wantStrict(t *testing.T, order []string, each int) {
	t.Helper()
	var want []string
	for _, q := range []string{"high", "mid", "low"} {
		for n := range each {
			want = append(want, fmt.Sprint(q, " ", n))
		}
	}
	if !slices.Equal(order, want) {
		t.Errorf("tasks began in the order %v", order)
	}
}

func wantWeighted(t *testing.T, order []string, each int) {
	t.Helper()
	next := make(map[string]int)
	for i, o := range order {
		q, n, _ := strings.Cut(o, " ")
		if n != fmt.Sprint(next[q]) {
			t.Errorf("of %s came %s, want %d", q, n, next[q])
		}
		next[q]++
		// Each round of eight while all three have tasks: five, two, one.
		if round := (i + 1) / 8; (i+1)%8 == 0 && 5*round <= each {
			if next["high"] != 5*round || next["mid"] != 2*round || next["low"] != round {
				t.Errorf("after %d tasks: %v", i+1, next)
			}
		}
	}
	if len(order) != 3*each {
		t.Errorf("%d tasks began, want %d", len(order), 3*each)
	}
}

func TestTasksOfSeveralQueuesBeginInTheOrderThatIsSet(t *testing.T) {
	const each = 40
	t.Run("strict", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			app := newApp(t, umbel.Config{TaskQueues: orderQueues, WorkerQueueOrder: umbel.QueueOrderStrict, TaskDefaultQueue: "high"})
			wantStrict(t, orderOf(t, app, worker.Config{}, each, synctest.Wait), each)
		})
	})
	t.Run("strict, by the order of -Q", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			app := newApp(t, umbel.Config{TaskDefaultQueue: "high"})
			c := worker.Config{Queues: []string{"high", "mid=3", "low"}, QueueOrder: umbel.QueueOrderStrict}
			wantStrict(t, orderOf(t, app, c, each, synctest.Wait), each)
		})
	})
	t.Run("weighted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			app := newApp(t, umbel.Config{TaskQueues: orderQueues, WorkerQueueOrder: umbel.QueueOrderWeighted, TaskDefaultQueue: "high"})
			wantWeighted(t, orderOf(t, app, worker.Config{}, each, synctest.Wait), each)
		})
	})
	t.Run("weighted, by the weights of -Q", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			app := newApp(t, umbel.Config{TaskDefaultQueue: "high"})
			c := worker.Config{Queues: []string{"low", "high=5", "mid=2"}, QueueOrder: umbel.QueueOrderWeighted}
			wantWeighted(t, orderOf(t, app, c, each, synctest.Wait), each)
		})
	})
}

func TestTasksOfSeveralQueuesOfRabbitMQBeginInTheOrderThatIsSet(t *testing.T) {
	t.Parallel()
	const each = 40
	for order, check := range map[string]func(*testing.T, []string, int){umbel.QueueOrderStrict: wantStrict, umbel.QueueOrderWeighted: wantWeighted} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			app := rabbitApp(t, testenv.RabbitMQ(t).URL(), umbel.Config{TaskQueues: orderQueues, WorkerQueueOrder: order, TaskDefaultQueue: "high"})
			check(t, orderOf(t, app, worker.Config{}, each, func() {}), each)
		})
	}
}

func TestAQueueOrderThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]worker.Config{
		"order":   {QueueOrder: "random"},
		"weight":  {Queues: []string{"high=0"}},
		"weights": {Queues: []string{"high=much"}},
	} {
		app := newApp(t, umbel.Config{})
		if err := worker.New(app, c).Run(deadline(t)); err == nil || !strings.Contains(err.Error(), "want arrival") && !strings.Contains(err.Error(), "from 1 to 1000") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
