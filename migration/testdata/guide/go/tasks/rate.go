package tasks

import (
	"context"

	"github.com/umbel-go/umbel"
)

// RateLimitedTask comes from Python: testdata/guide/python/rate.py:1. Its queue is celery.
var RateLimitedTask = umbel.Register(App, "rate.rate_limited_task", rateLimitedTask,
	umbel.RateLimit("100/m"),
)

func rateLimitedTask(ctx context.Context, _ struct{}) (any, error) {
	var out any
	return out, NotWritten("rate.rate_limited_task")
}
