package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/beat"
	"github.com/umbel-go/umbel/broker"
)

// umbelBeat runs a scheduler of n entries, each due once a minute and spread evenly over it, for a minute from the first due
// time: what an entry costs in memory, and how late tasks are handed to the broker.
func umbelBeat(ctx context.Context, b *brief, _ *tally) error {
	const lead = 15 * time.Second // for loading them
	start := time.Now().Add(lead).Truncate(time.Second)
	c := umbel.Config{BrokerURL: []string{"memory://"}, ResultBackend: "memory://"}
	c.BeatSchedule = make([]umbel.ScheduleEntry, b.n)
	for i := range c.BeatSchedule {
		c.BeatSchedule[i] = umbel.ScheduleEntry{Name: fmt.Sprintf("customer-%d-report", i), Task: "apps.reports.tasks.customer", Schedule: "1m",
			Kwargs: map[string]any{"customer": i}, Start: start.Add(time.Minute * time.Duration(i) / time.Duration(b.n)), Missed: "all"}
	}
	app := newApp(c)
	defer app.Close()
	var mu sync.Mutex
	late := make([]time.Duration, 0, 2*b.n)
	app.Intercept(func(_ context.Context, m *broker.Message) error {
		now := time.Now()
		text, _, _ := strings.Cut(m.Headers[umbel.TickHeader].(string), " ")
		due, err := time.Parse(time.RFC3339Nano, text)
		mu.Lock()
		defer mu.Unlock()
		late = append(late, now.Sub(due))
		return err
	})
	heap := func() float64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return float64(s.HeapAlloc)
	}
	before := heap()
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- beat.New(app, beat.Config{}).Run(running) }()
	wait := func(until time.Time) error {
		select {
		case <-time.After(time.Until(until)):
			return nil
		case err := <-done:
			return errors.Join(err, errors.New("beat has ended"))
		}
	}
	if err := wait(start.Add(-2 * time.Second)); err != nil {
		return err
	}
	each := (heap() - before) / 1024 / float64(b.n)
	if err := wait(start.Add(time.Minute)); err != nil {
		return err
	}
	stop()
	if err := <-done; err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	if len(late) < b.n*95/100 {
		return fmt.Errorf("%d tasks were sent for %d entries", len(late), b.n)
	}
	slices.Sort(late)
	say("each", each)
	say("p50", float64(late[len(late)/2].Nanoseconds()))
	say("p99", float64(late[len(late)*99/100].Nanoseconds()))
	<-ctx.Done()
	return nil
}

// schedules measures a scheduler of many entries.
func schedules(ctx context.Context, m *meter, _ string) (figures, error) {
	c, err := m.start(m.brief("umbel-beat", m.flags.entries, concurrency))
	if err != nil {
		return nil, err
	}
	got := figures{}
	for _, name := range []string{"each", "p50", "p99"} {
		v, err := c.await(ctx, name)
		if err != nil {
			c.kill()
			return nil, err
		}
		if got[name] = v; name != "each" {
			got[name] = v / 1e6
		}
	}
	return got, c.stop()
}
