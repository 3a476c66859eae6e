package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/umbel-go/umbel/broker"
	"github.com/umbel-go/umbel/protocol"
)

// A verdict is what a run has come to.
type verdict struct {
	sent       int // tasks that Send confirmed, and those that ran though their producer never knew
	done       int // of these, ended as they must
	lost       int // neither ended nor in any queue
	stuck      int // not ended, though there
	duplicates int // starts beyond the first of an attempt
	faults     int
}

func (v verdict) String() string {
	return fmt.Sprintf("sent=%d done=%d lost=%d stuck=%d duplicates=%d faults=%d", v.sent, v.done, v.lost, v.stuck, v.duplicates, v.faults)
}

func (v verdict) plus(w verdict) verdict {
	return verdict{v.sent + w.sent, v.done + w.done, v.lost + w.lost, v.stuck + w.stuck, v.duplicates + w.duplicates, v.faults + w.faults}
}

// judge compares what the ledger says with what became of the tasks.
func (l *lab) judge(results map[string]*protocol.Result) verdict {
	t := l.t
	r, err := l.ledger.read()
	if err != nil {
		t.Fatal(err)
	}
	v := verdict{faults: l.faults}
	attempts := make(map[string]map[int]int) // starts by task and attempt
	for _, s := range r.starts {
		if attempts[s.id] == nil {
			attempts[s.id] = make(map[int]int)
		}
		attempts[s.id][s.attempt]++
	}
	letters := l.deadLetters()
	full := left(t, &l.site.node().Rabbit, l.broker())
	for _, task := range r.tasks {
		k, d := kindNamed(task.kind), results[task.id]
		if task.confirmed == 0 && len(attempts[task.id]) == 0 && d == nil {
			continue // its producer was killed before it could send it
		}
		v.sent++
		switch {
		case d == nil && len(full) == 0:
			v.lost++
			t.Errorf("lost: %s has left no trace (%d starts)", task.id, len(attempts[task.id]))
		case d == nil || !terminal(d):
			v.stuck++
		case d.Status != k.ends:
			t.Errorf("%s ended as %s (%v), want %s", task.id, d.Status, d.Result, k.ends)
		case len(attempts[task.id]) != k.tries:
			t.Errorf("%s took %d attempts, want %d", task.id, len(attempts[task.id]), k.tries)
		case k.dead && letters[task.id] == 0:
			v.lost++
			t.Errorf("lost: %s failed for good and is not among the dead letters", task.id)
		default:
			v.done++
		}
		for _, n := range attempts[task.id] {
			v.duplicates += n - 1
		}
	}
	causes, strange := r.secondStarts()
	for _, s := range strange {
		t.Errorf("started twice, and no fault explains it: %s", s)
	}
	for _, s := range r.strangeLosses() {
		t.Errorf("connection lost, and no fault explains it: %s", s)
	}
	extra := 0
	for _, n := range letters {
		extra += n - 1
	}
	t.Logf("faults:\n%s", table(countFaults(r.faults)))
	t.Logf("second starts, by cause:\n%s", table(causes))
	t.Logf("connections lost: %d; dead letters: %d, and %d copies", len(r.losses), len(letters), extra)
	return v
}

func countFaults(all []faultLine) map[string]int {
	n := make(map[string]int)
	for _, f := range all {
		n[f.name]++
	}
	return n
}

func table(n map[string]int) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&b, "%6d  %s\n", n[name], name)
	}
	return b.String()
}

// deadLetters takes them all from their queue and counts them by task.
func (l *lab) deadLetters() map[string]int {
	l.t.Helper()
	b := l.broker()
	stat, err := b.Stat(l.t.Context(), dead)
	if err != nil {
		l.t.Fatal(err)
	}
	letters := make(map[string]int)
	var mu sync.Mutex
	all := make(chan struct{})
	n := 0
	c, err := b.Consume(l.t.Context(), broker.Subscription{Queue: dead, Prefetch: 100, Deliver: func(d *broker.Delivery) {
		_ = d.Ack()
		mu.Lock()
		defer mu.Unlock()
		id, _ := d.Headers["id"].(string)
		letters[id]++
		if n++; n == stat.Ready {
			close(all)
		}
	}})
	if err != nil {
		l.t.Fatal(err)
	}
	if stat.Ready > 0 {
		select {
		case <-all:
		case <-time.After(patience):
			l.t.Errorf("of %d dead letters only %d could be read", stat.Ready, n)
		}
	}
	if err := c.Close(context.Background()); err != nil {
		l.t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return letters
}

// checkConsumers finds out whether every worker still consumes from every queue.
func (l *lab) checkConsumers() {
	l.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var list []struct {
			Queue struct {
				Name string `json:"name"`
			} `json:"queue"`
		}
		if err := json.Unmarshal(l.site.node().API(http.MethodGet, "/api/consumers/%2F", nil), &list); err != nil {
			l.t.Fatal(err)
		}
		seen := make(map[string]int)
		for _, c := range list {
			seen[c.Queue.Name]++
		}
		if seen[queueA] == workers && seen[queueB] == workers {
			return
		}
		if time.Now().After(deadline) {
			l.t.Errorf("consumers are missing: of %d workers there are %v", workers, seen)
			return
		}
		time.Sleep(200 * time.Millisecond) // it can only be asked
	}
}

func (l *lab) broker() broker.Broker {
	l.t.Helper()
	b, err := l.app.Broker(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}
