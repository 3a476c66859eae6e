//go:build race

package worker_test

// underRace: everything takes ten times as long.
const underRace = true
