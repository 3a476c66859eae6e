package worker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"

	_ "github.com/umbel-go/umbel/backend/database"
	_ "github.com/umbel-go/umbel/broker/amqp"
	_ "github.com/umbel-go/umbel/broker/sqlite"
)

// Children are killed at random under load: each task runs to its end, and nothing of the pool is left.
func TestNoTaskIsLostOrStuckWhileChildrenAreKilled(t *testing.T) {
	for _, on := range []struct {
		name  string
		tasks int
	}{{"RabbitMQ", 10_000}, {"SQLite", 2_000}, {"memory", 2_000}} {
		t.Run(on.name, func(t *testing.T) {
			if underRace {
				on.tasks /= 4
			}
			folder := t.TempDir()
			url := fmt.Sprintf("memory://kills-%d", spaces.Add(1))
			results := url
			switch on.name {
			case "RabbitMQ":
				url = testenv.RabbitMQ(t).URL()
			case "SQLite":
				url = "sqlite://" + filepath.Join(folder, "broker.db")
			}
			app := processApp(url, results, slow(umbel.Config{TaskDeliveryLimit: umbel.NoLimit}))
			t.Cleanup(func() { _ = app.Close() })
			descriptors := openFiles(t)
			if _, err := app.Backend(patient(t)); err != nil { // connects, too
				t.Fatal(err)
			}
			connected := openFiles(t)
			w, stop := start(t, app, inProcesses(url, results, worker.Config{Concurrency: 3}))
			file := filepath.Join(folder, "notes")
			calls := make([]umbel.Call, on.tasks)
			for i := range calls {
				calls[i] = umbel.Call{Name: "note", Input: umbel.Kwargs{"file": file, "n": i}}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
			defer cancel()
			kills, over, killed := 0, make(chan struct{}), make(chan struct{})
			go func() { // kills a child each time another 60 tasks have begun
				defer close(killed)
				r := rand.New(rand.NewPCG(3, uint64(on.tasks)))
				for next := int64(30); ; {
					select {
					case <-over:
						return
					case <-time.After(time.Millisecond):
					}
					if w.Stats().Started < next {
						continue
					}
					next = w.Stats().Started + 60
					if pids := childrenOf(t, os.Getpid()); len(pids) > 0 {
						_ = syscall.Kill(pids[r.IntN(len(pids))], syscall.SIGKILL)
						kills++
					}
				}
			}()
			defer func() { close(over); <-killed }()
			sent, err := app.SendMany(ctx, calls)
			if err != nil {
				t.Fatal(err)
			}
			for n, result := range sent {
				var got int
				if err := result.Get(ctx, &got); err != nil || got != n {
					t.Fatalf("task %d ended with %d, %v (%+v)", n, got, err, w.Stats())
				}
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			over <- struct{}{}
			<-killed
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			ran := make(map[string]bool)
			lines := strings.Fields(string(text))
			for _, line := range lines {
				ran[line] = true
			}
			t.Logf("%d tasks, %d kills, %d ran again", on.tasks, kills, len(lines)-len(ran))
			if len(ran) != on.tasks || kills < on.tasks/200 || on.tasks == 10_000 && len(lines) == len(ran) {
				t.Errorf("%d of %d tasks ran, under %d kills, %d of them again", len(ran), on.tasks, kills, len(lines)-len(ran))
			}
			if pids := childrenOf(t, os.Getpid()); len(pids) > 0 {
				t.Errorf("processes %v are left", pids)
			}
			if b, err := app.Broker(patient(t)); err != nil {
				t.Error(err)
			} else if s, err := b.Stat(patient(t), "celery"); err != nil || s.Ready != 0 {
				t.Errorf("%+v, %v; want an empty queue", s, err)
			}
			if now := openFiles(t); now > connected+(connected-descriptors)+4 {
				t.Errorf("%d files are open, %d were before the worker ran", now, connected)
			}
		})
	}
}

// childrenOf are this test program's children of the pool.
func childrenOf(t *testing.T, parent int) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("processes cannot be listed here")
	}
	self, _ := os.Readlink("/proc/self/exe")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if len(fields) > 1 && fields[0] != "Z" && fields[1] == strconv.Itoa(parent) && exe == self {
			pids = append(pids, pid)
		}
	}
	return pids
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("descriptors cannot be counted here")
	}
	return len(entries)
}

// The overhead of a child per task, beside the same task on a goroutine.
func BenchmarkPool(b *testing.B) {
	for _, pool := range []string{"goroutine", "process"} {
		b.Run(pool, func(b *testing.B) {
			space := fmt.Sprintf("memory://bench-%s-%d", pool, spaces.Add(1))
			app := processApp(space, space, umbel.Config{})
			defer app.Close()
			c := worker.Config{Concurrency: 2, Nodename: "w@host"}
			if pool == "process" {
				c = inProcesses(space, space, c)
				command := c.ChildCommand
				c.ChildCommand = func() *exec.Cmd { cmd := command(); cmd.Stderr = nil; return cmd }
			}
			ready := make(chan struct{})
			c.OnReady = func() { close(ready) }
			w := worker.New(app, c)
			ended := make(chan error, 1)
			go func() { ended <- w.Run(context.Background()) }()
			<-ready
			const batch = 500
			calls := make([]umbel.Call, batch)
			for i := range calls {
				calls[i] = umbel.Call{Name: "add", Input: umbel.Args{[]int{1, 2, 3}}}
			}
			for n := 0; n < b.N; n += batch {
				results, err := app.SendMany(context.Background(), calls[:min(batch, b.N-n)])
				if err != nil {
					b.Fatal(err)
				}
				for _, r := range results {
					if err := r.Get(context.Background(), nil); err != nil {
						b.Fatal(err)
					}
				}
			}
			w.Stop(worker.Warm)
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}
