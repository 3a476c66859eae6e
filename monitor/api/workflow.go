package api

import (
	"errors"
	"net/http"

	"github.com/umbel-go/umbel/monitor/history"
)

// A flow is how the interface shows a workflow in a list.
type flow struct {
	Root    string         `json:"root"`
	Name    string         `json:"name"` // of the first task; "" when it has not been heard of
	Begun   *float64       `json:"begun"`
	Updated *float64       `json:"updated"`
	Tasks   int            `json:"tasks"`
	Whole   bool           `json:"whole"`  // false: it has more tasks than were counted
	States  map[string]int `json:"states"` // tasks by state
	Running bool           `json:"running"`
}

func showFlow(f *history.Flow) flow {
	out := flow{Root: f.Root, Name: f.Name, Begun: unix(f.Begun), Updated: unix(f.Updated), Tasks: f.Tasks, Whole: f.Tasks < history.FlowMost,
		States: make(map[string]int), Running: f.Running()}
	for state, n := range f.States {
		out.States[string(state)] += n
	}
	return out
}

// workflows lists those that run, or all of them.
func (a *API) workflows(w http.ResponseWriter, r *http.Request) {
	before, err := number(r, "before", 1, 1<<62, 0)
	limit, err2 := number(r, "limit", 1, 200, 50)
	err3 := known(r.URL.Query(), "state", "before", "limit")
	state := r.URL.Query().Get("state")
	if state != "" && state != "running" && state != "all" {
		err3 = errors.Join(err3, errors.New("state is neither running nor all"))
	}
	if err = errors.Join(err, err2, err3); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	var list []*history.Flow
	var next int64
	if state == "all" {
		list, next, err = a.Store.Flows(r.Context(), before, int(limit))
	} else {
		list, err = a.Store.Running(r.Context(), int(limit))
	}
	if err != nil {
		a.broken(w, r, err)
		return
	}
	out := []flow{}
	for _, f := range list {
		out = append(out, showFlow(f))
	}
	reply(w, http.StatusOK, map[string]any{"workflows": out, "next": place(next)})
}

// place is where a list goes on; null when it does not.
func place(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// workflowMost bounds the tasks of a workflow that are shown.
const workflowMost = 500

// workflow is the workflow that a task belongs to, or whose root it is: the root itself may never have been heard of.
func (a *API) workflow(w http.ResponseWriter, r *http.Request) {
	root := r.PathValue("id")
	t, err := a.Store.Task(r.Context(), root)
	if err != nil && !errors.Is(err, history.ErrNotFound) {
		a.broken(w, r, err)
		return
	}
	if t != nil && t.RootID != "" {
		root = t.RootID
	}
	list, err2 := a.Store.Workflow(r.Context(), root, workflowMost)
	switch {
	case err2 != nil:
		a.broken(w, r, err2)
		return
	case len(list) == 0 && t == nil:
		a.broken(w, r, err)
		return
	case len(list) == 0:
		list = []*history.Task{t}
	}
	reply(w, http.StatusOK, map[string]any{"root": root, "tasks": showAll(list), "whole": len(list) < workflowMost})
}
