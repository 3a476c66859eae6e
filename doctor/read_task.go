package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/internal/python"
)

// A task is a function with a decorator of Celery's.
type task struct {
	name     string // of the task if it says one, else of the function
	options  value  // the decorator's call; nil without brackets
	function string
	named    bool // name was said
	params   []python.Param
	returns  *python.Node
	opaque   bool // its signature could not be read
	document string
	Place
}

// A Task is a function that Celery runs, as its source tells of it.
type Task struct {
	Name     string         // as messages bear it
	Guessed  bool           // the module in the name follows from where the file lies, as Python would have it
	Function string         // in Python
	Module   string         // dotted
	Doc      string         // the first line of its docstring
	Bound    bool           // its first parameter is the task itself
	Params   []python.Param // without that one
	Returns  *python.Node   // nil: not said
	Opaque   bool           // its signature could not be read
	Options  []python.Pair  // of the decorator, but name and bind
	Queue    string         // by the decorator, the routes, or the default queue; "" if only Python knows
	Place    Place
}

// A Leftover is something of Celery's among the sources that no settings file can say: it must be written in Go.
type Leftover struct {
	Place Place  `json:"place"`
	What  string `json:"what"`
	Go    string `json:"go"` // what there is for it
}

// define notes a function that is a task.
func (r *pythonReader) define(s python.Statement) {
	for _, d := range s.Decorators {
		name := d
		if d.Kind == python.Call {
			name = d.Of
		}
		if s.Class || name.Kind != python.Name || !isTaskDecorator(r.origin(name.Text)) || r.foreign(name.Text) {
			continue
		}
		t := task{name: s.Name, function: s.Name, params: s.Params, returns: s.Returns, opaque: s.Opaque, Place: Place{r.file, r.after + d.Line, d.Column}}
		if d.Kind == python.Call {
			t.options = r.value(d)
			if given := t.options.Get("name"); given != nil && given.Kind == python.String {
				t.name, t.named = given.Text, true
			}
		}
		r.tasks = append(r.tasks, t)
		r.found = true
		return
	}
}

func isTaskDecorator(name string) bool {
	return name == "task" || name == "shared_task" || strings.HasSuffix(name, ".task") || strings.HasSuffix(name, ".shared_task") || name == "periodic_task"
}

// libraries that have tasks, too.
var libraries = []string{"invoke", "fabric", "locust", "prefect", "airflow", "dramatiq", "huey", "taskiq", "procrastinate", "luigi", "arq", "saq", "crewai", "nox"}

// foreign tells whether a decorator is of another library that has tasks.
func (r *pythonReader) foreign(name string) bool {
	first, _, _ := strings.Cut(name, ".")
	from := first
	if i, ok := r.imports[first]; ok {
		from, _, _ = strings.Cut(i.Module, ".")
	} else if v, ok := r.names[first]; ok && v.Kind == python.Call {
		if before, _, dotted := strings.Cut(v.Of.Text, "."); dotted {
			from = before
		} else if i, ok := r.imports[v.Of.Text]; ok {
			from, _, _ = strings.Cut(i.Module, ".")
		}
	}
	return slices.Contains(libraries, from)
}

// document takes a docstring: a string that is a statement, the first in its function.
func (r *pythonReader) document(s python.Statement) {
	if len(r.tasks) == 0 || len(s.In) == 0 {
		return
	}
	t := &r.tasks[len(r.tasks)-1]
	if t.File == r.file && t.function == s.In[len(s.In)-1] && t.document == "" {
		line, _, _ := strings.Cut(strings.TrimSpace(s.Value.Text), "\n")
		t.document = strings.TrimSpace(line)
	}
}

// signals are Celery's, by the end of their names, and what Umbel has for them.
var signals = map[string]string{
	"before_task_publish": "middleware (docs/tasks.md)", "after_task_publish": "middleware (docs/tasks.md)",
	"task_prerun": "middleware (docs/tasks.md)", "task_postrun": "middleware (docs/tasks.md)", "task_retry": "middleware (docs/tasks.md)",
	"task_success": "middleware (docs/tasks.md)", "task_failure": "middleware (docs/tasks.md)", "task_received": "middleware (docs/tasks.md)",
	"task_revoked": "middleware (docs/tasks.md)", "task_rejected": "middleware (docs/tasks.md)", "task_unknown": "middleware (docs/tasks.md)",
	"task_internal_error": "middleware (docs/tasks.md)",
	"celeryd_init":        "main, before cli.Main", "celeryd_after_setup": "main, before cli.Main", "worker_init": "main, before cli.Main",
	"worker_ready": "readiness (docs/metrics.md)", "worker_shutdown": "main, after the worker ends", "worker_shutting_down": "context.Cause of a task",
	"worker_process_init": "main: each child of the process pool runs it", "worker_process_shutdown": "main: each child of the process pool runs it",
	"beat_init": "main, before cli.Main", "setup_logging": "App.SetLogger", "after_setup_logger": "App.SetLogger", "after_setup_task_logger": "App.SetLogger",
	"on_after_configure": "beat_schedule in umbel.yaml", "on_after_finalize": "beat_schedule in umbel.yaml", "import_modules": "Go's imports",
	"user_preload_options": "cli.Command",
}

// leftover notes what no settings file can say.
func (r *pythonReader) leftover(s python.Statement) {
	note := func(n *python.Node, what, instead string) {
		r.leftovers = append(r.leftovers, Leftover{Place{r.file, r.after + n.Line, n.Column}, what, instead})
		r.found = true
	}
	for _, d := range s.Decorators {
		name := d
		if d.Kind == python.Call {
			name = d.Of
		}
		before, last, _ := cutLast(name.Text, ".")
		if _, signal, _ := cutLast(before, "."); name.Kind == python.Name && last == "connect" && signals[signal] != "" {
			note(d, fmt.Sprintf("%s hears the signal %s", s.Name, signal), signals[signal])
		}
	}
	for _, b := range s.Bases {
		if b.Kind != python.Name {
			continue
		}
		switch _, last, _ := cutLast(b.Text, "."); {
		case last == "Task" || strings.HasSuffix(last, "BaseTask"):
			note(b, fmt.Sprintf("class %s is a task, or the base of some", s.Name), "a function, and middleware for what the class does around it")
		case strings.HasSuffix(b.Text, "bootsteps.StartStopStep") || last == "ConsumerStep" || last == "StartStopStep":
			note(b, fmt.Sprintf("class %s is a bootstep", s.Name), "a goroutine of main, or App.HandleControl")
		}
	}
	v := s.Value
	if v == nil || v.Kind != python.Call || v.Of.Kind != python.Name {
		return
	}
	switch before, last, ok := cutLast(v.Of.Text, "."); {
	case s.Target != nil && isTaskDecorator(v.Of.Text) && len(v.Items) > 0:
		note(v, "a task is made by a call: "+cut(v.String(), 120), "umbel.Register")
	case last == "add_periodic_task" && ok:
		note(v, "a periodic task is added when the app is configured: "+cut(v.String(), 120), "an entry of beat_schedule in umbel.yaml")
	case last == "register_task" && ok:
		note(v, "a task is registered by a call: "+cut(v.String(), 120), "umbel.Register")
	case last == "connect" && ok:
		if _, signal, _ := cutLast(before, "."); signals[signal] != "" {
			note(v, "something hears the signal "+signal, signals[signal])
		}
	}
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// Leftovers are what stands among the sources and no settings file can say.
func (r *Report) Leftovers() []Leftover { return r.system.leftovers }

// Queues are the queues that the settings speak of, the default queue among them, by name.
func (r *Report) Queues() []string {
	names := []string{r.system.defaultQueue()}
	for _, q := range r.system.queues() {
		names = append(names, q.name)
	}
	for _, route := range r.system.routes() {
		names = append(names, route.queue())
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// Scheduled are the tasks that beat sends.
func (r *Report) Scheduled() []string {
	var names []string
	r.system.each("beat_schedule", func(a assigned) {
		for _, p := range a.Pairs {
			if t := p.Value.Get("task"); t != nil && t.Kind == python.String {
				names = append(names, t.Text)
			}
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// Tasks are those that the sources define, in the order read. root is where Python imports from, when no manage.py and no
// __init__.py tells.
func (r *Report) Tasks(root string) []Task {
	var out []Task
	for _, t := range r.system.tasks {
		d := Task{Name: t.name, Function: t.function, Module: module(root, t.File), Doc: t.document, Params: t.params, Returns: t.returns, Opaque: t.opaque, Place: t.Place}
		if !t.named {
			d.Guessed = true
			if d.Module != "" {
				d.Name = d.Module + "." + t.function
			}
		}
		if t.options.Node != nil {
			for _, p := range t.options.Pairs {
				switch {
				case p.Key == nil:
					d.Options = append(d.Options, python.Pair{Key: &python.Node{Kind: python.String, Text: "**"}, Value: p.Value})
				case p.Key.Text == "bind":
					d.Bound = p.Value.Kind == python.Bool && p.Value.Bool
				case p.Key.Text != "name" || !t.named: // a name that only Python knows
					d.Options = append(d.Options, p)
				}
			}
		}
		if d.Bound && len(d.Params) > 0 {
			d.Params = d.Params[1:]
		}
		d.Queue = r.system.defaultQueue()
		named := t
		named.name = d.Name
		if route, ok := r.system.routed(named); ok && route.queue() != "" {
			d.Queue = route.queue()
		}
		if t.options.Node != nil {
			if q := t.options.Get("queue"); q != nil && q.Kind == python.String {
				d.Queue = q.Text
			} else if q != nil && q.Kind != python.None {
				d.Queue = ""
			}
		}
		out = append(out, d)
	}
	return out
}

// module is the dotted name under which Python imports a file: from the folder of manage.py above it, else from above its
// topmost package, else from root.
func module(root, file string) string {
	if !strings.HasSuffix(file, ".py") {
		return ""
	}
	from := ""
	for dir, n := filepath.Dir(file), 0; n < 40; n++ {
		if exists(filepath.Join(dir, "manage.py")) {
			from = dir
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir || dir == filepath.Clean(root) {
			break
		}
		dir = parent
	}
	if from == "" && exists(filepath.Join(filepath.Dir(file), "__init__.py")) {
		from = filepath.Dir(file)
		for n := 0; n < 40 && exists(filepath.Join(from, "__init__.py")); n++ {
			from = filepath.Dir(from)
		}
	}
	if from == "" {
		from = root
	}
	rel, err := filepath.Rel(from, file)
	if err != nil || strings.HasPrefix(rel, "..") {
		rel = filepath.Base(file)
	}
	name := strings.TrimSuffix(strings.TrimSuffix(filepath.ToSlash(rel), ".py"), "/__init__")
	return strings.ReplaceAll(name, "/", ".")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// QueueOf is the queue that a task is routed to by its name.
func (r *Report) QueueOf(name string) string {
	if route, ok := r.system.routed(task{name: name}); ok && route.queue() != "" {
		return route.queue()
	}
	return r.system.defaultQueue()
}
