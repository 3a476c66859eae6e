package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/monitor/history"
	"github.com/umbel-go/umbel/monitor/mask"
	"github.com/umbel-go/umbel/protocol"
)

// A message is how the interface shows one that waits in a queue.
type message struct {
	ID       string   `json:"id"`
	Task     string   `json:"task"`
	Args     string   `json:"args"` // as Python's repr shows them, cut, secrets hidden
	Kwargs   string   `json:"kwargs"`
	Retries  int      `json:"retries"`
	Priority *int     `json:"priority"` // null: it has none
	ETA      *float64 `json:"eta"`
	Expires  *float64 `json:"expires"`
	Sent     *float64 `json:"sent"` // by its sender's clock
	Origin   string   `json:"origin"`
	Root     string   `json:"root"`
	Type     string   `json:"content_type"`
	Bytes    int      `json:"bytes"`   // of its body
	Problem  string   `json:"problem"` // why it cannot be read
	Dead     *death   `json:"dead"`    // null: it does not say that it failed for good
	Call     *call    `json:"call"`    // of the one that was asked for by its id
}

// A death is why a message failed for good.
type death struct {
	Reason   string   `json:"reason"`
	Error    string   `json:"error"`
	Stack    string   `json:"stack"`
	Attempts int      `json:"attempts"`
	Queue    string   `json:"queue"` // it came from
	Worker   string   `json:"worker"`
	Time     *float64 `json:"time"`
}

const (
	// argsMost bounds what is shown of a message's arguments, and problemMost of why it cannot be read, bytes.
	argsMost    = 1 << 10
	problemMost = 300

	// peekDefault and peekMost are how many messages are looked at.
	peekDefault = 50
	peekMost    = 1000

	// decodeMost bounds what a compressed body may become, bytes.
	decodeMost = 16 << 20
)

// decoding is how bodies are read: as a worker of this app would.
func (a *API) decoding() protocol.DecodeOptions {
	accept, err := a.App.Accept()
	if err != nil {
		return protocol.DecodeOptions{Limit: decodeMost}
	}
	return protocol.DecodeOptions{Accept: accept, Limit: decodeMost}
}

// showMessage is a message without what it keeps secret.
func (a *API) showMessage(l *umbel.DeadLetter, whole bool) message {
	m := l.Message
	out := message{ID: l.ID, Task: l.Task, Args: l.Args, Kwargs: l.Kwargs, Type: m.Properties.ContentType, Bytes: len(m.Body), Sent: unix(m.Properties.Timestamp)}
	if m.Properties.HasPriority {
		p := int(m.Properties.Priority)
		out.Priority = &p
	}
	t, err := protocol.DecodeTask(&m.Envelope, a.decoding())
	if err == nil {
		out.ID, out.Task, out.Retries, out.ETA, out.Expires, out.Origin, out.Root = t.ID, t.Name, t.Retries, unix(t.ETA), unix(t.Expires), t.Origin, t.RootID
		if out.Args == "" && out.Kwargs == "" || whole {
			err = a.showBody(&out, t, whole)
		}
	}
	if err != nil {
		out.Problem = cut(err.Error(), problemMost)
	}
	if l.Reason != "" {
		out.Dead = &death{Reason: l.Reason, Error: a.masked(l.Task, l.Error), Stack: a.masked(l.Task, l.Stack), Attempts: l.Attempts, Queue: l.Queue, Worker: l.Worker, Time: unix(l.Time)}
	}
	out.Args, out.Kwargs = cut(a.masked(out.Task, out.Args), argsMost), cut(a.masked(out.Task, out.Kwargs), argsMost)
	return out
}

func (a *API) showBody(out *message, t *protocol.Task, whole bool) error {
	b, err := t.DecodeBody(a.decoding())
	if err != nil {
		return err
	}
	if out.Args == "" && out.Kwargs == "" {
		out.Args, out.Kwargs = codec.ReprArgs(b.Args), codec.ReprKwargs(b.Kwargs)
	}
	if whole {
		c, err := callOf(t.Name, b)
		if err != nil {
			return err
		}
		out.Call = a.hide(c)
	}
	return nil
}

// callOf is what a message calls.
func callOf(name string, b *protocol.Body) (*call, error) {
	c := &call{Name: name, Args: []any{}, Kwargs: map[string]any{}, From: "message", Whole: true}
	for _, v := range b.Args {
		var one any
		if err := plain(v, &one); err != nil {
			return nil, err
		}
		c.Args = append(c.Args, one)
	}
	for _, v := range b.Kwargs {
		var one any
		if err := plain(v.Value, &one); err != nil {
			return nil, err
		}
		c.Kwargs[v.Name] = one
	}
	return c, nil
}

func (a *API) masked(task, text string) string {
	switch {
	case a.Mask == nil || text == "":
		return text
	case a.Mask.Hides(task):
		return mask.Hidden
	}
	return a.Mask.Text(text)
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// filterNames are the parameters that choose messages.
var filterNames = []string{"id", "task", "reason", "argument", "older", "newer", "limit"}

// A choice chooses messages, as umbel.DeadFilter does; times are seconds.
type choice struct {
	IDs      []string `json:"ids"`
	Task     string   `json:"task"`
	Reason   string   `json:"reason"`
	Argument string   `json:"argument"`
	Older    float64  `json:"older"`
	Newer    float64  `json:"newer"`
	Limit    int      `json:"limit"`
}

func (c *choice) filter(limit, most int) (umbel.DeadFilter, error) {
	f := umbel.DeadFilter{IDs: c.IDs, Task: c.Task, Reason: c.Reason, Argument: c.Argument, Limit: c.Limit}
	if f.Limit == 0 {
		f.Limit = limit
	}
	if f.Limit < 1 || f.Limit > most {
		return f, fmt.Errorf("limit is no number from 1 to %d", most)
	}
	for _, x := range []struct {
		name    string
		seconds float64
		to      *time.Duration
	}{{"older", c.Older, &f.OlderThan}, {"newer", c.Newer, &f.NewerThan}} {
		if x.seconds < 0 || x.seconds > 1e9 {
			return f, fmt.Errorf("%s is no number of seconds", x.name)
		}
		*x.to = time.Duration(x.seconds * float64(time.Second))
	}
	return f, nil
}

// describe is the choice in the audit log.
func (c *choice) describe() string {
	var out []string
	add := func(name, value string, set bool) {
		if set {
			out = append(out, name+": "+value)
		}
	}
	add("ids", strings.Join(c.IDs, " "), len(c.IDs) > 0)
	add("task", c.Task, c.Task != "")
	add("reason", c.Reason, c.Reason != "")
	add("argument", c.Argument, c.Argument != "")
	add("older", fmt.Sprint(c.Older), c.Older > 0)
	add("newer", fmt.Sprint(c.Newer), c.Newer > 0)
	add("limit", fmt.Sprint(c.Limit), c.Limit > 0)
	return strings.Join(out, "; ")
}

func choiceOf(v url.Values) (c choice, err error) {
	if err := known(v, filterNames...); err != nil {
		return c, err
	}
	c = choice{Task: v.Get("task"), Reason: v.Get("reason"), Argument: v.Get("argument")}
	if id := v.Get("id"); id != "" {
		c.IDs = []string{id}
	}
	for name, to := range map[string]*float64{"older": &c.Older, "newer": &c.Newer} {
		if text := v.Get(name); text != "" {
			if *to, err = strconv.ParseFloat(text, 64); err != nil {
				return c, errors.New(name + " is no number of seconds")
			}
		}
	}
	if text := v.Get("limit"); text != "" {
		if c.Limit, err = strconv.Atoi(text); err != nil || c.Limit < 1 {
			return c, fmt.Errorf("limit is no number from 1 to %d", peekMost)
		}
	}
	return c, nil
}

// peek shows what waits at the front of a queue. It is an action: brokers hand messages out to show them, and count that.
func (a *API) peek(w http.ResponseWriter, r *http.Request) {
	c, err := choiceOf(r.URL.Query())
	f, err2 := c.filter(peekDefault, peekMost)
	if err = errors.Join(err, err2); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	name, whole := r.PathValue("name"), len(c.IDs) == 1
	if whole && c.Limit == 0 {
		f.Limit = peekMost
	}
	list := []message{}
	_, more, err := a.App.DeadLetters(name).Drop(r.Context(), f, umbel.DeadAction{DryRun: true, Before: func(l *umbel.DeadLetter) error {
		list = append(list, a.showMessage(l, whole))
		return nil
	}})
	a.finish(w, r, history.Act{Action: "peek", Target: name, Detail: c.describe()}, err, map[string]any{"messages": list, "more": more})
}

// editLetter changes the arguments of a dead letter.
func (a *API) editLetter(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ID     string         `json:"id"`
		Args   []any          `json:"args"`
		Kwargs map[string]any `json:"kwargs"`
	}
	if !DecodeExact(w, r, &in) {
		return
	}
	if in.ID == "" || in.Args == nil || in.Kwargs == nil {
		fail(w, http.StatusBadRequest, "want id, args and kwargs")
		return
	}
	name := r.PathValue("name")
	err := a.App.DeadLetters(name).Edit(r.Context(), in.ID, func(t *protocol.Task, b *protocol.Body) error {
		real, err := callOf(t.Name, b)
		if err != nil {
			return err
		}
		shown := a.hide(real)
		b.Args, b.Kwargs = nil, nil
		for _, v := range restore(in.Args, shown.Args, real.Args).([]any) {
			b.Args = append(b.Args, codec.Of(v))
		}
		kwargs := restore(in.Kwargs, shown.Kwargs, real.Kwargs).(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(kwargs)) {
			b.Kwargs = append(b.Kwargs, codec.NamedValue{Name: k, Value: codec.Of(kwargs[k])})
		}
		return nil
	}, umbel.DeadAction{})
	if errors.Is(err, umbel.ErrNoDeadLetter) {
		fail(w, http.StatusNotFound, err.Error())
		return
	}
	a.done(w, r, history.Act{Action: "edit dead letter", Target: name, Detail: "id: " + in.ID}, "changed "+in.ID+": replay it when it is right", err)
}
