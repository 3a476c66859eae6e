// Package tasks holds the tasks that came from Celery.
package tasks

import (
	"fmt"

	"github.com/umbel-go/umbel"
)

// App has its settings from umbel.yaml and the environment.
var App = umbel.New("app")

// NotWritten is the error of a task that is not written yet: it fails, and is not retried. Let no worker take its queue until it
// is: MIGRATION.md says in which order.
func NotWritten(task string) error {
	return umbel.Permanent(fmt.Errorf("task %s is not written in Go yet", task))
}

// ByHand, as umbel.Retry.OnFunc, retries no error by itself: only what returns umbel.RetryIn is, as in Python what calls self.retry.
func ByHand(error) bool { return false }
