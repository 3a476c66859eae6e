package history

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// BenchmarkLargeHistory says how long pages take on a history of many tasks: UMBEL_TEST_HISTORY_TASKS, 20,000 unless it is set;
// UMBEL_TEST_HISTORY_URL keeps it elsewhere than in a file of its own. Each page is asked for again and again; the slowest counts.
func BenchmarkLargeHistory(b *testing.B) {
	n := 20_000
	if text := os.Getenv("UMBEL_TEST_HISTORY_TASKS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1000 || n > 100_000_000 {
			b.Fatalf("UMBEL_TEST_HISTORY_TASKS: %q is no number of tasks from 1000", text)
		}
	}
	url := os.Getenv("UMBEL_TEST_HISTORY_URL")
	if url == "" {
		url = filepath.Join(b.TempDir(), "h.db")
	}
	s, err := Open(context.Background(), Config{URL: url, Size: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	begun := time.Now()
	end := noon.Add(time.Duration(n) * 200 * time.Millisecond) // 5 tasks a second
	populate(b, s, n)
	size, _ := s.Size(context.Background())
	b.Logf("%d tasks in %v, %d bytes each", n, time.Since(begun).Round(time.Second), size/int64(n))
	rare := fmt.Sprintf("order-%08d", n/3)
	for _, p := range []struct {
		name string
		page func(ctx context.Context) error
	}{
		{"latest", search(s, Query{})},
		{"middle", search(s, Query{Until: noon.Add(end.Sub(noon) / 2)})},
		{"failures", search(s, Query{States: []protocol.State{protocol.Failure}})},
		{"name", search(s, Query{Name: "shop.t3"})},
		{"rare-name", search(s, Query{Name: "shop.rare"})},
		{"worker", search(s, Query{Worker: "w7@host"})},
		{"text-rare", search(s, Query{Text: rare})},
		{"text-often", search(s, Query{Text: "pears"})},
		{"text-never", search(s, Query{Text: "nowhere to be found"})},
		{"text-in-result", search(s, Query{Result: rare})},
		{"text-and-name", search(s, Query{Text: "pears", Name: "shop.rare"})},
		{"task", func(ctx context.Context) error { _, err := s.Task(ctx, id(n/2)); return err }},
		{"workflow", func(ctx context.Context) error { _, err := s.Workflow(ctx, id(n/2/10*10), 500); return err }},
		{"workflows", func(ctx context.Context) error { _, _, err := s.Flows(ctx, 0, 50); return err }},
		{"running", func(ctx context.Context) error { _, err := s.Running(ctx, 50); return err }},
		{"names", func(ctx context.Context) error { _, err := s.Names(ctx, 1000); return err }},
	} {
		b.Run(p.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				at := time.Now()
				if err := p.page(context.Background()); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(at))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/page")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms/slowest")
		})
	}
}

func search(s *Store, q Query) func(context.Context) error {
	return func(ctx context.Context) error { _, err := s.Search(ctx, q); return err }
}

func id(i int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*2654435761, i) }

// populate writes tasks of five a second: one in ten is the root of a workflow of ten, one in fifty has failed, and the last
// hundred go on.
func populate(b *testing.B, s *Store, n int) {
	ctx, cancel := context.WithCancel(context.Background())
	r := NewRecorder(s, RecorderConfig{})
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	for i := range n {
		at := noon.Add(time.Duration(i) * 200 * time.Millisecond)
		when, host := protocol.UnixSeconds(at), fmt.Sprintf("w%d@host", i%8)
		name := fmt.Sprintf("shop.t%d", i%20)
		if i%100_000 == 5 {
			name = "shop.rare"
		}
		say := func(body protocol.EventBody) *protocol.Event {
			return &protocol.Event{Hostname: host, PID: 7, Clock: int64(i), Timestamp: when, Body: body}
		}
		root, parent := id(i/10*10), ""
		if i%10 > 0 {
			parent = root
		}
		events := []*protocol.Event{say(&protocol.TaskReceived{UUID: id(i), Name: name, Args: fmt.Sprintf("('order-%08d', 'pears', %d)", i, i%977), Kwargs: "{'customer': 'ann@example.org'}",
			RootID: root, ParentID: parent}), say(&protocol.TaskStarted{UUID: id(i)})}
		switch {
		case i >= n-100:
		case i%50 == 7:
			events = append(events, say(&protocol.TaskFailed{UUID: id(i), Exception: fmt.Sprintf("ConnectionError('warehouse-%d')", i%7), Traceback: "Traceback (most recent call last): …"}))
		default:
			events = append(events, say(&protocol.TaskSucceeded{UUID: id(i), Result: fmt.Sprintf("{'receipt': 'order-%08d'}", i), Runtime: 0.2}))
		}
		r.Record(ctx, events, at)
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
