package redis

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

// A tally counts ids whose final state was told.
type tally struct {
	t    *testing.T
	mu   sync.Mutex
	done map[string]int
	want int
	all  chan struct{} // closed at the last
}

func newTally(t *testing.T, want int) *tally {
	return &tally{t: t, done: make(map[string]int), want: want, all: make(chan struct{})}
}

func (c *tally) notify(r *protocol.Result) {
	if !r.Status.Ready() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[r.TaskID]++
	if c.done[r.TaskID] == 1 && len(c.done) == c.want {
		close(c.all)
	}
}

func (c *tally) await() {
	c.t.Helper()
	select {
	case <-c.all:
	case <-time.After(50 * time.Second):
		c.mu.Lock()
		defer c.mu.Unlock()
		c.t.Fatalf("%d of %d were told", len(c.done), c.want)
	}
}

func channel(id string) string { return "celery-task-meta-" + id }

func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%08d-0000-4000-8000-000000000000", i)
	}
	return list
}

func TestNothingIsMissedWhileSubscriptionsAreCut(t *testing.T) {
	t.Parallel()
	r := testenv.OwnRedis(t)
	watching := dial(t, backend.Config{URL: r.URL()})
	storing := dial(t, backend.Config{URL: r.URL()})
	all := ids(2000)
	c := newTally(t, len(all))
	stop, err := watching.Watch(t.Context(), all, c.notify)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	// Each time a fifth of what is stored is published to nobody.
	for len(all) > 0 {
		testenv.Await(t, "subscriptions", func() bool {
			return r.Do("PUBSUB", "NUMSUB", channel(all[0])).([]any)[1] == int64(1)
		}, nil)
		for i, id := range all[:100] {
			if i == 80 && r.Do("CLIENT", "KILL", "TYPE", "pubsub") != int64(1) {
				t.Fatal("there was no connection to cut")
			}
			store(t, storing, success(id))
		}
		all = all[100:]
	}
	c.await()
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, n := range c.done {
		if n != 1 {
			t.Errorf("%s was told %d times", id, n)
		}
	}
}

func TestAWatchOutlivesARestartOfRedis(t *testing.T) {
	t.Parallel()
	r := testenv.OwnRedis(t, "appendonly yes", "appendfsync always")
	watching := dial(t, backend.Config{URL: r.URL()})
	storing := dial(t, backend.Config{URL: r.URL()})
	all := ids(300)
	c := newTally(t, len(all))
	stop, err := watching.Watch(t.Context(), all[:200], c.notify)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, id := range all[:100] {
		store(t, storing, success(id))
	}
	r.Kill()
	// Who begins to watch while there is no server is told later.
	late, err := watching.Watch(t.Context(), all[200:], c.notify)
	if err != nil {
		t.Fatal(err)
	}
	defer late()
	// A store waits for the server to come back, as the retry policy says.
	stored := make(chan []error)
	go func() { stored <- storing.Store(t.Context(), []*protocol.Result{success(all[100])}) }()
	r.Start()
	if errs := <-stored; errs != nil {
		t.Fatal(errs)
	}
	for _, id := range all[101:] {
		store(t, storing, success(id))
	}
	c.await()
}

func TestAHundredThousandAreWatched(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	r := testenv.OwnRedis(t)
	watching := dial(t, backend.Config{URL: r.URL()})
	storing := dial(t, backend.Config{URL: r.URL()})
	all := ids(100_000)
	c := newTally(t, len(all))
	stop, err := watching.Watch(t.Context(), all, c.notify)
	if err != nil {
		t.Fatal(err)
	}
	r.Do("CLIENT", "KILL", "TYPE", "pubsub") // and all over again
	for i := 0; i < len(all); i += 500 {
		docs := make([]*protocol.Result, 500)
		for j := range docs {
			docs[j] = success(all[i+j])
		}
		store(t, storing, docs...)
	}
	c.await()
	stop()
	testenv.Await(t, "end of all subscriptions", func() bool {
		return len(r.Do("PUBSUB", "CHANNELS").([]any)) == 0
	}, nil)
}

// A script is forgotten by a new server: the first store after a restart loads it again, in the order of its batch.
func TestAForgottenScriptIsLoadedAgain(t *testing.T) {
	t.Parallel()
	r := testenv.OwnRedis(t)
	b := dial(t, backend.Config{URL: r.URL(), Options: map[string]any{"retry_policy": once}})
	for i := range 3 {
		r.Do("SCRIPT", "FLUSH")
		id := fmt.Sprint(i)
		step := success(id)
		step.Status, step.Result = "STEP", codec.Of("one")
		store(t, b, step, failure(id), success(id))
		d, err := b.Get(t.Context(), id)
		if err != nil || d.Status != protocol.Success {
			t.Errorf("%+v, %v", d, err)
		}
	}
}

func TestResultsOutliveAFailoverOfSentinels(t *testing.T) {
	t.Parallel()
	s := testenv.Sentinel(t)
	config := backend.Config{URL: s.URL(), Options: map[string]any{"master_name": s.Name}}
	watching, storing := dial(t, config), dial(t, config)
	all := ids(200)
	c := newTally(t, len(all))
	stop, err := watching.Watch(t.Context(), all, c.notify)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, id := range all[:100] {
		store(t, storing, success(id))
	}
	testenv.Await(t, "replica", func() bool {
		return s.Replica.Do("DBSIZE").(int64) == 100
	}, nil)
	s.Master.Kill()
	for _, id := range all[100:] {
		store(t, storing, success(id))
	}
	c.await()
	if n := s.Replica.Do("DBSIZE").(int64); n != 200 {
		t.Errorf("the new master holds %d documents, want 200", n)
	}
	d, err := watching.Get(t.Context(), all[0])
	if err != nil || d.Status != protocol.Success {
		t.Errorf("after the failover: %+v, %v", d, err)
	}
}

func TestALossAndItsEndAreLoggedOnceEach(t *testing.T) {
	t.Parallel()
	r := testenv.OwnRedis(t)
	lines := make(chan string, 100)
	log := slog.New(slog.NewTextHandler(lineWriter(lines), nil))
	b := dial(t, backend.Config{URL: r.URL(), Log: log})
	stop, err := b.Watch(t.Context(), []string{"a"}, func(*protocol.Result) {})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	r.Kill()
	if line := receive(t, lines); !strings.Contains(line, "level=WARN") || !strings.Contains(line, "was lost") {
		t.Errorf("logged %s", line)
	}
	// Each of these attempts fails; none is worth a line.
	for range 3 {
		late, err := b.Watch(t.Context(), []string{"b"}, func(*protocol.Result) {})
		if err != nil {
			t.Fatal(err)
		}
		late()
	}
	r.Start()
	if line := receive(t, lines); !strings.Contains(line, "level=INFO") || !strings.Contains(line, "was restored") {
		t.Errorf("logged %s", line)
	}
}

// A lineWriter sends each line of a log.
type lineWriter chan string

func (w lineWriter) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}

// Close must not wait for a server that does not answer.
func TestCloseEndsCallsUnderWay(t *testing.T) {
	r := testenv.OwnRedis(t)
	b := dial(t, backend.Config{URL: r.URL()})
	stop, err := b.Watch(t.Context(), []string{"a"}, func(*protocol.Result) {})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	r.Freeze()
	ended := make(chan []error)
	go func() { ended <- b.Store(t.Context(), []*protocol.Result{success("a")}) }()
	b.Close()
	if errs := <-ended; len(errs) != 1 || errs[0] == nil {
		t.Errorf("Store ended with %v", errs)
	}
}
