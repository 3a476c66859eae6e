package tasks

import (
	"context"
	"time"

	"github.com/umbel-go/umbel"
)

// ResilientTask comes from Python: testdata/guide/python/retry.py:1. Its queue is celery.
//
// TODO: its countdown or default_retry_delay is overwritten by retry_backoff in Python: here Delay is the least wait: take it away for Python's waits.
var ResilientTask = umbel.Register(App, "retry.resilient_task", resilientTask,
	umbel.Retry{Max: 3, Delay: time.Minute, Backoff: time.Second, BackoffMax: 10 * time.Minute, Jitter: true},
)

func resilientTask(ctx context.Context, _ struct{}) (any, error) {
	var out any
	return out, NotWritten("retry.resilient_task")
}
