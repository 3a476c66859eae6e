package flower

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/protocol"
)

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func unix(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return float64(t.UnixMicro()) / 1e6
}

// show is a task as Flower shows it: every member is there, null where nothing is known.
func show(t *history.Task) map[string]any {
	var runtime any
	if t.State == protocol.Success {
		runtime = t.Runtime
	}
	worker := any(t.Worker)
	if t.Worker == "" {
		worker = nil
	}
	return map[string]any{
		"uuid": t.UUID, "name": text(t.Name), "state": string(t.State), "received": unix(t.Received), "sent": unix(t.Sent), "started": unix(t.Started),
		"rejected": unix(t.RejectedTime), "succeeded": unix(t.Succeeded), "failed": unix(t.Failed), "retried": unix(t.Retried), "revoked": unix(t.Revoked),
		"args": text(t.Args), "kwargs": text(t.Kwargs), "eta": text(t.ETA), "expires": text(t.Expires), "retries": t.Retries, "result": text(t.Result),
		"exception": text(t.Exception), "timestamp": unix(t.Timestamp), "runtime": runtime, "traceback": text(t.Traceback), "exchange": t.Exchange,
		"routing_key": text(t.RoutingKey), "clock": t.Clock, "client": text(t.Client), "root": text(t.RootID), "root_id": text(t.RootID),
		"parent": text(t.ParentID), "parent_id": text(t.ParentID), "children": []string{}, "worker": worker,
	}
}

// An ordered object keeps the order of its members, as Flower's does.
type ordered []*history.Task

// MarshalJSON implements json.Marshaler.
func (o ordered) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, t := range o {
		if i > 0 {
			out = append(out, ',')
		}
		pair, err := marshalPair(t.UUID, show(t))
		if err != nil {
			return nil, err
		}
		out = append(out, pair...)
	}
	return append(out, '}'), nil
}

// tasksMost bounds an answer: Flower's has no bound.
const tasksMost = 1000

// flowerTime is how Flower's parameters write times, UTC.
const flowerTime = "2006-01-02 15:04"

func (f *Flower) tasks(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	offset, _ := strconv.Atoi(v.Get("offset"))
	limit, err := strconv.Atoi(v.Get("limit"))
	if err != nil || limit <= 0 || limit > tasksMost {
		limit = tasksMost
	}
	offset = min(max(offset, 0), tasksMost)
	q := history.Query{Name: v.Get("taskname"), Worker: v.Get("workername"), Text: v.Get("search"), Limit: min(offset+limit, tasksMost), Patience: 5 * time.Second}
	for name, at := range map[string]*time.Time{"received_start": &q.Since, "received_end": &q.Until} {
		if s := v.Get(name); s != "" {
			if *at, err = time.Parse(flowerTime, s); err != nil {
				fail(w, http.StatusBadRequest, "")
				return
			}
		}
	}
	if s := v.Get("state"); s != "" {
		q.States = []protocol.State{protocol.State(strings.ToUpper(s))}
	}
	page, err := f.Store.Search(r.Context(), q)
	if err != nil {
		f.Log.Error("cannot answer", "path", r.URL.Path, "error", err)
		fail(w, http.StatusInternalServerError, "")
		return
	}
	list := page.Tasks[min(offset, len(page.Tasks)):]
	order(list, v.Get("sort_by"))
	reply(w, ordered(list))
}

func (f *Flower) types(w http.ResponseWriter, r *http.Request) {
	names, err := f.Store.Names(r.Context(), tasksMost)
	if err != nil {
		fail(w, http.StatusInternalServerError, "")
		return
	}
	if names == nil {
		names = []string{}
	}
	reply(w, map[string]any{"task-types": names})
}

func (f *Flower) info(w http.ResponseWriter, r *http.Request) {
	t, err := f.Store.Task(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, history.ErrNotFound):
		fail(w, http.StatusNotFound, "")
	case err != nil:
		fail(w, http.StatusInternalServerError, "")
	default:
		reply(w, show(t))
	}
}

// result tells what the history knows of a task's end. Results are texts here, with secrets hidden.
func (f *Flower) result(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	t, err := f.Store.Task(r.Context(), id)
	switch {
	case errors.Is(err, history.ErrNotFound):
		reply(w, map[string]any{"task-id": id, "state": "PENDING"})
	case err != nil:
		fail(w, http.StatusInternalServerError, "")
	case t.State == protocol.Failure:
		reply(w, map[string]any{"task-id": id, "state": string(t.State), "result": t.Exception, "traceback": t.Traceback})
	case t.State == protocol.Success:
		reply(w, map[string]any{"task-id": id, "state": string(t.State), "result": text(t.Result)})
	default:
		reply(w, map[string]any{"task-id": id, "state": string(t.State)})
	}
}
