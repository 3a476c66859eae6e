// Package migration moves a Celery program to Go: from what doctor read of its settings and tasks it writes a settings file, a Go
// function for each task with its inputs typed, and a plan to move one queue at a time.
//
//	sources ─► doctor.Report ─┐
//	names of live workers ────┴─► New ─► Files: umbel.yaml, main.go, tasks/*.go, MIGRATION.md
//
// What it cannot carry over is listed in the plan, each with its place; nothing is dropped in silence, and nothing is executed.
package migration
