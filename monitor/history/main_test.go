package history

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/umbel-go/umbel/internal/testenv"
	"github.com/umbel-go/umbel/protocol"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("HISTORY_TEST_VICTIM"); path != "" {
		victim(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Open(deadline(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// each runs a test on every kind of database.
func each(t *testing.T, f func(t *testing.T, c Config)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, Config{URL: filepath.Join(t.TempDir(), "h.db")})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, Config{URL: testenv.Postgres(t).URL()})
	})
}

// record runs a recorder for these events, each a second after the one before, and returns when all are on disk.
func record(t testing.TB, s *Store, c RecorderConfig, begin time.Time, events ...*protocol.Event) {
	t.Helper()
	recordEvery(t, s, c, begin, time.Second, events...)
}

func recordEvery(t testing.TB, s *Store, c RecorderConfig, begin time.Time, step time.Duration, events ...*protocol.Event) {
	t.Helper()
	ctx, cancel := context.WithCancel(deadline(t))
	r := NewRecorder(s, c)
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	for i, e := range events {
		r.Record(ctx, []*protocol.Event{e}, begin.Add(time.Duration(i)*step))
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := r.Events(); n != int64(len(events)) {
		t.Fatalf("%d events were written, want %d", n, len(events))
	}
}

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func say(at float64, host string, body protocol.EventBody) *protocol.Event {
	return &protocol.Event{Hostname: host, PID: 7, Clock: int64(at), Timestamp: float64(noon.Unix()) + at, Body: body}
}

// life are the events of a task that succeeds.
func life(id, name string, at float64) []*protocol.Event {
	return []*protocol.Event{
		say(at, "w1@host", &protocol.TaskReceived{UUID: id, Name: name, Args: "(" + id + ", 'pears')", Kwargs: "{'n': 2}", RootID: id}),
		say(at+1, "w1@host", &protocol.TaskStarted{UUID: id}),
		say(at+3, "w1@host", &protocol.TaskSucceeded{UUID: id, Result: "'done'", Runtime: 2}),
	}
}

// victim records tasks for ever, and says when one is on disk.
func victim(path string) {
	ctx := context.Background()
	s, err := Open(ctx, Config{URL: path})
	if err != nil {
		fmt.Println(err)
		return
	}
	out := bufio.NewWriter(os.Stdout)
	r := NewRecorder(s, RecorderConfig{Changed: func(list []*Task) {
		for _, t := range list {
			fmt.Fprintln(out, t.UUID)
		}
		_ = out.Flush()
	}})
	go func() { _ = r.Run(ctx) }()
	for i := 0; ; i++ {
		r.Record(ctx, life(fmt.Sprintf("task-%08d", i), "t", 0), time.Now())
	}
}
