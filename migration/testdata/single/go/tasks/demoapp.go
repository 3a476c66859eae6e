package tasks

import (
	"context"
	"time"

	"github.com/umbel-go/umbel"
)

// AddInput are the arguments of demoapp.tasks.add.
type AddInput struct {
	X any `json:"x"`
	Y any `json:"y"`
}

// Add comes from Python: testdata/single/python/demoapp/tasks.py:8. Its queue is celery.
//
// TODO: argument x has no annotation: type the field: it is any.
//
// TODO: argument y has no annotation: type the field: it is any.
var Add = umbel.Register(App, "demoapp.tasks.add", add)

func add(ctx context.Context, in AddInput) (any, error) {
	var out any
	return out, NotWritten("demoapp.tasks.add")
}

// CountWidgets comes from Python: testdata/single/python/demoapp/tasks.py:23. Its queue is celery.
var CountWidgets = umbel.Register(App, "demoapp.tasks.count_widgets", countWidgets)

func countWidgets(ctx context.Context, _ struct{}) (any, error) {
	var out any
	return out, NotWritten("demoapp.tasks.count_widgets")
}

// ErrorBackoffTest comes from Python: testdata/single/python/demoapp/tasks.py:35. Its queue is celery.
//
// TODO: it is bound (bind=True): self is the task: self.request is umbel.RequestFrom(ctx), self.retry is return umbel.RetryIn(…), self.update_state is Request.Progress.
var ErrorBackoffTest = umbel.Register(App, "demoapp.tasks.error_backoff_test", errorBackoffTest,
	umbel.Retry{Max: 3, Backoff: 2 * time.Second, Jitter: true},
)

func errorBackoffTest(ctx context.Context, _ struct{}) (any, error) {
	var out any
	return out, NotWritten("demoapp.tasks.error_backoff_test")
}

// MulInput are the arguments of demoapp.tasks.mul.
type MulInput struct {
	X any `json:"x"`
	Y any `json:"y"`
}

// Mul comes from Python: testdata/single/python/demoapp/tasks.py:13. Its queue is celery.
//
// TODO: argument x has no annotation: type the field: it is any.
//
// TODO: argument y has no annotation: type the field: it is any.
var Mul = umbel.Register(App, "demoapp.tasks.mul", mul)

func mul(ctx context.Context, in MulInput) (any, error) {
	var out any
	return out, NotWritten("demoapp.tasks.mul")
}

// XsumInput are the arguments of demoapp.tasks.xsum.
type XsumInput struct {
	Numbers any `json:"numbers"`
}

// Xsum comes from Python: testdata/single/python/demoapp/tasks.py:18. Its queue is celery.
//
// TODO: argument numbers has no annotation: type the field: it is any.
var Xsum = umbel.Register(App, "demoapp.tasks.xsum", xsum)

func xsum(ctx context.Context, in XsumInput) (any, error) {
	var out any
	return out, NotWritten("demoapp.tasks.xsum")
}

// RenameWidgetInput are the arguments of demoapp.tasks.rename_widget.
type RenameWidgetInput struct {
	WidgetID any `json:"widget_id"`
	Name     any `json:"name"`
}

// RenameWidget comes from Python: testdata/single/python/demoapp/tasks.py:28. Its queue is widgets.
//
// TODO: argument widget_id has no annotation: type the field: it is any.
//
// TODO: argument name has no annotation: type the field: it is any.
var RenameWidget = umbel.Register(App, "demoapp.tasks.rename_widget", renameWidget)

func renameWidget(ctx context.Context, in RenameWidgetInput) (any, error) {
	var out any
	return out, NotWritten("demoapp.tasks.rename_widget")
}
