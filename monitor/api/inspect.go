package api

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// inspectWithin is how long a worker has to answer questions about itself.
const inspectWithin = 2 * time.Second

// inspections are what a worker is asked, by the name of what it answers here.
var inspections = map[string]string{"stats": "stats", "active": "active", "queues": "active_queues"}

// inspect asks a worker about itself: its pool and prefetch, what runs, and which queues it consumes. Its answers are shown as they
// are, secrets hidden; those it does not give are null.
func (a *API) inspect(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	ctx, cancel := context.WithTimeout(r.Context(), actWithin)
	defer cancel()
	out := map[string]any{"answered": false}
	var mu sync.Mutex // guards out
	var asked sync.WaitGroup
	for key, method := range inspections {
		out[key] = nil
		asked.Go(func() {
			replies, err := a.App.Control().To(name).Timeout(inspectWithin).Call(ctx, method, nil)
			if err != nil || len(replies) == 0 || replies[0].Failure() != "" {
				return
			}
			var v any
			if plain(replies[0].Value, &v) != nil {
				return
			}
			if a.Mask != nil {
				v = a.Mask.Value(v)
			}
			mu.Lock()
			defer mu.Unlock()
			out[key], out["answered"] = v, true
		})
	}
	asked.Wait()
	reply(w, http.StatusOK, out)
}
