package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/monitor/access"
	"github.com/umbel-go/umbel/monitor/history"
)

// An errand is what the monitor does for somebody after the request has been answered: dead letters that are replayed at a rate,
// or dropped.
type errand struct {
	ID     int      `json:"id"`
	Action string   `json:"action"` // "replay" or "drop"
	Queue  string   `json:"queue"`
	Who    string   `json:"who"`
	What   string   `json:"what"` // which letters
	Rate   string   `json:"rate"`
	Begun  *float64 `json:"begun"`
	Ended  *float64 `json:"ended"` // null: it goes on
	Done   int      `json:"done"`  // letters
	More   bool     `json:"more"`  // there were others beyond the limit
	Error  string   `json:"error"`

	stop context.CancelFunc
}

const (
	errandsAtOnce = 4
	errandsKept   = 50
	lettersMost   = 1_000_000
)

// errands are those that go on, and the latest that have ended.
type errands struct {
	mu     sync.Mutex // guards what follows
	list   []*errand
	last   int
	closed bool
	going  sync.WaitGroup
}

var errBusy = errors.New("so many replays go on already that another has to wait")

// begin runs f on its own; it ends with ctx of the monitor, or when somebody stops it.
func (e *errands) begin(x errand, f func(ctx context.Context, done func()) (more bool, err error), ended func(*errand)) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	going := 0
	for _, o := range e.list {
		if o.Ended == nil {
			going++
		}
	}
	if e.closed || going >= errandsAtOnce {
		return 0, errBusy
	}
	ctx, stop := context.WithCancel(context.Background())
	e.last++
	x.ID, x.Begun, x.stop = e.last, unix(time.Now()), stop
	own := &x
	e.list = append(e.list, own)
	if len(e.list) > errandsKept {
		if i := slices.IndexFunc(e.list, func(o *errand) bool { return o.Ended != nil }); i >= 0 {
			e.list = slices.Delete(e.list, i, i+1)
		}
	}
	e.going.Go(func() {
		defer stop()
		more, err := f(ctx, func() {
			e.mu.Lock()
			own.Done++
			e.mu.Unlock()
		})
		e.mu.Lock()
		own.Ended, own.More = unix(time.Now()), more
		if err != nil {
			own.Error = err.Error()
		}
		if errors.Is(err, context.Canceled) {
			own.Error = "it was stopped"
		}
		shown := *own
		e.mu.Unlock()
		ended(&shown)
	})
	return x.ID, nil
}

// shown are copies, the latest first.
func (e *errands) shown() []errand {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []errand{}
	for _, x := range e.list {
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b errand) int { return cmp.Compare(b.ID, a.ID) })
	return out
}

// end stops all, and waits for them.
func (e *errands) end() {
	e.mu.Lock()
	e.closed = true
	for _, x := range e.list {
		x.stop()
	}
	e.mu.Unlock()
	e.going.Wait()
}

func (a *API) listErrands(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"errands": a.errands.shown()})
}

func (a *API) stopErrand(w http.ResponseWriter, r *http.Request) {
	if !Decode(w, r, &struct{}{}) {
		return
	}
	id, err := strconv.Atoi(r.PathValue("id"))
	a.errands.mu.Lock()
	i := slices.IndexFunc(a.errands.list, func(x *errand) bool { return x.ID == id })
	if err == nil && i >= 0 {
		a.errands.list[i].stop()
	}
	a.errands.mu.Unlock()
	if err != nil || i < 0 {
		fail(w, http.StatusNotFound, "there is no such errand")
		return
	}
	a.done(w, r, history.Act{Action: "stop errand", Target: strconv.Itoa(id)}, "stopped", nil)
}

// replay sends dead letters to the queues they came from, at a rate.
func (a *API) replay(w http.ResponseWriter, r *http.Request) {
	var in struct {
		choice
		Rate   string `json:"rate"`
		To     string `json:"to"`
		DryRun bool   `json:"dry_run"`
	}
	if !Decode(w, r, &in) {
		return
	}
	rate, err := umbel.ParseRate(in.Rate)
	if err != nil {
		fail(w, http.StatusBadRequest, "rate: "+err.Error())
		return
	}
	a.letters(w, r, "replay", in.choice, in.Rate, in.DryRun, func(ctx context.Context, d *umbel.DeadLetters, f umbel.DeadFilter, act umbel.DeadAction) (int, bool, error) {
		act.Rate, act.Queue = rate, in.To
		return d.Replay(ctx, f, act)
	})
}

// drop removes dead letters. The queue's name is typed once more, unless they are named one by one.
func (a *API) drop(w http.ResponseWriter, r *http.Request) {
	var in struct {
		choice
		Confirm string `json:"confirm"`
		DryRun  bool   `json:"dry_run"`
	}
	if !Decode(w, r, &in) {
		return
	}
	if len(in.IDs) == 0 && !in.DryRun && in.Confirm != r.PathValue("name") {
		fail(w, http.StatusBadRequest, "confirm is not the name of the queue")
		return
	}
	a.letters(w, r, "drop", in.choice, "", in.DryRun, func(ctx context.Context, d *umbel.DeadLetters, f umbel.DeadFilter, act umbel.DeadAction) (int, bool, error) {
		return d.Drop(ctx, f, act)
	})
}

type actOnLetters func(context.Context, *umbel.DeadLetters, umbel.DeadFilter, umbel.DeadAction) (int, bool, error)

func (a *API) letters(w http.ResponseWriter, r *http.Request, action string, c choice, rate string, dry bool, do actOnLetters) {
	f, err := c.filter(umbel.DeadLimit, lettersMost)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	name := r.PathValue("name")
	d := a.App.DeadLetters(name)
	act := history.Act{Action: action + " dead letters", Target: name, Detail: c.describe()}
	if rate != "" {
		act.Detail += "; rate: " + rate
	}
	if dry {
		n, more, err := do(r.Context(), d, f, umbel.DeadAction{DryRun: true})
		act.Action += " (dry run)"
		a.finish(w, r, act, err, map[string]any{"message": fmt.Sprintf("%d would be taken", n), "letters": n, "more": more, "errand": nil})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actWithin)
	defer cancel()
	if b, err := a.App.Broker(ctx); err != nil {
		a.finish(w, r, act, err, nil)
		return
	} else if _, err := b.Stat(ctx, name); err != nil {
		a.finish(w, r, act, err, nil)
		return
	}
	who := access.From(r.Context())
	from := a.Guard.Addr(r)
	id, err := a.errands.begin(errand{Action: action, Queue: name, Who: who.Name, What: c.describe(), Rate: rate}, func(ctx context.Context, done func()) (bool, error) {
		var earlier bool // one letter is done when the next one comes, or all are
		n, more, err := do(ctx, d, f, umbel.DeadAction{Before: func(*umbel.DeadLetter) error {
			if earlier {
				done()
			}
			earlier = true
			return ctx.Err()
		}})
		if n > 0 && earlier && err == nil {
			done()
		}
		return more, err
	}, func(x *errand) {
		outcome := "done"
		if x.Error != "" {
			outcome = "failed: " + x.Error
		}
		end, cancel := context.WithTimeout(context.Background(), actWithin)
		defer cancel()
		err := a.Store.Note(end, history.Act{Who: who.Name, From: from, Action: action + " ended", Target: name, Detail: fmt.Sprintf("%d letters", x.Done), Outcome: outcome})
		if err != nil {
			a.Log.Error("cannot write the audit log", "action", action, "who", who.Name, "error", err)
		}
	})
	if errors.Is(err, errBusy) {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	a.finish(w, r, act, err, map[string]any{"message": action + " has begun", "letters": nil, "more": false, "errand": id})
}
