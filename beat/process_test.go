//go:build unix

package beat_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	_ "github.com/umbel-go/umbel/backend/database"
	_ "github.com/umbel-go/umbel/backend/redis"
	"github.com/umbel-go/umbel/beat"
	_ "github.com/umbel-go/umbel/broker/sqlite"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/worker"
)

// childOf is set for the test binary that runs as a scheduler: its broker's and its store's URL.
const childOf = "UMBEL_TEST_BEAT"

// roundsOf says how often a leader fails, in place of the few of every day: 100 for the whole test.
const roundsOf = "UMBEL_TEST_BEAT_ROUNDS"

const childLease = time.Second

// child is a scheduler in a process of its own. It ends when the test does: its standard input is then closed.
func child() int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }()
	brokerURL, storeURL, _ := strings.Cut(os.Getenv(childOf), " ")
	app := umbel.New("shop", umbel.WithLogger(log), umbel.WithConfig(umbel.Config{BrokerURL: []string{brokerURL}, ResultBackend: storeURL,
		BeatSchedule: []umbel.ScheduleEntry{
			{Name: "all", Task: "tasks.all", Schedule: "1s", Missed: "all"}, {Name: "latest", Task: "tasks.latest", Schedule: "1s"},
		}}))
	defer app.Close()
	if err := beat.New(app, beat.Config{Lease: childLease}).Run(ctx); err != nil {
		log.Error("beat", "error", err)
		return 1
	}
	return 0
}

// Three schedulers in processes of their own; the one that leads is killed or frozen again and again during ticks of a second.
// No tick is missing, none runs twice, and a frozen one that wakes sends nothing that is taken.
func TestLeadersAreKilledAndFrozen(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for half a minute")
	}
	for store, open := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "results.db") },
		"redis":    func(t *testing.T) string { return testenv.Redis(t).URL() },
		"postgres": func(t *testing.T) string { return testenv.Postgres(t).URL() },
	} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			leadersFail(t, open(t))
		})
	}
}

func leadersFail(t *testing.T, storeURL string) {
	rounds := 4
	if n, err := strconv.Atoi(os.Getenv(roundsOf)); err == nil {
		rounds = n
	}
	brokerURL := "sqlite://" + filepath.Join(t.TempDir(), "broker.db")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second+time.Duration(rounds)*20*time.Second)
	defer cancel()

	// The worker that runs what they send.
	var mu sync.Mutex
	ran := make(map[string][]string) // task and due time: the messages that ran
	app := umbel.New("shop", umbel.WithLogger(slog.New(slog.DiscardHandler)), umbel.WithConfig(umbel.Config{BrokerURL: []string{brokerURL}, ResultBackend: storeURL}))
	for _, task := range []string{"tasks.all", "tasks.latest"} {
		umbel.Register(app, task, func(ctx context.Context, _ umbel.Args) (any, error) {
			due, message, _ := strings.Cut(fmt.Sprint(umbel.RequestFrom(ctx).Headers()[umbel.TickHeader]), " ")
			mu.Lock()
			defer mu.Unlock()
			ran[task+" "+due] = append(ran[task+" "+due], message)
			return nil, nil
		})
	}
	working, stopWorker := context.WithCancel(context.Background())
	worked := make(chan error, 1)
	go func() { worked <- worker.New(app, worker.Config{Concurrency: 4}).Run(working) }()
	defer func() {
		stopWorker()
		if err := <-worked; err != nil {
			t.Errorf("worker: %v", err)
		}
		app.Close()
	}()
	b, err := app.Backend(ctx)
	if err != nil {
		t.Fatal(err)
	}
	store := b.(backend.Schedules)

	children := make(map[string]*exec.Cmd) // by process id
	var logs sync.Map
	spawn := func() {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childOf+"="+brokerURL+" "+storeURL)
		log := &strings.Builder{}
		cmd.Stderr = log
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close() })
		pid := strconv.Itoa(cmd.Process.Pid)
		logs.Store(pid, log)
		children[pid] = cmd
	}
	for range 3 {
		spawn()
	}
	defer func() {
		for pid, cmd := range children {
			_ = cmd.Process.Signal(syscall.SIGCONT)
			_ = cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("scheduler %s: %v", pid, err)
			}
			if t.Failed() {
				log, _ := logs.Load(pid)
				t.Logf("scheduler %s:\n%s", pid, log)
			}
		}
	}()

	// Who is frozen in the midst of a write to an SQLite file, the broker's here, holds it, and is woken, as somebody would have to.
	var frozen *exec.Cmd
	var frozenAt time.Time
	held := 0
	wake := func() (woken bool) {
		if frozen == nil || time.Since(frozenAt) < 10*childLease {
			return false
		}
		held++
		if err := frozen.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		frozen = nil
		return true
	}
	// leads waits for a leader other than the one named.
	leads := func(not string) string {
		t.Helper()
		for {
			if wake() {
				not = ""
			}
			l, err := store.Leader(ctx, "shop")
			if ctx.Err() != nil {
				t.Fatalf("nobody leads: %v", err)
			}
			if pid := strings.Split(l.Holder+"//", "/")[1]; err == nil && children[pid] != nil && pid != not {
				return pid
			}
			time.Sleep(10 * time.Millisecond) // the store does not tell
		}
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(ran) }
	more := func() {
		t.Helper()
		for before := count(); count() < before+2; time.Sleep(10 * time.Millisecond) {
			wake()
			if ctx.Err() != nil {
				t.Fatal("nothing is sent any more")
			}
		}
	}
	var longest time.Duration
	for round := range rounds {
		pid := leads("")
		more()
		time.Sleep(time.Duration(rand.Int64N(int64(time.Second)))) // anywhere within a tick
		began := time.Now()
		if round%2 == 0 {
			if err := children[pid].Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = children[pid].Wait() // it was killed
			delete(children, pid)
			leads(pid)
			spawn()
		} else {
			if err := children[pid].Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			frozen, frozenAt = children[pid], began
			leads(pid)
			more()
			if err := children[pid].Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			frozen = nil
		}
		longest = max(longest, time.Since(began))
	}
	more()

	mu.Lock()
	defer mu.Unlock()
	var all []time.Time
	for key, messages := range ran {
		task, due, _ := strings.Cut(key, " ")
		// One message may be handed out again when the machine is busy: that is between broker and worker.
		if slices.Sort(messages); len(slices.Compact(messages)) > 1 {
			t.Errorf("%s for %s ran for %d messages", task, due, len(slices.Compact(messages)))
		}
		at, err := time.Parse(time.RFC3339Nano, due)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if task == "tasks.all" {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	for i := 1; i < len(all)-2; i++ { // the last may be on their way
		if all[i].Sub(all[i-1]) != time.Second {
			t.Errorf("after %v comes %v", all[i-1], all[i])
		}
	}
	t.Logf("%d failures of the leader, %d of them holding a file, %d ticks; the longest round took %v", rounds, held, len(all), longest.Round(time.Millisecond))
}
