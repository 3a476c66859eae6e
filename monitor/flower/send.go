package flower

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/protocol"
)

const (
	// applyFor is how long apply waits for a result: no longer than the server has to answer. Flower's waits for ever.
	applyFor = 45 * time.Second

	// stateAborted is what AbortableTask.is_aborted looks for. Celery: celery.contrib.abortable.
	stateAborted protocol.State = "ABORTED"
)

// errand is the body of a request to send a task.
type errand struct {
	Args      []any          `json:"args"`
	Kwargs    map[string]any `json:"kwargs"`
	Queue     string         `json:"queue"`
	Countdown *float64       `json:"countdown"`
	Priority  *uint8         `json:"priority"`
	ETA       string         `json:"eta"`
	Expires   any            `json:"expires"` // seconds, or a time
	TaskID    string         `json:"task_id"`
}

// etaForm is how Flower's clients write times, in UTC.
const etaForm = "2006-01-02 15:04:05.999999"

func (e *errand) options() (out []umbel.SendOption, err error) {
	if e.Queue != "" {
		out = append(out, umbel.Queue(e.Queue))
	}
	if e.Countdown != nil {
		out = append(out, umbel.Countdown(time.Duration(*e.Countdown*float64(time.Second))))
	}
	if e.Priority != nil {
		out = append(out, umbel.Priority(*e.Priority))
	}
	if e.TaskID != "" {
		out = append(out, umbel.TaskID(e.TaskID))
	}
	if e.ETA != "" {
		at, err := time.Parse(etaForm, e.ETA)
		if err != nil {
			return nil, err
		}
		out = append(out, umbel.ETA(at))
	}
	switch x := e.Expires.(type) {
	case nil:
	case json.Number:
		seconds, err := x.Float64()
		if err != nil {
			return nil, err
		}
		out = append(out, umbel.ExpiresIn(time.Duration(seconds*float64(time.Second))))
	case string:
		at, err := time.Parse(etaForm, x)
		if err != nil {
			return nil, err
		}
		out = append(out, umbel.ExpiresAt(at))
	default:
		return nil, errors.New("expires is neither a number nor a time")
	}
	return out, nil
}

// sent sends the task of a request and writes it down; nil when it has been answered with an error.
func (f *Flower) sent(w http.ResponseWriter, r *http.Request, action string) *umbel.AsyncResult {
	var in errand
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	d.UseNumber()
	err := d.Decode(&in)
	var options []umbel.SendOption
	if err == nil {
		options, err = in.options()
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "")
		return nil
	}
	name := r.PathValue("name")
	result, err := f.Send(r.Context(), name, in.Args, in.Kwargs, options...)
	f.Note(r, history.Act{Action: action, Target: name, Detail: fmt.Sprintf("%d arguments, %v", len(in.Args), slices.Sorted(maps.Keys(in.Kwargs)))}, err)
	if err != nil {
		fail(w, http.StatusInternalServerError, "")
		return nil
	}
	return result
}

// send sends a task by name. (Flower's async-apply knows its app's tasks only and answers 404 for others; this monitor knows
// none, and sends.)
func (f *Flower) send(w http.ResponseWriter, r *http.Request) {
	if result := f.sent(w, r, "send"); result != nil {
		reply(w, map[string]string{"task-id": result.ID(), "state": "PENDING"})
	}
}

// apply sends a task and waits for its result, for applyFor.
func (f *Flower) apply(w http.ResponseWriter, r *http.Request) {
	if _, err := f.App.Backend(r.Context()); err != nil {
		fail(w, http.StatusServiceUnavailable, "")
		return
	}
	result := f.sent(w, r, "apply")
	if result == nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), applyFor)
	defer cancel()
	doc, err := result.Wait(ctx)
	out := map[string]any{"task-id": result.ID(), "state": "PENDING"}
	switch {
	case err != nil && ctx.Err() == nil:
		fail(w, http.StatusInternalServerError, "")
		return
	case err != nil: // it has not ended yet: ask again by task/result
	case doc.Status.Failed():
		out["state"], out["result"], out["traceback"] = string(doc.Status), shownError(doc), text(doc.Traceback)
	default:
		out["state"], out["result"] = string(doc.Status), doc.Result
	}
	reply(w, out)
}

// shownError is a stored exception as Python's repr shows it.
func shownError(doc *protocol.Result) string {
	var e struct {
		Type    string `json:"exc_type"`
		Message any    `json:"exc_message"`
	}
	raw, err := doc.Result.AppendJSON(nil)
	if err != nil || json.Unmarshal(raw, &e) != nil || e.Type == "" {
		return doc.Result.String()
	}
	if list, ok := e.Message.([]any); ok {
		args, _ := json.Marshal(list)
		return e.Type + "(" + string(args[1:len(args)-1]) + ")"
	}
	return fmt.Sprintf("%s(%v)", e.Type, e.Message)
}

// abort marks a task as aborted in the result store, where an AbortableTask of Python's looks for it while it runs.
func (f *Flower) abort(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	b, err := f.App.Backend(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, "")
		return
	}
	doc, err := f.App.Result(id).Document(r.Context())
	if errors.Is(err, umbel.ErrUnknownTask) || err == nil && !doc.Status.Ready() { // a result stays what it is
		err = errors.Join(b.Store(r.Context(), []*protocol.Result{{TaskID: id, Status: stateAborted}})...)
	}
	f.Note(r, history.Act{Action: "abort", Target: id}, err)
	if err != nil {
		fail(w, http.StatusInternalServerError, "")
		return
	}
	reply(w, map[string]string{"message": fmt.Sprintf("Aborted '%s'", id)})
}
