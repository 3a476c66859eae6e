package backendtest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/umbel-go/umbel/backend"
)

// scheduleTests: one leader at a time, records that only it may write, and ticks that one message claims.
var scheduleTests = []namedTest{
	{"the first to ask leads until it resigns", schedule(func(h *harness, s backend.Schedules) {
		first := h.lead(s, "one", time.Minute)
		if first.Holder != "one" || first.Token == 0 || first.Left <= 0 || first.Left > time.Minute {
			h.Fatalf("the first lease is %+v", first)
		}
		if l := h.lead(s, "two", time.Minute); l.Holder != "one" || l.Token != first.Token || l.Left <= 0 {
			h.Fatalf("asked by another the lease is %+v", l)
		}
		if l := h.lead(s, "one", 2*time.Minute); l.Holder != "one" || l.Token != first.Token || l.Left <= time.Minute {
			h.Fatalf("prolonged the lease is %+v", l)
		}
		h.check(s.Resign(h.ctx, "shop", "two")) // is not its to give up
		l, err := s.Leader(h.ctx, "shop")
		if err != nil || l.Holder != "one" || l.Token != first.Token || l.Left <= time.Minute {
			h.Fatalf("read the lease is %+v, %v", l, err)
		}
		h.check(s.Resign(h.ctx, "shop", "one"))
		if l, err := s.Leader(h.ctx, "shop"); err != nil || l.Holder != "" {
			h.Fatalf("after resigning the lease is %+v, %v", l, err)
		}
		if l := h.lead(s, "two", time.Minute); l.Holder != "two" || l.Token <= first.Token {
			h.Fatalf("the next lease is %+v, the one before had token %d", l, first.Token)
		}
	})},
	{"a lease runs out, and the token grows", schedule(func(h *harness, s backend.Schedules) {
		first := h.lead(s, "one", 300*time.Millisecond)
		var next backend.Lease
		h.eventually(func() bool { next = h.lead(s, "two", time.Minute); return next.Holder == "two" })
		if next.Token <= first.Token {
			h.Fatalf("token %d follows %d", next.Token, first.Token)
		}
		if l := h.lead(s, "one", time.Minute); l.Holder != "two" {
			h.Fatalf("who had lost the lease was given %+v", l)
		}
	})},
	{"one of many leads", schedule(func(h *harness, s backend.Schedules) {
		var all sync.WaitGroup
		leases := make([]backend.Lease, 16)
		for i := range leases {
			all.Go(func() {
				l, err := s.Lead(h.ctx, "shop", fmt.Sprint("holder ", i), time.Minute)
				if err != nil {
					h.Errorf("lead: %v", err)
				}
				leases[i] = l
			})
		}
		all.Wait()
		for _, l := range leases {
			if l.Holder != leases[0].Holder || l.Token != leases[0].Token {
				h.Errorf("leases %+v and %+v", leases[0], l)
			}
		}
	})},
	{"records are written and read whole", schedule(func(h *harness, s backend.Schedules) {
		want := map[string][]byte{"a": []byte(`{"x":1}`), "b 'quoted' ☀": {0, 1, 255}, "c": []byte("gone soon")}
		h.write(s, 0, want)
		h.check(s.WriteSchedule(h.ctx, "shop", backend.ScheduleEntries, 0, map[string][]byte{"a": []byte("an entry")}))
		h.check(s.WriteSchedule(h.ctx, "other", backend.ScheduleStates, 0, map[string][]byte{"a": []byte("another's"), "z": []byte("another's")}))
		h.write(s, 0, map[string][]byte{"c": nil, "never there": nil, "a": []byte("new")})
		got := h.read(s)
		if len(got) != 2 || string(got["a"]) != "new" || string(got["b 'quoted' ☀"]) != "\x00\x01\xff" {
			h.Fatalf("read %q", got)
		}
	})},
	{"a thousand records come back", schedule(func(h *harness, s backend.Schedules) {
		for part := range 3 {
			records := make(map[string][]byte)
			for i := range backend.ScheduleTogether {
				records[fmt.Sprint(part*backend.ScheduleTogether+i)] = []byte("state")
			}
			h.write(s, 0, records)
		}
		if got := h.read(s); len(got) != 3*backend.ScheduleTogether {
			h.Fatalf("read %d records", len(got))
		}
	})},
	{"the revision grows with entries, and not with states", schedule(func(h *harness, s backend.Schedules) {
		revision := func() int64 {
			r, err := s.ScheduleRevision(h.ctx, "shop")
			h.check(err)
			return r
		}
		before := revision()
		h.write(s, 0, map[string][]byte{"a": []byte("x")})
		if r := revision(); r != before {
			h.Fatalf("a state made revision %d of %d", r, before)
		}
		h.check(s.WriteSchedule(h.ctx, "shop", backend.ScheduleEntries, 0, map[string][]byte{"a": []byte("x")}))
		added := revision()
		h.check(s.WriteSchedule(h.ctx, "shop", backend.ScheduleEntries, 0, map[string][]byte{"a": nil}))
		if removed := revision(); added <= before || removed <= added {
			h.Fatalf("revisions %d, %d, %d", before, added, removed)
		}
	})},
	{"who has lost the lease writes nothing", schedule(func(h *harness, s backend.Schedules) {
		states := map[string][]byte{"a": []byte("stale"), "b": []byte("stale")}
		if err := s.WriteSchedule(h.ctx, "shop", backend.ScheduleStates, 7, states); !errors.Is(err, backend.ErrFenced) {
			h.Fatalf("under a lease that never was: %v", err)
		}
		first := h.lead(s, "one", 300*time.Millisecond)
		h.eventually(func() bool {
			l, err := s.Leader(h.ctx, "shop")
			h.check(err)
			return l.Holder == ""
		})
		if err := s.WriteSchedule(h.ctx, "shop", backend.ScheduleStates, first.Token, states); !errors.Is(err, backend.ErrFenced) {
			h.Fatalf("after the lease ran out: %v", err)
		}
		next := h.lead(s, "two", time.Minute)
		if err := s.WriteSchedule(h.ctx, "shop", backend.ScheduleStates, first.Token, states); !errors.Is(err, backend.ErrFenced) {
			h.Fatalf("after another took the lease: %v", err)
		}
		if got := h.read(s); len(got) != 0 {
			h.Fatalf("what was fenced is there: %q", got)
		}
		h.write(s, next.Token, map[string][]byte{"a": []byte("fresh")})
		if got := h.read(s); string(got["a"]) != "fresh" {
			h.Fatalf("what the leader wrote is %q", got)
		}
	})},
	{"a tick is one message's", schedule(func(h *harness, s backend.Schedules) {
		for _, c := range []struct{ id, message, want string }{{"t", "m1", "m1"}, {"t", "m2", "m1"}, {"t", "m1", "m1"}, {"u", "m2", "m2"}} {
			if got, err := s.ClaimTick(h.ctx, c.id, c.message, time.Minute); err != nil || got != c.want {
				h.Fatalf("message %s claims %s: %q, %v; want %s", c.message, c.id, got, err, c.want)
			}
		}
		var all sync.WaitGroup
		first := make([]string, 16)
		for i := range first {
			all.Go(func() {
				var err error
				if first[i], err = s.ClaimTick(h.ctx, "race", fmt.Sprint(i), time.Minute); err != nil {
					h.Errorf("claim: %v", err)
				}
			})
		}
		all.Wait()
		for _, f := range first {
			if f == "" || f != first[0] {
				h.Errorf("%q and %q both came first", first[0], f)
			}
		}
	})},
	{"a claim is kept as long as it was asked for", schedule(func(h *harness, s backend.Schedules) {
		if _, err := s.ClaimTick(h.ctx, "t", "m1", 200*time.Millisecond); err != nil {
			h.Fatal(err)
		}
		h.eventually(func() bool {
			first, err := s.ClaimTick(h.ctx, "t", "m2", time.Minute)
			h.check(err)
			return first == "m2"
		})
	})},
	{"two processes share one schedule", schedule(func(h *harness, s backend.Schedules) {
		peer := h.openPeer(backend.Config{}).(backend.Schedules)
		first := h.lead(s, "one", time.Minute)
		if l := h.lead(peer, "two", time.Minute); l.Holder != "one" || l.Token != first.Token {
			h.Fatalf("the other process was given %+v", l)
		}
		h.write(s, first.Token, map[string][]byte{"a": []byte("state")})
		if got := h.read(peer); string(got["a"]) != "state" {
			h.Fatalf("the other process reads %q", got)
		}
		if got, err := peer.ClaimTick(h.ctx, "t", "theirs", time.Minute); err != nil || got != "theirs" {
			h.Fatalf("claim: %q, %v", got, err)
		}
		if got, err := s.ClaimTick(h.ctx, "t", "ours", time.Minute); err != nil || got != "theirs" {
			h.Fatalf("claim: %q, %v", got, err)
		}
	})},
	{"a closed backend says so", schedule(func(h *harness, s backend.Schedules) {
		h.close()
		if l, err := s.Lead(h.ctx, "shop", "one", time.Minute); err == nil {
			h.Fatalf("leads: %+v", l)
		}
	})},
}

// schedule gives a test the backend as Schedules, and skips what keeps none.
func schedule(run func(h *harness, s backend.Schedules)) func(h *harness) {
	return func(h *harness) {
		s, ok := h.Backend.(backend.Schedules)
		if !ok {
			h.Skip("this backend keeps no schedules")
		}
		run(h, s)
	}
}

func (h *harness) lead(s backend.Schedules, holder string, ttl time.Duration) backend.Lease {
	h.Helper()
	l, err := s.Lead(h.ctx, "shop", holder, ttl)
	h.check(err)
	return l
}

func (h *harness) write(s backend.Schedules, token int64, records map[string][]byte) {
	h.Helper()
	h.check(s.WriteSchedule(h.ctx, "shop", backend.ScheduleStates, token, records))
}

func (h *harness) read(s backend.Schedules) map[string][]byte {
	h.Helper()
	records, err := s.ReadSchedule(h.ctx, "shop", backend.ScheduleStates)
	h.check(err)
	return records
}

// eventually waits until f says so: a store does not tell when a lease runs out.
func (h *harness) eventually(f func() bool) {
	h.Helper()
	for !f() {
		if h.ctx.Err() != nil {
			h.Fatal("it has not come about in time")
		}
		time.Sleep(20 * time.Millisecond)
	}
}
