package soak

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/umbel-go/umbel/protocol"
)

// motionless is for how long nothing may have changed before what is left is called stuck. A worker that lost its broker may
// wait half a minute before it looks again.
const motionless = 75 * time.Second

// settle waits until every task has ended and every queue is empty, or nothing moves any more. It returns the results.
func (l *lab) settle() (results map[string]*protocol.Result) {
	results = make(map[string]*protocol.Result)
	var empty time.Time
	last, moved := "", time.Now()
	for {
		open := l.open(results)
		full := left(l.t, &l.site.node().Rabbit, l.broker())
		if len(open) == 0 && len(full) == 0 {
			if empty.IsZero() {
				empty = time.Now()
			}
			if time.Since(empty) > settledAfter {
				return results
			}
		} else {
			empty = time.Time{}
		}
		if now := fmt.Sprint(len(open), full); now != last {
			last, moved = now, time.Now()
		}
		if time.Since(moved) <= motionless {
			time.Sleep(200 * time.Millisecond) // it can only be asked
			continue
		}
		if len(open) == 0 && onlyDeadLettering(full) {
			// A copy of a task that has ended, which the broker has not got rid of since a node went.
			l.t.Logf("left to the broker's dead-lettering, though every task has ended: %v", full)
			return results
		}
		l.t.Errorf("stuck for %v: %d tasks have not ended (%s …), and left in queues is %v", motionless, len(open),
			strings.Join(open[:min(len(open), 5)], ", "), full)
		for _, q := range full {
			l.t.Logf("%s", l.site.node().API(http.MethodGet, "/api/queues/%2F/"+q.queue, nil))
		}
		return results
	}
}

// open reads what results are new and returns the ids of tasks that have not ended: those that were confirmed, or started.
func (l *lab) open(results map[string]*protocol.Result) (ids []string) {
	l.t.Helper()
	r, err := l.ledger.read()
	if err != nil {
		l.t.Fatal(err)
	}
	started := make(map[string]bool)
	for _, s := range r.starts {
		started[s.id] = true
	}
	for _, t := range r.tasks {
		if d := results[t.id]; (t.confirmed > 0 || started[t.id]) && (d == nil || !terminal(d)) {
			ids = append(ids, t.id)
		}
	}
	store, err := l.app.Backend(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	for some := range slices.Chunk(ids, 500) {
		docs, err := store.GetMany(l.t.Context(), some)
		if err != nil {
			l.t.Fatal(err)
		}
		for id, d := range docs {
			results[id] = d
		}
	}
	return slices.DeleteFunc(ids, func(id string) bool { return results[id] != nil && terminal(results[id]) })
}

func terminal(d *protocol.Result) bool {
	return d.Status == "SUCCESS" || d.Status == "FAILURE" || d.Status == "REVOKED"
}
