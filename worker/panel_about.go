package worker

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/codec"
	"github.com/umbel-go/umbel/control"
)

func (p *panel) ping(context.Context, arguments) (any, error) { return control.Done("pong"), nil }

// clockNow is the clock that events are ordered by.
func (p *panel) clockNow() int64 { return p.worker.clock.Value() }

func (p *panel) clock(context.Context, arguments) (any, error) {
	return object("clock", p.clockNow()), nil
}

// hello answers a worker of Python's that starts (mingle), and takes what it knows to be revoked. Times are seconds on a
// clock of the sender's own, which say nothing here.
func (p *panel) hello(_ context.Context, a arguments) (any, error) {
	w := p.worker
	if a.text("from_node") == w.node {
		return nil, nil
	}
	x, _ := a.Argument("revoked").Any()
	if theirs, ok := x.(map[string]any); ok && len(theirs) <= umbel.RevokedMost {
		names := make([]string, 0, len(theirs))
		for id := range theirs {
			names = append(names, umbel.RevokedID(id))
		}
		slices.Sort(names)
		w.revoked.add(time.Now(), names...)
	}
	ids := w.revoked.ids()
	revoked := make([]codec.NamedValue, len(ids))
	now := monotonic()
	for i, id := range ids {
		revoked[i] = codec.NamedValue{Name: id, Value: codec.Of([]any{now, id})}
	}
	return object("revoked", revoked, "clock", p.clockNow()), nil
}

// election is gossip's, among Python's workers. Umbel's do not stand for election.
func (p *panel) election(context.Context, arguments) (any, error) { return nil, nil }

// monotonic is a time of this host's clock since it was started, in seconds, as Python's worker sends one.
func monotonic() float64 {
	var up float64
	if data, err := os.ReadFile("/proc/uptime"); err == nil {
		if _, err := fmt.Sscan(string(data), &up); err == nil {
			return up
		}
	}
	return float64(time.Now().Unix())
}

func (p *panel) report(context.Context, arguments) (any, error) {
	w := p.worker
	return control.Done(Report(w.settings)), nil
}

// conf is the settings that are set, or all of them.
func (p *panel) conf(_ context.Context, a arguments) (any, error) {
	entries := p.worker.settings.Entries()
	if !a.flag("with_defaults") {
		entries = changed(p.worker.settings)
	}
	out := make([]codec.NamedValue, len(entries))
	for i, e := range entries {
		out[i] = codec.NamedValue{Name: e.Name, Value: censored(e)}
	}
	return out, nil
}

func (p *panel) shutdown(context.Context, arguments) (any, error) {
	p.worker.log.Warn("worker: told to shut down by remote control")
	p.worker.Stop(Warm)
	return nil, control.ErrNoReply
}
