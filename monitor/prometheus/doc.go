// Package prometheus tells Prometheus of a fleet, as the monitor knows it: tasks by events, workers by heartbeats, queues and the broker
// by the broker, and the monitor itself.
//
// The same is told by the names of celery-exporter and of Flower for those who have dashboards on them.
package prometheus
