package worker

import (
	"context"

	"github.com/umbel-go/umbel/control"
)

// logLevel changes what is logged while the worker runs. Celery has no such command.
func (p *panel) logLevel(_ context.Context, a arguments) (any, error) {
	set := p.worker.SetLogLevel
	if set == nil {
		return control.Refused("this program's log has a level of its own"), nil
	}
	level := a.text("level")
	if err := set(level); err != nil {
		return control.Refused(err.Error()), nil
	}
	p.worker.log.Info("log level set", "level", level)
	return control.Done("log level set to " + level), nil
}
