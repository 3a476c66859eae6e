package worker

import (
	"context"

	"github.com/umbel-go/umbel/control"
)

// An eventSwitch is who sends this worker's events, as far as remote control is concerned.
type eventSwitch interface {
	Enable() (changed bool)  // task events
	Disable() (changed bool) // unless the worker was started to send them
	Beat()                   // one heartbeat now, without waiting
}

// noEvents is the error of a worker that sends no events at all.
func noEvents() (any, error) { return control.Refused("event dispatcher unavailable"), nil }

func (p *panel) enableEvents(context.Context, arguments) (any, error) {
	switch e := p.worker.events; {
	case e == nil:
		return noEvents()
	case e.Enable():
		return control.Done("task events enabled"), nil
	}
	return control.Done("task events already enabled"), nil
}

func (p *panel) disableEvents(context.Context, arguments) (any, error) {
	switch e := p.worker.events; {
	case e == nil:
		return noEvents()
	case e.Disable():
		return control.Done("task events disabled"), nil
	}
	return control.Done("task events already disabled"), nil
}

// heartbeat makes the worker known to a receiver of events that has just come.
func (p *panel) heartbeat(context.Context, arguments) (any, error) {
	if e := p.worker.events; e != nil {
		e.Beat()
	}
	return nil, nil
}
