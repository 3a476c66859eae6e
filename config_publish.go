package umbel

import "time"

// A PublishRetryPolicy says how often a message that did not leave is sent again.
type PublishRetryPolicy struct {
	// MaxRetries is the number of further attempts; NoLimit goes on while the context allows.
	MaxRetries int

	// The first wait is IntervalStart, each next one is IntervalStep longer, none is longer than IntervalMax.
	IntervalStart, IntervalStep, IntervalMax time.Duration
}
