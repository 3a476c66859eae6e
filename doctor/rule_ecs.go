package doctor

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
)

// name is the container's name.
func (c container) name() string {
	if n := c.Get("name"); n != nil {
		return n.Text
	}
	return "a container"
}

// worker tells whether it runs a worker.
func (c container) worker() bool { return c.command.sub() == "worker" }

// has tells whether a variable is given, as it is or from a secret, or may be.
func (c container) has(variable string) bool {
	for _, list := range []string{"environment", "secrets"} {
		given := c.Get(list)
		if given != nil && given.Kind == python.Unknown {
			return true // it may be among them
		}
		for _, item := range itemsOf(given) {
			if item.Kind == python.Unknown || item.Get("name").Is(variable) {
				return true
			}
		}
	}
	return itemsOf(c.Get("environmentFiles")) != nil
}

func ecsRefused(s *system, report func(Finding)) {
	for _, c := range s.containers {
		if c.Get("memory") == nil && c.Get("memoryReservation") == nil && c.definition.Get("memory") == nil {
			report(Finding{
				Severity: Critical, Verdict: Wrong, Place: c.Place,
				What: fmt.Sprintf("container %q has neither memory nor memoryReservation", c.name()), Why: "ECS refuses the task definition unless the task as a whole has memory.",
				Instead: `"memory": 1024 in the container, or "cpu" and "memory" of the task, which Fargate wants anyway`,
			})
		}
		if image := c.Get("image"); image != nil && image.Kind == python.String && (strings.HasSuffix(image.Text, ":latest") || !strings.ContainsAny(path.Base(image.Text), ":@")) {
			report(Finding{
				Severity: Low, Verdict: Dangerous, Place: c.at(image),
				What: fmt.Sprintf("container %q runs whatever is latest", c.name()), Why: "two tasks started an hour apart can run different code, and there is nothing to go back to.",
				Instead: "a tag of the release, or better the image's digest",
			})
		}
		for _, item := range itemsOf(c.Get("environment")) {
			v := item.Get("value")
			if v == nil || v.Kind != python.String || secretURL(v.Text) == nil {
				continue
			}
			report(Finding{
				Severity: High, Verdict: Dangerous, Place: c.at(v),
				What: fmt.Sprintf("container %q has a password in its environment", c.name()), Why: "everybody who may describe task definitions reads it.",
				Instead: `"secrets": [{"name": "…", "valueFrom": "arn:aws:secretsmanager:…"}]`,
			})
		}
	}
}

func ecsResults(s *system, report func(Finding)) {
	for _, c := range s.containers {
		if !c.worker() || c.has("CELERY_RESULT_BACKEND") || !c.has("CELERY_BROKER_URL") {
			continue
		}
		name := "CELERY_RESULT_BACKEND"
		if v, ok := s.last("result_backend"); ok {
			asked, fallback, fromVariable := environment(v)
			if !fromVariable || fallback != nil {
				continue // the settings have it
			}
			name = asked
		}
		if c.has(name) {
			continue
		}
		report(Finding{
			Severity: High, Verdict: Wrong, Place: c.Place,
			What:    fmt.Sprintf("container %q gets the broker and no result store: %s is missing", c.name(), name),
			Why:     "the worker starts, and every result is thrown away without a word; chords never end.",
			Instead: fmt.Sprintf(`{"name": %q, "valueFrom": "arn:aws:secretsmanager:…"} among its secrets`, name),
		})
	}
}

// last is what a setting was last given, before variables were looked up.
func (s *system) last(name string) (*python.Node, bool) {
	i, ok := s.counts[name]
	if !ok {
		return nil, false
	}
	return s.assigned[i].source, true
}

// readiness is umbel healthcheck, as a word of its own.
var readiness = regexp.MustCompile(`(^|[\s'"])healthcheck([\s'"]|$)`)

// asksForTheBroker tells whether a health check fails without a broker.
func asksForTheBroker(command string) bool {
	return readiness.MatchString(command) && !strings.Contains(command, "--live") || strings.Contains(strings.NewReplacer("'", "", ",", "", `"`, "").Replace(command), "inspect ping")
}

func ecsStop(s *system, report func(Finding)) {
	for _, c := range s.containers {
		if !c.worker() {
			continue
		}
		if c.Get("stopTimeout") == nil {
			report(Finding{
				Severity: Medium, Verdict: Dangerous, Place: c.Place,
				What: fmt.Sprintf("container %q is killed 30 seconds after it is asked to stop", c.name()), Why: "each deployment and each scale-in ends tasks that run longer in the middle: they are lost, or run again.",
				Instead: `"stopTimeout": 120, and tasks that end, or can be resumed, within that`,
			})
		}
		if health := c.Get("healthCheck").Get("command"); health != nil && asksForTheBroker(health.String()) {
			report(Finding{
				Severity: Medium, Verdict: Dangerous, Place: c.Place,
				What:    fmt.Sprintf("container %q is replaced when its broker is away", c.name()),
				Why:     "ECS ends a task whose health check fails. This one asks for the broker, too: while that restarts all workers are ended, in the middle of their tasks, and new ones would be no better off.",
				Instead: `"command": ["CMD", "umbel", "healthcheck", "--live"], which asks whether the worker lives`,
			})
		}
		if c.Get("healthCheck") == nil {
			report(Finding{
				Severity: Low, Verdict: Dangerous, Place: c.Place,
				What: fmt.Sprintf("nobody notices when the worker in container %q hangs", c.name()), Why: "a process that is alive and takes no tasks counts as healthy.",
				Instead: `"healthCheck": {"command": ["CMD", "umbel", "healthcheck", "--live"]}; celery inspect ping takes seconds and a processor`,
			})
		}
		if c.command.program == "celery" && !c.command.flag("-n", "--hostname") {
			report(Finding{
				Severity: Low, Verdict: Wrong, Place: c.command.Place,
				What: fmt.Sprintf("the worker in container %q has no name", c.name()), Why: "it is called celery@ and the container's id: after a restart nobody knows which one it was, and two kinds of workers look alike.",
				Instead: fmt.Sprintf(`"-n", "%s@%%h"`, strings.TrimSuffix(c.name(), "-worker")),
			})
		}
	}
}
