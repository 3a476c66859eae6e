package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/monitor/literal"
	"github.com/umbel-go/umbel/monitor/mask"
)

// A call is what a task was called with: where it is whole, it can be called so again.
type call struct {
	Name   string         `json:"name"`
	Queue  string         `json:"queue"` // "" where it is not known: then the task's route decides
	Args   []any          `json:"args"`  // null: they are not known
	Kwargs map[string]any `json:"kwargs"`
	From   string         `json:"from"`   // "result store" or "history"
	Whole  bool           `json:"whole"`  // it can be called again as it was
	Hidden bool           `json:"hidden"` // values are shown as ***, and stay what they are unless they are changed
	Why    string         `json:"why"`    // it is not whole
}

// recall finds out what a task was called with; the values are not hidden.
func (a *API) recall(ctx context.Context, t *history.Task) *call {
	c := &call{Name: t.Name, Queue: t.Queue, From: "history"}
	if doc := a.storedCall(ctx, t.UUID); doc != nil {
		c.Args, c.Kwargs = doc.args, doc.kwargs
		if c.Name == "" {
			c.Name = doc.name
		}
		if c.Queue == "" {
			c.Queue = doc.queue
		}
		c.From, c.Whole = "result store", true
		return c
	}
	args, err := literal.Parse(t.Args)
	kwargs, err2 := literal.Parse(t.Kwargs)
	list, ok := args.([]any)
	table, ok2 := kwargs.(map[string]any)
	if err == nil && ok {
		c.Args = list
	}
	if err2 == nil && ok2 {
		c.Kwargs = table
	}
	switch {
	case c.Args != nil && c.Kwargs != nil:
		c.Whole = true
	case t.Args == "" && t.Kwargs == "":
		c.Why = "No event told its arguments."
	case errors.Is(err, literal.ErrCut) || errors.Is(err2, literal.ErrCut):
		c.Why = "Its arguments were cut by the worker."
	default:
		c.Why = "Its arguments hold values that are hidden, or that JSON has no word for."
	}
	if !c.Whole {
		c.Why += " With the setting result_extended the result store would have them."
	}
	return c
}

type stored struct {
	name, queue string
	args        []any
	kwargs      map[string]any
}

// storePatience bounds a look at the result store.
const storePatience = 3 * time.Second

// storedCall is what the result store knows of a task's call; nil when it knows nothing.
func (a *API) storedCall(ctx context.Context, id string) *stored {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	doc, err := a.App.Result(id).Document(ctx)
	if err != nil || doc == nil || doc.Extended == nil {
		return nil
	}
	s := &stored{name: doc.Extended.Name, queue: doc.Extended.Queue}
	if plain(doc.Extended.Args, &s.args) != nil || plain(doc.Extended.Kwargs, &s.kwargs) != nil || s.args == nil && s.kwargs == nil {
		return nil
	}
	if s.args == nil {
		s.args = []any{}
	}
	if s.kwargs == nil {
		s.kwargs = map[string]any{}
	}
	return s
}

// plain turns a value into what JSON has; numbers keep their digits.
func plain(v codec.Value, into any) error {
	text, err := v.AppendJSON(nil)
	if err != nil {
		return err
	}
	return exact(text, into)
}

func exact(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

// hide is the call as people may see it.
func (a *API) hide(c *call) *call {
	out := *c
	if a.Mask == nil {
		return &out
	}
	if a.Mask.Hides(c.Name) {
		out.Args, out.Kwargs, out.Hidden = nil, nil, true
		return &out
	}
	if c.Args != nil {
		out.Args = a.Mask.Value(c.Args).([]any)
	}
	if c.Kwargs != nil {
		out.Kwargs = a.Mask.Value(c.Kwargs).(map[string]any)
	}
	out.Hidden = !reflect.DeepEqual(out.Args, c.Args) || !reflect.DeepEqual(out.Kwargs, c.Kwargs)
	return &out
}

// restore puts back what was hidden and stands where it stood.
func restore(edited, shown, real any) any {
	if s, ok := edited.(string); ok && bytes.Contains([]byte(s), []byte(mask.Hidden)) && reflect.DeepEqual(edited, shown) {
		return real
	}
	switch e := edited.(type) {
	case []any:
		s, ok := shown.([]any)
		r, ok2 := real.([]any)
		for i := range e {
			if ok && ok2 && i < len(s) && i < len(r) {
				e[i] = restore(e[i], s[i], r[i])
			}
		}
	case map[string]any:
		s, ok := shown.(map[string]any)
		r, ok2 := real.(map[string]any)
		for k := range e {
			if ok && ok2 {
				e[k] = restore(e[k], s[k], r[k])
			}
		}
	}
	return edited
}

func (a *API) showCall(w http.ResponseWriter, r *http.Request) {
	t, err := a.Store.Task(r.Context(), r.PathValue("id"))
	if err != nil {
		a.broken(w, r, err)
		return
	}
	reply(w, http.StatusOK, a.hide(a.recall(r.Context(), t)))
}

// Send sends a task.
func (a *API) Send(ctx context.Context, name string, args []any, kwargs map[string]any, options ...umbel.SendOption) (*umbel.AsyncResult, error) {
	var input umbel.Args
	for _, v := range args {
		input = append(input, codec.Of(v))
	}
	if len(kwargs) > 0 {
		named := make(umbel.Kwargs, len(kwargs))
		for k, v := range kwargs {
			named[k] = codec.Of(v)
		}
		input = append(input, named)
	}
	return a.App.Send(ctx, name, input, options...)
}

// again calls a task once more, as it was called or with other arguments. It is a new task, with an id of its own.
func (a *API) again(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Args      json.RawMessage `json:"args"`
		Kwargs    json.RawMessage `json:"kwargs"`
		Queue     string          `json:"queue"`
		Countdown float64         `json:"countdown"`
	}
	if !Decode(w, r, &in) {
		return
	}
	id := r.PathValue("id")
	t, err := a.Store.Task(r.Context(), id)
	if err != nil {
		a.broken(w, r, err)
		return
	}
	if in.Countdown < 0 || in.Countdown > 366*24*3600 {
		fail(w, http.StatusBadRequest, "countdown is no number of seconds up to a year")
		return
	}
	c := a.recall(r.Context(), t)
	shown, detail := a.hide(c), "as it was"
	if in.Args != nil || in.Kwargs != nil {
		detail = "with other arguments"
		if err := edit(c, shown, in.Args, in.Kwargs); err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
	} else if !c.Whole {
		fail(w, http.StatusConflict, c.Why+" Give them.")
		return
	}
	if c.Name == "" {
		fail(w, http.StatusConflict, "the name of this task is not known")
		return
	}
	var options []umbel.SendOption
	if in.Queue != "" {
		c.Queue = in.Queue
	}
	if c.Queue != "" {
		options = append(options, umbel.Queue(c.Queue))
	}
	if in.Countdown > 0 {
		options = append(options, umbel.Countdown(time.Duration(in.Countdown*float64(time.Second))))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actWithin)
	defer cancel()
	sent, err := a.Send(ctx, c.Name, c.Args, c.Kwargs, options...)
	text, fresh := "", ""
	if err == nil {
		fresh = sent.ID()
		text = "sent as " + fresh
	}
	a.finish(w, r, history.Act{Action: "run again", Target: id, Detail: detail + " " + text}, err, map[string]any{"message": text, "id": fresh})
}

// edit takes arguments that were given in place of those of a call.
func edit(c, shown *call, args, kwargs json.RawMessage) error {
	if args != nil {
		var list []any
		if err := exact(args, &list); err != nil || list == nil {
			return errors.New("args is no JSON array")
		}
		c.Args = restore(list, any(shown.Args), any(c.Args)).([]any)
	}
	if kwargs != nil {
		var table map[string]any
		if err := exact(kwargs, &table); err != nil || table == nil {
			return errors.New("kwargs is no JSON object")
		}
		c.Kwargs = restore(table, any(shown.Kwargs), any(c.Kwargs)).(map[string]any)
	}
	if c.Args == nil || c.Kwargs == nil {
		return fmt.Errorf("%s Give both args and kwargs", c.Why)
	}
	for _, k := range slices.Sorted(maps.Keys(c.Kwargs)) {
		if k == "" {
			return errors.New("kwargs has a member without a name")
		}
	}
	return nil
}
