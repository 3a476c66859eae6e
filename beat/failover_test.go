package beat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/backend"
	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/broker"
)

// Three schedulers share one store. Whoever leads is stopped, or its store is cut off, a hundred times during ticks of a
// second: none is missing, and none goes out under two ids.
func TestNoTickIsMissingWhenLeadersFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lease = 4 * time.Second
		app, ledger := setup(t, umbel.Config{ResultBackend: "memory://failover", BeatSchedule: []umbel.ScheduleEntry{
			{Name: "second", Task: "tasks.second", Schedule: "1s", Missed: "all"}, {Name: "latest", Task: "tasks.latest", Schedule: "1s"},
		}})
		keep, err := backend.Open(t.Context(), backend.Config{URL: "memory://failover"}) // the store outlives all of them
		if err != nil {
			t.Fatal(err)
		}
		defer keep.Close()
		rnd := rand.New(rand.NewPCG(1, 2))
		stops := make(map[string]func())
		run := func(name string) {
			stops[name] = start(t, app, beat.Config{Holder: name, Lease: lease, Poll: 500 * time.Millisecond})
		}
		for i := range 3 {
			run(fmt.Sprint("beat ", i))
		}
		begun := time.Now()
		time.Sleep(lease)
		for range 100 {
			time.Sleep(time.Duration(rnd.Int64N(int64(3 * time.Second))))
			l, err := keep.(backend.Schedules).Leader(t.Context(), "shop")
			if err != nil || l.Holder == "" {
				t.Fatalf("nobody leads: %v", err)
			}
			if rnd.IntN(2) == 0 { // its lease is taken from it, as when it was frozen; it comes back
				if err := keep.(backend.Schedules).Resign(t.Context(), "shop", l.Holder); err != nil {
					t.Fatal(err)
				}
			} else {
				stops[l.Holder]()
				delete(stops, l.Holder)
				run(l.Holder + "'")
			}
			time.Sleep(2 * lease)
		}
		time.Sleep(2 * lease)
		total := time.Since(begun)
		for _, stop := range stops {
			stop()
		}
		byID := make(map[string]int)
		due := make(map[string]bool)
		var first, last time.Time
		for _, s := range ledger.all() {
			byID[s.id]++
			if s.task != "tasks.second" {
				continue
			}
			at, err := time.Parse(time.RFC3339Nano, s.due)
			if err != nil {
				t.Fatal(err)
			}
			due[s.due] = true
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
			if late := s.at.Sub(at); late > 2*lease {
				t.Errorf("%s was sent %v late", s.due, late)
			}
		}
		for at := first; !at.After(last); at = at.Add(time.Second) {
			if !due[at.UTC().Format(time.RFC3339Nano)] {
				t.Errorf("the tick of %v is missing", at)
			}
		}
		if n := int(total / time.Second); len(due) < n-int(2*lease/time.Second) {
			t.Errorf("%d ticks in %v", len(due), total)
		}
		for id, n := range byID {
			if n > 1 {
				t.Errorf("task %s was sent %d times", id, n)
			}
		}
	})
}

func TestAFrozenLeaderSendsNothingStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lease = 2 * time.Second
		frozen, thaw := make(chan struct{}), make(chan struct{})
		app, ledger := setup(t, umbel.Config{ResultBackend: "memory://frozen", BeatSchedule: []umbel.ScheduleEntry{
			{Name: "second", Task: "tasks.second", Schedule: "1s", Missed: "all"},
		}})
		other := umbel.New("shop", umbel.WithConfig(umbel.Config{BrokerURL: []string{"memory://"}, ResultBackend: "memory://frozen",
			BeatSchedule: []umbel.ScheduleEntry{{Name: "second", Task: "tasks.second", Schedule: "1s", Missed: "all"}}}),
			umbel.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
		defer other.Close()
		var late bool
		// The first scheduler freezes in the midst of a publish, for far longer than its lease.
		other.Intercept(func(ctx context.Context, m *broker.Message) error {
			if late {
				return ledger.take(ctx, m)
			}
			late = true
			close(frozen)
			<-thaw
			if err := ctx.Err(); err != nil {
				return err
			}
			return ledger.take(ctx, m)
		})
		stopFirst := start(t, other, beat.Config{Holder: "first", Lease: lease})
		<-frozen
		stopSecond := start(t, app, beat.Config{Holder: "second", Lease: lease})
		// Goroutines other than the publishing one go on here, and would renew: in a frozen process none does.
		s, err := app.Backend(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.(backend.Schedules).Resign(t.Context(), "shop", "first"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		close(thaw)
		time.Sleep(10 * time.Second)
		stopFirst()
		stopSecond()
		seen := make(map[string]int)
		for _, s := range ledger.all() {
			seen[s.due]++
		}
		if len(seen) < 19 {
			t.Errorf("%d ticks in 20 s", len(seen))
		}
		for due, n := range seen {
			if n > 1 {
				t.Errorf("the tick of %s was sent %d times", due, n)
			}
		}
	})
}

// A leader that dies between claim and confirmation leaves a due time in doubt. Where the entry must not overlap, that very one
// is sent again, so that it is known what to wait for.
func TestADueTimeInDoubtIsSentAgain(t *testing.T) {
	for _, overlap := range []string{"", "skip"} {
		t.Run("overlap "+overlap, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := umbel.ScheduleEntry{Name: "e", Task: "tasks.e", Schedule: "1m", Overlap: overlap}
				keep, err := backend.Open(t.Context(), backend.Config{URL: "memory://doubt"})
				if err != nil {
					t.Fatal(err)
				}
				defer keep.Close()
				app, ledger := setup(t, umbel.Config{ResultBackend: "memory://doubt", BeatSchedule: []umbel.ScheduleEntry{e}})
				stop := start(t, app, newBeat())
				time.Sleep(30 * time.Second)
				stop()
				// It claims what is due in half a minute, and is heard of no more.
				s := keep.(backend.Schedules)
				states, err := s.ReadSchedule(t.Context(), "shop", backend.ScheduleStates)
				if err != nil {
					t.Fatal(err)
				}
				var st map[string]any
				if err := json.Unmarshal(states["e"], &st); err != nil {
					t.Fatal(err)
				}
				began, err := time.Parse(time.RFC3339Nano, st["last"].(string))
				if err != nil {
					t.Fatal(err)
				}
				due := began.Add(time.Minute)
				st["last"], st["open"], st["id"] = due.Format(time.RFC3339Nano), true, beat.TaskID("shop", "e", due)
				text, err := json.Marshal(st)
				if err == nil {
					err = s.WriteSchedule(t.Context(), "shop", backend.ScheduleStates, 0, map[string][]byte{"e": text})
				}
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(45 * time.Second)
				stop = start(t, app, newBeat())
				time.Sleep(5 * time.Second)
				stop()
				all := ledger.all()
				if len(all) != 1 || all[0].id != beat.TaskID("shop", "e", due) {
					t.Errorf("sent %+v", all)
				}
			})
		})
	}
}
