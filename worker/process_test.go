package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/protocol"
	"github.com/umbel-go/umbel/worker"
)

// childMain is the program that the children of these tests are: the same tasks, on the same worker.
func childMain() int {
	app := processApp(os.Getenv("UMBEL_TEST_BROKER"), os.Getenv("UMBEL_TEST_RESULTS"), umbel.Config{})
	if err := worker.New(app, worker.Config{Nodename: "w@host"}).Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// processApp is an app with the tasks that the tests below run in children.
func processApp(broker, results string, c umbel.Config) *umbel.App {
	c.BrokerURL, c.ResultBackend = []string{broker}, results
	app := umbel.New("test", umbel.WithConfig(c), umbel.WithLogger(slog.New(slog.DiscardHandler)))
	none := func(err error) func(context.Context, struct{}) (any, error) {
		return func(context.Context, struct{}) (any, error) { return nil, err }
	}
	umbel.Register(app, "pid", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })
	umbel.Register(app, "add", func(_ context.Context, xs []int) (int, error) {
		sum := 0
		for _, x := range xs {
			sum += x
		}
		return sum, nil
	})
	umbel.Register(app, "total", func(_ context.Context, in umbel.Args) (any, error) { return in, nil })
	umbel.Register(app, "typed", func(context.Context, struct{}) (any, error) {
		return map[string]any{"bytes": []byte("abc"), "at": time.Unix(1, 0).UTC(), "n": 1.5}, nil
	})
	umbel.Register(app, "fails", none(errors.New("boom")))
	umbel.Register(app, "fails.wrapped", none(fmt.Errorf("open: %w", &os.PathError{Op: "open", Path: "x", Err: os.ErrNotExist})))
	umbel.Register(app, "fails.expected", none(os.ErrExist), umbel.Expected(os.ErrExist))
	umbel.Register(app, "panics", func(context.Context, struct{}) (any, error) { panic("ouch") })
	umbel.Register(app, "goexit", func(context.Context, struct{}) (any, error) { runtime.Goexit(); return nil, nil })
	umbel.Register(app, "unencodable", func(context.Context, struct{}) (any, error) { return make(chan int), nil })
	umbel.Register(app, "ignored", none(umbel.Ignore))
	umbel.Register(app, "rejected", none(umbel.Reject(false, "no")), umbel.AcksLate())
	umbel.Register(app, "retried", func(ctx context.Context, _ struct{}) (any, error) {
		if r := umbel.RequestFrom(ctx); r.Retries < 2 {
			return nil, umbel.RetryIn(time.Millisecond, fmt.Errorf("attempt %d", r.Retries))
		}
		return len(umbel.RequestFrom(ctx).Attempts()), nil
	})
	umbel.Register(app, "retried.out", none(umbel.RetryIn(time.Millisecond, nil)), umbel.Retry{Max: 1})
	umbel.Register(app, "sends", func(ctx context.Context, _ struct{}) (any, error) {
		if _, err := app.Send(ctx, "add", umbel.Args{[]int{1, 2}}, umbel.TaskID("sent-by-"+umbel.RequestFrom(ctx).ID)); err != nil {
			return nil, err
		}
		_, err := app.SendMany(ctx, []umbel.Call{{Name: "add", Input: umbel.Args{[]int{3}}}, {Name: "add", Input: umbel.Args{[]int{4}}}})
		return "sent", err
	})
	umbel.Register(app, "replaced", func(ctx context.Context, _ struct{}) (any, error) {
		return nil, umbel.Replace(ctx, umbel.Chain(app.Signature("add", umbel.Args{[]int{1, 2}}), app.Signature("total", umbel.Args{"and"})))
	})
	umbel.Register(app, "progress", func(ctx context.Context, _ struct{}) (any, error) {
		r := umbel.RequestFrom(ctx)
		for i := range 3 {
			if err := r.Progress(ctx, i); err != nil {
				return nil, err
			}
		}
		return r.Hostname + " " + r.Queue, nil
	})
	umbel.Register(app, "soft", func(ctx context.Context, _ struct{}) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, umbel.SoftTimeLimit(50*time.Millisecond))
	umbel.Register(app, "hard", func(context.Context, struct{}) (any, error) {
		<-hold
		return nil, nil
	}, umbel.TimeLimit(200*time.Millisecond))
	umbel.Register(app, "hard.late", func(context.Context, struct{}) (any, error) {
		<-hold
		return nil, nil
	}, umbel.TimeLimit(200*time.Millisecond), umbel.AcksLate())
	dies := map[string]func(){
		"exit":   func() { os.Exit(1) },
		"kill":   func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} },
		"stop":   func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP); select {} },
		"crash":  func() { go panic("in a goroutine of its own"); select {} },
		"memory": runOutOfMemory,
	}
	for how, die := range dies {
		for _, o := range []struct {
			name    string
			options []umbel.TaskOption
		}{{"early", nil}, {"late", []umbel.TaskOption{umbel.AcksLate()}}, {"again", []umbel.TaskOption{umbel.AcksLate(), umbel.RejectOnWorkerLost()}}} {
			umbel.Register(app, how+"."+o.name, func(ctx context.Context, folder string) (any, error) {
				if folder != "" {
					f, err := os.CreateTemp(folder, "start")
					if err != nil {
						return nil, err
					}
					_ = f.Close()
				}
				die()
				return nil, nil
			}, o.options...)
		}
	}
	for _, late := range []bool{false, true} {
		name, options := "stubborn", []umbel.TaskOption(nil)
		if late {
			name, options = "stubborn.late", []umbel.TaskOption{umbel.AcksLate()}
		}
		umbel.Register(app, name, func(ctx context.Context, file string) (any, error) {
			if err := os.WriteFile(file, fmt.Appendln(nil, os.Getpid()), 0o600); err != nil {
				return nil, err
			}
			time.Sleep(time.Hour)
			return nil, nil
		}, options...)
	}
	umbel.Register(app, "heedful", func(ctx context.Context, file string) (any, error) {
		if err := os.WriteFile(file, fmt.Appendln(nil, os.Getpid()), 0o600); err != nil {
			return nil, err
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	umbel.Register(app, "note", func(_ context.Context, in struct {
		File string `json:"file"`
		N    int    `json:"n"`
	}) (int, error) {
		f, err := os.OpenFile(in.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, err
		}
		_, err = fmt.Fprintln(f, in.N)
		time.Sleep(time.Millisecond) // something for a kill to fall into
		return in.N, errors.Join(err, f.Close())
	}, umbel.AcksLate(), umbel.RejectOnWorkerLost())
	return app
}

// hold keeps tasks past their hard limit, until the goroutines among them may end.
var hold = make(chan struct{})

// hoard is what runOutOfMemory has been given.
var hoard [][]byte

// runOutOfMemory asks for more than the process may have, which ends a Go program.
func runOutOfMemory() {
	var now syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_AS, &now)
	now.Cur = 1 << 28
	_ = syscall.Setrlimit(syscall.RLIMIT_AS, &now)
	for {
		hoard = append(hoard, make([]byte, 16<<20))
	}
}

// inProcesses is a worker whose tasks run in children.
func inProcesses(broker, results string, c worker.Config) worker.Config {
	c.Pool, c.Nodename = "process", "w@host"
	c.ChildCommand = func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "UMBEL_TEST_BROKER="+broker, "UMBEL_TEST_RESULTS="+results)
		if testing.Verbose() {
			cmd.Stderr = os.Stderr
		}
		return cmd
	}
	return c
}

// slow are settings for a machine that is busy.
func slow(c umbel.Config) umbel.Config {
	c.WorkerProcAliveTimeout = time.Minute
	return c
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// What a task leaves behind must not depend on where it ran.
func TestTheSameIsStoredWhereverATaskRuns(t *testing.T) {
	defer close(hold)
	documents := make(map[string]map[string]string) // pool → task → document
	for _, pool := range []string{"goroutine", "process"} {
		documents[pool] = make(map[string]string)
		space := fmt.Sprintf("memory://pools-%s-%d", pool, spaces.Add(1))
		app := processApp(space, space, slow(umbel.Config{ResultExtended: true}))
		t.Cleanup(func() { _ = app.Close() })
		c := worker.Config{Concurrency: 2, Nodename: "w@host"}
		if pool == "process" {
			c = inProcesses(space, space, c)
		}
		_, stop := start(t, app, c)
		for _, name := range []string{"typed", "fails", "fails.wrapped", "fails.expected", "panics", "goexit", "unencodable", "rejected", "retried",
			"retried.out", "sends", "replaced", "progress", "soft", "hard", "hard.late", "add"} {
			in := umbel.Args{}
			if name == "add" {
				in = umbel.Args{"not a list"}
			}
			r, err := app.Send(patient(t), name, in, umbel.TaskID("id-"+name))
			if err != nil {
				t.Fatal(err)
			}
			var last *protocol.Result
			if err := r.Watch(patient(t), func(d *protocol.Result) { last = d }); err != nil || last == nil {
				t.Fatalf("%s in %s: %v", name, pool, err)
			}
			documents[pool][name] = describe(last)
		}
		if err := stop(); err != nil {
			t.Errorf("%s: %v", pool, err)
		}
	}
	if diff := cmp.Diff(documents["goroutine"], documents["process"]); diff != "" {
		t.Errorf("(-goroutine +process)\n%s", diff)
	}
}

// describe writes a document without what is another in each run.
func describe(d *protocol.Result) string {
	children := fmt.Sprint(len(d.Children))
	if len(d.Children) > 0 {
		children += " " + d.Children[0].ID
	}
	trace := d.Traceback
	if strings.Contains(trace, "goroutine ") { // a stack
		trace = "a stack"
	}
	attempts := ""
	for _, x := range d.Extra {
		if x.Name == "attempts" {
			attempts = fmt.Sprint(strings.Count(codec.Repr(x.Value), "error"))
		}
	}
	s := fmt.Sprintf("%s %s | %s | children %s | attempts %s", d.Status, d.Result, trace, children, attempts)
	if x := d.Extended; x != nil {
		s += fmt.Sprintf(" | %s %s %s %s %d %s", x.Name, x.Args, x.Kwargs, x.Worker, x.Retries, x.Queue)
	}
	return s
}

func TestATaskWhoseProcessIsLost(t *testing.T) {
	space := fmt.Sprintf("memory://lost-%d", spaces.Add(1))
	app := processApp(space, space, slow(umbel.Config{WorkerProcSilenceTimeout: 2 * time.Second}))
	t.Cleanup(func() { _ = app.Close() })
	w, stop := start(t, app, inProcesses(space, space, worker.Config{Concurrency: 1}))
	order := 0
	for how, want := range map[string]string{"exit": "exitcode 1", "kill": "signal 9 (SIGKILL)", "stop": "signal 9 (SIGKILL)", "crash": "exitcode 2", "memory": "exitcode 2"} {
		for _, acks := range []string{"early", "late"} {
			r, err := app.Send(patient(t), how+"."+acks, umbel.Args{""})
			if err != nil {
				t.Fatal(err)
			}
			err = r.Get(patient(t), nil)
			var te *umbel.TaskError
			text := fmt.Sprintf("Worker exited prematurely: %s Job: %d.", want, order)
			if !errors.As(err, &te) || te.State != umbel.Failure || te.Type != "WorkerLostError" || te.Module != "billiard.exceptions" || te.Message != text || te.Traceback != "" {
				t.Errorf("%s.%s: %v, want WorkerLostError %q", how, acks, err, text)
			}
			order++
		}
		folder := t.TempDir()
		r, err := app.Send(patient(t), how+".again", umbel.Args{folder})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Get(patient(t), nil); err == nil || !strings.Contains(err.Error(), "the task was started 3 times") {
			t.Errorf("%s.again: %v, want the delivery limit", how, err)
		}
		if starts, _ := filepath.Glob(filepath.Join(folder, "start*")); len(starts) != 3 {
			t.Errorf("%s.again was started %d times, want 3", how, len(starts))
		}
		order += 3
	}
	r, err := app.Send(patient(t), "pid", nil)
	if err != nil {
		t.Fatal(err)
	}
	var child int
	if err := r.Get(patient(t), &child); err != nil || child == os.Getpid() {
		t.Errorf("after all that: %d, %v; want another process than %d", child, err, os.Getpid())
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s := w.Stats(); s.Active != 0 || s.Failed != 15 || s.Succeeded != 1 {
		t.Errorf("%+v, want 15 failed and 1 succeeded", s)
	}
}

func TestAColdShutdownKillsChildrenThatDoNotGiveWay(t *testing.T) {
	for _, name := range []string{"stubborn", "stubborn.late"} {
		space := fmt.Sprintf("memory://cold-%d", spaces.Add(1))
		app := processApp(space, space, slow(umbel.Config{}))
		t.Cleanup(func() { _ = app.Close() })
		w, stop := start(t, app, inProcesses(space, space, worker.Config{Concurrency: 1, ColdGrace: 100 * time.Millisecond}))
		file := filepath.Join(t.TempDir(), "pid")
		r, err := app.Send(patient(t), name, umbel.Args{file})
		if err != nil {
			t.Fatal(err)
		}
		var child int
		waitFor(t, func() bool { text, _ := os.ReadFile(file); n, _ := fmt.Sscanln(string(text), &child); return n == 1 }, "the task running")
		w.Stop(worker.Cold)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if syscall.Kill(child, 0) == nil {
			t.Errorf("child %d is still there", child)
		}
		b, err := app.Broker(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Stat(patient(t), "celery")
		if err != nil {
			t.Fatal(err)
		}
		if name == "stubborn.late" {
			if s.Ready != 1 {
				t.Errorf("%s: %d messages are in the queue, want it back", name, s.Ready)
			}
		} else if err := r.Get(patient(t), nil); err == nil || !strings.Contains(err.Error(), umbel.ErrShutdown.Error()) {
			t.Errorf("%s: %v, want a failure by the shutdown", name, err)
		}
	}
}

func TestTheHandlerIsToldWhyItMustStop(t *testing.T) {
	space := fmt.Sprintf("memory://soft-%d", spaces.Add(1))
	app := processApp(space, space, slow(umbel.Config{}))
	t.Cleanup(func() { _ = app.Close() })
	_, stop := start(t, app, inProcesses(space, space, worker.Config{Concurrency: 1}))
	r, err := app.Send(patient(t), "soft", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Get(patient(t), nil); !errors.Is(err, umbel.ErrSoftTimeLimit) {
		t.Errorf("%v, want the soft time limit", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAPoolOfProcessesRestarts(t *testing.T) {
	space := fmt.Sprintf("memory://restart-%d", spaces.Add(1))
	app := processApp(space, space, slow(umbel.Config{WorkerPoolRestarts: true}))
	t.Cleanup(func() { _ = app.Close() })
	_, stop := start(t, app, inProcesses(space, space, worker.Config{Concurrency: 1}))
	run := func() (pid int) {
		r, err := app.Send(patient(t), "pid", nil)
		if err == nil {
			err = r.Get(patient(t), &pid)
		}
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	before := run()
	if got := fmt.Sprint(ask(t, app, "w@host", "pool_restart", nil)); got != "map[ok:reload started]" {
		t.Errorf("pool_restart: %s", got)
	}
	if after := run(); after == before {
		t.Errorf("the child %d still works after the restart", before)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestProgressOfAChildIsSeenInOrder(t *testing.T) {
	space := fmt.Sprintf("memory://progress-%d", spaces.Add(1))
	app := processApp(space, space, slow(umbel.Config{}))
	t.Cleanup(func() { _ = app.Close() })
	r, err := app.Send(patient(t), "progress", nil)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var states []string
	watching := make(chan error, 1)
	go func() {
		watching <- r.Watch(patient(t), func(d *protocol.Result) {
			mu.Lock()
			states = append(states, fmt.Sprint(d.Status, d.Result))
			mu.Unlock()
		})
	}()
	_, stop := start(t, app, inProcesses(space, space, worker.Config{Concurrency: 1}))
	if err := <-watching; err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(states, " "); !strings.HasSuffix(got, "SUCCESS'w@host celery'") || strings.Contains(got, "PROGRESS2 PROGRESS1") {
		t.Errorf("%q", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
