// Package flower answers Flower's own HTTP API in Flower's shapes, so that programs written for it go on working. What they may
// do is decided as for our own API.
package flower

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/control"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/api"
)

// A Flower answers under /api/, but for /api/v1/.
type Flower struct {
	*api.API
	mux *http.ServeMux
}

// New makes Flower's API over ours.
func New(a *api.API) *Flower {
	f := &Flower{API: a, mux: http.NewServeMux()}
	for pattern, r := range map[string]struct {
		scope  access.Scope
		handle http.HandlerFunc
	}{
		"GET /api/workers":                                {access.Read, f.workers},
		"GET /api/tasks":                                  {access.Read, f.tasks},
		"GET /api/task/types":                             {access.Read, f.types},
		"GET /api/task/info/{id}":                         {access.Read, f.info},
		"GET /api/task/result/{id}":                       {access.Read, f.result},
		"GET /api/queues/length":                          {access.Read, f.queues},
		"POST /api/task/async-apply/{name}":               {access.Tasks, f.send},
		"POST /api/task/send-task/{name}":                 {access.Tasks, f.send},
		"POST /api/task/apply/{name}":                     {access.Tasks, f.apply},
		"POST /api/task/abort/{id}":                       {access.Tasks, f.abort},
		"POST /api/task/revoke/{id}":                      {access.Tasks, f.revoke},
		"POST /api/task/rate-limit/{name}":                {access.Workers, f.rateLimit},
		"POST /api/task/timeout/{name}":                   {access.Workers, f.timeout},
		"POST /api/worker/pool/grow/{worker}":             {access.Workers, f.pool("pool_grow", "Growing '%s' worker's pool by %d", "Failed to grow '%s' worker's pool: %s")},
		"POST /api/worker/pool/shrink/{worker}":           {access.Workers, f.pool("pool_shrink", "Shrinking '%s' worker's pool by %d", "Failed to shrink '%s' worker's pool: %s")},
		"POST /api/worker/pool/restart/{worker}":          {access.Workers, f.restart},
		"POST /api/worker/pool/autoscale/{worker}":        {access.Workers, f.autoscale},
		"POST /api/worker/queue/add-consumer/{worker}":    {access.Workers, f.consumer("add_consumer", "Failed to add '%s' consumer to '%s' worker: %s")},
		"POST /api/worker/queue/cancel-consumer/{worker}": {access.Workers, f.consumer("cancel_consumer", "Failed to cancel '%s' consumer from '%s' worker: %s")},
		"POST /api/worker/shutdown/{worker}":              {access.Admin, f.shutdown},
	} {
		f.mux.HandleFunc(pattern, access.Need(r.scope, r.handle, f.Forbid))
	}
	return f
}

// ServeHTTP answers requests that a Guard has let in.
func (f *Flower) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.mux.ServeHTTP(w, r) }

func reply(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		fail(w, http.StatusInternalServerError, "")
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = w.Write(text)
}

// fail answers as Flower does: the text alone. Its type is plain, since the text repeats what was asked.
func fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// inspections are what Flower asks each worker: the name of its answer, and of the command.
var inspections = map[string]string{"stats": "stats", "active_queues": "active_queues", "registered": "registered", "scheduled": "scheduled",
	"active": "active", "reserved": "reserved", "revoked": "revoked", "conf": "conf"}

// inspectFor is how long workers have to answer.
const inspectFor = time.Second

// workers asks workers about themselves: all that are alive, or one.
func (f *Flower) workers(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	only, now := q.Get("workername"), time.Now()
	alive := make(map[string]bool)
	for _, x := range f.Fleet.Workers() {
		if only == "" || x.Hostname == only {
			alive[x.Hostname] = x.Alive(now)
		}
	}
	if only != "" && len(alive) == 0 {
		fail(w, http.StatusNotFound, fmt.Sprintf("Unknown worker '%s'", only))
		return
	}
	if s := q.Get("status"); s != "" && s != "0" && s != "false" {
		reply(w, alive)
		return
	}
	out := make(map[string]map[string]any)
	var mu sync.Mutex
	var wait sync.WaitGroup
	c := f.App.Control().Timeout(inspectFor)
	if only != "" {
		c = c.To(only)
	}
	for name, method := range inspections {
		wait.Go(func() {
			f.inspect(r.Context(), c, method, func(x control.Reply) {
				mu.Lock()
				defer mu.Unlock()
				if out[x.Node] == nil {
					out[x.Node] = map[string]any{"timestamp": float64(time.Now().UnixMicro()) / 1e6}
				}
				out[x.Node][name] = x.Value
			})
		})
	}
	wait.Wait()
	reply(w, out)
}

func (f *Flower) inspect(ctx context.Context, c *umbel.Control, method string, take func(control.Reply)) {
	if err := c.Each(ctx, method, nil, take); err != nil {
		f.Log.Warn("cannot inspect workers", "command", method, "error", err)
	}
}

func (f *Flower) queues(w http.ResponseWriter, _ *http.Request) {
	list := []map[string]any{}
	for _, q := range f.Fleet.Queues() {
		if !q.Exists {
			continue
		}
		one := map[string]any{"name": q.Name, "messages": q.Ready + max(q.Unsettled, 0), "messages_ready": q.Ready,
			"messages_unacknowledged": max(q.Unsettled, 0), "consumers": q.Consumers}
		if q.Told {
			one["type"], one["policy"], one["message_bytes"], one["arguments"] = q.Type, q.Policy, q.Bytes, q.Arguments
		}
		list = append(list, one)
	}
	reply(w, map[string]any{"active_queues": list})
}
