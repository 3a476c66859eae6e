// Package metrics holds what is written about metrics equal to what is shown: the manual's table, dashboards and alert rules are
// compared with a worker, a scheduler and a monitor that run.
package metrics
