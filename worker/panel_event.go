package worker

import (
	"context"

	"github.com/umbel-go/umbel/control"
)

func (p *panel) enableEvents(context.Context, arguments) (any, error) {
	if p.worker.EnableEvents() {
		return control.Done("task events enabled"), nil
	}
	return control.Done("task events already enabled"), nil
}

func (p *panel) disableEvents(context.Context, arguments) (any, error) {
	if p.worker.DisableEvents() {
		return control.Done("task events disabled"), nil
	}
	return control.Done("task events already disabled"), nil
}

// heartbeat makes the worker known to a receiver of events that has just come.
func (p *panel) heartbeat(context.Context, arguments) (any, error) {
	p.worker.Heartbeat()
	return nil, nil
}
