package beat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/umbel-go/umbel"
	_ "github.com/umbel-go/umbel/backend/memory"
	"github.com/umbel-go/umbel/broker"
	_ "github.com/umbel-go/umbel/broker/memory"
)

// A hundred thousand entries, each due every minute and spread over it by jitter: what one costs in memory, how long the
// schedule takes to load, and how late tasks are handed to the broker. It takes three minutes, once:
//
//	go test -run '^$' -bench HundredThousand -benchtime 1x ./beat
func BenchmarkHundredThousandEntries(b *testing.B) {
	const entries = 100_000
	for b.Loop() {
		schedule := make([]umbel.ScheduleEntry, entries)
		for i := range schedule {
			schedule[i] = umbel.ScheduleEntry{Name: fmt.Sprintf("customer-%d-report", i), Task: "apps.reports.tasks.customer", Schedule: "* * * * *",
				Kwargs: map[string]any{"customer": i}, Jitter: time.Minute, Missed: "all"}
		}
		app := umbel.New("bench", umbel.WithLogger(slog.New(slog.DiscardHandler)), umbel.WithConfig(umbel.Config{
			BrokerURL: []string{"memory://"}, ResultBackend: "memory://", BeatSchedule: schedule}))
		s := New(app, Config{})
		closeStore, err := s.open(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		defer closeStore()
		l := &loop{Scheduler: s, items: make(map[string]*item), faults: make(map[string]string)}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := time.Now()
		lease, err := s.store.Lead(b.Context(), s.Name, s.Holder, time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		l.term = &term{s: s, token: lease.Token, until: time.Now().Add(time.Hour)}
		if err := l.begin(b.Context()); err != nil {
			b.Fatal(err)
		}
		loaded := time.Since(began)
		runtime.GC()
		runtime.ReadMemStats(&after)

		var mu sync.Mutex
		var late []time.Duration
		app.Intercept(func(_ context.Context, m *broker.Message) error {
			now, customer := time.Now(), 0
			text, _, _ := strings.Cut(m.Headers[umbel.TickHeader].(string), " ")
			slot, err := time.Parse(time.RFC3339Nano, text)
			if _, err2 := fmt.Sscanf(m.Headers["kwargsrepr"].(string), "{'customer': %d}", &customer); err != nil || err2 != nil {
				return errors.Join(err, err2)
			}
			it := item{entry: schedule[customer]}
			mu.Lock()
			late = append(late, now.Sub(slot.Add(it.jitter(slot))))
			mu.Unlock()
			return nil
		})
		end := time.Now().Add(90 * time.Second)
		for now := time.Now(); now.Before(end); now = time.Now() {
			if busy, err := l.tick(b.Context(), now); err != nil {
				b.Fatal(err)
			} else if !busy {
				time.Sleep(min(time.Until(l.agenda[0].fire), time.Second))
			}
		}
		slices.Sort(late)
		if len(late) < entries {
			b.Fatalf("%d tasks were sent", len(late))
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/entries, "B/entry")
		b.ReportMetric(loaded.Seconds()*1000, "ms-to-load")
		b.ReportMetric(float64(len(late))/90, "tasks/s")
		for p, name := range map[float64]string{0.5: "ms-late-p50", 0.99: "ms-late-p99", 1: "ms-late-max"} {
			b.ReportMetric(late[int(p*float64(len(late)-1))].Seconds()*1000, name)
		}
		app.Close()
	}
}
