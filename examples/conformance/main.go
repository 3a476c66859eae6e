// Command conformance is a worker with the tasks of Celery's own integration tests, by the names and with the behaviour that
// those tests expect: point them at its queue in place of their worker.
//
//	CELERY_BROKER_URL=amqp://localhost// CELERY_RESULT_BACKEND=redis://localhost/0 UMBEL_RESULT_EXTENDED=true \
//	REDIS_HOST=localhost REDIS_PORT=6379 go run ./examples/conformance worker --concurrency 1
package main

import (
	"github.com/umbel-go/umbel"
	"github.com/umbel-go/umbel/cli"
)

// module is where the Python project has these tasks, and the class of their exception.
const module = "t.integration.tasks"

func main() { cli.Main(newApp()) }

func newApp(options ...umbel.AppOption) *umbel.App {
	app := umbel.New("conformance", options...)
	registerPlain(app)
	registerRequests(app)
	registerEffects(app, redisFromEnvironment())
	registerRetries(app)
	registerWorkflows(app)
	return app
}

// register is umbel.Register under the tests' module.
func register[In, Out any](app *umbel.App, name string, f handler[In, Out], options ...umbel.TaskOption) *umbel.Task[In, Out] {
	return umbel.Register(app, module+"."+name, f, options...)
}
