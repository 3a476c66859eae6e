package migration

import (
	"bytes"
	"fmt"
	"go/format"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// nameAll gives each task a name in Go that no other has.
func nameAll(tasks []Task) {
	taken := map[string]bool{"App": true, "NotWritten": true, "ByHand": true}
	for i := range tasks {
		t := &tasks[i]
		words := strings.Split(t.Name, ".")
		for n := 1; ; n++ {
			if n > len(words) {
				t.goName = camel(t.Name) + strconv.Itoa(i)
			} else {
				parts := slices.Clone(words[len(words)-n:])
				if n > 1 {
					parts = slices.DeleteFunc(parts, func(w string) bool { return w == "tasks" })
				}
				t.goName = camel(strings.Join(parts, "_"))
			}
			if !taken[t.goName] && !taken[t.goName+"Input"] {
				break
			}
		}
		taken[t.goName], taken[t.goName+"Input"] = true, true
	}
}

// stubs are the Go files: the program, and a package of tasks with a file per module of Python's.
func stubs(tasks []Task, c Config) ([]File, error) {
	name := c.Package[strings.LastIndexByte(c.Package, '/')+1:]
	files := []File{
		{"main.go", []byte(fmt.Sprintf(mainText, strconv.Quote(c.Package), name))},
		{name + "/app.go", []byte(fmt.Sprintf(appText, name, strconv.Quote(appName(tasks))) + byHand(tasks))},
	}
	modules := make(map[string][]*Task)
	var order []string
	for i := range tasks {
		t := &tasks[i]
		file := fileName(t)
		if modules[file] == nil {
			order = append(order, file)
		}
		modules[file] = append(modules[file], t)
	}
	slices.Sort(order)
	for _, file := range order {
		files = append(files, File{name + "/" + file, []byte(source(name, modules[file]))})
	}
	for i := range files {
		text, err := format.Source(files[i].Text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", files[i].Name, err)
		}
		files[i].Text = text
	}
	return files, nil
}

// appName is what all tasks' names begin with, or app.
func appName(tasks []Task) string {
	first, _, _ := strings.Cut(tasks[0].Name, ".")
	for _, t := range tasks {
		if word, _, _ := strings.Cut(t.Name, "."); word != first {
			return "app"
		}
	}
	return first
}

// fileName is named for the module of a task: apps.orders.tasks is apps_orders.go.
func fileName(t *Task) string {
	module := t.Name
	if i := strings.LastIndexByte(module, '.'); i >= 0 {
		module = strings.TrimSuffix(module[:i], ".tasks")
	} else {
		module = "unnamed"
	}
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return unicode.ToLower(r)
		}
		return '_'
	}, module)
	name = strings.Trim(name, "_")
	if name == "" || name == "app" || strings.HasSuffix(name, "_test") || name == "test" {
		name += "_tasks"
	}
	for _, system := range []string{"_linux", "_windows", "_darwin", "_amd64", "_arm64", "_js", "_unix", "_android", "_ios"} {
		if strings.HasSuffix(name, system) { // Go would build it there only
			name += "_tasks"
		}
	}
	return name + ".go"
}

const mainText = `// Command app runs the tasks that came from Celery.
package main

import (
	"github.com/umbel-go/umbel/cli"

	tasks %[1]s
)

func main() { cli.Main(tasks.App) }
`

const appText = `// Package %[1]s holds the tasks that came from Celery.
package %[1]s

import (
	"fmt"

	"github.com/umbel-go/umbel"
)

// App has its settings from umbel.yaml and the environment.
var App = umbel.New(%[2]s)

// NotWritten is the error of a task that is not written yet: it fails, and is not retried. Let no worker take its queue until it
// is: MIGRATION.md says in which order.
func NotWritten(task string) error {
	return umbel.Permanent(fmt.Errorf("task %%s is not written in Go yet", task))
}
`

const byHandText = `
// ByHand, as umbel.Retry.OnFunc, retries no error by itself: only what returns umbel.RetryIn is, as in Python what calls self.retry.
func ByHand(error) bool { return false }
`

// byHand is the function ByHand, if a task needs it.
func byHand(tasks []Task) string {
	for _, t := range tasks {
		if strings.Contains(strings.Join(t.options, ""), "OnFunc: ByHand") {
			return byHandText
		}
	}
	return ""
}

// source is a file of tasks, not formatted.
func source(pkg string, tasks []*Task) string {
	var b bytes.Buffer
	for _, t := range tasks {
		t.write(&b)
	}
	body := b.String()
	imports := []string{`"context"`}
	if strings.Contains(body, "time.") {
		imports = append(imports, `"time"`)
	}
	imports = append(imports, "")
	if strings.Contains(body, "uuid.UUID") {
		imports = append(imports, `"github.com/google/uuid"`, "")
	}
	imports = append(imports, `"github.com/umbel-go/umbel"`)
	return "package " + pkg + "\n\nimport (\n" + strings.Join(imports, "\n") + "\n)\n" + body
}

// write adds a task: its input, its registration, its function.
func (t *Task) write(b *bytes.Buffer) {
	in, fn := t.goName+"Input", lower(t.goName)
	switch {
	case t.input.raw:
		in = "umbel.Args"
	case len(t.input.fields) == 0:
		in = "struct{}"
	default:
		fmt.Fprintf(b, "\n// %s are the arguments of %s.\ntype %s struct {\n", in, t.Name, in)
		taken := make(map[string]bool)
		for _, f := range t.input.fields {
			for taken[f.name] {
				f.name += "X"
			}
			taken[f.name] = true
			tag := f.json
			if f.optional {
				tag += ",omitempty"
			}
			fmt.Fprintf(b, "%s %s `json:%q`", f.name, f.kind, tag)
			if f.comment != "" {
				fmt.Fprintf(b, " // %s", f.comment)
			}
			b.WriteString("\n")
		}
		b.WriteString("}\n")
	}
	where := "its source was not read"
	if t.Source {
		where = t.Place.String()
	}
	fmt.Fprintf(b, "\n// %s comes from Python: %s.", t.goName, where)
	if t.Queue != "" {
		fmt.Fprintf(b, " Its queue is %s.", t.Queue)
	}
	for _, h := range t.hand {
		fmt.Fprintf(b, "\n//\n// TODO: %s: %s.", oneComment(h.What), oneComment(h.Do))
	}
	options := ""
	if len(t.options) > 0 {
		options = ",\n" + strings.Join(t.options, ",\n") + ",\n"
	}
	fmt.Fprintf(b, "\nvar %s = umbel.Register(App, %q, %s%s)\n", t.goName, t.Name, fn, options)
	if in == "struct{}" {
		in = "_ struct{}"
	} else {
		in = "in " + in
	}
	fmt.Fprintf(b, "\nfunc %s(ctx context.Context, %s) (%s, error) {\n\tvar out %s\n\treturn out, NotWritten(%q)\n}\n", fn, in, t.input.result, t.input.result, t.Name)
}

func oneComment(s string) string { return strings.Join(strings.Fields(s), " ") }

// reserved are Go's words, and names that the files use.
var reserved = []string{"break", "case", "chan", "const", "continue", "default", "defer", "else", "fallthrough", "for", "func", "go", "goto", "if",
	"import", "interface", "map", "package", "range", "return", "select", "struct", "switch", "type", "var", "context", "time", "umbel", "uuid",
	"any", "string", "bool", "int64", "float64", "byte", "error", "init", "main"}

// lower is an exported name made unexported: URLFetch is urlFetch.
func lower(name string) string {
	r := []rune(name)
	for i := range r {
		if !unicode.IsUpper(r[i]) || i > 0 && i+1 < len(r) && !unicode.IsUpper(r[i+1]) {
			break
		}
		r[i] = unicode.ToLower(r[i])
	}
	if out := string(r); !slices.Contains(reserved, out) {
		return out
	}
	return string(r) + "Task"
}
