package migration

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/umbel-go/umbel/doctor"
)

// Config says what is moved.
type Config struct {
	// Root is where Python imports from, when the sources do not tell.
	Root string

	// Live are the names of tasks that workers have registered; nil: none was asked.
	Live []string

	// Package is the import path of the tasks package that is written. Defaults to app/tasks.
	Package string
}

// A Migration is what comes of it.
type Migration struct {
	Tasks []Task
	Hand  []Item   // what needs a hand
	Files []File   // what is to be written, by name
	Notes []string // about the settings
}

// A File is one that is written.
type File struct {
	Name string
	Text []byte
}

// An Item is something that needs a hand.
type Item struct {
	Place string `json:"place"` // where it stands; "" when only live workers know it
	Task  string `json:"task"`  // whose it is; "" of the whole program
	What  string `json:"what"`
	Do    string `json:"do"`
}

// A Task is one that moves.
type Task struct {
	doctor.Task
	Live    bool // workers have registered it
	Source  bool // its source was read
	Beat    bool // beat sends it
	goName  string
	input   input
	options []string // Go expressions
	hand    []Item
}

// New works out a migration. An error says that there is nothing to move.
func New(r *doctor.Report, c Config) (*Migration, error) {
	c.Package = cmp.Or(c.Package, "app/tasks")
	m := &Migration{}
	known := make(map[string]bool)
	for _, t := range r.Tasks(c.Root) {
		if t.Guessed {
			t.Name = registered(t, c.Live)
		}
		if known[t.Name] {
			m.Hand = append(m.Hand, Item{t.Place.String(), t.Name, "the task is defined twice", "the first definition is taken: keep the one that runs"})
			continue
		}
		known[t.Name] = true
		one := Task{Task: t, Source: true, Live: slices.Contains(c.Live, t.Name)}
		m.Tasks = append(m.Tasks, one)
	}
	for _, name := range c.Live {
		if !known[name] && !strings.HasPrefix(name, "celery.") && !strings.HasPrefix(name, "umbel.") { // built in
			known[name] = true
			m.Tasks = append(m.Tasks, Task{Task: doctor.Task{Name: name, Function: lastWord(name), Queue: r.QueueOf(name), Opaque: true}, Live: true})
		}
	}
	if len(m.Tasks) == 0 {
		return nil, fmt.Errorf("no task was found: neither @app.task nor @shared_task in the sources, nor a live worker's")
	}
	slices.SortStableFunc(m.Tasks, func(a, b Task) int { return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Name, b.Name)) })
	scheduled := r.Scheduled()
	for i := range m.Tasks {
		t := &m.Tasks[i]
		t.Beat = slices.Contains(scheduled, t.Name)
		t.inputs()
		t.settle()
		if c.Live != nil && t.Source && !t.Live {
			t.needs("no live worker has it registered", "is it still used? Its name follows from where the file lies, and may be another")
		}
	}
	for _, l := range r.Leftovers() {
		m.Hand = append(m.Hand, Item{Place: l.Place.String(), What: l.What, Do: l.Go})
	}
	for _, u := range r.Unread {
		m.Hand = append(m.Hand, Item{Place: u.Place.String(), What: "could not be read: " + u.Why, Do: "look whether it matters"})
	}
	nameAll(m.Tasks)
	settings, err := r.Settings()
	if err == nil {
		m.Files = append(m.Files, File{"umbel.yaml", settings})
		m.Notes = notesOf(settings)
	} else {
		m.Notes = append(m.Notes, "no umbel.yaml was written: "+err.Error())
	}
	code, err := stubs(m.Tasks, c)
	if err != nil {
		return nil, err
	}
	m.Files = append(m.Files, code...)
	m.Files = append(m.Files, File{"MIGRATION.md", m.plan(r, c)})
	slices.SortFunc(m.Files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return m, nil
}

// needs notes what needs a hand in a task.
func (t *Task) needs(what, do string) {
	place := ""
	if t.Source {
		place = t.Place.String()
	}
	t.hand = append(t.hand, Item{place, t.Name, what, do})
}

// registered is the name under which workers know a task, if that can be told: its own, or the only one that ends as it does.
func registered(t doctor.Task, live []string) string {
	if slices.Contains(live, t.Name) {
		return t.Name
	}
	for _, end := range []string{lastWord(t.Module) + "." + t.Function, t.Function} {
		var found []string
		for _, name := range live {
			if strings.HasSuffix(t.Name, name) || strings.HasSuffix(name, "."+end) {
				found = append(found, name)
			}
		}
		if len(found) == 1 {
			return found[0]
		}
	}
	return t.Name
}

// notesOf are the comments at the end of a settings file: what could not be written.
func notesOf(settings []byte) []string {
	var out []string
	for _, line := range strings.Split(string(settings), "\n")[1:] {
		if note, ok := strings.CutPrefix(line, "# "); ok {
			out = append(out, note)
		}
	}
	return out
}
