// Command app runs the tasks that came from Celery.
package main

import (
	"github.com/umbel-go/umbel/cli"

	tasks "github.com/umbel-go/umbel/migration/testdata/cookiecutter/go/tasks"
)

func main() { cli.Main(tasks.App) }
