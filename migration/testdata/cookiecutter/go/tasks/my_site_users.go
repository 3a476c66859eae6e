package tasks

import (
	"context"

	"github.com/umbel-go/umbel"
)

// GetUsersCount comes from Python: testdata/cookiecutter/python/my_site/users/tasks.py:6. Its queue is celery.
var GetUsersCount = umbel.Register(App, "my_site.users.tasks.get_users_count", getUsersCount,
	umbel.Summary("A pointless Celery task to demonstrate usage."),
)

func getUsersCount(ctx context.Context, _ struct{}) (any, error) {
	var out any
	return out, NotWritten("my_site.users.tasks.get_users_count")
}
