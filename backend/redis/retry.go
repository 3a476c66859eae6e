package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A retryPolicy says how often and when a call is repeated after its connection failed.
// Celery: result_backend_transport_options["retry_policy"].
type retryPolicy struct {
	max     int           // repetitions; 0: until timeout
	start   time.Duration // before the first repetition
	step    time.Duration // added at each further one
	ceiling time.Duration // of the time between two
	timeout time.Duration // over all; 0: none
}

// defaultRetry is Celery's.
var defaultRetry = retryPolicy{max: 20, start: 0, step: time.Second, ceiling: time.Second}

func (r *retryPolicy) read(p *problems, full string, in map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		v, full := in[name], full+"."+name
		switch name {
		case "max_retries":
			if v == nil {
				p.add(full, errors.New("null would repeat for ever: give a number"))
				continue
			}
			read(p, full, &r.max, asInt, v)
			if r.max < 0 {
				p.add(full, fmt.Errorf("want 0 or more, got %d", r.max))
			}
		case "interval_start":
			read(p, full, &r.start, asDuration, v)
		case "interval_step":
			read(p, full, &r.step, asDuration, v)
		case "interval_max":
			read(p, full, &r.ceiling, asDuration, v)
		case "timeout":
			read(p, full, &r.timeout, asDuration, v)
		default:
			p.add(full, errors.New("is not known: known are max_retries, interval_start, interval_step, interval_max, timeout"))
		}
	}
}

// An attempt counts the repetitions of one call.
type attempt struct {
	policy retryPolicy
	done   int
	until  time.Time // zero: no limit
}

func (r retryPolicy) begin() *attempt {
	a := &attempt{policy: r}
	if r.timeout > 0 {
		a.until = time.Now().Add(r.timeout)
	}
	return a
}

// again waits until the next repetition is due. It returns false when there is none, because of the policy, the
// caller's context or Close.
func (a *attempt) again(ctx context.Context, closing <-chan struct{}) bool {
	if a.done >= a.policy.max {
		return false
	}
	wait := max(0, min(a.policy.start+time.Duration(a.done)*a.policy.step, a.policy.ceiling))
	a.done++
	if !a.until.IsZero() && time.Now().Add(wait).After(a.until) {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	case <-closing:
		return false
	}
}
