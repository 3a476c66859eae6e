// Package step names the points at which a task has done one thing and not yet the next, so that a test can end a worker
// exactly there. Outside of tests passing a point does nothing.
package step

import "sync/atomic"

var watch atomic.Pointer[func(point string)]

// Done says that a point was passed.
func Done(point string) {
	if f := watch.Load(); f != nil {
		(*f)(point)
	}
}

// Watch calls f at every point from now on, in the goroutine of the task. It is for tests.
func Watch(f func(point string)) { watch.Store(&f) }
