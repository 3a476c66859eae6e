package amazonmq

import (
	"strings"
	"time"
)

// A Version of RabbitMQ, major and minor: AWS applies patches in the maintenance window.
type Version struct {
	Name string
	End  time.Time // the end of its support; zero while none is announced
}

// Versions are those that AWS has offered, the newest first. Developer guide: "Managing Amazon MQ for RabbitMQ engine versions".
var Versions = []Version{
	{"4.3", time.Time{}},
	{"4.2", time.Time{}},
	{"3.13", time.Time{}},
	{"3.12", time.Date(2025, 3, 17, 0, 0, 0, 0, time.UTC)},
	{"3.11", time.Date(2025, 2, 17, 0, 0, 0, 0, time.UTC)},
	{"3.10", time.Date(2024, 10, 15, 0, 0, 0, 0, time.UTC)},
	{"3.9", time.Date(2024, 9, 16, 0, 0, 0, 0, time.UTC)},
	{"3.8", time.Date(2024, 9, 16, 0, 0, 0, 0, time.UTC)},
}

// Newest is the version that AWS gives a broker when none is asked for.
func Newest() string { return Versions[0].Name }

// FindVersion finds a version by "4.2" or, as older ones were written, "3.11.20". patch tells that a patch was given.
func FindVersion(name string) (v Version, patch, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) > 3 || len(parts) < 2 {
		return Version{}, false, false
	}
	for _, v := range Versions {
		if v.Name == parts[0]+"."+parts[1] {
			return v, len(parts) == 3, true
		}
	}
	return Version{}, false, false
}

// Supported are the names of the versions a broker can be created with.
func Supported() []string {
	var out []string
	for _, v := range Versions {
		if v.End.IsZero() {
			out = append(out, v.Name)
		}
	}
	return out
}

// Recommended is the version for a new broker: 4.3 refuses some queues that 4.2 takes (transient ones that are not exclusive), and
// Celery's workers declare such.
const Recommended = "4.2"

// Support says in words how long a version is supported.
func Support(name string) string {
	v, _, ok := FindVersion(name)
	switch {
	case !ok:
		return "a version this program does not know"
	case v.End.IsZero():
		return "supported, no end announced"
	}
	return "support ended on " + v.End.Format("2 January 2006") + ": AWS upgrades it by itself, within 45 days"
}
