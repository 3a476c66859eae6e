// Package vitals shows what a process tells of itself over HTTP: /metrics for Prometheus, /livez and /readyz for whoever must know
// whether it is well.
//
// Worker, beat and monitor join with what they have to tell, and leave when they end. All that join at one address share one
// listener, so that a worker with a scheduler beside it is one page.
//
//	worker ─┐
//	beat ───┼─► Join(address) ─► listener ◄── Prometheus, kubelet, umbel healthcheck
//	monitor ┘
package vitals
