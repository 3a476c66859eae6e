// Package doctor reads how a Celery system is set up and says what in it is ignored, wrong or dangerous: settings in Python or
// YAML, the command lines of workers and tools, variables, ECS task definitions, Terraform. Nothing of it is ever executed.
//
//	report, err := doctor.Examine("config", "deploy/worker.json")
//	for _, f := range report.Findings {
//		fmt.Println(f.Place, f.What, f.Instead)
//	}
//
// A rule sees everything that was read at once, because most faults lie between two files: a task is routed in one, and
// the worker that should take it is started by another.
package doctor
