package setting

import "time"

// RetryPolicy is task_publish_retry_policy.
type RetryPolicy struct {
	MaxRetries                               int // -1 is no limit
	IntervalStart, IntervalStep, IntervalMax time.Duration
}

// DefaultRetryPolicy is Celery's: three more attempts, at once, after 0.2 s, after 0.4 s.
func DefaultRetryPolicy() RetryPolicy {
	return RetryPolicy{MaxRetries: 3, IntervalStep: 200 * time.Millisecond, IntervalMax: time.Second}
}

// retry reads the policy. What it does not say keeps its default.
func (r *reader) retry(n *Node) any {
	if n.Kind != Mapping {
		r.want(n, "a map of max_retries, interval_start, interval_step and interval_max")
		return nil
	}
	p := DefaultRetryPolicy()
	for _, m := range n.Members {
		switch m.Name {
		case "max_retries":
			if m.Value.null() {
				p.MaxRetries = -1
				continue
			}
			f, ok := number(m.Value)
			if !ok || f < 0 || f > 1e9 || f != float64(int(f)) {
				r.fail(m.Value, "max_retries: %s is not a whole number", m.Value.says(false))
			}
			p.MaxRetries = int(f)
		case "interval_start":
			p.IntervalStart = r.interval(m)
		case "interval_step":
			p.IntervalStep = r.interval(m)
		case "interval_max":
			p.IntervalMax = r.interval(m)
		default:
			r.unknownOption("the policy", m, []string{"max_retries", "interval_start", "interval_step", "interval_max"})
		}
	}
	return p
}

func (r *reader) interval(m Member) time.Duration {
	d, ok := r.seconds(m.Value)
	if ok && d < 0 {
		r.fail(m.Value, "%s: a wait cannot be negative", m.Name)
	}
	return d
}
