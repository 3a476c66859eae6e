package procpool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestAChildDoesWhatItIsAsked(t *testing.T) {
	p := open(t, nil)
	large := "echo " + strings.Repeat("x", 3<<20)
	for what, want := range map[string]string{"echo hello": "echo hello", "ask me": "yes, me <nil>", "goexit": "", large: large} {
		if got, _, err := do(t, p, what); err != nil || got != want {
			t.Errorf("%.20q: %.40q, %v; want %.40q", what, got, err, want)
		}
	}
}

func TestHowAChildDiedIsTold(t *testing.T) {
	p := open(t, func(c *Config) { c.Size = 1; c.Silence = 2 * time.Second })
	for _, c := range []struct {
		what, status string
		hung         bool
	}{
		{"exit 0", "exitcode 0", false},
		{"exit 3", "exitcode 3", false},
		{"signal 9", "signal 9 (SIGKILL)", false},
		{"signal 19", "signal 9 (SIGKILL)", true}, // stopped, and killed for it
		{"garbage", "signal 9 (SIGKILL)", false},
	} {
		_, pid, err := do(t, p, c.what)
		var died *DeathError
		if !errors.As(err, &died) || died.Status != c.status || died.PID != pid || died.Hung != c.hung {
			t.Errorf("%s: %#v, want %q", c.what, err, c.status)
		}
		if alive(pid) {
			t.Errorf("%s: process %d is still there", c.what, pid)
		}
		if got, _, err := do(t, p, "echo again"); err != nil || got != "echo again" {
			t.Errorf("after %s: %q, %v", c.what, got, err)
		}
	}
	if s := p.Stats(); s.Lost != 5 {
		t.Errorf("%+v, want 5 lost", s)
	}
}

func TestAnErrandIsToldWhenItsContextEnds(t *testing.T) {
	p := open(t, nil)
	c, err := p.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Leave()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough")) // before it has even begun
	a, err := c.Do(ctx, Errand{Payload: []byte("told"), Tell: func(cause error) []byte { return []byte(cause.Error()) }})
	if err != nil || string(a) != "enough" {
		t.Errorf("%q, %v", a, err)
	}
}

func TestAChildThatDiesIdleCostsNothing(t *testing.T) {
	p := open(t, func(c *Config) { c.Size = 3 })
	for range 20 {
		for _, pid := range p.Stats().PIDs {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if got, _, err := do(t, p, "echo x"); err != nil || got != "echo x" {
			t.Fatalf("%q, %v: what had not begun must be done by another child", got, err)
		}
	}
}

func TestChildrenAreReplacedAfterTheirTasks(t *testing.T) {
	p := open(t, func(c *Config) { c.Size = 1; c.MaxTasks = 3 })
	seen := make(map[int]int)
	for range 30 {
		_, pid, err := do(t, p, "echo")
		if err != nil {
			t.Fatal(err)
		}
		seen[pid]++
	}
	for pid, n := range seen {
		if n > 3 {
			t.Errorf("child %d did %d tasks", pid, n)
		}
	}
	await(t, "old children gone", func() bool {
		old := 0
		for pid := range seen {
			if alive(pid) {
				old++
			}
		}
		return old <= 2
	})
	if s := p.Stats(); s.Lost != 0 {
		t.Errorf("%+v: children that were let go are not lost", s)
	}
}

func TestAChildThatHasHeldTooMuchIsReplaced(t *testing.T) {
	p := open(t, func(c *Config) { c.Size = 1; c.MaxMemory = 200 << 20 })
	if _, _, err := do(t, p, "grow 1"); err != nil {
		t.Fatal(err)
	}
	_, pid, err := do(t, p, "grow 300")
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the large child gone", func() bool { return !alive(pid) })
}

func TestWhatAChildHasStartedEndsWithIt(t *testing.T) {
	p := open(t, func(c *Config) { c.Size = 1 })
	c, err := p.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Do(t.Context(), Errand{Payload: []byte("spawn")})
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(a))
	if err != nil || !alive(pid) {
		t.Fatalf("%s, %v", a, err)
	}
	c.Kill()
	await(t, "the grandchild gone", func() bool { return !alive(pid) })
	c.Leave()
}

func TestProgramsStartedFromAChildInheritNothingOfThePool(t *testing.T) {
	p := open(t, nil)
	a, _, err := do(t, p, "look")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitN(a, "\n", 3)
	if len(lines) < 3 || !strings.HasPrefix(lines[0], "pipe:") || !strings.HasPrefix(lines[1], "pipe:") {
		t.Fatalf("the child says %q", a)
	}
	if strings.Contains(lines[2], lines[0]) || strings.Contains(lines[2], lines[1]) || !strings.HasPrefix(lines[2], "pool=\n") {
		t.Errorf("inherited: %s", a)
	}
}

func TestResize(t *testing.T) {
	p := open(t, func(c *Config) { c.Size = 1 })
	p.Resize(4)
	await(t, "five children", func() bool { return len(p.Stats().PIDs) == 5 })
	p.Resize(1)
	await(t, "two children", func() bool { return len(p.Stats().PIDs) == 2 })
	if _, _, err := do(t, p, "echo"); err != nil {
		t.Error(err)
	}
}

func TestARestartReplacesEveryChild(t *testing.T) {
	p := open(t, nil)
	await(t, "all children", func() bool { return len(p.Stats().PIDs) == 3 })
	before := p.Stats().PIDs
	busy, err := p.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Restart()
	if a, err := busy.Do(t.Context(), Errand{Payload: []byte("echo still")}); err != nil || string(a) != "echo still" {
		t.Errorf("what was going on: %q, %v", a, err)
	}
	busy.Leave()
	await(t, "the old children gone", func() bool { return !slices.ContainsFunc(before, alive) })
	if _, pid, err := do(t, p, "echo"); err != nil || slices.Contains(before, pid) {
		t.Errorf("done by %d of %v, %v", pid, before, err)
	}
	if s := p.Stats(); s.Lost != 0 {
		t.Errorf("%+v: children that were let go are not lost", s)
	}
}

func TestAProgramThatDoesNotComeToItsWorkerIsAnError(t *testing.T) {
	for how, want := range map[string]string{"never": "did not come up within", "fails": "exitcode 7"} {
		_, err := Open(t.Context(), Config{Name: "x", Size: 1, Alive: 500 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
			Command: func() *exec.Cmd {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), "PROCPOOL_TEST_START="+how)
				return cmd
			}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", how, err, want)
		}
	}
}

// parent is a process with a pool, which another test kills: it prints its children and waits.
func parent() {
	p, err := Open(context.Background(), Config{Name: "parent", Size: 2, Alive: time.Minute, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	c, err := p.Take(context.Background())
	if err == nil {
		fmt.Println(c.PID())
		_, err = c.Do(context.Background(), Errand{Payload: []byte("told")}) // for ever
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROCPOOL_TEST_PARENT=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, bad := strconv.Atoi(strings.TrimSpace(line))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil || bad != nil {
		t.Fatalf("%q, %v", line, err)
	}
	await(t, "the child gone", func() bool { return !alive(pid) })
}

// Everything that begins is done, or its death is told; nothing is stuck; and nothing is left.
func TestNothingIsLostOrStuckWhileChildrenAreKilled(t *testing.T) {
	before := descriptors(t)
	t.Run("kills", func(t *testing.T) {
		p := open(t, func(c *Config) { c.Size = 4; c.MaxTasks = 50 })
		ended := make(chan struct{}, 1000)
		var killer sync.WaitGroup
		killer.Go(func() {
			r := rand.New(rand.NewPCG(1, 2))
			for n := 0; ; n++ {
				if _, more := <-ended; !more {
					return
				}
				if n%10 > 0 {
					continue
				}
				if pids := p.Stats().PIDs; len(pids) > 0 {
					_ = syscall.Kill(pids[r.IntN(len(pids))], syscall.SIGKILL)
				}
			}
		})
		var answered, died atomic.Int64
		var slots sync.WaitGroup
		const each = 250
		for n := range 4 {
			slots.Go(func() {
				for i := range each {
					what := fmt.Sprintf("ask %d-%d", n, i)
					got, _, err := do(t, p, what)
					var death *DeathError
					ended <- struct{}{}
					switch {
					case errors.As(err, &death):
						died.Add(1)
					case err != nil || got != "yes, "+what[4:]+" <nil>":
						t.Errorf("%s: %q, %v", what, got, err)
					default:
						answered.Add(1)
					}
				}
			})
		}
		slots.Wait()
		close(ended)
		killer.Wait()
		t.Logf("%d answered, %d died, of %d; %+v", answered.Load(), died.Load(), 4*each, p.Stats())
		if answered.Load()+died.Load() != 4*each {
			t.Error("some were lost")
		}
	})
	await(t, "as few open descriptors as before", func() bool { return descriptors(t) <= before })
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("descriptors cannot be counted here")
	}
	return len(entries)
}

func BenchmarkDo(b *testing.B) {
	p := open(b, nil)
	c, err := p.Take(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Leave()
	for b.Loop() {
		if _, err := c.Do(b.Context(), Errand{Payload: []byte("echo")}); err != nil {
			b.Fatal(err)
		}
	}
}
