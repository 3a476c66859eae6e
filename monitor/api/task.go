package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/protocol"
)

// A task is how the interface shows one. Times are Unix seconds, null where they are not known.
type task struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	State      string         `json:"state"`
	Worker     string         `json:"worker"`
	Client     string         `json:"client"`
	Queue      string         `json:"queue"`
	RoutingKey string         `json:"routing_key"`
	Args       string         `json:"args"`   // as Python's repr shows them
	Kwargs     string         `json:"kwargs"` // likewise
	Result     string         `json:"result"` // likewise
	Exception  string         `json:"exception"`
	Traceback  string         `json:"traceback,omitempty"`
	Retries    int            `json:"retries"`
	ETA        string         `json:"eta"`
	Expires    string         `json:"expires"`
	Runtime    float64        `json:"runtime"` // seconds
	Root       string         `json:"root"`
	Parent     string         `json:"parent"`
	Heard      *float64       `json:"heard"`
	Updated    *float64       `json:"updated"`
	Sent       *float64       `json:"sent"`
	Received   *float64       `json:"received"`
	Started    *float64       `json:"started"`
	Ended      *float64       `json:"ended"`
	Trail      []history.Step `json:"trail,omitempty"`
}

func unix(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	s := float64(t.UnixMicro()) / 1e6
	return &s
}

// show makes a task's JSON; whole has what a list leaves out.
func show(t *history.Task, whole bool) task {
	out := task{ID: t.UUID, Name: t.Name, State: string(t.State), Worker: t.Worker, Client: t.Client, Queue: t.Queue, RoutingKey: t.RoutingKey,
		Args: t.Args, Kwargs: t.Kwargs, Result: t.Result, Exception: t.Exception, Retries: t.Retries, ETA: t.ETA, Expires: t.Expires,
		Runtime: t.Runtime, Root: t.RootID, Parent: t.ParentID, Heard: unix(t.Heard()), Updated: unix(t.Timestamp), Sent: unix(t.Sent),
		Received: unix(t.Received), Started: unix(t.Started)}
	switch t.State {
	case protocol.Success:
		out.Ended = unix(t.Succeeded)
	case protocol.Failure:
		out.Ended = unix(t.Failed)
	case protocol.Revoked:
		out.Ended = unix(t.Revoked)
	case protocol.Rejected:
		out.Ended = unix(t.RejectedTime)
	}
	if whole {
		out.Traceback, out.Trail = t.Traceback, t.Trail
	}
	return out
}

func showAll(list []*history.Task) []task {
	out := make([]task, len(list))
	for i, t := range list {
		out[i] = show(t, false)
	}
	return out
}

// A found is a page of tasks.
type found struct {
	Tasks []task   `json:"tasks"`
	Next  *int64   `json:"next"`  // before=NEXT is the next page; null: there is none
	Full  bool     `json:"full"`  // false: time was up before the page was full, and older tasks were not looked at
	Until *float64 `json:"until"` // when it is not full: tasks back to here were looked at, Unix seconds
}

// queryNames are the parameters that tasks understands.
var queryNames = []string{"name", "id", "state", "worker", "queue", "since", "until", "text", "args", "kwargs", "result", "error", "before", "limit"}

func (a *API) tasks(w http.ResponseWriter, r *http.Request) {
	q, err := query(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	page, err := a.Store.Search(r.Context(), q)
	if err != nil {
		a.broken(w, r, err)
		return
	}
	out := found{Tasks: showAll(page.Tasks), Full: page.Full}
	if page.Next > 0 {
		out.Next = &page.Next
		if !page.Full {
			out.Until = unix(time.UnixMicro(page.Next))
		}
	}
	reply(w, http.StatusOK, out)
}

// query reads a search from a request. A parameter that is not known is an error: a filter that is misspelt would find everything.
func query(r *http.Request) (q history.Query, err error) {
	v := r.URL.Query()
	if err := known(v, queryNames...); err != nil {
		return q, err
	}
	q = history.Query{Name: v.Get("name"), ID: v.Get("id"), Worker: v.Get("worker"), Queue: v.Get("queue"), Text: v.Get("text"), Args: v.Get("args"),
		Kwargs: v.Get("kwargs"), Result: v.Get("result"), Error: v.Get("error")}
	for _, s := range v["state"] {
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" {
				q.States = append(q.States, protocol.State(strings.ToUpper(part)))
			}
		}
	}
	if q.Since, err = moment(r, "since", time.Time{}); err != nil {
		return q, err
	}
	if q.Until, err = moment(r, "until", time.Time{}); err != nil {
		return q, err
	}
	if q.Before, err = number(r, "before", 1, 1<<62, 0); err != nil {
		return q, err
	}
	limit, err := number(r, "limit", 1, 1000, 50)
	q.Limit = int(limit)
	return q, err
}

func (a *API) task(w http.ResponseWriter, r *http.Request) {
	t, err := a.Store.Task(r.Context(), r.PathValue("id"))
	if err != nil {
		a.broken(w, r, err)
		return
	}
	reply(w, http.StatusOK, show(t, true))
}

// namesMost bounds the names of tasks that are listed.
const namesMost = 1000

func (a *API) names(w http.ResponseWriter, r *http.Request) {
	list, err := a.Store.Names(r.Context(), namesMost)
	if err != nil {
		a.broken(w, r, err)
		return
	}
	if list == nil {
		list = []string{}
	}
	reply(w, http.StatusOK, map[string]any{"names": list})
}
