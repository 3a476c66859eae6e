package worker

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/control"
)

func (p *panel) rateLimit(_ context.Context, a arguments) (any, error) {
	text := a.text("rate_limit")
	count, unit, has := strings.Cut(text, "/")
	if _, err := strconv.ParseFloat(strings.TrimSpace(count), 64); text != "" && err != nil {
		e := &control.CommandError{Class: "ValueError", Text: fmt.Sprintf("could not convert string to float: '%s'", count)}
		return control.Refused("Invalid rate limit string: " + e.Error()), nil
	}
	if has && unit != "s" && unit != "m" && unit != "h" {
		return nil, control.Failf("KeyError", "%s", unit)
	}
	rate, err := umbel.ParseRate(text)
	if err != nil {
		return control.Refused("Invalid rate limit string: " + err.Error()), nil
	}
	name := a.text("task_name")
	if p.worker.tasks[name] == nil {
		p.worker.log.Error("rate limit for an unknown task", "task", name)
		return control.Refused("unknown task"), nil
	}
	if rate > 0 {
		p.worker.tasks[name].limit.name(text)
	} else {
		p.worker.tasks[name].limit.name("")
	}
	if err := p.worker.SetRateLimit(name, rate); err != nil {
		return nil, err
	}
	if text == "" || text == "0" && a.Argument("rate_limit").Decode(new(string)) != nil { // Python: not rate_limit
		p.worker.log.Info("rate limit disabled", "task", name)
		return control.Done("rate limit disabled successfully"), nil
	}
	p.worker.log.Info("rate limit set", "task", name, "rate", text)
	return control.Done("new rate limit set successfully"), nil
}

// timeLimit changes a task's own limits, for messages received from now on.
func (p *panel) timeLimit(_ context.Context, a arguments) (any, error) {
	name := a.text("task_name")
	k := p.worker.tasks[name]
	if k == nil {
		p.worker.log.Error("time limit for an unknown task", "task", name)
		return control.Refused("unknown task"), nil
	}
	var limits [2]time.Duration
	for i, which := range []string{"soft", "hard"} {
		v := a.Argument(which)
		if v.IsNull() {
			continue
		}
		var s float64
		if err := v.Decode(&s); err != nil || s < 0 || s > 1e9 {
			return nil, control.Failf("ValueError", "%s: want seconds, got %s", which, v)
		}
		limits[i] = time.Duration(s * float64(time.Second))
	}
	k.limits.Store(&timeLimits{soft: limits[0], hard: limits[1]})
	p.worker.log.Info("new time limits", "task", name, "soft", limits[0], "hard", limits[1])
	return control.Done("time limits set successfully"), nil
}

// timeLimits are a task's own, once they were changed.
type timeLimits struct{ soft, hard time.Duration }

// policyNow is the task's policy with the changes that were made while the worker runs.
func (k *known) policyNow() umbel.Policy {
	policy := k.policy
	if l := k.limits.Load(); l != nil {
		policy.SoftTimeLimit, policy.TimeLimit = l.soft, l.hard
	}
	return policy
}
