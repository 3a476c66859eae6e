package render

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Plan is a fleet: what runs, from which image, and with how much.
type Plan struct {
	// Name begins the names of everything. Letters, digits and dashes.
	Name string

	// Image is the container image; no need of it for systemd.
	Image string

	// Program is the path of the program, in the image or on the host.
	Program string

	// Workers are the kinds of workers, each with queues of its own.
	Workers []Worker

	// Beat and Monitor run beside them.
	Beat, Monitor bool

	// Variables are the environment of all: settings as UMBEL_NAME, and what else the program needs.
	Variables []Variable

	// Secrets are variables whose values the platform keeps.
	Secrets []Secret

	// Grace is how long a worker may take to stop before it is killed.
	Grace time.Duration
}

// A Worker is one kind of worker.
type Worker struct {
	Name        string   // its node name is NAME@host; defaults to its queues
	Queues      []string // what it consumes
	Concurrency int      // tasks at once
	Min, Max    int      // how many of them; they follow the load where Max is larger
	Memory      int      // MiB each
	CPU         float64  // processors each
	Pool        string   // "" is the settings'
	MaxTasks    int      // after so many tasks a child process is replaced; 0: never
	Backlog     int      // messages, waiting and running, for one worker, before another one is wanted
}

// A Variable is one of the environment.
type Variable struct{ Name, Value string }

// A Secret is a variable whose value is kept elsewhere. From says where, in the platform's words.
type Secret struct{ Name, From string }

// A File is what was rendered.
type File struct{ Name, Text string }

var (
	fleetName    = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	floating     = regexp.MustCompile(`^([^@]*/)?[^/:@]+(:latest)?$`)
)

// Floating reports whether an image is whatever is latest.
func Floating(image string) bool { return floating.MatchString(image) }

// check finds everything that is wrong with a plan, whatever the platform.
func (p *Plan) check() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if !fleetName.MatchString(p.Name) {
		bad("name %q: want at most 40 of a-z, 0-9 and -, a letter first", p.Name)
	}
	if !strings.HasPrefix(p.Program, "/") {
		bad("program %q: want its path from the root, such as /umbel", p.Program)
	}
	if p.Grace < 15*time.Second || p.Grace > 24*time.Hour {
		bad("grace %v: want from 15 s, of which 12 are for what is cut short, to 24 h", p.Grace)
	}
	if len(p.Workers) == 0 {
		bad("no queue: name one, or define some in the settings")
	}
	seen := make(map[string]string)
	consumed := make(map[string]bool)
	for _, w := range p.Workers {
		label := Slug(w.Name)
		switch {
		case label == "" || len(label) > 40:
			bad("worker %q: want a name with 1 to 40 letters and digits", w.Name)
		case label == "beat" || label == "monitor":
			bad("worker %q: that is the name of another process: give it a name", w.Name)
		case seen[label] != "":
			bad("workers %q and %q have one name: give one another", seen[label], w.Name)
		}
		seen[label] = w.Name
		for _, q := range w.Queues {
			if consumed[q] {
				bad("queue %q is given to two workers", q)
			}
			consumed[q] = true
			if q == "" || strings.ContainsAny(q, ", \t\n=") {
				bad("queue %q cannot be written on a command line", q)
			}
		}
		if len(w.Queues) == 0 {
			bad("worker %q has no queue", w.Name)
		}
		if w.Concurrency < 1 || w.Min < 0 || w.Max < max(w.Min, 1) || w.Backlog < 1 || w.MaxTasks < 0 {
			bad("worker %q: concurrency %d, %d to %d of them, %d messages each: want positive numbers, the larger one last", w.Name, w.Concurrency, w.Min, w.Max, w.Backlog)
		}
		if w.Memory < 32 || w.CPU < 0.01 || w.CPU > 192 {
			bad("worker %q: memory %d MiB, cpu %g: want from 32 MiB, and 0.01 to 192 processors", w.Name, w.Memory, w.CPU)
		}
	}
	names := make(map[string]bool)
	for _, name := range p.names() {
		if !variableName.MatchString(name) {
			bad("variable %q: want letters, digits and _", name)
		}
		if names[name] {
			bad("variable %s is given twice", name)
		}
		names[name] = true
	}
	for _, s := range p.Secrets {
		if s.From == "" {
			bad("secret %s: say where it is kept", s.Name)
		}
	}
	return errors.Join(errs...)
}

func (p *Plan) names() []string {
	var names []string
	for _, v := range p.Variables {
		names = append(names, v.Name)
	}
	for _, s := range p.Secrets {
		names = append(names, s.Name)
	}
	return names
}

// gives reports whether a setting is given, by a variable or a secret of either prefix, or by a file that holds it.
func (p *Plan) gives(setting string) bool {
	upper := strings.ToUpper(setting)
	return slices.ContainsFunc(p.names(), func(name string) bool {
		name = strings.TrimSuffix(name, "_FILE")
		return name == "UMBEL_"+upper || name == "CELERY_"+upper
	})
}

// needed wants what every process needs and only the platform can keep.
func (p *Plan) needed(example string) error {
	var errs []error
	for _, setting := range []string{"broker_url", "result_backend"} {
		if !p.gives(setting) {
			name := "CELERY_" + strings.ToUpper(setting)
			errs = append(errs, fmt.Errorf("%s is missing: --secret %s=%s", setting, name, strings.ReplaceAll(example, "KEY", strings.TrimPrefix(name, "CELERY_"))))
		}
	}
	return errors.Join(errs...)
}

// Slug is a name as Kubernetes, ECS and files bear it: lower case letters and digits with dashes between.
func Slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}
