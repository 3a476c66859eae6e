package beat

import (
	"strings"

	"github.com/umbel-go/umbel"
)

// ownEntries are what every schedule has: results are cleaned up where the store does not do it by itself.
// Celery: install_default_entries.
func ownEntries(c *umbel.Config) []listed {
	scheme, _, _ := strings.Cut(c.ResultBackend, "://")
	switch scheme {
	case "sqlite", "postgres", "postgresql":
	default:
		return nil
	}
	if c.ResultExpires <= 0 {
		return nil
	}
	return []listed{{source: "built in", entry: umbel.ScheduleEntry{Name: cleanup, Task: cleanup, Schedule: "0 4 * * *",
		Options: map[string]any{"expires": int64(12 * 3600)}}}}
}

const cleanup = "celery.backend_cleanup"
