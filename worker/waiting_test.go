package worker_test

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/worker"
)

// The frames between a slot and its handler decide how much memory a waiting task takes: beyond 3 KB of them the stack of each
// is 8 KB and no longer 4. A handler may have a good part of that for itself.
func TestATaskThatWaitsIsCheap(t *testing.T) {
	if underRace {
		t.Skip("stacks are larger under the race detector")
	}
	if os.Getenv("UMBEL_TEST_ALONE") == "" {
		// In a process of its own, whose new stacks are not as large as those of earlier tests were on average.
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "UMBEL_TEST_ALONE=1", "GODEBUG=adaptivestackstart=0")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Log(string(out))
		return
	}
	for name, options := range map[string][]umbel.TaskOption{
		"acked early":              nil,
		"acked late, with a limit": {umbel.AcksLate(), umbel.TimeLimit(1 << 40), umbel.SoftTimeLimit(1 << 39)},
	} {
		t.Run(name, func(t *testing.T) { waitCheaply(t, options...) })
	}
}

func waitCheaply(t *testing.T, options ...umbel.TaskOption) {
	const tasks = 5000
	type order struct {
		ID   int    `json:"id"`
		Text string `json:"text"`
	}
	came, leave := make(chan byte, tasks), make(chan struct{})
	app := newApp(t, umbel.Config{TaskIgnoreResult: true})
	wait := umbel.Register(app, "wait", func(_ context.Context, o order) (int, error) {
		var own [1024]byte // of the handler and what it calls
		copy(own[:], o.Text)
		came <- own[len(o.Text)%len(own)]
		<-leave
		return int(own[0]), nil
	}, options...)
	start(t, app, worker.Config{Concurrency: tasks, PrefetchMultiplier: 1})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	in := make([]order, tasks)
	for i := range in {
		in[i] = order{i, strings.Repeat("0123456789", 10)}
	}
	if _, err := wait.SendMany(deadline(t), in); err != nil {
		t.Fatal(err)
	}
	for range tasks {
		<-came
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	close(leave)
	stack, heap := int(after.StackInuse-before.StackInuse)/tasks, int(after.HeapInuse-before.HeapInuse)/tasks
	t.Logf("a waiting task takes %d bytes of stack and %d of heap", stack, heap)
	if stack > 5<<10 {
		t.Errorf("a waiting task takes %d bytes of stack, want 4096 or a little more: what lies between the slot and the handler has grown", stack)
	}
}
