package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/monitor/history"
)

// pause makes every worker leave a queue alone.
func (a *API) pause(w http.ResponseWriter, r *http.Request) {
	a.pausing(w, r, "pause", "paused", (*umbel.Control).PauseQueue)
}

// resume lets workers consume it again.
func (a *API) resume(w http.ResponseWriter, r *http.Request) {
	a.pausing(w, r, "resume", "resumed", (*umbel.Control).ResumeQueue)
}

func (a *API) pausing(w http.ResponseWriter, r *http.Request, action, past string, do func(*umbel.Control, context.Context, string) (umbel.Pause, error)) {
	if !Decode(w, r, &struct{}{}) {
		return
	}
	name := r.PathValue("name")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actWithin)
	defer cancel()
	b, err := a.App.Broker(ctx)
	if err == nil {
		_, err = b.Stat(ctx, name)
	}
	var p umbel.Pause
	if err == nil {
		p, err = do(a.App.Control().Timeout(answerWithin), ctx, name)
	}
	nodes := "no worker consumed it"
	if len(p.Nodes) > 0 {
		nodes = strings.Join(p.Nodes, ", ")
	}
	text := fmt.Sprintf("%s %s: %s", past, name, nodes)
	if !p.Recorded {
		text += "; the result store keeps no records, so that workers that start later know nothing of it"
	}
	a.Fleet.LookAtPauses(ctx)
	a.done(w, r, history.Act{Action: action, Target: name, Detail: nodes}, text, err)
}
