package tasks

import (
	"context"

	"github.com/umbel-go/umbel"
)

// DebugTask comes from Python: testdata/single/python/proj/celery.py:30. Its queue is celery.
//
// TODO: it is bound (bind=True): self is the task: self.request is umbel.RequestFrom(ctx), self.retry is return umbel.RetryIn(…), self.update_state is Request.Progress.
var DebugTask = umbel.Register(App, "proj.celery.debug_task", debugTask,
	umbel.IgnoreResult(),
)

func debugTask(ctx context.Context, _ struct{}) (any, error) {
	var out any
	return out, NotWritten("proj.celery.debug_task")
}
