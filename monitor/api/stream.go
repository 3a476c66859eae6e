package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/umbel-go/umbel/monitor/history"
)

const (
	// tickEvery is how often the streams tell how things are. While nobody listens nothing is worked out.
	tickEvery = time.Second

	// streamsMost bounds the streams that are open at once.
	streamsMost = 500

	// changedMost is how many changed tasks one message tells of; the page asks for more if it shows them.
	changedMost = 100

	// streamLife ends a stream now and then: the browser comes back, and shows again who it is.
	streamLife = 15 * time.Minute

	// streamWrite bounds one write to a slow reader: then its stream is ended, and the browser comes back.
	streamWrite = 10 * time.Second
)

// A hub tells every open stream the same: "overview", how things are, once a second; "tasks", the latest tasks that changed.
type hub struct {
	api *API

	mu      sync.Mutex // guards what follows
	streams map[chan []byte]bool
	tasks   []*history.Task // changed since the last message
	closed  bool

	overMu  sync.Mutex // held while the overview is worked out: once for all who ask
	over    *overview
	overNow time.Time
}

func newHub(a *API) *hub { return &hub{api: a, streams: make(map[chan []byte]bool)} }

// now is the overview, not older than a second.
func (h *hub) now(ctx context.Context) (*overview, error) {
	h.overMu.Lock()
	defer h.overMu.Unlock()
	if h.over != nil && time.Since(h.overNow) < tickEvery {
		return h.over, nil
	}
	o, err := h.api.present(context.WithoutCancel(ctx))
	if err == nil {
		h.over, h.overNow = o, time.Now()
	}
	return o, err
}

func (h *hub) changed(list []*history.Task) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams) == 0 {
		return
	}
	h.tasks = append(h.tasks, list...)
	if extra := len(h.tasks) - changedMost; extra > 0 {
		h.tasks = append([]*history.Task(nil), h.tasks[extra:]...)
	}
}

func (h *hub) run(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.tell(ctx)
		case <-ctx.Done():
			h.mu.Lock()
			h.closed = true
			for c := range h.streams {
				close(c)
			}
			clear(h.streams)
			h.mu.Unlock()
			return nil
		}
	}
}

func (h *hub) tell(ctx context.Context) {
	h.mu.Lock()
	n, tasks := len(h.streams), h.tasks
	h.tasks = nil
	h.mu.Unlock()
	if n == 0 {
		return
	}
	if o, err := h.now(ctx); err == nil {
		h.send("overview", o)
	} else {
		h.api.Log.Error("cannot tell how things are", "error", err)
	}
	if len(tasks) > 0 {
		h.send("tasks", showAll(tasks))
	}
}

func (h *hub) send(kind string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		return
	}
	message := fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, text)
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.streams {
		select {
		case c <- message:
		default: // a slow reader misses one
		}
	}
}

func (h *hub) open() chan []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.streams) >= streamsMost {
		return nil
	}
	c := make(chan []byte, 4) // two ticks
	h.streams[c] = true
	return c
}

func (h *hub) leave(c chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, c)
}

// serve is one stream.
func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	c := h.open()
	if c == nil {
		fail(w, http.StatusServiceUnavailable, "too many pages are open, or the monitor stops")
		return
	}
	defer h.leave(c)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	_ = out.SetReadDeadline(time.Time{})
	write := func(b []byte) bool {
		_ = out.SetWriteDeadline(time.Now().Add(streamWrite))
		_, err := w.Write(b)
		return err == nil && out.Flush() == nil
	}
	if !write([]byte("retry: 2000\n\n")) {
		return
	}
	life := time.NewTimer(streamLife)
	defer life.Stop()
	for {
		select {
		case <-life.C:
			return
		case b, ok := <-c:
			if !ok || !write(b) {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
