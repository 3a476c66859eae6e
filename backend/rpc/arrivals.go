package rpc

import (
	"container/list"
	"log/slog"
	"sync"
	"time"

	"github.com/umbel-go/umbel/internal/watch"
	"github.com/umbel-go/umbel/protocol"
)

// What is kept of results that have arrived. A process that sends more at once than this and asks later should watch
// as it sends: what is watched is told as it arrives, kept or not.
const (
	mostArrivals = 100_000
	mostBytes    = 256 << 20
)

// arrivals keep the latest document of each task, the oldest giving way when there are too many.
type arrivals struct {
	expires time.Duration // 0: for ever
	board   *watch.Board
	log     *slog.Logger
	most    int
	size    int // most bytes

	mu      sync.Mutex // not held while notify runs: the board only queues
	any     bool       // the reply queue has been asked for
	byID    map[string]*list.Element
	order   *list.List // of *arrival, the oldest first
	bytes   int
	version int64
	warned  bool // of having dropped one; once is enough
}

type arrival struct {
	doc     *protocol.Result
	bytes   int
	until   time.Time // zero: for ever
	version int64
}

func newArrivals(expires time.Duration, board *watch.Board, log *slog.Logger) *arrivals {
	return &arrivals{expires: expires, board: board, log: log, most: mostArrivals, size: mostBytes,
		byID: make(map[string]*list.Element), order: list.New()}
}

func (a *arrivals) expect() {
	a.mu.Lock()
	a.any = true
	a.mu.Unlock()
}

func (a *arrivals) expected() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.any
}

// add keeps and tells a document. After a SUCCESS no other comes, though a task that was run again may send it.
func (a *arrivals) add(r *protocol.Result, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.expire(now)
	if e := a.byID[r.TaskID]; e != nil {
		if e.Value.(*arrival).doc.Status == protocol.Success {
			return
		}
		a.drop(e)
	}
	a.version++
	n := &arrival{doc: r, bytes: bytes, version: a.version}
	if a.expires > 0 {
		n.until = now.Add(a.expires)
	}
	a.byID[r.TaskID] = a.order.PushBack(n)
	a.bytes += bytes
	for a.order.Len() > a.most || a.bytes > a.size && a.order.Len() > 1 {
		oldest := a.order.Front()
		if !a.warned {
			a.warned = true
			a.log.Warn("too many results have arrived that nobody asked for: the oldest are dropped", "kept", a.order.Len()-1,
				"bytes", a.bytes, "task_id", oldest.Value.(*arrival).doc.TaskID)
		}
		a.drop(oldest)
	}
	a.board.Tell(r, n.version)
}

// expire drops what is too old; since all live equally long, those are the first. a.mu is held.
func (a *arrivals) expire(now time.Time) int {
	n := 0
	for e := a.order.Front(); e != nil; e = a.order.Front() {
		until := e.Value.(*arrival).until
		if until.IsZero() || now.Before(until) {
			break
		}
		a.drop(e)
		n++
	}
	return n
}

func (a *arrivals) drop(e *list.Element) {
	n := a.order.Remove(e).(*arrival)
	delete(a.byID, n.doc.TaskID)
	a.bytes -= n.bytes
}

func (a *arrivals) cleanup() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.expire(time.Now())
}

func (a *arrivals) forget(ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		if e := a.byID[id]; e != nil {
			a.drop(e)
		}
	}
}

func (a *arrivals) get(ids []string) map[string]*protocol.Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire(time.Now())
	found := make(map[string]*protocol.Result)
	for _, id := range ids {
		if e := a.byID[id]; e != nil {
			r := *e.Value.(*arrival).doc // the caller's own; what it points to is never written
			found[id] = &r
		}
	}
	return found
}

// watch begins a watch and tells what is there in one step, so that nothing falls between.
func (a *arrivals) watch(ids []string, notify func(*protocol.Result)) (*watch.Watch, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire(time.Now())
	w, err := a.board.Add(ids, notify)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if e := a.byID[id]; e != nil {
			n := e.Value.(*arrival)
			a.board.Tell(n.doc, n.version)
		}
	}
	return w, nil
}
