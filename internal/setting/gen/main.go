// Command gen writes docs/settings.md from the table of settings.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/umbel-go/umbel/internal/setting"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: gen FILE")
	}
	if err := os.WriteFile(os.Args[1], page(), 0o644); err != nil {
		log.Fatalf("write the page of settings: %v", err)
	}
}

const intro = `# Settings

<!-- Written from internal/setting by "go generate ./internal/setting". Do not edit. -->

A setting bears Celery's name. It can be given, later ones winning, by

1. its default,
2. the settings file: ` + "`umbel.yaml`, `umbel.yml`, `umbel.toml` or `umbel.json`" + ` in the working directory, or what ` + "`-A NAME`" + ` or the
   variable ` + "`UMBEL_APP`" + ` names,
3. the environment: ` + "`CELERY_<NAME>`, then `UMBEL_<NAME>`" + `; with ` + "`_FILE`" + ` appended the variable names a file that holds the value,
   which keeps secrets out of the environment,
4. the command line: ` + "`setting=value`" + `.

` + "```yaml" + `
# umbel.yaml
broker_url: amqps://shop@rabbit.example.com//
result_backend: rediss://redis.example.com/0
task_acks_late: true
task_routes:
  orders.*: {queue: orders, priority: 5}
worker_concurrency: 16
` + "```" + `

An unknown or misspelt name, a value of the wrong type or out of range is an error that names the place, the setting and the
nearest valid name; all are reported at once. ` + "`umbel config`" + ` prints every setting with the place it comes from, secrets masked.

Files understand Celery's old upper-case names (` + "`CELERYD_CONCURRENCY`" + `) and the new names in capitals with ` + "`CELERY_`" + ` in front, as
Django projects write them. Unknown ` + "`CELERY_`" + ` variables are only warned of: other programs read such, too.

How values are written:

| type | in a file | in a variable or on the command line |
|---|---|---|
| true or false | ` + "`true`, `false`" + ` | also ` + "`1 0 yes no on off`" + ` |
| seconds | a number, or a duration such as ` + "`90s`, `15m`, `24h`" + ` | the same |
| list of text | a list | separated by commas, or JSON |
| list of URLs | a list, or text separated by ` + "`;`" + ` | text separated by ` + "`;`" + ` |
| map | a map | JSON or YAML: ` + "`{\"orders.*\": {\"queue\": \"orders\"}}`" + ` |

` + "`null`" + ` is the default again; where Celery gives it a meaning of its own ("no limit", "never") it has that.

URLs and passwords may say where they are kept: ` + "`secretsmanager://NAME#KEY`, `ssm://NAME`, `file:PATH`" + `; see [secrets.md](secrets.md).

What becomes of a setting: **works**; **later**: read and checked, without effect yet, and the log says so; **accepted**: has
no meaning in Go, and the log says why; **refused**: an error that says what to use instead.
`

var sections = []struct{ prefixes, title string }{
	{"profile accept_content result_accept enable_ timezone imports include accept_ security_", "General"},
	{"broker_", "Broker"},
	{"result_", "Results"},
	{"redis_", "Redis as result store"},
	{"task_", "Tasks"},
	{"worker_", "Workers"},
	{"beat_", "Periodic tasks"},
	{"event events_ control_", "Events and remote control"},
	{"", "Other result stores"},
}

// page is the whole page.
func page() []byte {
	var b bytes.Buffer
	b.WriteString(intro)
	written := make(map[string]bool)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| setting | old name | type | default | effect | meaning |\n|---|---|---|---|---|---|\n", s.title)
		for _, row := range setting.Table() {
			if !written[row.Name] && in(row.Name, s.prefixes) {
				written[row.Name] = true
				b.WriteString(line(row))
			}
		}
	}
	return b.Bytes()
}

func in(name, prefixes string) bool {
	if prefixes == "" {
		return true
	}
	for p := range strings.FieldsSeq(prefixes) {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

func line(s setting.Setting) string {
	old := ""
	if s.Old != "" {
		old = "`" + s.Old + "`"
	}
	def := s.Celery
	switch {
	case s.Own:
		def = s.Default
	case s.Default != "" && s.Celery == "None":
		def = s.Default
	case s.Default != "" && s.Default != s.Celery:
		def = s.Default + " (Celery: " + s.Celery + ")"
	}
	if def = python.Replace(def); def == "" || def == "null" {
		def = ""
	} else {
		def = "`" + def + "`"
	}
	class := [...]string{"works", "later", "accepted", "refused"}[s.Class]
	doc := s.Doc
	if len(s.OneOf) > 0 && s.Name != "profile" {
		doc += " One of " + strings.Join(s.OneOf, ", ") + "."
	}
	if s.Why != "" {
		doc += " *" + strings.ToUpper(s.Why[:1]) + s.Why[1:] + ".*"
	}
	if s.Own {
		doc += " (Umbel's own.)"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s |\n", s.Name, old, s.Type, def, class, strings.ReplaceAll(doc, "|", `\|`))
}

// python turns the words of Python's defaults into those of a settings file.
var python = strings.NewReplacer("None", "null", "True", "true", "False", "false", "('json',)", "[json]", "()", "[]", "|", `\|`)
