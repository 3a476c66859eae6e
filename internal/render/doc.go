// Package render writes what a platform runs a fleet from: task definitions and services of ECS, a root module of Terraform, objects of Kubernetes, units
// of systemd, a compose file. It computes text from a Plan and does nothing else.
//
//	Plan → processes: a worker for each queue, beat, monitor → ECS | Terraform | Kubernetes | Systemd | Compose → files
package render
